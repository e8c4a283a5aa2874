//! What scoring blocks and teaching cost in a step: medians over steps of one run that differ in nothing else.

use serde::{Deserialize, Serialize};

use crate::finite::checked;

/// Median seconds of a training step in four parts of a run, evaluations not counted; none where a
/// part has too few steps. Batches differ in length, so a few steps more or less move a median by a tenth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepSeconds {
    /// Of the whole model, before scoring begins.
    #[serde(serialize_with = "checked")]
    pub dense: Option<f64>,
    /// Of the whole model while its blocks are scored.
    #[serde(serialize_with = "checked")]
    pub scoring: Option<f64>,
    /// Of the finished shape under a teacher.
    #[serde(serialize_with = "checked")]
    pub teaching: Option<f64>,
    /// Of the finished shape, alone.
    #[serde(serialize_with = "checked")]
    pub tuning: Option<f64>,
}
