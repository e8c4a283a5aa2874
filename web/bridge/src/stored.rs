//! What stays in the browser's database, so that a reload or a closed tab loses nothing.

use apt_experiment::{CellState, Knobs, Study, StudyFile, content_run_name, is_model_file};
use serde::{Deserialize, Serialize};

/// A run as the list of runs has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRun {
    /// Its name, which is its key.
    pub name: String,
    /// The preset its settings started from.
    pub preset: Option<String>,
    /// Its settings.
    #[serde(deserialize_with = "apt_experiment::left_by_a_run")]
    pub knobs: Knobs,
    /// Its state.
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
    /// Why it computes on that device, where that was measured; else empty.
    #[serde(default)]
    pub why: String,
}

impl StoredRun {
    /// A run that is about to begin; `began` in milliseconds since 1970.
    #[must_use]
    pub fn new(name: String, preset: Option<String>, knobs: Knobs, began: f64) -> Self {
        let (device, backend, why) = (String::new(), String::new(), String::new());
        Self { name, preset, knobs, state: RunState::Loading, step: 0, steps: 0, began, device, backend, why }
    }
}

/// The name of the browser's lock that whoever has a run open holds, so that two tabs never save the same run.
#[must_use]
pub fn run_lock(run: &str) -> String {
    format!("apt-lab run {run}")
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Files are fetched, the device is tested, the model is built.
    Loading,
    /// Steps are being made.
    Running,
    /// Held until a command resumes it.
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
    /// Its file, with the seeds and the knobs that are set in every cell.
    pub file: StudyFile,
    /// When it was queued, in milliseconds since 1970.
    pub began: f64,
    /// Whether the worker goes from cell to cell.
    pub running: bool,
    /// Its runs, in the order in which they are made.
    pub cells: Vec<StoredCell>,
    /// How long it will still take (`2 min`), once that is known.
    pub time_left: Option<String>,
    /// Runs at the same time.
    #[serde(default = "one")]
    pub jobs: usize,
}

/// Studies that were stored without a number of jobs are made run after run.
fn one() -> usize {
    1
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
    /// The run that is or was made for it, or that counts for it because it is the same.
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
        Self {
            name: name.to_owned(),
            file,
            began,
            running: false,
            cells: cells.collect(),
            time_left: None,
            jobs: one(),
        }
    }

    /// As it is when no worker goes through it.
    #[must_use]
    pub fn stopped(mut self) -> Self {
        self.running = false;
        self.time_left = None;
        for cell in self.cells.iter_mut().filter(|cell| cell.state == CellState::Running) {
            cell.state = CellState::Begun;
        }
        self
    }

    /// Queues the cells of a run that was removed again; `false` if it is of no cell.
    pub fn requeue(&mut self, run: &str) -> bool {
        let mut lost = self.cells.iter_mut().filter(|cell| cell.run == run).peekable();
        let any = lost.peek().is_some();
        lost.for_each(|cell| cell.state = CellState::Queued);
        any
    }

    /// The cells that are being run, with their indices from 0.
    pub fn current_cells(&self) -> impl Iterator<Item = (usize, &StoredCell)> {
        self.cells.iter().enumerate().filter(|(_, cell)| cell.state == CellState::Running)
    }

    /// How many cells are in such a state.
    pub fn count(&self, is: impl Fn(&CellState) -> bool) -> usize {
        self.cells.iter().filter(|cell| is(&cell.state)).count()
    }
}

/// Files that were dropped, kept under one name: a model's or a task's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSet {
    /// What the knobs `model` and `data` call it.
    pub name: String,
    /// Names and sizes of its files.
    pub files: Vec<(String, u64)>,
}

impl FileSet {
    /// Whether they are a model's.
    #[must_use]
    pub fn is_model(&self) -> bool {
        self.files.iter().any(|(name, _)| is_model_file(name))
    }
}

/// What a record from elsewhere is kept under: the name of its `file`, unless that is `record`, as all of the desktop
/// program's are; then, as for a name that is `taken` by another record, one that follows from its text.
#[must_use]
pub fn record_name(file: &str, text: &str, taken: impl Fn(&str) -> bool) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let stem = stem.strip_suffix("-record").unwrap_or(stem);
    if stem.starts_with("record") || taken(stem) { content_run_name(text.as_bytes()) } else { stem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_of_before_there_were_jobs_is_made_run_after_run() {
        let file = StudyFile::built_in("tuning").expect("built in");
        let study = Study::resolve(&file, "tuning").expect("it can be run");
        let now = StoredStudy { jobs: 4, ..StoredStudy::queued("tuning", file, &study, 0.0) };
        let mut stored = serde_json::to_value(&now).expect("JSON");
        assert_eq!(serde_json::from_value::<StoredStudy>(stored.clone()).expect("a study"), now);
        stored.as_object_mut().expect("an object").remove("jobs");
        assert_eq!(serde_json::from_value::<StoredStudy>(stored).expect("a study"), StoredStudy { jobs: 1, ..now });
    }

    #[test]
    fn a_record_is_named_for_its_file_unless_that_says_nothing_or_is_taken() {
        let free = |_: &str| false;
        assert_eq!(record_name("lora-1.json", "{}", free), "lora-1");
        assert_eq!(record_name("calm-elm-417-record.json", "{}", free), "calm-elm-417");
        let hashed = content_run_name(b"{}");
        assert_eq!(record_name("record.json", "{}", free), hashed);
        assert_eq!(record_name("lora-1.json", "{}", |name| name == "lora-1"), hashed);
        assert_ne!(record_name("record.json", "{ }", free), hashed, "another record gets another name");
    }
}
