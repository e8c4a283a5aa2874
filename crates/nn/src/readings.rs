//! What scorers read of a step: sums over its tokens, and gradients of its masks. A batch may be gone through in shards, whose
//! readings add up to those of the whole.

use crate::masks::DeviceMasks;
use crate::taps::{TapPoint, Taps};
use crate::{Transformer, named};
use burn::tensor::{Gradients, Tensor};

/// What the taps and masks of a step hold once its gradients are there.
#[derive(Clone, Default)]
pub struct Readings {
    /// `None` where there were no taps.
    taps: Option<Vec<TapReading>>,
    masks: Option<MaskGradients>,
}

/// Of one tap; every part is `[n]` and there only if the scorer needs it.
#[derive(Clone)]
pub(crate) struct TapReading {
    point: TapPoint,
    /// x̄, the signed mean over tokens.
    pub(crate) mean: Option<Tensor<1>>,
    /// Σ x² over tokens.
    pub(crate) squares: Option<Tensor<1>>,
    /// c(H)∘c(∂L/∂H), where c(Z) = Σ over tokens of |Z| (APT Eq. 4; METHOD §2.1); of a shard c(∂L/∂H) alone.
    slopes: Option<Tensor<1>>,
    /// Of a shard c(H): these factors add up over shards, as their product does not.
    sizes: Option<Tensor<1>>,
}

/// ∂L/∂m.
#[derive(Clone)]
pub(crate) struct MaskGradients {
    /// Of hidden dims, if they are masked.
    pub(crate) hidden: Option<Tensor<1>>,
    /// Of the units of every sub-block that is left, in the order of [`Transformer::sub_blocks`].
    pub(crate) units: Vec<Tensor<1>>,
}

/// How much a shard counts in its batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShardWeights {
    /// In means over the tokens of a batch that count.
    pub tokens: f64,
    /// In sums: 1, or 0 of a shard that only stands in for one without examples.
    pub sums: f64,
}

impl Readings {
    /// Of a step of `model` with these `gradients`; `masks` are tracked if their gradients are wanted.
    pub fn of(model: &Transformer, taps: Option<&Taps>, masks: Option<&DeviceMasks>, gradients: &Gradients) -> Self {
        let masks = masks.and_then(|masks| MaskGradients::of(model, masks, gradients));
        Self { taps: taps.map(|taps| taps.read(gradients)), masks }
    }

    /// As [`Self::of`], of one shard of a batch, whose loss was its share of the batch's. Its taps are
    /// [apart](Taps::apart).
    pub fn of_shard(
        model: &Transformer,
        taps: Option<&Taps>,
        masks: Option<&DeviceMasks>,
        gradients: &Gradients,
        weights: ShardWeights,
    ) -> Self {
        let mut readings = Self::of(model, taps, masks, gradients);
        for tap in readings.taps.iter_mut().flatten() {
            tap.mean = tap.mean.take().map(|mean| mean * weights.tokens);
            if weights.sums != 1.0 {
                tap.squares = tap.squares.take().map(|squares| squares * weights.sums);
                tap.slopes = tap.slopes.take().map(|slopes| slopes * weights.sums);
                tap.sizes = tap.sizes.take().map(|sizes| sizes * weights.sums);
            }
        }
        readings
    }

    /// Whether there were taps.
    pub(crate) fn is_tapped(&self) -> bool {
        self.taps.is_some()
    }

    pub(crate) fn at(&self, point: TapPoint) -> Option<&TapReading> {
        self.taps.iter().flatten().find(|tap| tap.point == point)
    }

    pub(crate) fn masks(&self) -> Option<&MaskGradients> {
        self.masks.as_ref()
    }

    /// All parts behind one another, `[values]`; `None` if nothing was read.
    pub fn flat(&self) -> Option<Tensor<1>> {
        let mut parts = Vec::new();
        self.clone().map(&mut |part| {
            parts.push(part.clone());
            part
        });
        (!parts.is_empty()).then(|| named::concat(parts))
    }

    /// Readings of the same parts with the values `flat`, which is laid out as [`Self::flat`].
    pub fn with_values(self, flat: &Tensor<1>) -> Self {
        let mut at = 0;
        self.map(&mut |part| {
            let [n] = part.dims();
            at += n;
            flat.clone().narrow(0, at - n, n)
        })
    }

    /// Every part through `f`, in one order.
    fn map(self, f: &mut impl FnMut(Tensor<1>) -> Tensor<1>) -> Self {
        let mut of_tap = |tap: TapReading| TapReading {
            point: tap.point,
            mean: tap.mean.map(&mut *f),
            squares: tap.squares.map(&mut *f),
            slopes: tap.slopes.map(&mut *f),
            sizes: tap.sizes.map(&mut *f),
        };
        let taps = self.taps.map(|taps| taps.into_iter().map(&mut of_tap).collect());
        let masks = self.masks.map(|masks| MaskGradients {
            hidden: masks.hidden.map(&mut *f),
            units: masks.units.into_iter().map(&mut *f).collect(),
        });
        Self { taps, masks }
    }
}

impl TapReading {
    pub(crate) fn of(point: TapPoint, mean: Option<Tensor<1>>, squares: Option<Tensor<1>>) -> Self {
        Self { point, mean, squares, slopes: None, sizes: None }
    }

    /// With the gradient that came back to the tap: the product if no `sizes` are given, else c(∂L/∂H).
    pub(crate) fn with_gradient(self, gradient: Tensor<1>, sizes: Option<Tensor<1>>) -> Self {
        Self { slopes: Some(gradient), sizes, ..self }
    }

    /// c(H)∘c(∂L/∂H) per entry, `[n]`.
    pub(crate) fn product(&self) -> Option<Tensor<1>> {
        let slopes = self.slopes.clone()?;
        Some(match self.sizes.clone() {
            Some(sizes) => sizes * slopes,
            None => slopes,
        })
    }
}

impl MaskGradients {
    /// Of tracked `masks`; `None` of others.
    fn of(model: &Transformer, masks: &DeviceMasks, gradients: &Gradients) -> Option<Self> {
        let of_leaf = |leaf: &Tensor<1>| match leaf.grad(gradients) {
            Some(gradient) => gradient,
            None => leaf.clone().without_autodiff().zeros_like(),
        };
        let units =
            model.sub_blocks().map(|(layer, sub_block, _)| masks.of(sub_block, layer).leaf.as_ref().map(of_leaf));
        let units = units.collect::<Option<Vec<_>>>()?;
        Some(Self { hidden: masks.hidden.as_ref().map(|hidden| of_leaf(&hidden.values.values)), units })
    }
}
