//! The parts of an error of this workspace: what is wrong, where, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A problem in three parts. An event, a message to the page and a line on a terminal show the same three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// Where: the file with its line, the setting, the tensor.
    #[serde(rename = "where")]
    pub place: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// A problem at `place`.
    pub fn new(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), place: place.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.place, self.what, self.remedy)
    }
}

/// An error that names its place and its remedy. Its `Display` is that of its [`Problem`], by [`display_problem!`].
///
/// [`display_problem!`]: crate::display_problem
pub trait Explain: std::error::Error {
    /// What is wrong, where, and what to do.
    fn problem(&self) -> Problem;
}

/// Implements `Display` for errors that are [`Explain`], so that each text is written once.
#[macro_export]
macro_rules! display_problem {
    ($($error:ty),+ $(,)?) => {$(
        impl std::fmt::Display for $error {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&$crate::problem::Explain::problem(self), out)
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_with_a_semicolon_stays_one_part() {
        let problem = Problem::new("a.json", "expected `,`; found `;`", "write a comma");
        assert_eq!(problem.to_string(), "a.json: expected `,`; found `;`; write a comma");
        let json = serde_json::to_string(&problem).expect("it can be written");
        assert_eq!(serde_json::from_str::<Problem>(&json).expect("it reads back"), problem);
    }
}
