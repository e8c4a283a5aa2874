//! The folder of a study. Cells are found by name alone, so folders of the same study from several machines are merged
//! by copying them together.
//!
//! ```text
//! study.toml  report.{html, md, csv, json}
//! cells/<arm>-d<density>-s<seed>-<digest>/{config.toml, events.jsonl, record.json | failure.json}
//! locks/<cell>
//! ```

use crate::error::CliError;
use crate::files::{create_parent, write_atomic};
use apt_experiment::{CellState, Event, Record, StudyFile};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CELLS: &str = "cells";
const LOCKS: &str = "locks";
const STUDY_FILE: &str = "study.toml";
const FAILURE_FILE: &str = "failure.json";
/// How long a cell's process waits for the lock of one that is just ending, such as that of a study that was killed.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the lock is tried meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The folder of a study.
#[derive(Clone, Debug)]
pub(crate) struct StudyFolder {
    root: PathBuf,
}

/// Why a cell failed, after a colon; empty for one that did not fail.
pub(crate) fn failure_reason(state: &CellState) -> String {
    state.reason().map_or_else(String::new, |why| format!(": {why}"))
}

/// A cell as it was found in a study's folder.
pub(crate) struct FoundCell {
    /// Its folder's name.
    pub name: String,
    /// Its state.
    pub state: CellState,
    /// Its record, when it is done.
    pub record: Option<Record>,
}

impl StudyFolder {
    /// The study in `root`, which need not exist.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the study's file is.
    pub(crate) fn study_path(&self) -> PathBuf {
        self.root.join(STUDY_FILE)
    }

    /// The folder of a cell.
    pub(crate) fn cell_path(&self, name: &str) -> PathBuf {
        self.root.join(CELLS).join(name)
    }

    /// Whether there is a study here.
    pub(crate) fn exists(&self) -> bool {
        self.study_path().is_file()
    }

    /// The study's file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn study(&self) -> Result<StudyFile, CliError> {
        let path = self.study_path();
        let text = fs::read_to_string(&path).map_err(|e| CliError::reading(&path, e))?;
        Ok(StudyFile::from_toml(&text, &path.display().to_string())?)
    }

    /// Writes the study's file, over that of an earlier start of the same study. Several shards may do so at once.
    ///
    /// # Errors
    /// Another study or something else is here; a folder that cannot be written.
    pub(crate) fn write_study(&self, file: &StudyFile, name: &str) -> Result<(), CliError> {
        if !self.exists() && !self.is_ours()? {
            let remedy = "name an empty or a new one with --out";
            return Err(CliError::at(&self.root, "this folder is not empty and holds no study", remedy));
        }
        let _lock = self.lock_cell(STUDY_FILE)?;
        let named = StudyFile { name: Some(name.to_owned()), ..file.clone() };
        if self.exists() {
            let existing = self.study()?;
            if existing == named {
                return Ok(());
            }
            if existing.name.as_deref() != Some(name) {
                let what = format!("the study `{}` is in this folder", existing.name.unwrap_or_default());
                return Err(CliError::at(&self.root, what, "name another folder with --out"));
            }
        }
        let cells = self.root.join(CELLS);
        fs::create_dir_all(&cells).map_err(|e| CliError::writing(&cells, e))?;
        write_atomic(&self.study_path(), named.to_toml()?.as_bytes())
    }

    /// Whether the folder is missing, empty, or holds only what another shard may just have begun.
    fn is_ours(&self) -> Result<bool, CliError> {
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(true),
            entries => entries.map_err(|e| CliError::writing(&self.root, e))?,
        };
        let ours = |name: &str| name == CELLS || name == LOCKS || name.starts_with(STUDY_FILE);
        Ok(entries.flatten().all(|entry| ours(&entry.file_name().to_string_lossy())))
    }

    /// The cell called `name`: its state and its record. A record that cannot be read counts as a failure.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub(crate) fn find_cell(&self, name: &str) -> Result<FoundCell, CliError> {
        let found = |state, record| Ok(FoundCell { name: name.to_owned(), state, record });
        let folder = self.cell_path(name);
        if folder.join("record.json").is_file() {
            return match self.record(name) {
                Ok(record) => found(CellState::Done, Some(record)),
                Err(error) => found(CellState::Failed(error.to_string()), None),
            };
        }
        let failure = folder.join(FAILURE_FILE);
        if failure.is_file() {
            let text = fs::read_to_string(&failure).map_err(|e| CliError::reading(&failure, e))?;
            let state = match Event::from_line(text.trim()) {
                Ok(Event::Failed { step, problem }) => CellState::failed(&problem, step),
                _ => CellState::Failed("the reason cannot be read".into()),
            };
            return found(state, None);
        }
        if self.is_locked(name) {
            return found(CellState::Running, None);
        }
        if !folder.join("events.jsonl").is_file() {
            return found(CellState::Queued, None);
        }
        found(CellState::Begun, None)
    }

    /// Locks the cell called `name` for this process, before anything is written in its folder. The lock ends with the
    /// file that is returned. Some network folders have no locks: a cell is then only protected by its run's own folder.
    ///
    /// # Errors
    /// [`CliError::Busy`] if another process keeps it locked; a folder that cannot be written.
    pub(crate) fn lock_cell(&self, name: &str) -> Result<File, CliError> {
        let path = self.lock_path(name);
        create_parent(&path)?;
        let file = File::create(&path).map_err(|e| CliError::writing(&path, e))?;
        let began = Instant::now();
        while matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            if began.elapsed() > LOCK_TIMEOUT {
                return Err(CliError::Busy { folder: self.cell_path(name).display().to_string() });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(file)
    }

    /// Whether another process has locked the cell. Asked with a shared lock, which ends with the file at once.
    fn is_locked(&self, name: &str) -> bool {
        File::open(self.lock_path(name)).is_ok_and(|f| matches!(f.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join(LOCKS).join(name)
    }

    /// The state of the cell called `name`.
    ///
    /// # Errors
    /// As [`StudyFolder::find_cell`].
    pub(crate) fn state(&self, name: &str) -> Result<CellState, CliError> {
        Ok(self.find_cell(name)?.state)
    }

    /// Writes why a cell failed.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(crate) fn write_failure(&self, name: &str, failed: &Event) -> Result<(), CliError> {
        let folder = self.cell_path(name);
        fs::create_dir_all(&folder).map_err(|e| CliError::writing(&folder, e))?;
        write_atomic(&folder.join(FAILURE_FILE), format!("{}\n", failed.to_line()?).as_bytes())
    }

    /// Removes the folder of a failed cell, so that it can be run again.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub(crate) fn clear(&self, name: &str) -> Result<(), CliError> {
        let folder = self.cell_path(name);
        fs::remove_dir_all(&folder).map_err(|e| CliError::writing(&folder, e))
    }

    /// The record of a finished cell.
    ///
    /// # Errors
    /// A record that is missing or damaged.
    pub(crate) fn record(&self, name: &str) -> Result<Record, CliError> {
        let path = self.cell_path(name).join("record.json");
        let bytes = fs::read(&path).map_err(|e| CliError::reading(&path, e))?;
        Ok(Record::from_json(&bytes, &path.display().to_string())?)
    }

    /// Every cell that has a folder, by name.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub(crate) fn cells(&self) -> Result<Vec<FoundCell>, CliError> {
        let folder = self.root.join(CELLS);
        let entries = match fs::read_dir(&folder) {
            // Nothing was run yet.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| CliError::reading(&folder, e))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| CliError::reading(&folder, e))?;
            if entry.path().is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        names.iter().map(|name| self.find_cell(name)).collect()
    }
}
