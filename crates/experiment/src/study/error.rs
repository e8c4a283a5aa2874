//! Everything that can be wrong with a study's file.

use apt_core::problem::{Explain, Problem};

use crate::knob::error::{KnobError, did_you_mean};

/// A study that cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StudyError {
    /// No built-in study has this name.
    Unknown {
        /// As it was given.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
        /// All names.
        choices: String,
    },
    /// The file cannot be read as a study.
    Syntax {
        /// File and line.
        place: String,
        /// The parser's message.
        message: String,
    },
    /// A knob or preset in it.
    Knob {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        source: Box<KnobError>,
    },
    /// Its entries contradict each other or cannot be run.
    Unfit {
        /// Where it stands.
        place: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
}

apt_core::display_problem!(StudyError);

impl Explain for StudyError {
    fn problem(&self) -> Problem {
        match self {
            Self::Unknown { name, suggestion, choices } => Problem::new(
                "study",
                format!("there is no study `{name}`{}", did_you_mean(suggestion.as_deref())),
                format!("there are {choices}, or give a TOML or JSON file"),
            ),
            Self::Syntax { place, message } => Problem::new(
                place,
                format!("this is not a study: {message}"),
                "the fields are summary, base, reference, seeds, densities, required, knobs, tune, axes",
            ),
            Self::Knob { place, source } => Problem { place: place.clone(), ..source.problem() },
            Self::Unfit { place, what, remedy } => Problem::new(place, what, remedy),
        }
    }
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
