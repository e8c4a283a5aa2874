//! Why a command or a run can fail in a browser. The page gets the parts of an error as fields.

use apt_bridge::Fault;
use apt_bridge::store::StoreError;
use apt_data::DataError;
use apt_experiment::{CellState, Explain, KnobError, Problem, RecordError, StudyError};
use apt_export::ExportError;
use apt_hub::HubError;
use apt_nn::NnError;
use apt_train::TrainError;

/// An error of the worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// Settings, data, model, checkpoint, training.
    Train(#[from] TrainError),
    /// A record that cannot be read or made.
    Record(#[from] RecordError),
    /// The browser's database.
    Store(#[from] StoreError),
    /// A study that cannot be run.
    Study(#[from] StudyError),
    /// A model that cannot be written in a form.
    Export(#[from] ExportError),
    /// Another tab has the run open.
    Busy {
        /// The run.
        run: String,
    },
    /// Something else.
    Problem(Problem),
}

apt_experiment::display_problem!(WorkerError);

impl Explain for WorkerError {
    fn problem(&self) -> Problem {
        match self {
            Self::Train(error) => error.problem(),
            Self::Record(error) => error.problem(),
            Self::Store(error) => error.problem(),
            Self::Study(error) => error.problem(),
            Self::Export(error) => error.problem(),
            Self::Busy { run } => Problem::new(
                run,
                "this run is open in another tab",
                "go on with it there, or stop it there or close that tab first",
            ),
            Self::Problem(problem) => problem.clone(),
        }
    }
}

impl WorkerError {
    /// Something wrong at `place`.
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Problem(Problem::new(place, what, remedy))
    }

    /// Whether the loss of a GPU may be behind it: values could not be read.
    pub(crate) fn may_be_device_loss(&self) -> bool {
        matches!(self, Self::Train(TrainError::Model(NnError::Device { .. })))
    }

    /// For the page. `run` is the run it ended, if it ended one.
    pub(crate) fn fault(&self, run: Option<String>) -> Fault {
        Fault { run, problem: self.problem() }
    }

    /// The state of a study's cell that it ended at `step`.
    pub(crate) fn cell_state(&self, step: usize) -> CellState {
        CellState::failed(&self.problem(), step)
    }
}

impl From<HubError> for WorkerError {
    fn from(error: HubError) -> Self {
        Self::Problem(error.problem())
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
