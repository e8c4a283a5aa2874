//! What can end a run.

use apt_core::display_problem;
use apt_core::problem::{Explain, Problem};
use apt_core::schedule::TimelineError;
use apt_core::search::SearchError;
use apt_data::DataError;
use apt_experiment::KnobError;
use apt_nn::NnError;
use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
pub enum TrainError {
    /// Knobs that do not fit together or the model.
    Knobs(#[from] KnobError),
    /// A timeline that cannot be laid out.
    Timeline(#[from] TimelineError),
    /// Data that cannot be used.
    Data(#[from] DataError),
    /// A model that cannot be read, built or run.
    Model(#[from] NnError),
    /// No blocks could be chosen.
    Search(#[from] SearchError),
    /// NaN or infinity appeared.
    NotFinite {
        /// The training step, from 1; 0 outside training.
        step: usize,
        /// The first tensor that is not finite.
        tensor: String,
    },
    /// A checkpoint that cannot be used.
    Checkpoint(Problem),
    /// A setting that does not fit the model or task at hand.
    Unfit(Problem),
    /// A device that does not exist or fails its self-test.
    Device(Problem),
}

display_problem!(TrainError);

impl TrainError {
    /// Something wrong with the checkpoint `file`.
    pub(crate) fn checkpoint(file: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Checkpoint(Problem::new(format!("checkpoint {file}"), what, remedy))
    }

    /// Something at `place` that does not fit the rest of the run.
    pub(crate) fn unfit(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unfit(Problem::new(place, what, remedy))
    }
}

impl Explain for TrainError {
    fn problem(&self) -> Problem {
        match self {
            Self::Knobs(error) => error.problem(),
            Self::Timeline(error) => error.problem(),
            Self::Data(error) => error.problem(),
            Self::Model(error) => error.problem(),
            Self::Search(error) => error.problem(),
            Self::NotFinite { tensor, .. } => Problem::new(
                tensor,
                "NaN or infinity appeared",
                "lower learning-rate or clip-norm, or resume from an earlier checkpoint",
            ),
            Self::Checkpoint(problem) | Self::Unfit(problem) | Self::Device(problem) => problem.clone(),
        }
    }
}
