//! The scorers: what every block is worth, from what a step's taps, masks and gradients hold.
//!
//! Scores stay on the device as one vector `[heads of all layers | neurons of all layers | hidden dims]`
//! ([`unflatten`] turns it into blocks), so that a step reads once.

use crate::readings::{Readings, TapReading};
use crate::taps::{TapNeeds, TapPoint, Taps};
use crate::{AptLinear, Transformer, named};
use apt_core::arms::{HeadKurtosis, OutlierScale, Salience};
use apt_core::blocks::{BlockScores, ModelShape};
use apt_core::wiring::{Axis, LinearSpec, SubBlock};
use burn::tensor::Tensor;

pub use crate::taps::compressed;

/// What a scorer needs of a step.
struct Needs {
    taps: Option<TapNeeds>,
    mask_gradients: bool,
}

fn needs(scorer: Salience) -> Needs {
    let taps =
        |gradients, means, squares| Needs { taps: Some(TapNeeds { gradients, means, squares }), mask_gradients: false };
    match scorer {
        Salience::OutlierAware | Salience::RandomWithin => taps(true, true, false),
        Salience::ActivationGradient => taps(true, false, false),
        Salience::Wanda => taps(false, false, true),
        Salience::Gradient | Salience::Taylor | Salience::L0 => Needs { taps: None, mask_gradients: true },
        Salience::Magnitude | Salience::Random => Needs { taps: None, mask_gradients: false },
    }
}

impl Taps {
    /// Taps for what `scorer` reads of activations; `None` if it reads none.
    pub fn for_scorer(scorer: Salience) -> Option<Self> {
        needs(scorer).taps.map(Self::new)
    }
}

/// Whether `scorer` needs masks that require gradients.
pub fn needs_mask_gradients(scorer: Salience) -> bool {
    needs(scorer).mask_gradients
}

/// What the scorers read.
pub struct ScoreInputs<'a> {
    /// The model the step ran.
    pub model: &'a Transformer,
    /// What its taps and masks hold, these tracked if the scorer [needs their gradients](needs_mask_gradients).
    pub readings: &'a Readings,
    /// Units of √kurtosis (`outlier_aware` only).
    pub outliers: OutlierScale,
    /// What a head's kurtosis is of (`outlier_aware` only).
    pub head_kurtosis: HeadKurtosis,
}

/// Scores of one step.
pub struct StepScores {
    parts: Parts,
    outliers: Option<Parts>,
}

impl StepScores {
    /// What every block scored, `[heads | neurons | hidden]`.
    pub fn flat(&self) -> Tensor<1> {
        self.parts.flat()
    }

    /// √max(kurtosis, 0) of every block in its own units, in the same order; `outlier_aware` only.
    pub fn outliers(&self) -> Option<Tensor<1>> {
        self.outliers.as_ref().map(Parts::flat)
    }
}

/// Scores of one step by `scorer`. `None` for `random`, which looks at nothing, and when what the scorer needs was not
/// collected.
pub fn scores(scorer: Salience, inputs: &ScoreInputs<'_>) -> Option<StepScores> {
    let mut own_units = None;
    let parts = match scorer {
        Salience::ActivationGradient => activation_gradient(inputs)?,
        Salience::OutlierAware | Salience::RandomWithin => {
            let (first, outliers) = (activation_gradient(inputs)?, kurtosis(inputs)?);
            own_units = (scorer == Salience::OutlierAware).then(|| outliers.clone());
            match inputs.outliers {
                OutlierScale::Raw => first.plus(outliers),
                OutlierScale::Balanced => {
                    let scaled = outliers.scaled_to(&first);
                    first.plus(scaled)
                }
            }
        }
        Salience::Magnitude => weights(inputs.model, |linear, _| linear.merged_weight().without_autodiff().abs(), true),
        Salience::Wanda => {
            if !inputs.readings.is_tapped() {
                return None;
            }
            let importance = |linear: &AptLinear, point| {
                let weight = linear.merged_weight().without_autodiff().abs();
                match inputs.readings.at(point).and_then(|tap| tap.squares.clone()) {
                    Some(squares) => weight * squares.unsqueeze_dim(1),
                    // The sub-block was fully masked and skipped: it saw no input.
                    None => weight.zeros_like(),
                }
            };
            weights(inputs.model, importance, false)
        }
        Salience::Gradient => mask_gradient(inputs, |gradient| gradient.square())?,
        Salience::Taylor => mask_gradient(inputs, |gradient| gradient.abs())?,
        Salience::L0 => mask_gradient(inputs, |gradient| gradient)?,
        Salience::Random => return None,
    };
    Some(StepScores { parts, outliers: own_units })
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

/// Scores by axis. Of heads and neurons one entry per layer that still has the sub-block.
#[derive(Clone)]
struct Parts {
    heads: Vec<Tensor<1>>,
    neurons: Vec<Tensor<1>>,
    hidden: Tensor<1>,
}

impl Parts {
    /// Zeros for the hidden dims of `model`, no units yet.
    fn new(model: &Transformer) -> Self {
        let hidden = Tensor::zeros([model.config.hidden], &model.device().inner());
        Self { heads: vec![], neurons: vec![], hidden }
    }

    /// The units of a sub-block, in the order of layers.
    fn units(&mut self, sub_block: SubBlock) -> &mut Vec<Tensor<1>> {
        match sub_block {
            SubBlock::Attention => &mut self.heads,
            SubBlock::FeedForward => &mut self.neurons,
        }
    }

    fn add_hidden(&mut self, scores: Tensor<1>) {
        self.hidden = self.hidden.clone() + scores;
    }

    fn flat(&self) -> Tensor<1> {
        named::concat(self.heads.iter().chain(&self.neurons).chain([&self.hidden]).cloned().collect())
    }

    /// These scores times one factor per axis, so that each axis' mean is that of `other`'s. An axis that is all zero
    /// stays so: the least divisor is far below any √kurtosis and far from overflowing.
    fn scaled_to(self, other: &Self) -> Self {
        let mean = |parts: &[Tensor<1>]| (!parts.is_empty()).then(|| named::concat(parts.to_vec()).mean());
        let scale = |ours: Vec<Tensor<1>>, theirs: &[Tensor<1>]| match mean(&ours).zip(mean(theirs)) {
            Some((of_ours, of_theirs)) => {
                let by = of_theirs / of_ours.clamp_min(1e-12);
                ours.into_iter().map(|part| part * by.clone()).collect()
            }
            None => ours,
        };
        let hidden = scale(vec![self.hidden.clone()], std::slice::from_ref(&other.hidden)).pop();
        Self {
            heads: scale(self.heads, &other.heads),
            neurons: scale(self.neurons, &other.neurons),
            hidden: hidden.unwrap_or(self.hidden),
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

/// c(H)·c(∂L/∂H) per block (METHOD §2.1): heads sum over their dims; hidden dims sum over the inputs of both sub-blocks
/// of every layer and the encoder's output, or over what the sub-blocks of a decoder add to the stream.
fn activation_gradient(inputs: &ScoreInputs<'_>) -> Option<Parts> {
    if !inputs.readings.is_tapped() {
        return None;
    }
    let product = |point| inputs.readings.at(point).and_then(TapReading::product);
    let decoder = inputs.model.config.decoder.is_some();
    let mut parts = match decoder {
        true => Parts::new(inputs.model),
        false => Parts { heads: vec![], neurons: vec![], hidden: product(TapPoint::Output)? },
    };
    for (layer, sub_block, units) in inputs.model.sub_blocks() {
        let of_hidden = if decoder { TapPoint::Added(sub_block, layer) } else { TapPoint::Input(sub_block, layer) };
        let entries = product(TapPoint::Activation(sub_block, layer)).zip(product(of_hidden));
        let scores = match entries {
            Some((activation, of_hidden)) => {
                parts.add_hidden(of_hidden);
                unit_sums(activation, units)
            }
            // The sub-block was fully masked and skipped: it earned nothing.
            None => Tensor::zeros([units], &parts.hidden.device()),
        };
        parts.units(sub_block).push(scores);
    }
    Some(parts)
}

/// √max(kurtosis, 0) of the activation proxy O = x̄ ∘ W of the linear layers that read units: the output and down
/// projections (APT Eq. 5; METHOD §2.2).
fn kurtosis(inputs: &ScoreInputs<'_>) -> Option<Parts> {
    if !inputs.readings.is_tapped() {
        return None;
    }
    let mut parts = Parts::new(inputs.model);
    let reads_units = |spec: &LinearSpec| spec.input.axis != Axis::Hidden;
    for (layer, spec, linear) in inputs.model.wired_linears().filter(|(_, spec, _)| reads_units(spec)) {
        let units = linear.dims()[0] / spec.input.width.max(1);
        let mean = inputs.readings.at(TapPoint::Activation(spec.sub_block, layer)).and_then(|tap| tap.mean.clone());
        let scores = match mean {
            Some(mean) => {
                let o = linear.merged_weight().without_autodiff() * mean.unsqueeze_dim(1);
                let [n, d] = o.dims();
                parts.add_hidden(outlier_term(kurtosis_of(o.clone(), 0)));
                outlier_term(match (spec.sub_block, inputs.head_kurtosis) {
                    (SubBlock::Attention, HeadKurtosis::Published) => kurtosis_across(o, units),
                    _ => kurtosis_of(o.reshape([units, n / units.max(1) * d]), 1),
                })
            }
            None => Tensor::zeros([units], &parts.hidden.device()),
        };
        parts.units(spec.sub_block).push(scores);
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

/// What the published code computes for the kurtosis of `heads` heads from their proxy O, `[heads · head_size, hidden]`: it
/// lays all entries out behind one another and takes every `heads`-th for one head, whichever they are of (METHOD §2.2).
pub fn kurtosis_across(o: Tensor<2>, heads: usize) -> Tensor<1> {
    let [n, d] = o.dims();
    kurtosis_of(o.reshape([n * d / heads.max(1), heads]), 0)
}

fn outlier_term(kurtosis: Tensor<1>) -> Tensor<1> {
    kurtosis.clamp_min(0.0).sqrt()
}

/// Scores from per-weight importances: a block owns the columns that a linear layer writes of it and the rows that one
/// reads of it (METHOD §2.4). `with_bias` adds |bias| of the outputs, as `magnitude` does.
fn weights(model: &Transformer, importance: impl Fn(&AptLinear, TapPoint) -> Tensor<2>, with_bias: bool) -> Parts {
    let mut parts = Parts::new(model);
    for (layer, sub_block, units) in model.sub_blocks() {
        let mut own: Option<Tensor<1>> = None;
        for (_, spec, linear) in
            model.wired_linears().filter(|(at, spec, _)| (*at, spec.sub_block) == (layer, sub_block))
        {
            let read = match spec.input.axis {
                Axis::Hidden => TapPoint::Input(sub_block, layer),
                Axis::Heads | Axis::Neurons => TapPoint::Activation(sub_block, layer),
            };
            let weight = importance(linear, read);
            let mut columns = column_sums(weight.clone());
            if let Some(bias) = linear.bias.as_ref().filter(|_| with_bias) {
                columns = columns + bias.val().without_autodiff().abs();
            }
            for (side, sums) in [(spec.input, row_sums(weight)), (spec.output, columns)] {
                match side.axis {
                    Axis::Hidden => parts.add_hidden(sums),
                    Axis::Heads | Axis::Neurons => {
                        let scores = unit_sums(sums, units);
                        own = Some(match own {
                            Some(others) => others + scores,
                            None => scores,
                        });
                    }
                }
            }
        }
        parts.units(sub_block).extend(own);
    }
    parts
}

/// `of` ∂L/∂m of every mask entry: its square is the Fisher score (METHOD §2.4), its size the first order of what the
/// loss does without the block, |Σ wᵢ·∂L/∂wᵢ| over the weights that read the block, and as it is it moves learned masks.
fn mask_gradient(inputs: &ScoreInputs<'_>, of: impl Fn(Tensor<1>) -> Tensor<1>) -> Option<Parts> {
    let masks = inputs.readings.masks()?;
    let mut parts = Parts::new(inputs.model);
    if let Some(hidden) = &masks.hidden {
        parts.hidden = of(hidden.clone());
    }
    for ((_, sub_block, _), gradient) in inputs.model.sub_blocks().zip(&masks.units) {
        parts.units(sub_block).push(of(gradient.clone()));
    }
    Some(parts)
}

/// Importance of an adapter by its B matrix: Σ|W_B ∘ ∂L/∂W_B| (APT §4.3), one value.
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

/// One sum for each of so many units of equal width.
fn unit_sums(entries: Tensor<1>, units: usize) -> Tensor<1> {
    let [n] = entries.dims();
    if n == units { entries } else { row_sums(entries.reshape([units, n / units.max(1)])) }
}

fn column_sums(t: Tensor<2>) -> Tensor<1> {
    let n = t.dims()[1];
    t.sum_dim(0).reshape([n])
}

fn row_sums(t: Tensor<2>) -> Tensor<1> {
    let n = t.dims()[0];
    t.sum_dim(1).reshape([n])
}
