//! Taps: they see activations and their gradients inside autodiff, for the scorers that read them.
//!
//! A tap lets an activation H through as it is and keeps sums over tokens only: of H when it passes, and of the ∂L/∂H
//! that comes back, which on a branch excludes the residual path. Nothing is done when nothing is collected.

use crate::kernels;
use crate::kernels::Term;
use apt_core::wiring::SubBlock;
use burn::tensor::{Gradients, Tensor};

/// Where a tap sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapPoint {
    /// What a sub-block of a layer reads of the hidden stream, on the branch.
    Input(SubBlock, usize),
    /// What the last linear layer of a sub-block reads: the masked context of the heads, or the activation of the neurons
    /// before their mask.
    Activation(SubBlock, usize),
    /// What a sub-block of a decoder's layer adds to the hidden stream, before the mask of hidden dims.
    Added(SubBlock, usize),
    /// What an encoder returns.
    Output,
}

impl TapPoint {
    /// Whether a scorer with these needs reads anything here. Of hidden dims, encoders and decoders are scored where their
    /// published scorers look: at what sub-blocks read, and at what they add (METHOD §2.1).
    fn is_read(self, needs: TapNeeds, decoder: bool) -> bool {
        match self {
            Self::Activation(..) => true,
            Self::Input(..) => !decoder || needs.squares,
            Self::Added(..) => decoder && needs.gradients,
            Self::Output => !decoder,
        }
    }
}

/// What a scorer wants to know of the activations that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TapNeeds {
    /// c(H)∘c(∂L/∂H).
    pub gradients: bool,
    /// x̄ of [`TapPoint::Activation`].
    pub means: bool,
    /// Σ x².
    pub squares: bool,
}

/// What one tap recorded of H `[tokens, n]`; every part is `[n]` and there only if the scorer needs it.
pub(crate) struct Tap {
    point: TapPoint,
    /// x̄, the signed mean over tokens.
    pub mean: Option<Tensor<1>>,
    /// Σ x² over tokens.
    pub squares: Option<Tensor<1>>,
    /// Its gradient is c(H)∘c(∂L/∂H), where c(Z) = Σ over tokens of |Z| (APT Eq. 4; METHOD §2.1).
    leaf: Option<Tensor<1>>,
    width: usize,
}

/// Collects what a scorer needs of activations during a forward pass.
pub struct Taps {
    needs: TapNeeds,
    decoder: bool,
    taps: Vec<Tap>,
}

impl Taps {
    pub(crate) fn new(needs: TapNeeds) -> Self {
        Self { needs, decoder: false, taps: Vec::new() }
    }

    /// Says whose activations follow.
    pub(crate) fn of(&mut self, decoder: bool) {
        self.decoder = decoder;
    }

    /// Records `h` at `point` if taps are given, and lets it through.
    pub(crate) fn record(taps: &mut Option<&mut Self>, point: TapPoint, h: Tensor<2>) -> Tensor<2> {
        let Some(taps) = taps else { return h };
        if !point.is_read(taps.needs, taps.decoder) {
            return h;
        }
        let TapNeeds { gradients, means, squares } = taps.needs;
        let mut tap = Tap { point, mean: None, squares: None, leaf: None, width: h.dims()[1] };
        if squares {
            let [squares] = kernels::column_sums(&h, [Term::Square]);
            tap.squares = Some(squares);
        }
        let h = match (gradients, means && matches!(point, TapPoint::Activation(..))) {
            (true, true) => {
                let [sizes, mean] = kernels::column_sums(&h, [Term::Abs, Term::Mean]);
                tap.mean = Some(mean);
                tap.leaf_of(h, &sizes)
            }
            (true, false) => {
                let sizes = compressed(&h);
                tap.leaf_of(h, &sizes)
            }
            (false, _) => h,
        };
        taps.taps.push(tap);
        h
    }

    pub(crate) fn at(&self, point: TapPoint) -> Option<&Tap> {
        self.taps.iter().find(|tap| tap.point == point)
    }

    /// c(H)∘c(∂L/∂H) per entry at `point`, `[n]`; zeros where the loss does not reach.
    pub(crate) fn product(&self, point: TapPoint, gradients: &Gradients) -> Option<Tensor<1>> {
        let tap = self.at(point)?;
        let leaf = tap.leaf.as_ref()?;
        Some(leaf.grad(gradients).unwrap_or_else(|| Tensor::zeros([tap.width], &leaf.device().inner())))
    }
}

impl Tap {
    fn leaf_of(&mut self, h: Tensor<2>, sizes: &Tensor<1>) -> Tensor<2> {
        let (h, leaf) = kernels::tapped(h, sizes);
        self.leaf = Some(leaf);
        h
    }
}

/// c(Z) = Σ over tokens of |Z|: `[tokens, n]` → `[n]` (APT Eq. 4; METHOD §2.1).
pub fn compressed(z: &Tensor<2>) -> Tensor<1> {
    let [sizes] = kernels::column_sums(z, [Term::Abs]);
    sizes
}
