//! Where a sub-block stands on the residual stream: an encoder normalises the sum, a decoder what the sub-block reads.

use crate::dropout::Dropout;
use crate::masks::{DeviceMasks, HiddenMask};
use crate::norm::Norm;
use burn::tensor::Tensor;

/// The stream at a sub-block.
pub(crate) struct Stream<'a> {
    norm: &'a Norm,
    /// Whether the sub-block is a decoder's.
    before: bool,
    hidden: Option<&'a HiddenMask>,
}

impl<'a> Stream<'a> {
    /// At a sub-block with this norm, which is a decoder's or not.
    pub(crate) fn at(norm: &'a Norm, decoder: bool, masks: Option<&'a DeviceMasks>) -> Self {
        Self { norm, before: decoder, hidden: masks.and_then(|masks| masks.hidden.as_ref()) }
    }

    /// What the sub-block reads of the stream `x`.
    pub(crate) fn read(&self, x: &Tensor<2>) -> Tensor<2> {
        if self.before { self.norm.before(x.clone(), self.hidden) } else { x.clone() }
    }

    /// The stream after the sub-block gave `y`. An encoder's mask of hidden dims acts on `y` and in the norm, a decoder's on
    /// the sum (METHOD §1.5).
    pub(crate) fn add(&self, x: Tensor<2>, y: Tensor<2>, dropout: &mut Option<&mut Dropout>) -> Tensor<2> {
        let masked = |y| match self.hidden {
            Some(hidden) => hidden.values.on(y),
            None => y,
        };
        match self.before {
            true => masked(x + Dropout::on(dropout, y)),
            false => self.norm.forward_sum(x, Dropout::on(dropout, masked(y)), self.hidden),
        }
    }
}
