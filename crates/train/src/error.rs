//! What can end a run.

use apt_core::schedule::TimelineError;
use apt_core::search::SearchError;
use apt_data::DataError;
use apt_experiment::KnobError;
use apt_nn::NnError;
use thiserror::Error;

/// An error of this crate: what was wrong, where, and what to do.
#[derive(Debug, Error)]
pub enum TrainError {
    /// Knobs that do not fit together or the model.
    #[error(transparent)]
    Knobs(#[from] KnobError),
    /// A timeline that cannot be laid out.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    /// Data that cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model that cannot be read, built or run.
    #[error(transparent)]
    Model(#[from] NnError),
    /// No blocks could be chosen.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// NaN or infinity appeared.
    #[error(
        "step {step}: `{tensor}` is no longer finite; lower learning-rate or clip-norm, or resume from an earlier checkpoint"
    )]
    NotFinite {
        /// The training step, from 1.
        step: usize,
        /// The first tensor that is not finite.
        tensor: String,
    },
    /// A checkpoint that cannot be used.
    #[error("checkpoint {place}: {what}")]
    Checkpoint {
        /// The file, or the part of it.
        place: String,
        /// What was wrong and what to do.
        what: String,
    },
    /// A setting that does not fit the model or task at hand.
    #[error("{what}")]
    Unfit {
        /// What does not fit, and what to do.
        what: String,
    },
    /// A device that does not exist or fails its self-test.
    #[error("device {device}: {what}")]
    Device {
        /// The device asked for.
        device: String,
        /// What is wrong and what to do.
        what: String,
    },
}

impl TrainError {
    /// What was wrong, where, and what to do: the parts of the event that ends a run.
    pub fn parts(&self) -> (String, String, String) {
        if let Self::NotFinite { tensor, .. } = self {
            let remedy = "lower learning-rate or clip-norm, or resume from an earlier checkpoint";
            return ("NaN or infinity appeared".into(), tensor.clone(), remedy.into());
        }
        let place = match self {
            Self::Data(_) => "data",
            Self::Model(_) => "model",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Device { .. } => "device",
            _ => "settings",
        };
        // Messages end in "; remedy".
        let text = self.to_string();
        let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, "change what is named and start again"));
        (what.into(), place.into(), remedy.into())
    }
}
