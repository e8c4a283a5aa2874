//! The masks of `apt-core` on a device.

use crate::kernels;
use crate::norm::HiddenMask;
use apt_core::masks::Masks;
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

/// Masks of one layer.
#[derive(Clone, Debug)]
pub struct LayerMasks {
    /// One value per head, repeated over the head's `head_size` dims: `[heads · head_size]`.
    pub heads: Mask,
    /// `[neurons]`.
    pub neurons: Mask,
    /// Whether no head has a mask above zero: the attention block is skipped, norm and all.
    pub no_heads: bool,
    /// Whether no neuron has a mask above zero: the feed-forward block is skipped, norm and all.
    pub no_neurons: bool,
}

/// Masks of a model: head context, feed-forward activation, hidden stream.
#[derive(Clone, Debug)]
pub struct DeviceMasks {
    /// One entry per layer.
    pub layers: Vec<LayerMasks>,
    /// Shared by all layers; `None` if hidden dims are not masked.
    pub hidden: Option<HiddenMask>,
    /// Per-head leaves `[heads]` behind `layers[i].heads`, when gradients of the masks are wanted.
    pub head_leaves: Vec<Tensor<1>>,
}

impl DeviceMasks {
    /// Uploads `masks`. With `tracked`, the masks require gradients (some scorers read ∂L/∂m).
    pub fn new(masks: &Masks, head_size: usize, device: &Device, tracked: bool) -> Self {
        let leaf = |values: &[f64]| {
            let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            let n = values.len();
            let tensor = Tensor::<1>::from_data(TensorData::new(values, [n]), device);
            if tracked { tensor.require_grad() } else { tensor }
        };
        let mask = |values: &[f64], tensor| Mask { values: tensor, tracked, ones: values.iter().all(|&v| v == 1.0) };
        let none = |values: &[f64]| values.iter().all(|&v| v <= 0.0);
        let mut head_leaves = Vec::new();
        let mut of_heads = |heads: &[f64]| {
            if !tracked {
                let repeated = heads.iter().flat_map(|&m| std::iter::repeat_n(m, head_size));
                return leaf(&repeated.collect::<Vec<_>>());
            }
            let leaf = leaf(heads);
            head_leaves.push(leaf.clone());
            leaf.unsqueeze_dim::<2>(1).repeat_dim(1, head_size).reshape([heads.len() * head_size])
        };
        let layers = masks
            .heads
            .iter()
            .zip(&masks.neurons)
            .map(|(heads, neurons)| LayerMasks {
                heads: mask(heads, of_heads(heads)),
                neurons: mask(neurons, leaf(neurons)),
                no_heads: none(heads),
                no_neurons: none(neurons),
            })
            .collect();
        let kept: Vec<f32> = masks.hidden.iter().map(|&v| if v > 0.0 { 1.0 } else { 0.0 }).collect();
        let count = kept.iter().sum::<f32>().max(1.0);
        let hidden = HiddenMask {
            values: mask(&masks.hidden, leaf(&masks.hidden)),
            kept: Tensor::from_data(TensorData::new(kept, [masks.hidden.len()]), device),
            count,
        };
        Self { layers, hidden: Some(hidden), head_leaves }
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
