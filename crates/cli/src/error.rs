//! What can end a command, and the exit status it gives.

use apt_data::DataError;
use apt_experiment::{Event, EventError, Explain, KnobError, Problem, RecordError, StudyError};
use apt_export::ExportError;
use apt_hub::{HubError, Kind};
use apt_nn::NnError;
use apt_report::ReportError;
use apt_train::TrainError;
use std::path::Path;

/// Exit status after Ctrl-C: 128 + SIGINT, as shells have it.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;
/// Exit status if what another process or machine does has to be waited for (EX_TEMPFAIL of sysexits.h).
pub(crate) const EXIT_BUSY: u8 = 75;

/// An error of the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Something is wrong with a setting, a file, the data, the model or the run.
    #[error("{problem}")]
    Problem {
        /// What, where, and what to do.
        problem: Problem,
        /// The training step in which it appeared, from 1; 0 outside training.
        step: usize,
    },
    /// Another process is writing the run.
    #[error("{folder}: another process is writing this folder; wait until it has ended")]
    Busy {
        /// The run's folder.
        folder: String,
    },
    /// Ctrl-C in a study; the finished runs are kept.
    #[error("stopped with {left} of {cells} runs left; everything is saved. Continue with the same command")]
    Stopped {
        /// Cells not finished.
        left: usize,
        /// Cells of the study.
        cells: usize,
    },
    /// Trials that are not here, without which nothing can be chosen.
    #[error("{missing} of {trials} trials of [tune] are missing ({names}), so nothing was chosen; {remedy}")]
    Undecided {
        /// Trials that are missing.
        missing: usize,
        /// Trials of the study.
        trials: usize,
        /// The first of them.
        names: String,
        /// What to do.
        remedy: String,
    },
    /// Cells that failed; all others are finished.
    #[error("{failed} of {cells} runs failed, for the reasons above and in {folder}; --retry runs them again")]
    Failures {
        /// Cells that failed.
        failed: usize,
        /// Cells of the study.
        cells: usize,
        /// The study's folder.
        folder: String,
    },
    /// Ctrl-C while a model was fetched; what is there is kept.
    #[error("{problem}")]
    Unfetched {
        /// What was fetched, and how it goes on.
        problem: Problem,
    },
    /// Ctrl-C in a run; everything is saved.
    #[error("interrupted after step {step}; everything is saved. Continue with:\n  {command}")]
    Interrupted {
        /// Steps made.
        step: usize,
        /// The run's folder.
        folder: String,
        /// The command that continues it.
        command: String,
    },
}

impl CliError {
    /// A file or folder that could not be read.
    pub(crate) fn reading(path: &Path, source: std::io::Error) -> Self {
        Self::at(path, format!("reading failed ({source})"), "check that it exists and may be read")
    }

    /// A file or folder that could not be written.
    pub(crate) fn writing(path: &Path, source: std::io::Error) -> Self {
        let remedy = "check that the folder may be written and the disk has room, or name another one with --out";
        Self::at(path, format!("writing failed ({source})"), remedy)
    }

    /// A path at which there is nothing; `kind` says what was expected. Whoever reads it has to know where a relative path
    /// begins.
    pub(crate) fn missing(path: &Path, kind: &str, remedy: impl Into<String>) -> Self {
        let here = std::env::current_dir().ok().filter(|_| path.is_relative());
        let within = here.map_or_else(String::new, |here| format!(" in {}", here.display()));
        Self::at(path, format!("there is no such {kind}{within}"), remedy)
    }

    /// Threads that the system does not give.
    pub(crate) fn threads(source: impl std::fmt::Display) -> Self {
        let remedy =
            "raise the limit (`ulimit -u`, `ulimit -v`), or use fewer: RAYON_NUM_THREADS=1, and --jobs 1 in a study";
        Problem::new("threads", format!("the system gives no more of them ({source})"), remedy).into()
    }

    /// A path that is there but is not what it should be.
    pub(crate) fn at(path: &Path, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Problem::new(path.display().to_string(), what, remedy).into()
    }

    /// Whether the user stopped the command with Ctrl-C: nothing is wrong then.
    pub(crate) fn is_user_abort(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::Stopped { .. } | Self::Unfetched { .. })
    }

    /// The program's exit status.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Interrupted { .. } | Self::Stopped { .. } | Self::Unfetched { .. } => EXIT_INTERRUPTED,
            Self::Busy { .. } | Self::Undecided { .. } => EXIT_BUSY,
            Self::Failures { .. } => 1,
            Self::Problem { .. } => 2,
        }
    }

    /// The event that ends the stream of a run which has made `steps` steps.
    pub(crate) fn event(&self, steps: usize) -> Event {
        let (step, problem) = match self {
            Self::Problem { problem, step } => (steps.max(*step), problem.clone()),
            Self::Unfetched { problem } => (steps, problem.clone()),
            Self::Busy { folder } => {
                let what = "another process is writing this folder";
                (steps, Problem::new(folder, what, "wait until it has ended"))
            }
            Self::Failures { failed, cells, folder } => {
                (steps, Problem::new(folder, format!("{failed} of {cells} runs failed"), "--retry runs them again"))
            }
            Self::Undecided { missing, trials, names, remedy } => {
                let what = format!("{missing} of {trials} trials of [tune] are missing: {names}");
                (steps, Problem::new("study", what, remedy))
            }
            Self::Stopped { left, cells } => {
                let what = format!("stopped with {left} of {cells} runs left");
                (steps, Problem::new("study", what, "continue with the same command"))
            }
            Self::Interrupted { step, folder, command } => {
                let what = format!("interrupted after step {step}");
                (*step, Problem::new(folder, what, format!("continue with {command}")))
            }
        };
        Event::Failed { step, problem }
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        Self::Problem { problem, step: 0 }
    }
}

impl From<TrainError> for CliError {
    fn from(error: TrainError) -> Self {
        let step = if let TrainError::NotFinite { step, .. } = error { step } else { 0 };
        Self::Problem { problem: error.problem(), step }
    }
}

impl From<HubError> for CliError {
    fn from(error: HubError) -> Self {
        match error.kind() {
            Kind::Stopped => Self::Unfetched { problem: error.problem() },
            _ => error.problem().into(),
        }
    }
}

macro_rules! from_explained {
    ($($error:ty),+) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                error.problem().into()
            }
        }
    )+};
}

from_explained!(KnobError, DataError, NnError, ExportError, RecordError, ReportError, EventError, StudyError);
