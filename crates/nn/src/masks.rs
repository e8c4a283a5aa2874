//! The masks of `apt-core` on a device.

use crate::norm::HiddenMask;
use apt_core::masks::Masks;
use burn::tensor::{Device, Tensor, TensorData};

/// Masks of one layer.
#[derive(Clone, Debug)]
pub struct LayerMasks {
    /// One value per head, repeated over the head's `head_size` dims: `[heads · head_size]`.
    pub heads: Tensor<1>,
    /// `[neurons]`.
    pub neurons: Tensor<1>,
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
    /// Shared by all layers.
    pub hidden: HiddenMask,
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
                heads: of_heads(heads),
                neurons: leaf(neurons),
                no_heads: none(heads),
                no_neurons: none(neurons),
            })
            .collect();
        let kept: Vec<f32> = masks.hidden.iter().map(|&v| if v > 0.0 { 1.0 } else { 0.0 }).collect();
        let count = kept.iter().sum::<f32>().max(1.0);
        let hidden = HiddenMask {
            values: leaf(&masks.hidden),
            kept: Tensor::from_data(TensorData::new(kept, [masks.hidden.len()]), device),
            count,
        };
        Self { layers, hidden, head_leaves }
    }
}
