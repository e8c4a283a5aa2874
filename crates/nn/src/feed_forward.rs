//! The feed-forward block whose neurons can be masked and removed.

use crate::config::Activation;
use crate::kernels;
use crate::linear::{AptLinear, LinearMasks};
use crate::masks::DeviceMasks;
use crate::norm::LayerNorm;
use crate::salience::{Site, Taps};
use burn::module::Module;
use burn::tensor::{Tensor, activation};

/// `norm(x + down(act(up(x))))`, post-norm.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `[hidden, neurons]`.
    pub up: AptLinear,
    /// `[neurons, hidden]`.
    pub down: AptLinear,
    /// The norm after the residual sum.
    pub norm: LayerNorm,
    /// Between `up` and `down`.
    #[module(skip)]
    pub activation: Activation,
}

impl FeedForward {
    /// Neurons that are left.
    pub fn neurons(&self) -> usize {
        self.up.dims()[1]
    }

    /// `x: [tokens, hidden]` → the same shape. `layer` names the block for masks and taps.
    pub fn forward(
        &self,
        x: Tensor<2>,
        layer: usize,
        masks: Option<&DeviceMasks>,
        taps: &mut Option<&mut Taps>,
    ) -> Tensor<2> {
        let branch = Taps::watch(taps, Site::FeedForwardInput(layer), x.clone());
        let h = activate(self.up.forward(branch), self.activation);
        // Before the neuron mask, so that a masked neuron can earn its way back (METHOD §2.1).
        let h = Taps::watch(taps, Site::Activation(layer), h);
        let masks_of_down = LinearMasks {
            input: masks.map(|m| m.layers[layer].neurons.clone()),
            output: masks.and_then(DeviceMasks::of_stream),
        };
        let y = self.down.forward_masked(h, &masks_of_down);
        self.norm.forward_sum(x, y, masks.and_then(|m| m.hidden.as_ref()))
    }

    /// Keeps the given neurons and hidden dims.
    pub fn select(&self, neurons: &[usize], hidden: Option<&[usize]>) -> Self {
        let keep = (neurons.len() < self.neurons() || !neurons.is_sorted()).then_some(neurons);
        Self {
            up: self.up.select(hidden, keep),
            down: self.down.select(keep, hidden),
            norm: self.norm.select(hidden),
            activation: self.activation,
        }
    }
}

/// The activation function, element by element.
pub fn activate(x: Tensor<2>, by: Activation) -> Tensor<2> {
    match by {
        Activation::Gelu => kernels::gelu(x),
        Activation::GeluNew => activation::gelu_approximate(x),
        Activation::Relu => activation::relu(x),
    }
}
