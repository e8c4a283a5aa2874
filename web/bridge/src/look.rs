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
    /// The least and the greatest label, where numbers are learned.
    pub values: Option<(f64, f64)>,
    /// The first training examples.
    pub first: Vec<LookedRow>,
    /// What was read, and what was not. Whether texts are cut is told of the first ones, and not at all if the model's
    /// tokenizer is not at hand.
    pub read: DataRead,
    /// Columns to choose from, each with what stands there in the first row, as far as it is known.
    pub columns: Vec<(String, String)>,
    /// Why nothing can be read before columns are chosen; the rest is then empty.
    pub problem: Option<Problem>,
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
