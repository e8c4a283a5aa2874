//! Runs that a report was given and does not compare.

use serde::Serialize;

/// A run that is not compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// The kind of reason.
    pub kind: Reason,
    /// The reason in words.
    pub reason: String,
}

impl LeftOut {
    pub(crate) fn new(name: &str, kind: Reason, reason: &str) -> Self {
        Self { name: name.to_owned(), kind, reason: reason.to_owned() }
    }
}

/// Why a run is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It failed.
    Failed,
    /// It is not complete.
    Unfinished,
    /// Knobs were changed while it went on.
    #[serde(rename = "turned")]
    Changed,
    /// Its seed is there already.
    Repeated,
    /// It is no arm of the study.
    NoArm,
}

impl Reason {
    /// In a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unfinished => "not finished",
            Self::Changed => "knobs changed on the way",
            Self::Repeated => "repeated",
            Self::NoArm => "no arm",
        }
    }
}
