//! The feed-forward block whose neurons can be masked and removed.

use crate::activation::Activation;
use crate::dropout::Dropout;
use crate::linear::{AptLinear, LinearMasks};
use crate::masks::DeviceMasks;
use crate::norm::LayerNorm;
use crate::taps::{TapPoint, Taps};
use apt_core::wiring::{Site, SubBlock};
use burn::module::Module;
use burn::tensor::Tensor;

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

    /// Built from its linear layers, each made by `linear`.
    pub(crate) fn build<E>(
        mut linear: impl FnMut(Site) -> Result<AptLinear, E>,
        norm: LayerNorm,
        activation: Activation,
    ) -> Result<Self, E> {
        Ok(Self { up: linear(Site::Up)?, down: linear(Site::Down)?, norm, activation })
    }

    /// With each linear layer changed by `linear`, and the norm by `norm`.
    pub(crate) fn map(
        &self,
        linear: impl Fn(Site, &AptLinear) -> AptLinear,
        norm: impl Fn(&LayerNorm) -> LayerNorm,
    ) -> Self {
        Self {
            up: linear(Site::Up, &self.up),
            down: linear(Site::Down, &self.down),
            norm: norm(&self.norm),
            activation: self.activation,
        }
    }

    /// Its linear layers.
    pub(crate) fn linears(&self) -> Vec<(Site, &AptLinear)> {
        vec![(Site::Up, &self.up), (Site::Down, &self.down)]
    }

    /// As [`Self::linears`], to change them.
    pub(crate) fn linears_mut(&mut self) -> Vec<(Site, &mut AptLinear)> {
        vec![(Site::Up, &mut self.up), (Site::Down, &mut self.down)]
    }

    /// `x: [tokens, hidden]` → the same shape. `layer` names the block for masks and taps; dropout acts on what is added
    /// to `x`.
    pub fn forward(
        &self,
        x: Tensor<2>,
        layer: usize,
        masks: Option<&DeviceMasks>,
        taps: &mut Option<&mut Taps>,
        dropout: &mut Option<&mut Dropout>,
    ) -> Tensor<2> {
        let branch = Taps::record(taps, TapPoint::Input(SubBlock::FeedForward, layer), x.clone());
        let h = self.activation.of(self.up.forward(branch));
        // Before the neuron mask, so that a masked neuron can earn its way back (METHOD §2.1).
        let h = Taps::record(taps, TapPoint::Activation(SubBlock::FeedForward, layer), h);
        let masks_of_down = LinearMasks {
            input: masks.map(|m| m.of(SubBlock::FeedForward, layer).mask.clone()),
            output: masks.and_then(DeviceMasks::of_stream),
        };
        let y = Dropout::on(dropout, self.down.forward_masked(h, &masks_of_down));
        self.norm.forward_sum(x, y, masks.and_then(|m| m.hidden.as_ref()))
    }
}
