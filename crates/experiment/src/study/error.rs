//! Everything that can be wrong with a study's file.

use crate::KnobError;

/// A study that cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StudyError {
    /// No built-in study has this name.
    #[error("there is no study `{name}`{}; there are {choices}, or give a TOML or JSON file", hint(suggestion))]
    Unknown {
        /// As it was given.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
        /// All names.
        choices: String,
    },
    /// The file cannot be read as a study.
    #[error(
        "{place}: this is not a study: {message}; the fields are summary, base, reference, seeds, densities, knobs, axes"
    )]
    Syntax {
        /// File and line.
        place: String,
        /// What the parser says.
        message: String,
    },
    /// A knob or preset.
    #[error("{place}: {source}")]
    Knob {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        source: Box<KnobError>,
    },
    /// What it says cannot be meant.
    #[error("{place}: {what}; {remedy}")]
    Unfit {
        /// Where it stands.
        place: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
}

impl StudyError {
    pub(super) fn syntax(file: &str, line: Option<usize>, message: &str) -> Self {
        let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}, line {line}"));
        // The parser's message may have several lines; only the first says what is wrong.
        Self::Syntax { place, message: message.lines().next().unwrap_or_default().to_owned() }
    }

    pub(super) fn unfit(place: String, what: String, remedy: &str) -> Self {
        Self::Unfit { place, what, remedy: remedy.to_owned() }
    }
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}
