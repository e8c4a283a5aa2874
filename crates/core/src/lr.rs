//! The learning rate at a step.
//!
//! It depends on the step alone, never on the optimiser's history, so pruning a model, growing its
//! adapters or resuming a run cannot disturb it. (The published code froze it at its peak from the
//! first pruning point on; METHOD §4.)

use serde::{Deserialize, Serialize};

crate::arms! {
    /// How the learning rate falls after warm-up.
    LrDecay ("learning rate decay") {
        /// in a straight line to zero
        Linear = "linear",
        /// along half a cosine to zero
        Cosine = "cosine",
        /// not at all, as the published code left it from the first pruning point on
        Constant = "constant",
    }
}

/// Linear warm-up from zero to `peak`, then decay to zero at `total_steps`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LrSchedule {
    /// Highest learning rate.
    pub peak: f64,
    /// Steps of warm-up; the step after the last of them runs at `peak`.
    pub warmup_steps: usize,
    /// The step at which the rate is zero, and stays so.
    pub total_steps: usize,
    /// How it gets there.
    pub decay: LrDecay,
}

impl LrSchedule {
    /// Warm-up over `warmup_fraction` of the run, rounded up.
    pub fn new(peak: f64, total_steps: usize, warmup_fraction: f64, decay: LrDecay) -> Self {
        let warmup_steps = (warmup_fraction * total_steps as f64 - 1e-9).ceil().max(0.0) as usize;
        Self { peak, warmup_steps, total_steps, decay }
    }

    /// The learning rate of global step `step`, counted from 0.
    ///
    /// The very first step of a schedule with warm-up runs at zero, as the published one does.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step as f64 / self.warmup_steps as f64);
        }
        if self.decay == LrDecay::Constant {
            return self.peak;
        }
        let span = self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        let left = self.total_steps.saturating_sub(step) as f64 / span;
        match self.decay {
            LrDecay::Linear | LrDecay::Constant => self.peak * left,
            LrDecay::Cosine => self.peak * 0.5 * (1.0 + (std::f64::consts::PI * (1.0 - left)).cos()),
        }
    }
}
