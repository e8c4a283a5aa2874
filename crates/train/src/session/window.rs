//! Where a run's pruning window lies: known before the first step, or once the training loss has moved (METHOD §4.1).

use crate::TrainError;
use apt_core::arms::{self, Salience};
use apt_core::schedule::{LossOnset, Opening, Timeline, TimelineConfig};
use apt_experiment::Knobs;
use serde::{Deserialize, Serialize};

/// Share of the pruning window in which salience is only gathered.
const SALIENCE_WARMUP: f64 = 0.2;

/// Where the pruning window opens, as far as that is known.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct PruningWindow {
    /// The step, or the latest that it can be.
    pub(super) opens: usize,
    /// What the training loss did so far, while the run waits for it.
    pub(super) waits_for: Option<LossOnset>,
}

impl PruningWindow {
    /// The window of a run of `total` steps, and the timeline that follows from it as far as that is known.
    ///
    /// # Errors
    /// Settings that cannot be laid out; a `tune_first` after which the window does not fit.
    pub(super) fn new(knobs: &Knobs, total: usize) -> Result<(Self, Timeline), TrainError> {
        let opening = Opening::new(knobs.schedule, knobs.tune_first, total);
        let timeline = timeline(knobs, total, opening.latest())?;
        // A long window opens sooner, to end within the run, and so does the wait end.
        let opens = timeline.collect.start;
        if let Opening::At(first) = opening
            && first > opens
            && !timeline.points.is_empty()
        {
            let what =
                format!("{first} steps of tuning leave no room for the pruning window in a run of {total} steps");
            let remedy = format!("set it to at most {opens} steps, or to a smaller share, or leave it out");
            return Err(TrainError::unfit("tune-first", what, remedy));
        }
        let waits = matches!(opening, Opening::LossMoved { .. }) && opens > 0;
        Ok((Self { opens, waits_for: waits.then(LossOnset::default) }, timeline))
    }
}

/// The timeline of a run of `total` steps whose pruning window opens before step `opens`.
pub(super) fn timeline(knobs: &Knobs, total: usize, opens: usize) -> Result<Timeline, TrainError> {
    Ok(Timeline::new(&TimelineConfig {
        total_steps: total,
        schedule: knobs.schedule,
        curve: knobs.curve,
        density: knobs.density,
        num_prunings: knobs.num_prunings,
        opens,
        prune_fraction: knobs.prune_fraction,
        tuning_fraction: knobs.tuning_fraction,
        warmup_fraction: SALIENCE_WARMUP,
        distill_fraction: if knobs.distillation == arms::Distillation::Off { 0.0 } else { knobs.distill_fraction },
        ranks_change: knobs.ranks_change(),
        learned_masks: knobs.salience == Salience::L0,
    })?)
}
