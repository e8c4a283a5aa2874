//! Salience: taps that see activations and their gradients inside autodiff, and the scorers that read them.
//!
//! A tap lets an activation H through as it is and keeps sums over tokens only: of H when it passes, and of the ∂L/∂H
//! that comes back, which on a branch excludes the residual path. Nothing is done when nothing is collected.
//! Scores stay on the device as one vector `[heads of all layers | neurons of all layers | hidden dims]`
//! ([`unflatten`] turns it into blocks), so that a step reads once.

use crate::kernels::Term;
use crate::masks::DeviceMasks;
use crate::{AptLinear, Transformer, kernels, named};
use apt_core::arms::{OutlierScale, Salience};
use apt_core::blocks::{BlockScores, ModelShape};
use burn::tensor::{Gradients, Tensor};

/// Where a tap sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Input of the attention block of a layer, on the branch.
    AttentionInput(usize),
    /// Masked context of a layer, before the output projection.
    Context(usize),
    /// Input of the feed-forward block of a layer, on the branch.
    FeedForwardInput(usize),
    /// Activation of a layer's neurons, before their mask.
    Activation(usize),
    /// What the encoder returns.
    EncoderOutput,
}

/// What one tap saw of H `[tokens, n]`; every part is `[n]` and there only if the scorer needs it.
struct Tap {
    site: Site,
    /// x̄, the signed mean over tokens.
    mean: Option<Tensor<1>>,
    /// Σ x² over tokens.
    squares: Option<Tensor<1>>,
    /// Its gradient is c(H)∘c(∂L/∂H), where c(Z) = Σ over tokens of |Z| (APT Eq. 4; METHOD §2.1).
    leaf: Option<Tensor<1>>,
    width: usize,
}

/// Collects what a scorer needs of activations during a forward pass.
pub struct Taps {
    scorer: Salience,
    taps: Vec<Tap>,
}

impl Taps {
    /// What `scorer` needs to see; `None` if it looks at no activation.
    pub fn for_scorer(scorer: Salience) -> Option<Self> {
        match scorer {
            Salience::OutlierAware | Salience::ActivationGradient | Salience::Wanda => {
                Some(Self { scorer, taps: Vec::new() })
            }
            Salience::Magnitude | Salience::Gradient | Salience::Random | Salience::Taylor | Salience::L0 => None,
        }
    }

    /// Watches `h` at `site` if taps are given.
    pub(crate) fn watch(taps: &mut Option<&mut Self>, site: Site, h: Tensor<2>) -> Tensor<2> {
        let Some(taps) = taps else { return h };
        let mut tap = Tap { site, mean: None, squares: None, leaf: None, width: h.dims()[1] };
        let outliers = matches!(site, Site::Context(_) | Site::Activation(_)) && taps.scorer == Salience::OutlierAware;
        let sizes = if taps.scorer == Salience::Wanda {
            let [squares] = kernels::column_sums(&h, [Term::Square]);
            tap.squares = Some(squares);
            None
        } else if outliers {
            let [sizes, mean] = kernels::column_sums(&h, [Term::Size, Term::Mean]);
            tap.mean = Some(mean);
            Some(sizes)
        } else {
            Some(compressed(&h))
        };
        let h = match sizes {
            Some(sizes) => {
                let (h, leaf) = kernels::tapped(h, &sizes);
                tap.leaf = Some(leaf);
                h
            }
            None => h,
        };
        taps.taps.push(tap);
        h
    }

    fn at(&self, site: Site) -> Option<&Tap> {
        self.taps.iter().find(|tap| tap.site == site)
    }

    /// c(H)∘c(∂L/∂H) per unit at `site`, `[n]`; zeros where the loss does not reach.
    fn product(&self, site: Site, gradients: &Gradients) -> Option<Tensor<1>> {
        let tap = self.at(site)?;
        let leaf = tap.leaf.as_ref()?;
        Some(leaf.grad(gradients).unwrap_or_else(|| Tensor::zeros([tap.width], &leaf.device().inner())))
    }
}

/// c(Z) = Σ over tokens of |Z|: `[tokens, n]` → `[n]` (APT Eq. 4; METHOD §2.1).
pub fn compressed(z: &Tensor<2>) -> Tensor<1> {
    let [sizes] = kernels::column_sums(z, [Term::Size]);
    sizes
}

/// What the scorers look at.
pub struct Seen<'a> {
    /// The model the step ran.
    pub model: &'a Transformer,
    /// What its taps collected.
    pub taps: Option<&'a Taps>,
    /// The gradients of the step's loss.
    pub gradients: &'a Gradients,
    /// The masks of the step, tracked if the scorer [looks at their gradients](looks_at_masks).
    pub masks: Option<&'a DeviceMasks>,
    /// Units of √kurtosis (`outlier_aware` only).
    pub outliers: OutlierScale,
}

/// Whether `scorer` needs masks that require gradients.
pub fn looks_at_masks(scorer: Salience) -> bool {
    matches!(scorer, Salience::Gradient | Salience::Taylor | Salience::L0)
}

/// Scores of one step by `scorer`, `[heads | neurons | hidden]`. `None` for `random`, which looks at nothing, and when
/// what the scorer needs was not collected.
pub fn scores(scorer: Salience, seen: &Seen<'_>) -> Option<Tensor<1>> {
    let parts = match scorer {
        Salience::ActivationGradient => activation_gradient(seen)?,
        Salience::OutlierAware => {
            let (first, outliers) = (activation_gradient(seen)?, kurtosis(seen)?);
            match seen.outliers {
                OutlierScale::Raw => first.plus(outliers),
                OutlierScale::Balanced => {
                    let scaled = outliers.scaled_to(&first);
                    first.plus(scaled)
                }
            }
        }
        Salience::Magnitude => weights(seen.model, |linear, _| linear.merged_weight().without_autodiff().abs(), true),
        Salience::Wanda => {
            let taps = seen.taps?;
            weights(
                seen.model,
                |linear, site| {
                    let weight = linear.merged_weight().without_autodiff().abs();
                    match taps.at(site).and_then(|tap| tap.squares.clone()) {
                        Some(squares) => weight * squares.unsqueeze_dim(1),
                        // The block was fully masked and skipped: it saw no input.
                        None => weight.zeros_like(),
                    }
                },
                false,
            )
        }
        Salience::Gradient => mask_gradient(seen, |gradient| gradient.square())?,
        Salience::Taylor => mask_gradient(seen, |gradient| gradient.abs())?,
        Salience::L0 => mask_gradient(seen, |gradient| gradient)?,
        Salience::Random => return None,
    };
    Some(parts.flat())
}

/// Cuts a flat vector of scores into blocks.
pub fn unflatten(flat: &[f32], shape: &ModelShape) -> BlockScores {
    let mut at = 0;
    let mut take = |n: usize| {
        let part = flat[at..at + n].iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        at += n;
        part
    };
    BlockScores {
        heads: shape.layers.iter().map(|l| take(l.heads)).collect(),
        neurons: shape.layers.iter().map(|l| take(l.neurons)).collect(),
        hidden: take(shape.hidden),
    }
}

/// Length of the flat vector.
pub fn flat_len(shape: &ModelShape) -> usize {
    shape.layers.iter().map(|l| l.heads + l.neurons).sum::<usize>() + shape.hidden
}

/// Scores by kind; one entry per layer that still has the block.
struct Parts {
    heads: Vec<Tensor<1>>,
    neurons: Vec<Tensor<1>>,
    hidden: Tensor<1>,
}

impl Parts {
    fn flat(self) -> Tensor<1> {
        named::joined(self.heads.into_iter().chain(self.neurons).chain([self.hidden]).collect())
    }

    /// These scores times one factor per kind, so that each kind's mean is that of `other`'s. A kind that is all zero
    /// stays so: the least divisor is far below any √kurtosis and far from overflowing.
    fn scaled_to(self, other: &Self) -> Self {
        let mean = |parts: &[Tensor<1>]| (!parts.is_empty()).then(|| named::joined(parts.to_vec()).mean());
        let factor = |ours: &[Tensor<1>], theirs: &[Tensor<1>]| {
            mean(ours).zip(mean(theirs)).map(|(ours, theirs)| theirs / ours.clamp_min(1e-12))
        };
        let scale = |parts: Vec<Tensor<1>>, by: Option<Tensor<1>>| match by {
            Some(by) => parts.into_iter().map(|part| part * by.clone()).collect(),
            None => parts,
        };
        let heads = factor(&self.heads, &other.heads);
        let neurons = factor(&self.neurons, &other.neurons);
        let hidden = factor(std::slice::from_ref(&self.hidden), std::slice::from_ref(&other.hidden));
        Self {
            heads: scale(self.heads, heads),
            neurons: scale(self.neurons, neurons),
            hidden: match hidden {
                Some(by) => self.hidden * by,
                None => self.hidden,
            },
        }
    }

    fn plus(self, other: Self) -> Self {
        let add = |a: Vec<Tensor<1>>, b: Vec<Tensor<1>>| a.into_iter().zip(b).map(|(a, b)| a + b).collect();
        Self {
            heads: add(self.heads, other.heads),
            neurons: add(self.neurons, other.neurons),
            hidden: self.hidden + other.hidden,
        }
    }
}

/// c(H)·c(∂L/∂H) per block (METHOD §2.1): heads sum over their dims; hidden dims sum over the inputs of both blocks of
/// every layer and the encoder's output.
fn activation_gradient(seen: &Seen<'_>) -> Option<Parts> {
    let taps = seen.taps?;
    let product = |site| taps.product(site, seen.gradients);
    let mut parts = Parts { heads: vec![], neurons: vec![], hidden: product(Site::EncoderOutput)? };
    for (i, layer) in seen.model.layers.iter().enumerate() {
        if let Some(attention) = &layer.attention {
            match (product(Site::Context(i)), product(Site::AttentionInput(i))) {
                (Some(context), Some(input)) => {
                    parts.heads.push(head_sums(context, attention.heads()));
                    parts.hidden = parts.hidden + input;
                }
                // The block was fully masked and skipped: it earned nothing.
                _ => parts.heads.push(Tensor::zeros([attention.heads()], &parts.hidden.device())),
            }
        }
        if let Some(ff) = &layer.feed_forward {
            match (product(Site::Activation(i)), product(Site::FeedForwardInput(i))) {
                (Some(neurons), Some(input)) => {
                    parts.neurons.push(neurons);
                    parts.hidden = parts.hidden + input;
                }
                _ => parts.neurons.push(Tensor::zeros([ff.neurons()], &parts.hidden.device())),
            }
        }
    }
    Some(parts)
}

/// √max(kurtosis, 0) of the activation proxy O = x̄ ∘ W of the output and down projections (APT Eq. 5; METHOD §2.2).
fn kurtosis(seen: &Seen<'_>) -> Option<Parts> {
    let taps = seen.taps?;
    let device = seen.model.device().inner();
    let mut parts =
        Parts { heads: vec![], neurons: vec![], hidden: Tensor::zeros([seen.model.config.hidden], &device) };
    let proxy = |linear: &AptLinear, site| {
        let mean = taps.at(site)?.mean.clone()?;
        Some(linear.merged_weight().without_autodiff() * mean.unsqueeze_dim(1))
    };
    for (i, layer) in seen.model.layers.iter().enumerate() {
        if let Some(attention) = &layer.attention {
            let heads = attention.heads();
            match proxy(&attention.output, Site::Context(i)) {
                Some(o) => {
                    let [n, d] = o.dims();
                    parts.heads.push(outlier_term(kurtosis_of(o.clone().reshape([heads, n / heads * d]), 1)));
                    parts.hidden = parts.hidden + outlier_term(kurtosis_of(o, 0));
                }
                None => parts.heads.push(Tensor::zeros([heads], &device)),
            }
        }
        if let Some(ff) = &layer.feed_forward {
            match proxy(&ff.down, Site::Activation(i)) {
                Some(o) => {
                    parts.neurons.push(outlier_term(kurtosis_of(o.clone(), 1)));
                    parts.hidden = parts.hidden + outlier_term(kurtosis_of(o, 0));
                }
                None => parts.neurons.push(Tensor::zeros([ff.neurons()], &device)),
            }
        }
    }
    Some(parts)
}

/// Kurtosis along `dim`: `mean(z⁴) − 3` with the sample standard deviation (ddof 1) in z; −3 for a constant (METHOD §2.2).
pub fn kurtosis_of(o: Tensor<2>, dim: usize) -> Tensor<1> {
    let n = o.dims()[dim];
    let other = o.dims()[1 - dim];
    let centred = o.clone() - o.mean_dim(dim);
    let squares = centred.square();
    // Dividing before squaring again keeps tiny activations from underflowing in f32.
    let z2 = squares.clone() / (squares.mean_dim(dim) + f32::MIN_POSITIVE);
    let bessel = ((n as f64 - 1.0) / n as f64).powi(2);
    (z2.square().mean_dim(dim) * bessel - 3.0).reshape([other])
}

fn outlier_term(kurtosis: Tensor<1>) -> Tensor<1> {
    kurtosis.clamp_min(0.0).sqrt()
}

/// Scores from per-weight importances: a head owns its columns of query, key, value and its rows of output; a neuron
/// its column of up and row of down; a hidden dim its row of every input side and column of every output side
/// (METHOD §2.4). `with_bias` adds |bias| of the output units, as `magnitude` does.
fn weights(model: &Transformer, importance: impl Fn(&AptLinear, Site) -> Tensor<2>, with_bias: bool) -> Parts {
    let rows = |w: &Tensor<2>| row_sums(w.clone());
    let columns = |linear: &AptLinear, w: &Tensor<2>| {
        let sums = column_sums(w.clone());
        match linear.bias.as_ref().filter(|_| with_bias) {
            Some(bias) => sums + bias.val().without_autodiff().abs(),
            None => sums,
        }
    };
    let device = model.device().inner();
    let mut parts = Parts { heads: vec![], neurons: vec![], hidden: Tensor::zeros([model.config.hidden], &device) };
    for (i, layer) in model.layers.iter().enumerate() {
        if let Some(a) = &layer.attention {
            let w = importance(&a.output, Site::Context(i));
            let mut units = rows(&w);
            parts.hidden = parts.hidden + columns(&a.output, &w);
            for linear in [&a.query, &a.key, &a.value] {
                let w = importance(linear, Site::AttentionInput(i));
                units = units + columns(linear, &w);
                parts.hidden = parts.hidden + rows(&w);
            }
            parts.heads.push(head_sums(units, a.heads()));
        }
        if let Some(ff) = &layer.feed_forward {
            let up = importance(&ff.up, Site::FeedForwardInput(i));
            let down = importance(&ff.down, Site::Activation(i));
            parts.neurons.push(columns(&ff.up, &up) + rows(&down));
            parts.hidden = parts.hidden + rows(&up) + columns(&ff.down, &down);
        }
    }
    parts
}

/// `of` ∂L/∂m of every mask entry: its square is the Fisher score (METHOD §2.4), its size the first order of what the loss
/// does without the block, |Σ wᵢ·∂L/∂wᵢ| over the weights that read the block, and as it is it moves learned masks.
fn mask_gradient(seen: &Seen<'_>, of: impl Fn(Tensor<1>) -> Tensor<1>) -> Option<Parts> {
    let masks = seen.masks?;
    let of_leaf = |leaf: &Tensor<1>| match leaf.grad(seen.gradients) {
        Some(g) => of(g),
        None => leaf.clone().without_autodiff().zeros_like(),
    };
    let hidden = match &masks.hidden {
        Some(hidden) => of_leaf(&hidden.values.values),
        None => Tensor::zeros([seen.model.config.hidden], &seen.model.device().inner()),
    };
    let mut parts = Parts { heads: vec![], neurons: vec![], hidden };
    for (i, layer) in seen.model.layers.iter().enumerate() {
        if layer.attention.is_some() {
            parts.heads.push(of_leaf(&masks.head_leaves[i]));
        }
        if layer.feed_forward.is_some() {
            parts.neurons.push(of_leaf(&masks.layers[i].neurons.values));
        }
    }
    Some(parts)
}

/// Importance of an adapter by its B matrix: Σ|W_B ∘ ∂L/∂W_B| (APT Eq. 7), one value.
pub fn adapter_b_importance(b: Tensor<2>, gradient: Tensor<2>) -> Tensor<1> {
    (b * gradient).abs().sum()
}

/// Importance of an adapter by its ranks: mean over k of |Σ_j A_kj·(∂L/∂A)_kj| (published code; METHOD §2.3). `a` is
/// `[d_in, r]`.
pub fn rank_mean_importance(a: Tensor<2>, gradient: Tensor<2>) -> Tensor<1> {
    column_sums(a * gradient).abs().mean()
}

/// Importance of an adapter's components: mean over inputs of |A∘∂L/∂A| plus mean over outputs of |B∘∂L/∂B|, `[r]`
/// (AdaLoRA). `a` is `[d_in, r]`, `b` is `[r, d_out]`, each beside its gradient.
pub fn component_importance([a, of_a]: [Tensor<2>; 2], [b, of_b]: [Tensor<2>; 2]) -> Tensor<1> {
    let (inputs, outputs) = (a.dims()[0] as f64, b.dims()[1] as f64);
    column_sums((a * of_a).abs()) / inputs + row_sums((b * of_b).abs()) / outputs
}

fn head_sums(units: Tensor<1>, heads: usize) -> Tensor<1> {
    let [n] = units.dims();
    row_sums(units.reshape([heads, n / heads.max(1)]))
}

fn column_sums(t: Tensor<2>) -> Tensor<1> {
    let n = t.dims()[1];
    t.sum_dim(0).reshape([n])
}

fn row_sums(t: Tensor<2>) -> Tensor<1> {
    let n = t.dims()[0];
    t.sum_dim(1).reshape([n])
}
