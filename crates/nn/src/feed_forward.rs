//! The feed-forward block whose neurons can be masked and removed.

use crate::activation::Activation;
use crate::dropout::Dropout;
use crate::linear::AptLinear;
use crate::masks::DeviceMasks;
use crate::norm::Norm;
use crate::residual::Stream;
use crate::taps::{TapPoint, Taps};
use apt_core::wiring::{Site, SubBlock};
use burn::module::Module;
use burn::tensor::Tensor;

/// `norm(x + down(act(up(x))))` of an encoder; `x + down(act(up(h)))` or `x + down(act(gate(h)) ∘ up(h))` of a decoder, of
/// `h = norm(x)`.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `[hidden, neurons]`.
    pub up: AptLinear,
    /// `[neurons, hidden]`.
    pub down: AptLinear,
    /// The norm after the residual sum; before the projections in a decoder.
    pub norm: Norm,
    /// `[hidden, neurons]`, in families that have one.
    pub gate: Option<AptLinear>,
    /// Between `up`, or the gate, and `down`.
    #[module(skip)]
    pub activation: Activation,
    /// Whether it is a decoder's.
    #[module(skip)]
    pub causal: bool,
}

impl FeedForward {
    /// Neurons that are left.
    pub fn neurons(&self) -> usize {
        self.up.dims()[1]
    }

    /// Built from its linear layers, each made by `linear`.
    pub(crate) fn build<E>(
        mut linear: impl FnMut(Site) -> Result<AptLinear, E>,
        norm: Norm,
        activation: Activation,
        [gated, causal]: [bool; 2],
    ) -> Result<Self, E> {
        let gate = gated.then(|| linear(Site::Gate)).transpose()?;
        Ok(Self { up: linear(Site::Up)?, down: linear(Site::Down)?, norm, gate, activation, causal })
    }

    /// With each linear layer changed by `linear`, and the norm by `norm`.
    pub(crate) fn map(&self, linear: impl Fn(Site, &AptLinear) -> AptLinear, norm: impl Fn(&Norm) -> Norm) -> Self {
        Self {
            up: linear(Site::Up, &self.up),
            down: linear(Site::Down, &self.down),
            norm: norm(&self.norm),
            gate: self.gate.as_ref().map(|gate| linear(Site::Gate, gate)),
            activation: self.activation,
            causal: self.causal,
        }
    }

    /// Its linear layers.
    pub(crate) fn linears(&self) -> Vec<(Site, &AptLinear)> {
        let mut linears: Vec<_> = self.gate.iter().map(|gate| (Site::Gate, gate)).collect();
        linears.extend([(Site::Up, &self.up), (Site::Down, &self.down)]);
        linears
    }

    /// As [`Self::linears`], to change them.
    pub(crate) fn linears_mut(&mut self) -> Vec<(Site, &mut AptLinear)> {
        let mut linears: Vec<_> = self.gate.iter_mut().map(|gate| (Site::Gate, gate)).collect();
        linears.extend([(Site::Up, &mut self.up), (Site::Down, &mut self.down)]);
        linears
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
        let (block, stream) = (SubBlock::FeedForward, Stream::at(&self.norm, self.causal, masks));
        let branch = Taps::record(taps, TapPoint::Input(block, layer), stream.read(&x));
        let h = match &self.gate {
            Some(gate) => self.activation.gated(gate.forward(branch.clone()), self.up.forward(branch)),
            None => self.up.activated(branch, self.activation),
        };
        // Before the neuron mask, so that a masked neuron can earn its way back (METHOD §2.1).
        let h = Taps::record(taps, TapPoint::Activation(block, layer), h);
        let h = match masks {
            Some(masks) => masks.of(block, layer).mask.on(h),
            None => h,
        };
        let y = Taps::record(taps, TapPoint::Added(block, layer), self.down.forward(h));
        stream.add(x, y, dropout)
    }
}
