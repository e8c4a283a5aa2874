//! What stays in the browser's database, so that a reload or a closed tab loses nothing.

use apt_lab::Knobs;
use serde::{Deserialize, Serialize};

/// A run as the list of runs has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRun {
    /// Its name, which is its key.
    pub name: String,
    /// The preset its settings started from.
    pub preset: Option<String>,
    /// Its settings.
    pub knobs: Knobs,
    /// Where it stands.
    pub state: RunState,
    /// Training steps made.
    pub step: usize,
    /// Training steps planned.
    pub steps: usize,
    /// When it began, in milliseconds since 1970.
    pub began: f64,
    /// The device it computes on, in words.
    pub device: String,
    /// `flex` or `wgpu/webgpu`; empty until it is known.
    pub backend: String,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Files are fetched, the device is tested, the model is built.
    Loading,
    /// Steps are being made.
    Running,
    /// Held; goes on when told to.
    Paused,
    /// Not open; can be opened and goes on from its last save.
    Closed,
    /// Ended by an error; can be opened if it was saved before.
    Failed,
    /// Complete, with a record.
    Done,
}

/// The files of a model in the Hugging Face layout: sizes, tokenizer, weights.
pub const MODEL_FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// Files that somebody dropped, kept under one name: a model's or a task's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSet {
    /// What the knobs `model` and `data` call it.
    pub name: String,
    /// Names and sizes of its files.
    pub files: Vec<(String, u64)>,
}
