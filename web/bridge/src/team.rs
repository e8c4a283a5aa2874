//! What a worker and those beside it tell each other: those that help it with a run, time steps, or make runs of its study.
//! Values travel as attachments, one buffer of 32-bit floats each.

use crate::StoredRun;
use apt_experiment::{CellState, Knobs};
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
    /// Make whole runs of a study; answered by [`Report::Prepared`].
    Serve {
        /// Runs of the study that are made at the same time.
        jobs: usize,
        /// The name of a browser's lock to hold for as long as this worker lives.
        lock: String,
    },
    /// Make this run, from the beginning or from its last save; answered by [`Report::Ended`].
    Make {
        /// Its entry.
        run: Box<StoredRun>,
        /// Whether it goes on from its last save.
        begun: bool,
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
    /// The run that it was to make is over, or is left as it was last saved.
    Ended {
        /// How far the run has come.
        state: CellState,
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
