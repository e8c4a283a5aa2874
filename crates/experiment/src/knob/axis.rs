//! The parts of an experiment.

use serde::{Deserialize, Serialize};

/// The part of an experiment a knob belongs to. The last four are the paper's ablation axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// The model and its adapters.
    Model,
    /// The task and its data.
    Task,
    /// Optimiser and length of training.
    Training,
    /// Device, seed, evaluation, checkpoints.
    Run,
    /// Ablation: how blocks are scored.
    Salience,
    /// Ablation: where ranks grow.
    Tuning,
    /// Ablation: the teacher.
    Distillation,
    /// Ablation: when and how much is pruned.
    Schedule,
}

impl Axis {
    /// The snake_case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Task => "task",
            Self::Training => "training",
            Self::Run => "run",
            Self::Salience => "salience",
            Self::Tuning => "tuning",
            Self::Distillation => "distillation",
            Self::Schedule => "schedule",
        }
    }
}
