//! What can go wrong between a file and a model.

use thiserror::Error;

/// An error of this crate: what was wrong, where, and what to do.
#[derive(Debug, Error)]
pub enum NnError {
    /// A configuration file that is not valid JSON or lacks a field.
    #[error("{file}: {what}; expected the Hugging Face config.json of an encoder of a known family")]
    Config {
        /// The file, or a name for bytes that came from elsewhere.
        file: String,
        /// What was wrong.
        what: String,
    },
    /// A configuration whose numbers cannot describe a model.
    #[error("{file}: impossible size: {what}")]
    Size {
        /// The file, or a name for bytes that came from elsewhere.
        file: String,
        /// The numbers that do not fit together.
        what: String,
    },
    /// A weights file that is not what its header or the configuration says.
    #[error("{file}: {what}; fetch the file again or check that it belongs to this config.json")]
    Weights {
        /// The file, or a name for bytes that came from elsewhere.
        file: String,
        /// What was wrong.
        what: String,
    },
    /// A tensor that is missing, unexpected, or of the wrong shape, type or content.
    #[error("{file}: tensor `{tensor}`: {what}")]
    Tensor {
        /// The file, or a name for bytes that came from elsewhere.
        file: String,
        /// The tensor's name in the file.
        tensor: String,
        /// What was wrong and what to do.
        what: String,
    },
    /// A file that could not be read or written.
    #[error("{path}: {source}; check that the path exists and is readable and writable")]
    Io {
        /// The path.
        path: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Values could not be read back from the device.
    #[error("reading {what} from the device failed: {why}; the device may be lost, resume from the last checkpoint")]
    Device {
        /// What was being read.
        what: String,
        /// The device's reason.
        why: String,
    },
}

impl NnError {
    /// The error of the operating system for `path`.
    pub fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}
