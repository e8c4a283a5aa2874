//! Two validation examples, and what student and teacher answer to them in the course of a run.

use serde::{Deserialize, Serialize};

use crate::finite::checked;

/// An example that every evaluation on validation data says the answers to. Classification with few classes only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedExample {
    /// Its place among the validation examples, from 0.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// Its text, cut. Of the built-in task alone: records are passed on, and whose data they are made from may be nobody's
    /// business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What was answered to one example: the probability of each class, to four places.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExampleAnswers {
    /// By the student, under its masks.
    #[serde(serialize_with = "checked")]
    pub student: Vec<f64>,
    /// By the teacher, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "checked")]
    pub teacher: Option<Vec<f64>>,
}
