//! When a run of these settings prunes and is taught (METHOD §4): what training follows and what a page draws.

use apt_core::arms::{Distillation, Salience};
use apt_core::schedule::{Timeline, TimelineConfig, TimelineError};

use crate::knobs::Knobs;

/// Share of the pruning window in which salience is only gathered.
const SALIENCE_WARMUP: f64 = 0.2;

/// The timeline of a run of `total` steps whose pruning window opens before step `opens`.
///
/// # Errors
/// [`TimelineError`] naming the setting that rules every layout out.
pub fn timeline(knobs: &Knobs, total: usize, opens: usize) -> Result<Timeline, TimelineError> {
    Timeline::new(&TimelineConfig {
        total_steps: total,
        schedule: knobs.schedule,
        curve: knobs.curve,
        density: knobs.density,
        num_prunings: knobs.num_prunings,
        opens,
        prune_fraction: knobs.prune_fraction,
        tuning_fraction: knobs.tuning_fraction,
        warmup_fraction: SALIENCE_WARMUP,
        distill_fraction: if knobs.distillation == Distillation::Off { 0.0 } else { knobs.distill_fraction },
        ranks_change: knobs.ranks_change(),
        learned_masks: knobs.salience == Salience::L0,
    })
}
