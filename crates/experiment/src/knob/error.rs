//! Everything that can be wrong with a knob, said so that the next step is plain.

use std::fmt;

/// Where a value stood. Empty for flags, forms and URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<usize>,
}

impl Place {
    /// A place in `file`.
    #[must_use]
    pub fn new(file: &str, line: Option<usize>) -> Self {
        Self { file: Some(file.to_owned()), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(out, "{file}, line {line}: "),
            (Some(file), None) => write!(out, "{file}: "),
            _ => Ok(()),
        }
    }
}

/// A knob or preset that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum KnobError {
    /// No knob has this name.
    #[error("{place}there is no knob `{name}`{}; `apt-lab knobs` lists all", did_you_mean(suggestion))]
    Unknown {
        /// As it was given.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
        /// Where it stood.
        place: Place,
    },
    /// The value has the knob's type but is not allowed.
    #[error("{place}`{knob}` cannot be {value}; give {expected}")]
    OutOfRange {
        /// The knob.
        knob: &'static str,
        /// As it was given.
        value: String,
        /// What may stand there.
        expected: String,
        /// Where it stood.
        place: Place,
    },
    /// The value has another type.
    #[error("{place}`{knob}` is given as {value}, which has the wrong type; give {expected}")]
    WrongType {
        /// The knob.
        knob: &'static str,
        /// As it was given.
        value: String,
        /// What may stand there.
        expected: String,
        /// Where it stood.
        place: Place,
    },
    /// Two knobs contradict each other.
    #[error("`{first}` and `{second}` contradict each other: {why}; {remedy}")]
    Contradiction {
        /// One knob.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// What does not go together.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// The file is not TOML or not JSON.
    #[error("{place}this is not a configuration: {message}; write lines such as `density = 0.4`")]
    Syntax {
        /// What the parser says.
        message: String,
        /// Where.
        place: Place,
    },
    /// No preset has this name.
    #[error("there is no preset `{name}`{}; `apt-lab presets` lists all", did_you_mean(suggestion))]
    UnknownPreset {
        /// As it was given.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
    },
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}

/// The name among `known` that `wanted` most likely was meant to be.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let likeness = |name: &str| strsim::jaro_winkler(wanted, name).max(part_of(wanted, name));
    known
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

/// A word of a longer name counts as near: `temperature` for `distill_temperature`.
fn part_of(wanted: &str, name: &str) -> f64 {
    let whole_words = name.split(['_', '-']).any(|word| word == wanted) || wanted.len() > 4 && name.contains(wanted);
    if whole_words { 0.8 } else { 0.0 }
}
