//! What the page asks of the worker.

use apt_experiment::{Knobs, StudyFile};
use serde::{Deserialize, Serialize};

/// A wish of the page. The worker obeys them in order; those about a run concern the run that is open.
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
    /// Begin a run under a new name. A run that is open is saved and closed first.
    Start {
        /// The run's name.
        run: String,
        /// The preset its settings started from.
        preset: Option<String>,
        /// Its settings.
        knobs: Box<Knobs>,
    },
    /// Open a stored run and go on from its last save.
    Open {
        /// The run's name.
        run: String,
        /// Whether to train on at once.
        running: bool,
    },
    /// Run what is not finished of a study, cell after cell; answered by [`crate::Message::Study`] whenever one has come
    /// further. Whatever was open is saved and closed first. A command that opens or closes a run ends it; the same
    /// command goes on with it.
    Study {
        /// What it is kept under.
        study: String,
        /// Its file.
        file: Box<StudyFile>,
        /// Run failed cells again.
        retry: bool,
    },
    /// Hold after the step that is being made; saves.
    Pause,
    /// Make one training step, then hold.
    Step,
    /// Train on.
    Resume,
    /// Begin anew with the settings of the open run.
    Restart,
    /// Save and close the open run.
    Stop,
    /// Change a setting from the next step on; only knobs that [`apt_experiment::Knob::live`] marks.
    Turn {
        /// The knob's name.
        knob: String,
        /// Its value as text.
        value: String,
    },
    /// Save now.
    Checkpoint,
    /// Evaluate on the validation examples now; answered by the event `evaluation`.
    Evaluate,
    /// Ask the open run's model, and that of the newest finished dense run of the same model and task, about a text;
    /// answered by [`crate::Message::Answer`].
    Try {
        /// The text.
        text: String,
        /// The second text of a pair.
        pair: Option<String>,
    },
    /// Hand out a file made from the open run; answered by [`crate::Message::File`].
    Export {
        /// Which.
        what: Wanted,
    },
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
}
