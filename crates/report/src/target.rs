//! What time to target is measured against: the dense runs of the same setting.

use apt_experiment::{Arm, Record, Study, same_experiment};
use serde::Serialize;

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
}

impl Target {
    /// The metric that counts as reached.
    #[must_use]
    pub fn level(&self) -> f64 {
        self.fraction * self.reference.mean
    }

    /// The share as text, `97 %`.
    #[must_use]
    pub fn percent(&self) -> String {
        format!("{} %", (1e8 * self.fraction).round() / 1e6)
    }
}

/// The target, and copies of the runs measured against it. Without dense runs they keep what they were measured against.
pub(crate) fn aim(study: &Study, runs: &[(&str, &Record)]) -> (Option<Target>, Vec<Record>) {
    let mut records: Vec<Record> = runs.iter().map(|(_, record)| (*record).clone()).collect();
    let target = target(study, runs);
    if let Some(target) = &target {
        records.iter_mut().for_each(|record| record.set_reference(target.reference.mean));
    }
    (target, records)
}

/// Of the study's reference, else of full fine-tuning, else of any other dense arm; the first that has runs.
fn target(study: &Study, runs: &[(&str, &Record)]) -> Option<Target> {
    let dense = |arm: &&Arm| !arm.knobs.prunes();
    let tuned = study.arms().filter(dense).filter(|arm| arm.knobs.train_base);
    let others = study.arms().filter(dense).filter(|arm| !arm.knobs.train_base);
    study.reference.iter().chain(tuned).chain(others).find_map(|arm| {
        let own = runs.iter().filter(|(_, record)| same_experiment(&record.config, &arm.knobs));
        let reference: Vec<f64> = own.filter_map(|(_, record)| record.measures.metric.validation).collect();
        let fraction = arm.knobs.target_metric_fraction;
        Some(Target { of: arm.name.clone(), reference: summarise(&reference)?, fraction })
    })
}
