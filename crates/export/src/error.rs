//! What can keep a model from being written in a form.

use apt_core::display_problem;
use apt_core::problem::{Explain, Problem};
use apt_nn::NnError;
use thiserror::Error;

/// An error of this crate: what was wrong, where, and what to do.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Values that could not be read back, or a model that contradicts itself.
    Model(#[from] NnError),
    /// The form cannot hold this model.
    Form {
        /// The form.
        form: &'static str,
        /// Why not.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// `tokenizer.json` that cannot be read.
    Tokenizer {
        /// Why not.
        what: String,
    },
    /// A vocabulary that cannot be cut.
    Vocabulary {
        /// Why not.
        what: String,
    },
}

display_problem!(ExportError);

impl Explain for ExportError {
    fn problem(&self) -> Problem {
        match self {
            Self::Model(error) => error.problem(),
            Self::Form { form, what, remedy } => Problem::new(format!("the form {form}"), what, *remedy),
            Self::Tokenizer { what } => {
                Problem::new("tokenizer.json", what, "use the tokenizer.json that came with the model")
            }
            Self::Vocabulary { what } => {
                Problem::new("tokenizer.json", format!("its vocabulary cannot be cut: {what}"), "leave it whole")
            }
        }
    }
}
