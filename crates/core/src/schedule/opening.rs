//! When the pruning window of `early` and `gradual` opens: at a step that the settings name, or once the training loss
//! has moved, so that neither salience nor a teacher is taken from a model that has learned nothing (METHOD §4.1).

use serde::{Deserialize, Serialize};

use super::config::whole;
use crate::arms::PruneSchedule;

/// The loss has moved when its mean has fallen by this share of what it was at the start.
const MOVED: f64 = 0.4;
/// Steps whose mean loss is that of the start.
const START: u32 = 8;
/// Memory of the running mean of losses.
const BETA: f64 = 0.9;
/// The window opens at this share of the run at the latest.
const LATEST: f64 = 0.25;

/// When the pruning window opens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Opening {
    /// Before this step.
    At(usize),
    /// When the loss has moved, and before this step at the latest.
    LossMoved {
        /// The step.
        latest: usize,
    },
}

impl Opening {
    /// The opening that `tune_first` asks for in a run of `total_steps`: below 1 a share of the steps, else a number of
    /// steps; `None` waits for the loss. `late` has a place of its own and opens where that says.
    pub fn new(schedule: PruneSchedule, tune_first: Option<f64>, total_steps: usize) -> Self {
        let share = |share: f64| whole(share * total_steps as f64);
        match (schedule, tune_first) {
            (PruneSchedule::Late, _) => Self::At(0),
            (_, None) => Self::LossMoved { latest: share(LATEST) },
            (_, Some(first)) if first < 1.0 => Self::At(share(first)),
            (_, Some(first)) => Self::At(first as usize),
        }
    }

    /// The step, or the latest that it can be.
    pub fn latest(self) -> usize {
        match self {
            Self::At(step) | Self::LossMoved { latest: step } => step,
        }
    }
}

/// Watches the task loss of every step, and says when it has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossOnset {
    seen: u32,
    /// Sum over the first steps.
    first: f64,
    /// Running mean of all, not corrected for its zero start.
    mean: f64,
}

impl LossOnset {
    /// Adds the loss of the next step, and says whether the running mean lies below `1 - MOVED` of the first steps' mean.
    pub fn add(&mut self, loss: f64) -> bool {
        if self.seen < START {
            self.first += loss;
        }
        self.seen += 1;
        self.mean = BETA * self.mean + (1.0 - BETA) * loss;
        self.seen >= START && self.mean() <= (1.0 - MOVED) * self.start()
    }

    /// Mean loss of the first steps.
    pub fn start(&self) -> f64 {
        self.first / f64::from(self.seen.clamp(1, START))
    }

    /// Running mean of the loss now.
    pub fn mean(&self) -> f64 {
        self.mean / (1.0 - BETA.powf(f64::from(self.seen.max(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_falls_is_seen_and_noise_is_not() {
        let mut onset = LossOnset::default();
        let noise = [0.1, -0.1, 0.05, -0.05];
        assert!((0..200).all(|step| !onset.add(0.69 + noise[step % 4])), "noise moved it");
        let fell = (0..100).position(|step| onset.add(0.69 - 0.005 * f64::from(step)));
        // 0.69 less two fifths is passed at step 55; the mean of the last steps lags some nine behind.
        assert!(fell.is_some_and(|step| (55..70).contains(&step)), "{fell:?}");
        assert!((onset.start() - 0.69).abs() < 1e-9);
    }

    #[test]
    fn a_share_a_number_of_steps_and_neither() {
        let of = |first| Opening::new(PruneSchedule::Early, first, 384);
        assert_eq!(of(Some(0.25)), Opening::At(96));
        assert_eq!(of(Some(200.0)), Opening::At(200));
        assert_eq!(of(None), Opening::LossMoved { latest: 96 });
        assert_eq!(Opening::new(PruneSchedule::Late, None, 384), Opening::At(0));
        assert_eq!(Opening::new(PruneSchedule::OneShot, Some(0.25), 384), Opening::At(96), "ranks grow from there");
    }
}
