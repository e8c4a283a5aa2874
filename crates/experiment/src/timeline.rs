//! When a run of these settings prunes and is taught (METHOD §4): what training follows and what a page draws.

use apt_core::arms::{Distillation, Salience};
use apt_core::schedule::{Timeline, TimelineConfig, TimelineError};

use crate::knobs::Knobs;

/// Share of the pruning window in which salience is only gathered.
const SALIENCE_WARMUP: f64 = 0.2;

/// The timeline of a run of `total` steps that goes to its density at once and whose pruning window opens before step
/// `opens`.
///
/// # Errors
/// [`TimelineError`] naming the setting that rules every layout out.
pub fn timeline(knobs: &Knobs, total: usize, opens: usize) -> Result<Timeline, TimelineError> {
    lay_out(knobs, 0, (1.0, knobs.density), total, opens)
}

/// The timeline of one leg of a run: of the `steps` steps to the density of that place in [`Knobs::densities`], from the
/// one before it. Its pruning window opens before the leg's step `opens`; steps of the timeline are those of the run.
///
/// # Errors
/// As [`timeline`].
pub fn leg_timeline(knobs: &Knobs, leg: usize, steps: usize, opens: usize) -> Result<Timeline, TimelineError> {
    let densities = knobs.densities();
    let before = leg.checked_sub(1).and_then(|before| densities.get(before).copied());
    let density = densities.get(leg).copied().unwrap_or(knobs.density);
    lay_out(knobs, leg * steps, (before.unwrap_or(1.0), density), steps, opens)
}

fn lay_out(
    knobs: &Knobs,
    begins: usize,
    (start_density, density): (f64, f64),
    steps: usize,
    opens: usize,
) -> Result<Timeline, TimelineError> {
    Timeline::new(&TimelineConfig {
        total_steps: steps,
        begins,
        start_density,
        schedule: knobs.schedule,
        curve: knobs.curve,
        density,
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
