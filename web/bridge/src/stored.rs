//! What stays in the browser's database, so that a reload or a closed tab loses nothing.

use apt_experiment::{CellState, Knobs, Study, StudyFile};
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

/// A study as the list of studies has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredStudy {
    /// What it is kept under; that of its file, with a number if another of this name is kept.
    pub name: String,
    /// Its file, with the seeds and the knobs that are turned in every cell.
    pub file: StudyFile,
    /// When it was queued, in milliseconds since 1970.
    pub began: f64,
    /// Whether the worker goes from cell to cell.
    pub running: bool,
    /// Its runs, in the order in which they are made.
    pub cells: Vec<StoredCell>,
    /// How long it will take, in words, once that can be told.
    pub time_left: Option<String>,
}

/// A run of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredCell {
    /// Its name in the study: `magnitude-d0.4-s1`.
    pub name: String,
    /// Its arm, with its density where it prunes.
    pub arm: String,
    /// Its seed.
    pub seed: u64,
    /// The run that is or was made for it, or that stands for it because it is the same.
    pub run: String,
    /// How far it has come.
    pub state: CellState,
}

impl StoredStudy {
    /// A study of which nothing has been done.
    #[must_use]
    pub fn queued(name: &str, file: StudyFile, study: &Study, began: f64) -> Self {
        let cells = study.cells().into_iter().map(|cell| {
            let density = cell.knobs.prunes().then(|| format!(" at {}", cell.knobs.density));
            StoredCell {
                name: cell.name(),
                arm: format!("{}{}", cell.arm, density.unwrap_or_default()),
                seed: cell.knobs.seed,
                run: cell.name(),
                state: CellState::Queued,
            }
        });
        Self { name: name.to_owned(), file, began, running: false, cells: cells.collect(), time_left: None }
    }

    /// As it is when no worker works on it.
    #[must_use]
    pub fn at_rest(mut self) -> Self {
        self.running = false;
        self.time_left = None;
        for cell in self.cells.iter_mut().filter(|cell| cell.state == CellState::Running) {
            cell.state = CellState::Begun;
        }
        self
    }

    /// Takes note that a run is gone; `false` if it is of no cell.
    pub fn lose(&mut self, run: &str) -> bool {
        let mut lost = self.cells.iter_mut().filter(|cell| cell.run == run).peekable();
        let any = lost.peek().is_some();
        lost.for_each(|cell| cell.state = CellState::Queued);
        any
    }

    /// The cell that is being worked on, with its place from 0.
    #[must_use]
    pub fn at_work(&self) -> Option<(usize, &StoredCell)> {
        self.cells.iter().enumerate().find(|(_, cell)| cell.state == CellState::Running)
    }

    /// How many cells hold.
    pub fn count(&self, holds: impl Fn(&CellState) -> bool) -> usize {
        self.cells.iter().filter(|cell| holds(&cell.state)).count()
    }
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
