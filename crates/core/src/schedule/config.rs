//! What a timeline is computed from, and what rules every layout out.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::arms::{Curve, PruneSchedule};
use crate::problem::{Explain, Problem};

/// What a timeline is computed from. Fractions are of `total_steps` unless noted otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineConfig {
    /// Training steps to lay out.
    pub total_steps: usize,
    /// Steps made before them, in which the model came to `start_density`.
    pub begins: usize,
    /// Density of the model before the first of them, in (0, 1].
    pub start_density: f64,
    /// When density falls.
    pub schedule: PruneSchedule,
    /// How it falls.
    pub curve: Curve,
    /// Share of the layers' parameters left at the end, in (0, `start_density`].
    pub density: f64,
    /// Pruning points requested; a short run gets fewer.
    pub num_prunings: usize,
    /// Steps before the pruning window of `early` and `gradual` opens, if that leaves room for the window.
    pub opens: usize,
    /// Length of the pruning window of `early` and `late`.
    pub prune_fraction: f64,
    /// Share of the run at its end left for final tuning, by `late` and `gradual`.
    pub tuning_fraction: f64,
    /// Share of the pruning window of `early` and `late` in which salience is only gathered; `gradual` waits as long.
    pub warmup_fraction: f64,
    /// Length of distillation, which starts at the first pruning point; 0 for none.
    pub distill_fraction: f64,
    /// Whether ranks change at the points: then there are points at density 1 too, which remove nothing.
    pub ranks_change: bool,
    /// Whether masks are learned: then distillation starts with them, at the first window.
    pub learned_masks: bool,
}

/// A run that cannot be laid out.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TimelineError {
    /// No room for a pruning point after the first step.
    TooShort {
        /// Steps of the run.
        total_steps: usize,
    },
    /// Density outside (0, 1], or above that of the model before.
    Density(f64),
    /// A fraction outside [0, 1].
    Fraction {
        /// The field of [`TimelineConfig`].
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// No pruning point is requested.
    NoPrunings,
    /// The late window would begin before the run.
    Overlap {
        /// `prune_fraction`.
        prune: f64,
        /// `tuning_fraction`.
        tuning: f64,
    },
}

crate::display_problem!(TimelineError);

impl Explain for TimelineError {
    fn problem(&self) -> Problem {
        let (what, remedy) = match self {
            Self::TooShort { total_steps } => (
                format!("a run of {total_steps} steps is too short to prune while training"),
                "give it at least 2, or use one_shot",
            ),
            Self::Density(density) => {
                (format!("density is {density}"), "set it above 0, and at most 1 and any density before it")
            }
            Self::Fraction { name, value } => (format!("{name} is {value}"), "set it between 0 and 1"),
            Self::NoPrunings => ("num_prunings is 0".to_owned(), "use at least 1, or density 1 for no pruning"),
            Self::Overlap { prune, tuning } => (
                format!("prune_fraction {prune} and tuning_fraction {tuning} add up to more than the run"),
                "lower one of them",
            ),
        };
        Problem::new("schedule", what, remedy)
    }
}

impl TimelineConfig {
    pub(super) fn check(&self) -> Result<(), TimelineError> {
        if !(self.density > 0.0 && self.density <= self.start_density && self.start_density <= 1.0) {
            return Err(TimelineError::Density(self.density));
        }
        let fractions = [
            ("prune_fraction", self.prune_fraction),
            ("tuning_fraction", self.tuning_fraction),
            ("warmup_fraction", self.warmup_fraction),
            ("distill_fraction", self.distill_fraction),
        ];
        for (name, value) in fractions {
            if !(0.0..=1.0).contains(&value) {
                return Err(TimelineError::Fraction { name, value });
            }
        }
        if self.num_prunings == 0 {
            return Err(TimelineError::NoPrunings);
        }
        Ok(())
    }

    /// First step of the pruning window, first step that may decay masks, and the last point.
    pub(super) fn window(&self) -> Result<(usize, usize, usize), TimelineError> {
        let total = self.total_steps;
        if total < 2 {
            return Err(TimelineError::TooShort { total_steps: total });
        }
        // A point at `total` would never be applied: no training step follows it.
        let length = self.steps(self.prune_fraction).clamp(1, total - 1);
        let warm_up = whole(self.warmup_fraction * length as f64);
        let end_of_late = (total - self.steps(self.tuning_fraction)).clamp(1, total - 1);
        let (start, end) = match self.schedule {
            PruneSchedule::Early | PruneSchedule::OneShot => {
                let start = self.opens.min(total - 1 - length);
                (start, start + length)
            }
            PruneSchedule::Gradual => (self.opens.min(end_of_late - 1), end_of_late),
            PruneSchedule::Late => {
                if self.prune_fraction + self.tuning_fraction > 1.0 + 1e-9 {
                    let (prune, tuning) = (self.prune_fraction, self.tuning_fraction);
                    return Err(TimelineError::Overlap { prune, tuning });
                }
                (end_of_late.saturating_sub(length), end_of_late)
            }
        };
        // At least one step decays.
        Ok((start, (start + warm_up).min(end - 1), end))
    }

    pub(super) fn distillation(&self, start: usize) -> Option<Range<usize>> {
        let end = (start + self.steps(self.distill_fraction)).min(self.total_steps);
        (start < end).then_some(start..end)
    }

    fn steps(&self, fraction: f64) -> usize {
        whole(fraction * self.total_steps as f64)
    }
}

/// Rounds down, forgiving the last bit so that 0.075 of 2000 is 150.
pub(super) fn whole(steps: f64) -> usize {
    (steps + 1e-9) as usize
}
