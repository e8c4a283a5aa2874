//! What dropped data hold, for people to look at before they train on them.

use apt_experiment::{DataRead, Problem};
use serde::{Deserialize, Serialize};

/// Data as a run of the settings would read them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataLook {
    /// What they are kept under.
    pub data: String,
    /// The task they are read for.
    pub task: String,
    /// Names of the splits, with how many examples each has.
    pub splits: Vec<(String, usize)>,
    /// The labels of the training and validation examples.
    pub labels: LabelCounts,
    /// The first training examples.
    pub first: Vec<LookedRow>,
    /// How many texts are longer than is read of them; `None` if the model's tokenizer is not at hand.
    pub cut: Option<Cut>,
    /// What was read, and what was not.
    pub read: DataRead,
    /// Columns to choose from, each with what stands there in the first row, as far as it is known.
    pub columns: Vec<(String, String)>,
    /// Why nothing can be read before columns are chosen; the rest is then empty.
    pub problem: Option<Problem>,
}

/// What there is to be predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelCounts {
    /// Classes, each with how many examples are of it.
    Classes(Vec<(String, usize)>),
    /// Numbers: the smallest and the largest.
    Values(f64, f64),
}

/// One example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedRow {
    /// Its text.
    pub text: String,
    /// The second text of a pair.
    pub pair: Option<String>,
    /// Its label.
    pub label: String,
}

/// How many texts are longer than what a model reads of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Texts that are longer.
    pub longer: usize,
    /// Texts that were looked at.
    pub of: usize,
    /// Tokens that are read.
    pub length: usize,
}
