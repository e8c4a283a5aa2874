//! What scoring blocks and teaching cost in a step: medians over steps of one run that differ in nothing else.

use serde::{Deserialize, Serialize};

use crate::finite::checked;

/// Median seconds of a training step in four parts of a run, evaluations not counted; none where a part has too few steps.
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

impl StepSeconds {
    /// Share of a dense step that scoring takes.
    #[must_use]
    pub fn scoring_share(&self) -> Option<f64> {
        self.dense.zip(self.scoring).map(|(alone, with)| 1.0 - alone / with)
    }

    /// Share of a step of the finished shape that teaching takes.
    #[must_use]
    pub fn teaching_share(&self) -> Option<f64> {
        self.tuning.zip(self.teaching).map(|(alone, with)| 1.0 - alone / with)
    }
}
