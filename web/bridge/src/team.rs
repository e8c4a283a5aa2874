//! What the worker that leads a run and those that help it tell each other. Values travel as attachments, one buffer of
//! 32-bit floats each.

use apt_experiment::Knobs;
use serde::{Deserialize, Serialize};

/// To a worker that helps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Fetch what a run needs; answered by [`Report::Prepared`].
    Prepare {
        /// Its settings.
        knobs: Box<Knobs>,
        /// The name of a browser's lock to hold for as long as this worker lives.
        lock: String,
    },
    /// Make the first steps of a run; answered by [`Report::Prepared`], then by [`Report::Step`] for each.
    Time {
        /// Its settings.
        knobs: Box<Knobs>,
        /// The name of a browser's lock to hold for as long as this worker lives.
        lock: String,
    },
    /// Be where the run is, a checkpoint of which is the attachment, and go on with it; answered by [`Report::Joined`].
    Join {
        /// The shards of every batch to compute.
        shards: Vec<usize>,
    },
    /// The next step begins.
    Turn {
        /// Knobs that change before it, with their values.
        changes: Vec<(String, String)>,
    },
    /// The sums over all shards, which are the attachment.
    Sums {
        /// Of which exchange.
        exchange: u64,
    },
}

/// Of a worker that helps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// It has what the run needs.
    Prepared,
    /// It is where the run is.
    Joined,
    /// It has made a step.
    Step {
        /// In so many milliseconds.
        ms: f64,
    },
    /// What it found of its shards, which are the attachments.
    Parts {
        /// Of which exchange.
        exchange: u64,
        /// A number that is the same where the model is.
        state: u64,
        /// Index of each shard.
        shards: Vec<usize>,
    },
}
