//! What the worker reports to the page.

use crate::writing::Written;
use crate::{DataLook, DeviceReport, Estimate, FileSet, HubNews, Reading, StoredRun, StoredStudy};
use apt_experiment::{Event, Knobs, Problem, Record};
use serde::{Deserialize, Serialize};

/// A notification or an answer of the worker.
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
    /// The answer to [`crate::Command::Time`].
    Timed(Box<FirstSteps>),
    /// The open run is in another state or at another step; also the first message about a run.
    Run(Box<StoredRun>),
    /// A study has come further, is over, or is left.
    Study(Box<StoredStudy>),
    /// Events of the open run, in order.
    Events {
        /// The run.
        run: String,
        /// Its events.
        events: Vec<Event>,
    },
    /// A run goes on from a save: all its events up to then, in place of those that the page may have.
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
    /// A run or a record is no longer in the database.
    RunRemoved {
        /// Its name.
        run: String,
    },
    /// A study is no longer in the database.
    StudyRemoved {
        /// What it was kept under.
        study: String,
    },
    /// The answer to [`crate::Command::ImportRecord`].
    Imported {
        /// The file it came in.
        file: String,
        /// What it is kept under.
        run: String,
        /// The record.
        record: Box<Record>,
    },
    /// The dropped files that are kept, after a change.
    Files {
        /// All of them.
        sets: Vec<FileSet>,
        /// The set that was added, if one was.
        added: Option<String>,
    },
    /// How a model of the hub gets on.
    Hub(HubNews),
    /// The answer to [`crate::Command::Look`].
    Look(Box<DataLook>),
    /// The answer to [`crate::Command::Try`].
    Answer(Box<Answer>),
    /// One of those that write has come further.
    Written(Written),
    /// The answer to [`crate::Command::Export`]; the bytes are the message's one attachment.
    File {
        /// A name to save it under.
        name: String,
    },
    /// Something to know that ends nothing.
    Notice {
        /// What.
        text: String,
    },
    /// A command failed, or a run ended by an error. What was open before is unharmed unless `run` is named.
    Fault(Fault),
    /// To the worker that this one helps with a run, never to a page.
    Team(crate::team::Report),
    /// The answer to [`crate::Command::Leave`]: all that was asked before is done.
    Left,
    /// The worker panicked and must be replaced.
    Panic {
        /// Message, location and stack.
        report: String,
    },
}

/// What went wrong, and the run that it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The run that it ended, if it ended one.
    pub run: Option<String>,
    /// What was wrong, where, and what to do.
    #[serde(flatten)]
    pub problem: Problem,
}

/// How long the first steps of a run take here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstSteps {
    /// Its settings.
    pub knobs: Knobs,
    /// Seconds at the end of each step, the first first. The first few hold what is made once.
    pub seconds: Vec<f64>,
}

/// What models predict for a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// The second text of a pair.
    pub pair: Option<String>,
    /// One for each run that was asked, in the order of the command.
    pub models: Vec<ModelAnswer>,
}

/// What the model of one run has read and predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelAnswer {
    /// The run.
    pub run: String,
    /// The texts as its tokenizer reads them.
    pub reading: Reading,
    /// What it predicts.
    pub prediction: Prediction,
}

/// What a model predicts for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Names of the classes and their probabilities, in the task's order.
    Classes(Vec<(String, f64)>),
    /// A number, in the units of the data.
    Value(f64),
}

/// One model's prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// What is predicted.
    pub outcome: Outcome,
    /// Parameters in the layers, embeddings and head not counted.
    pub parameters: u64,
    /// Median time of one pass, in milliseconds; warm-up excluded.
    pub milliseconds: f64,
    /// Training steps the model has behind it.
    pub step: usize,
}
