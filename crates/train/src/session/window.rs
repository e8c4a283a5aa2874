//! Where a run's pruning window lies: known before the first step, or once the training loss has moved (METHOD §4.1).

use crate::TrainError;
use apt_core::schedule::{LossOnset, Opening, Timeline};
use apt_experiment::{Knobs, leg_timeline};
use serde::{Deserialize, Serialize};

/// Where the pruning window opens, as far as that is known.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct PruningWindow {
    /// The step, or the latest that it can be.
    pub(super) opens: usize,
    /// What the training loss did so far, while the run waits for it.
    pub(super) waits_for: Option<LossOnset>,
}

impl PruningWindow {
    /// The window of a leg of `steps` steps, and the timeline that follows from it as far as that is known.
    ///
    /// # Errors
    /// Settings that cannot be laid out; a `tune_first` after which the window does not fit.
    pub(super) fn new(knobs: &Knobs, leg: usize, steps: usize) -> Result<(Self, Timeline), TrainError> {
        // What has been pruned once has learned enough to be scored and to teach.
        let opening = if leg == 0 { Opening::new(knobs.schedule, knobs.tune_first, steps) } else { Opening::At(0) };
        let timeline = leg_timeline(knobs, leg, steps, opening.latest())?;
        // A long window opens sooner, to end within the run, and so does the wait end.
        let opens = timeline.collect.start;
        if let Opening::At(first) = opening
            && first > opens
            && !timeline.collect.is_empty()
        {
            let what = format!("{first} steps of tuning leave no room for the pruning window in {steps} steps");
            let remedy = format!("set it to at most {opens} steps, or to a smaller share, or leave it out");
            return Err(TrainError::unfit("tune-first", what, remedy));
        }
        let waits = matches!(opening, Opening::LossMoved { .. }) && opens > 0;
        Ok((Self { opens, waits_for: waits.then(LossOnset::default) }, timeline))
    }
}
