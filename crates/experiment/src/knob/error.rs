//! Everything that can be wrong with a knob, each with its place and remedy.

use std::fmt;

use apt_core::problem::{Explain, Problem};

/// The file and line in which a setting stood. Empty for flags, forms and URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingLocation {
    /// The file.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<usize>,
}

impl SettingLocation {
    /// A line of `file`.
    #[must_use]
    pub fn new(file: &str, line: Option<usize>) -> Self {
        Self { file: Some(file.to_owned()), line }
    }
}

impl fmt::Display for SettingLocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(out, "{file}, line {line}"),
            (Some(file), None) => out.write_str(file),
            (None, _) => out.write_str("settings"),
        }
    }
}

/// A knob or preset that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum KnobError {
    /// No knob has this name.
    Unknown {
        /// As it was given.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
        /// Where it stood.
        location: SettingLocation,
    },
    /// The value has the knob's type but is not allowed.
    OutOfRange {
        /// The knob.
        knob: &'static str,
        /// As it was given.
        value: String,
        /// What may stand there.
        expected: String,
        /// Where it stood.
        location: SettingLocation,
    },
    /// The value has another type.
    WrongType {
        /// The knob.
        knob: &'static str,
        /// As it was given.
        value: String,
        /// What may stand there.
        expected: String,
        /// Where it stood.
        location: SettingLocation,
    },
    /// Two knobs contradict each other.
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
    Syntax {
        /// The parser's message.
        message: String,
        /// Where.
        location: SettingLocation,
    },
    /// No preset has this name.
    UnknownPreset {
        /// As it was given.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
    },
}

apt_core::display_problem!(KnobError);

impl Explain for KnobError {
    fn problem(&self) -> Problem {
        match self {
            Self::Unknown { name, suggestion, location } => Problem::new(
                location.to_string(),
                format!("there is no knob `{name}`{}", did_you_mean(suggestion.as_deref())),
                "`apt-lab knobs` lists all",
            ),
            Self::OutOfRange { knob, value, expected, location } => {
                Problem::new(location.to_string(), format!("`{knob}` cannot be {value}"), format!("give {expected}"))
            }
            Self::WrongType { knob, value, expected, location } => Problem::new(
                location.to_string(),
                format!("`{knob}` is given as {value}, which has the wrong type"),
                format!("give {expected}"),
            ),
            Self::Contradiction { first, second, why, remedy } => Problem::new(
                SettingLocation::default().to_string(),
                format!("`{first}` and `{second}` contradict each other: {why}"),
                remedy,
            ),
            Self::Syntax { message, location } => Problem::new(
                location.to_string(),
                format!("this is not a configuration: {message}"),
                "write lines such as `density = 0.4`",
            ),
            Self::UnknownPreset { name, suggestion } => Problem::new(
                SettingLocation::default().to_string(),
                format!("there is no preset `{name}`{}", did_you_mean(suggestion.as_deref())),
                "`apt-lab presets` lists all",
            ),
        }
    }
}

/// `, did you mean …?` where there is a name to suggest.
pub(crate) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}

/// The name among `known` that `wanted` most likely was meant to be: one that begins alike (Jaro and Winkler) and of
/// which half the letters can stay (Damerau and Levenshtein), else `sparsity` would have meant `shards`.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let alike = |name: &str| match strsim::normalized_damerau_levenshtein(wanted, name) >= 0.5 {
        true => strsim::jaro_winkler(wanted, name),
        false => 0.0,
    };
    let likeness = |name: &str| alike(name).max(part_of(wanted, name));
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
