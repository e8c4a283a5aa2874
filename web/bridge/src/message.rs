//! What the worker tells the page.

use crate::{DeviceReport, Estimate, StoredRun, StoredStudy};
use apt_experiment::{Event, Record};
use serde::{Deserialize, Serialize};

/// News from the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum Message {
    /// The worker is loaded and listens.
    Ready,
    /// Something takes a while.
    Progress {
        /// What: `downloading model.safetensors`.
        what: String,
        /// Bytes or parts done.
        done: u64,
        /// Out of how many, if known.
        total: Option<u64>,
    },
    /// The answer to [`crate::Command::Devices`]; also sent when a run looks for its device.
    Devices(Box<DeviceReport>),
    /// The answer to [`crate::Command::Estimate`].
    Estimate(Estimate),
    /// The open run is in another state or at another step; also the first news of a run.
    Run(Box<StoredRun>),
    /// A study has come further, is over, or is left.
    Study(Box<StoredStudy>),
    /// What the open run said, in order.
    Events {
        /// The run.
        run: String,
        /// Its events.
        events: Vec<Event>,
    },
    /// A run goes on from a save: everything it had said up to then, in place of what the page may have.
    History {
        /// The run.
        run: String,
        /// Its events.
        events: Vec<Event>,
    },
    /// The open run is saved up to this step.
    Saved {
        /// The run.
        run: String,
        /// Training steps made.
        step: usize,
    },
    /// The run is over; its record is stored where the browser allows storage.
    Recorded {
        /// The run.
        run: String,
        /// Its record.
        record: Box<Record>,
    },
    /// The answer to [`crate::Command::Try`].
    Answer(Box<Answer>),
    /// The answer to [`crate::Command::Export`]; the bytes are the letter's one enclosure.
    File {
        /// A name to save it under.
        name: String,
    },
    /// Something to know that ends nothing.
    Notice {
        /// What.
        text: String,
    },
    /// A command could not be obeyed, or a run ended. What was open before is unharmed unless `run` is named.
    Fault(Fault),
    /// The worker panicked and must be replaced.
    Panic {
        /// Message, place and stack.
        report: String,
    },
}

/// What was wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The run that it ended, if it ended one.
    pub run: Option<String>,
    /// What was wrong.
    pub what: String,
    /// Where: the file, the setting, the operation.
    #[serde(rename = "where")]
    pub place: String,
    /// What to do.
    pub remedy: String,
}

/// What two models say about a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The text asked about.
    pub text: String,
    /// The second text of a pair.
    pub pair: Option<String>,
    /// The tokens it became.
    pub tokens: Vec<String>,
    /// The newest finished run that pruned nothing, of the same model and task. `None` if there is none in this browser.
    pub dense: Option<Verdict>,
    /// The open run's model as it is now.
    pub pruned: Verdict,
}

/// One model's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Class names and their probabilities, in the task's order.
    pub classes: Vec<(String, f64)>,
    /// Parameters of the model, embeddings and head included.
    pub parameters: u64,
    /// Median time of one pass, in milliseconds; warm-up excluded.
    pub milliseconds: f64,
    /// Training steps the model has behind it.
    pub step: usize,
}
