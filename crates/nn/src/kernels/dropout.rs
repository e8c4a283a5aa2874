//! Dropout on the CPU: one pass over the activation and one over its gradient. What is kept for the way back are the two
//! bytes drawn for every entry, not a tensor of factors.

use super::rows::{Pass, by_row};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};
use std::sync::Arc;

/// Values that a draw of sixteen bits can have.
pub(crate) const DRAW_VALUES: f64 = 65_536.0;

/// What is dropped of one activation.
#[derive(Clone, Debug)]
pub(crate) struct Dropped {
    /// Two bytes for every entry, the lower one first.
    draws: Arc<Vec<u8>>,
    threshold: u16,
}

impl Dropped {
    /// `draws` of two bytes for every entry; those below `threshold` are dropped.
    pub(crate) fn new(draws: Vec<u8>, threshold: u16) -> Self {
        Self { draws: Arc::new(draws), threshold }
    }

    /// The draws, one for every entry.
    pub(crate) fn draws(&self) -> &[[u8; 2]] {
        self.draws.as_chunks().0
    }

    /// Entries whose draw is below are dropped.
    pub(crate) fn threshold(&self) -> u16 {
        self.threshold
    }

    /// What the others are multiplied by, 1/(1 − p).
    pub(crate) fn scale(&self) -> f32 {
        (DRAW_VALUES / (DRAW_VALUES - f64::from(self.threshold))) as f32
    }

    /// What every entry is multiplied by.
    pub(crate) fn factors(&self) -> Vec<f32> {
        let (threshold, scale) = (self.threshold, self.scale());
        let factor = |draw: &[u8; 2]| if u16::from_le_bytes(*draw) < threshold { 0.0 } else { scale };
        self.draws().iter().map(factor).collect()
    }
}

/// The operation, reachable from a tensor of any device.
#[backend_extension(Flex, Autodiff)]
pub(super) trait CpuDropout: Backend {
    /// `x` times the factors of `dropped`, entry by entry.
    fn cpu_dropped(x: FloatTensor<Self>, dropped: Dropped) -> FloatTensor<Self>;
}

impl CpuDropout for Flex {
    fn cpu_dropped(x: FlexTensor, dropped: Dropped) -> FlexTensor {
        let (threshold, scale) = (dropped.threshold(), dropped.scale());
        by_row(x, DropEntries { draws: dropped.draws(), threshold, scale })
    }
}

#[derive(Clone, Copy)]
struct DropEntries<'a> {
    /// As many as the tensor has entries.
    draws: &'a [[u8; 2]],
    threshold: u16,
    scale: f32,
}

impl Pass for DropEntries<'_> {
    #[inline(always)]
    fn row(self, index: usize, row: &mut [f32]) {
        let draws = &self.draws[index * row.len()..];
        for (x, &draw) in row.iter_mut().zip(draws) {
            *x *= if u16::from_le_bytes(draw) < self.threshold { 0.0 } else { self.scale };
        }
    }
}

#[derive(Debug)]
struct DropStep;

impl<B: CpuDropout> Backward<B, 1> for DropStep {
    type State = Dropped;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dropped = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::cpu_dropped(g, dropped));
    }
}

impl<B: CpuDropout, C: CheckpointStrategy> CpuDropout for Autodiff<B, C> {
    fn cpu_dropped(x: FloatTensor<Self>, dropped: Dropped) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match DropStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => tracked.finish(dropped.clone(), B::cpu_dropped(x, dropped)),
            OpsKind::UnTracked(free) => free.finish(B::cpu_dropped(x, dropped)),
        }
    }
}
