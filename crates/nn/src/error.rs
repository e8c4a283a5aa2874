//! What can go wrong between a file and a model.

use apt_core::display_problem;
use apt_core::problem::{Explain, Problem};
use thiserror::Error;

/// An error of this crate: what was wrong, where, and what to do.
#[derive(Debug, Error)]
pub enum NnError {
    /// A configuration file that is not valid JSON or lacks a field.
    Config {
        /// The file, or a name for bytes that came from elsewhere.
        file: String,
        /// What was wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A configuration whose numbers cannot describe a model.
    Size {
        /// The file, or a name for bytes that came from elsewhere.
        file: String,
        /// The numbers that do not fit together.
        what: String,
    },
    /// A weights file that is not what its header or the configuration says.
    Weights {
        /// The file, or a name for bytes that came from elsewhere.
        file: String,
        /// What was wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A tensor that is missing, unexpected, or of the wrong shape, type or content.
    Tensor {
        /// The file, or a name for bytes that came from elsewhere.
        file: String,
        /// The tensor's name in the file.
        tensor: String,
        /// What was wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A sequence longer than a model has positions for.
    Length {
        /// Tokens of the sequence.
        tokens: usize,
        /// The longest that the model takes.
        most: usize,
    },
    /// A file that could not be read or written.
    Io {
        /// The path.
        path: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Values could not be read back from the device.
    Device {
        /// What was being read.
        what: String,
        /// The device's reason.
        why: String,
    },
}

display_problem!(NnError);

impl Explain for NnError {
    fn problem(&self) -> Problem {
        match self {
            Self::Config { file, what, remedy } | Self::Weights { file, what, remedy } => {
                Problem::new(file, what, remedy)
            }
            Self::Size { file, what } => {
                Problem::new(file, format!("impossible size: {what}"), "fetch the file again or correct the number")
            }
            Self::Tensor { file, tensor, what, remedy } => {
                Problem::new(format!("{file}, tensor `{tensor}`"), what, remedy)
            }
            Self::Length { tokens, most } => {
                let what = format!("a sequence of {tokens} tokens, of which the model takes {most} at most");
                Problem::new("model", what, "give a shorter text, or ask for fewer tokens")
            }
            Self::Io { path, source } => {
                Problem::new(path, source.to_string(), "check that the path exists and is readable and writable")
            }
            Self::Device { what, why } => Problem::new(
                "device",
                format!("reading {what} back failed: {why}"),
                "the device may be lost: resume from the last checkpoint",
            ),
        }
    }
}

impl NnError {
    /// The error of the operating system for `path`.
    pub fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}
