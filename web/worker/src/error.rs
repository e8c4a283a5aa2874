//! What a command or a run can fail of in a browser, and how the page is told.

use apt_bridge::Fault;
use apt_bridge::store::StoreError;
use apt_data::DataError;
use apt_experiment::{Explain, KnobError, Problem, RecordError, StudyError};
use apt_nn::NnError;
use apt_train::TrainError;

/// An error of the worker.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Settings, data, model, checkpoint, training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A record that cannot be made.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The browser's database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A study that cannot be run.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// Another tab has the run open.
    #[error("{run}: this run is open in another tab; go on with it there, or close that tab first")]
    Busy {
        /// The run.
        run: String,
    },
    /// Something else: what, where, and what to do.
    #[error("{place}: {what}; {remedy}")]
    Place {
        /// What was wrong.
        what: String,
        /// Where.
        place: String,
        /// What to do.
        remedy: String,
    },
}

impl WorkerError {
    /// Something wrong at `place`.
    pub fn place(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Place { what: what.into(), place: place.into(), remedy: remedy.into() }
    }

    /// Whether the loss of a GPU may be behind it: values could not be read.
    pub fn may_be_a_loss(&self) -> bool {
        matches!(self, Self::Train(TrainError::Model(NnError::Device { .. })))
    }

    /// For the page. `run` is the run it ended, if it ended one.
    pub fn fault(&self, run: Option<String>) -> Fault {
        let (what, place, remedy) = match self {
            Self::Train(error) => {
                let Problem { what, place, remedy } = error.problem();
                (what, place, remedy)
            }
            Self::Place { what, place, remedy } => (what.clone(), place.clone(), remedy.clone()),
            Self::Study(error) => (error.to_string(), "study".into(), "correct the study".into()),
            Self::Busy { run } => (
                "this run is open in another tab".into(),
                run.clone(),
                "go on with it there, or close that tab first".into(),
            ),
            Self::Record(error) => (error.to_string(), "record".into(), "start the run again".into()),
            Self::Store(error) => {
                let text = error.to_string();
                let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, "allow this site to store data"));
                (what.into(), "storage".into(), remedy.into())
            }
        };
        Fault { run, what, place, remedy }
    }
}

macro_rules! through_training {
    ($($error:ty),*) => {$(
        impl From<$error> for WorkerError {
            fn from(error: $error) -> Self {
                Self::Train(error.into())
            }
        }
    )*};
}

through_training!(KnobError, DataError, NnError);
