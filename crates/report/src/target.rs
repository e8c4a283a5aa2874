//! What time to target is measured against: the dense runs of the same setting.

use apt_experiment::{Arm, ArmId, Study, fraction_of};
use serde::Serialize;

use crate::assignment::{Arms, Assigned};
use crate::statistics::{Summary, summarise};

/// The metric that counts as reached.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// The dense arm.
    pub of: String,
    /// Its metric on validation data.
    pub reference: Summary,
    /// The share of it that counts as reached.
    pub fraction: f64,
    /// What the task calls the metric.
    #[serde(skip)]
    pub metric: String,
}

impl Target {
    /// The metric that counts as reached.
    #[must_use]
    pub fn level(&self) -> f64 {
        fraction_of(&self.metric, self.reference.mean, self.fraction)
    }

    /// The share as text, `97 %`.
    #[must_use]
    pub fn percent(&self) -> String {
        format!("{} %", (1e8 * self.fraction).round() / 1e6)
    }
}

/// Of the study's reference, else of full fine-tuning, else of any other dense arm; the first that has runs.
pub(crate) fn target(study: &Study, arms: &Arms, runs: &[Assigned]) -> Option<Target> {
    let dense = |arm: &&Arm| !arm.knobs.prunes();
    let tuned = study.arms().filter(dense).filter(|arm| arm.knobs.train_base);
    let others = study.arms().filter(dense).filter(|arm| !arm.knobs.train_base);
    study.reference.iter().chain(tuned).chain(others).find_map(|arm| {
        let own = study.at_densities(arm).into_iter().flat_map(|knobs| arms.runs_of(&ArmId::of(&knobs), runs));
        let learned = own.map(|run| &run.record.measures.metric).filter(|metric| !metric.is_at_chance());
        let reference: Vec<f64> = learned.filter_map(|metric| metric.validation).collect();
        let fraction = arm.knobs.target_metric_fraction;
        let metric = runs.first().map_or_else(String::new, |run| run.record.measures.metric.name.clone());
        Some(Target { of: arm.name.clone(), reference: summarise(&reference)?, fraction, metric })
    })
}
