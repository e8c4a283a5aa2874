//! The masks of `apt-core` on a device.

use crate::kernels;
use apt_core::masks::Masks;
use apt_core::wiring::{SubBlock, Wiring};
use burn::tensor::{Device, Tensor, TensorData};

/// A factor for every column of an activation.
#[derive(Clone, Debug)]
pub struct Mask {
    /// `[n]`.
    pub values: Tensor<1>,
    /// Whether gradients of the values are wanted.
    pub tracked: bool,
    /// Whether every value is 1, so that nothing is multiplied.
    pub ones: bool,
}

impl Mask {
    /// `x ∘ m`, `x: [tokens, n]`.
    pub fn on(&self, x: Tensor<2>) -> Tensor<2> {
        match (self.tracked, self.ones) {
            (true, ones) => kernels::masked(x, self.values.clone(), ones),
            (false, true) => x,
            (false, false) => x * self.values.clone().unsqueeze(),
        }
    }
}

impl From<Tensor<1>> for Mask {
    fn from(values: Tensor<1>) -> Self {
        Self { tracked: values.is_require_grad(), ones: false, values }
    }
}

/// Masks of the units of one sub-block.
#[derive(Clone, Debug)]
pub struct UnitMasks {
    /// One value per entry of the sub-block's activation: a head's is repeated over its dims.
    pub mask: Mask,
    /// One value per unit, behind [`Self::mask`]: where gradients of the masks arrive, when they are wanted.
    pub leaf: Option<Tensor<1>>,
    /// Whether no unit has a mask above zero: the sub-block is skipped, norm and all.
    pub none: bool,
}

/// The hidden-dim mask in the three forms a norm needs.
#[derive(Clone, Debug)]
pub struct HiddenMask {
    /// m, `[hidden]`, values in [0, 1].
    pub values: Mask,
    /// 1 where m > 0, else 0, `[hidden]`.
    pub kept: Tensor<1>,
    /// How many are kept.
    pub count: f32,
}

/// Masks of a model: head context, feed-forward activation, hidden stream.
#[derive(Clone, Debug)]
pub struct DeviceMasks {
    /// One entry per layer, in the order of [`SubBlock::ALL`].
    layers: Vec<[UnitMasks; 2]>,
    /// Shared by all layers; `None` if hidden dims are not masked.
    pub hidden: Option<HiddenMask>,
}

impl DeviceMasks {
    /// Uploads `masks`. With `tracked`, the masks require gradients (some scorers read ∂L/∂m).
    pub fn new(masks: &Masks, wiring: Wiring, device: &Device, tracked: bool) -> Self {
        let upload = |values: &[f64]| {
            let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            let n = values.len();
            let tensor = Tensor::<1>::from_data(TensorData::new(values, [n]), device);
            if tracked { tensor.require_grad() } else { tensor }
        };
        let mask = |values: &[f64], tensor| Mask { values: tensor, tracked, ones: values.iter().all(|&v| v == 1.0) };
        let of_units = |sub_block: SubBlock, values: &[f64]| {
            let width = wiring.activation_width(sub_block);
            let (entries, leaf) = if !tracked {
                let repeated = values.iter().flat_map(|&m| std::iter::repeat_n(m, width));
                (upload(&repeated.collect::<Vec<_>>()), None)
            } else if width == 1 {
                let leaf = upload(values);
                (leaf.clone(), Some(leaf))
            } else {
                let leaf = upload(values);
                let repeated = leaf.clone().unsqueeze_dim::<2>(1).repeat_dim(1, width);
                (repeated.reshape([values.len() * width]), Some(leaf))
            };
            UnitMasks { mask: mask(values, entries), leaf, none: values.iter().all(|&v| v <= 0.0) }
        };
        let layers = masks.heads.iter().zip(&masks.neurons);
        let layers = layers
            .map(|(heads, neurons)| [of_units(SubBlock::Attention, heads), of_units(SubBlock::FeedForward, neurons)])
            .collect();
        let kept: Vec<f32> = masks.hidden.iter().map(|&v| if v > 0.0 { 1.0 } else { 0.0 }).collect();
        let count = kept.iter().sum::<f32>().max(1.0);
        let hidden = HiddenMask {
            values: mask(&masks.hidden, upload(&masks.hidden)),
            kept: Tensor::from_data(TensorData::new(kept, [masks.hidden.len()]), device),
            count,
        };
        Self { layers, hidden: Some(hidden) }
    }

    /// The masks of one sub-block's units.
    pub fn of(&self, sub_block: SubBlock, layer: usize) -> &UnitMasks {
        let [attention, feed_forward] = &self.layers[layer];
        match sub_block {
            SubBlock::Attention => attention,
            SubBlock::FeedForward => feed_forward,
        }
    }

    /// Without masks of hidden dims, which then cost nothing and have no gradients; for runs that never prune them.
    pub fn without_hidden(mut self) -> Self {
        self.hidden = None;
        self
    }

    /// m_o of whatever is added to the hidden stream.
    pub(crate) fn of_stream(&self) -> Option<Mask> {
        self.hidden.as_ref().map(|hidden| hidden.values.clone())
    }
}
