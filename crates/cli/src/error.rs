//! What can end a command. Every message names what was wrong, where, and what to do; all but an interruption make
//! the program leave with status 2.

use apt_data::DataError;
use apt_experiment::{Event, EventError, KnobError, Problem, RecordError, StudyError};
use apt_nn::NnError;
use apt_train::TrainError;
use std::path::Path;

/// An error of the command line.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A knob, preset or configuration file.
    #[error(transparent)]
    Knobs(#[from] KnobError),
    /// Data or a tokenizer.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model.
    #[error(transparent)]
    Model(#[from] NnError),
    /// A run.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A report.
    #[error(transparent)]
    Report(#[from] apt_report::ReportError),
    /// An event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The operating system refuses a file.
    #[error("{path}: {doing} failed ({source}); {remedy}")]
    File {
        /// The file or folder.
        path: String,
        /// What was tried.
        doing: &'static str,
        /// The system's reason.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// Something is wrong with a path or its content.
    #[error("{place}: {what}; {remedy}")]
    Place {
        /// The file, folder or flag.
        place: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// Another process holds the run.
    #[error("{folder}: another process is working on this run; wait until it has ended")]
    Busy {
        /// The run's folder.
        folder: String,
    },
    /// A study's file.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// Ctrl-C in a study; what was finished is kept.
    #[error("stopped with {left} of {cells} runs to go; everything is saved. Go on with the same command")]
    Stopped {
        /// Cells not finished.
        left: usize,
        /// Cells of the study.
        cells: usize,
    },
    /// Cells that failed; all others are finished.
    #[error("{failed} of {cells} runs failed, their reasons are above and in {folder}; --retry runs them again")]
    Failures {
        /// Cells that failed.
        failed: usize,
        /// Cells of the study.
        cells: usize,
        /// The study's folder.
        folder: String,
    },
    /// Ctrl-C; everything is saved.
    #[error("interrupted after step {step}; everything is saved. Go on with:\n  apt-lab run --resume {folder}")]
    Interrupted {
        /// Steps made.
        step: usize,
        /// The run's folder.
        folder: String,
    },
}

/// The status of a program that was asked to stop.
pub const INTERRUPTED: u8 = 130;
/// The status of a program that found its folder held by another (EX_TEMPFAIL of sysexits.h).
pub const BUSY: u8 = 75;

impl CliError {
    /// A file or folder that could not be read.
    pub fn reading(path: &Path, source: std::io::Error) -> Self {
        let remedy = "check that it exists and may be read";
        Self::File { path: path.display().to_string(), doing: "reading", source, remedy }
    }

    /// A file or folder that could not be written.
    pub fn writing(path: &Path, source: std::io::Error) -> Self {
        let remedy = "check that the folder may be written and the disk has room, or name another one with --out";
        Self::File { path: path.display().to_string(), doing: "writing", source, remedy }
    }

    /// A path that is there but is not what it should be.
    pub fn place(place: &Path, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Place { place: place.display().to_string(), what: what.into(), remedy: remedy.into() }
    }

    /// Whether the user asked for it.
    pub fn is_wish(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::Stopped { .. })
    }

    /// The status the program leaves with.
    pub fn status(&self) -> u8 {
        match self {
            Self::Interrupted { .. } | Self::Stopped { .. } => INTERRUPTED,
            Self::Busy { .. } => BUSY,
            Self::Failures { .. } => 1,
            _ => 2,
        }
    }

    /// The same as the event that ends a run's stream.
    pub fn event(&self, step: usize) -> Event {
        let (step, what, place, remedy) = match self {
            Self::Train(error) => {
                let (what, place, remedy) = error.parts();
                let step = if let TrainError::NotFinite { step: at, .. } = error { step.max(*at) } else { step };
                (step, what, place, remedy)
            }
            Self::File { path, doing, source, remedy } => {
                (step, format!("{doing} failed ({source})"), path.clone(), (*remedy).to_owned())
            }
            Self::Place { place, what, remedy } => (step, what.clone(), place.clone(), remedy.clone()),
            other => {
                // These messages end in "; remedy".
                let text = other.to_string();
                let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, "change what is named and start again"));
                (step, what.to_owned(), "run".to_owned(), remedy.to_owned())
            }
        };
        Event::Failed { step, problem: Problem { what, place, remedy } }
    }
}
