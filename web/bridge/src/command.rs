//! What the page asks of the worker.

use crate::writing::Task;
use crate::{StoredRun, StoredStudy};
use apt_experiment::{Knobs, StudyFile};
use serde::{Deserialize, Serialize};

/// A request of the page. The worker handles them in order; those without a name concern the run that is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Look for a GPU and test it; answered by [`crate::Message::Devices`].
    Devices {
        /// Test again even if this adapter has passed before.
        again: bool,
    },
    /// How much memory a run would need; answered by [`crate::Message::Estimate`].
    Estimate {
        /// Its settings.
        knobs: Box<Knobs>,
    },
    /// Make the first steps of a run and throw them away, to learn how fast this computer is; answered by
    /// [`crate::Message::Timed`], unless a run is open.
    Time {
        /// Its settings.
        knobs: Box<Knobs>,
    },
    /// Begin a new run. A run that is open is saved and closed first.
    Start {
        /// Its entry, as [`StoredRun::new`] makes it.
        run: Box<StoredRun>,
    },
    /// Open a stored run and go on from its last save.
    Open {
        /// The run's name.
        run: String,
        /// Whether to train on at once.
        running: bool,
    },
    /// Run what is not finished of a study, cell after cell or several at the same time; answered by
    /// [`crate::Message::Study`] whenever one has come further. Whatever was open is saved and closed first. A command that
    /// opens or closes a run ends it; the same command goes on with it.
    Study {
        /// What it is kept under.
        study: String,
        /// Its file.
        file: Box<StudyFile>,
        /// Run failed cells again.
        retry: bool,
        /// Runs at the same time, as far as there are processors and memory for them.
        jobs: usize,
    },
    /// Pause after the step that is being made; saves.
    Pause,
    /// Make one training step, then pause.
    Step,
    /// Train on.
    Resume,
    /// Begin anew with the settings of the open run.
    Restart,
    /// Save and close the open run.
    Stop,
    /// Change a setting from the next step on; only knobs that [`apt_experiment::Knob::live`] marks.
    SetKnob {
        /// The knob's name.
        knob: String,
        /// Its value as text.
        value: String,
    },
    /// Save now.
    Checkpoint,
    /// Evaluate on the validation examples now; answered by the event `evaluation`.
    Evaluate,
    /// Ask models about a text; answered by [`crate::Message::Answer`].
    Try {
        /// The runs whose models are asked: finished ones that left a model, or the open one, whose model is taken as it
        /// is now.
        runs: Vec<String>,
        /// The text.
        text: String,
        /// The second text of a pair.
        pair: Option<String>,
    },
    /// Have decoders write, in place of what is being written; answered by [`crate::Message::Written`], token by token,
    /// while other commands are handled.
    Write(Task),
    /// Write no more.
    StopWriting,
    /// Hand out a file made from the open run; answered by [`crate::Message::File`].
    Export {
        /// Which.
        what: Wanted,
    },
    /// Remove a run or a record from the database, unless it is open, here or in another tab; answered by
    /// [`crate::Message::RunRemoved`]. A study that has it may make it again.
    RemoveRun {
        /// The run's name.
        run: String,
    },
    /// Keep a study of which nothing has been run; answered by [`crate::Message::Study`].
    QueueStudy {
        /// The study, as [`StoredStudy::queued`] makes it.
        study: Box<StoredStudy>,
    },
    /// Remove a study and keep its runs; answered by [`crate::Message::StudyRemoved`].
    RemoveStudy {
        /// What it is kept under.
        study: String,
    },
    /// Keep the record of a run that was made elsewhere; answered by [`crate::Message::Imported`].
    ImportRecord {
        /// The name of its file.
        file: String,
        /// What the file holds.
        text: String,
    },
    /// Keep dropped files, which are the attachments, if they can be used; answered by [`crate::Message::Files`].
    KeepFiles {
        /// What to keep them under, in place of what has that name; a new name if there is none.
        name: Option<String>,
        /// The settings they are to be used with.
        knobs: Box<Knobs>,
    },
    /// Read the data that settings name, as a run would; answered by [`crate::Message::Look`].
    Look {
        /// The settings.
        knobs: Box<Knobs>,
    },
    /// Ask the hub what it has under a name; answered by [`crate::Message::Hub`], while other commands are handled.
    AskHub {
        /// `org/name[@revision]`, or the name of a model of the gallery.
        name: String,
        /// The path on the page's own host at which another hub answers in place of huggingface.co.
        mirror: Option<String>,
    },
    /// Fetch what the last offer of the hub was about; answered as [`Command::AskHub`] is, again and again.
    FetchOffer,
    /// Stop asking or fetching. What has come is kept for as long as the worker lives.
    StopHub,
    /// Remove dropped files; answered by [`crate::Message::Files`].
    RemoveFiles {
        /// What they are kept under.
        name: String,
    },
    /// To a worker that helps the one that sends this with a run.
    Team(crate::team::Order),
    /// Save and close whatever is open and end, for another worker takes the place of this one; answered by
    /// [`crate::Message::Left`].
    Leave,
}

/// A file that can be made from the open run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// The compacted model, adapters merged: `model.safetensors`.
    Weights,
    /// Its `config.json`.
    Config,
    /// Its `tokenizer.json`.
    Tokenizer,
    /// The folder that transformers.js, ONNX Runtime and optimum load, as one archive.
    Onnx,
    /// The same with weights of half the bytes.
    OnnxHalf,
}
