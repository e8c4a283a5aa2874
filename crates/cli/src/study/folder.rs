//! A study's folder. Cells are found by name alone, so folders of the same study from several machines are merged by
//! copying them together.
//!
//! ```text
//! study.toml  report.{html, md, csv, json}
//! cells/<arm>-d<density>-s<seed>-<digest>/{config.toml, events.jsonl, record.json | failure.json}
//! locks/<cell>
//! ```

use crate::error::CliError;
use crate::folder::write_whole;
use apt_experiment::{CellState, Event, Record, StudyFile};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CELLS: &str = "cells";
const LOCKS: &str = "locks";
const STUDY: &str = "study.toml";
const FAILURE: &str = "failure.json";
/// How long a cell's process waits for one that is just leaving, such as that of a study that was killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The folder of a study.
#[derive(Clone, Debug)]
pub struct StudyFolder {
    root: PathBuf,
}

/// Why a cell failed, with a colon before it; nothing for one that did not.
pub fn reason(state: &CellState) -> String {
    state.reason().map_or_else(String::new, |why| format!(": {why}"))
}

/// A cell as it was found in a folder.
pub struct Found {
    /// Its folder's name.
    pub name: String,
    /// How far it has come.
    pub state: CellState,
    /// Its record, when it is done.
    pub record: Option<Record>,
}

impl StudyFolder {
    /// The study in `root`, which need not exist.
    pub fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the study's file is.
    pub fn study_path(&self) -> PathBuf {
        self.root.join(STUDY)
    }

    /// The folder of a cell.
    pub fn cell(&self, name: &str) -> PathBuf {
        self.root.join(CELLS).join(name)
    }

    /// Whether there is a study here.
    pub fn exists(&self) -> bool {
        self.study_path().is_file()
    }

    /// The study's file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn study(&self) -> Result<StudyFile, CliError> {
        let path = self.study_path();
        let text = fs::read_to_string(&path).map_err(|e| CliError::reading(&path, e))?;
        Ok(StudyFile::from_toml(&text, &path.display().to_string())?)
    }

    /// Writes the study's file, over that of an earlier start of the same study. Shares may do so at the same moment.
    ///
    /// # Errors
    /// Another study or something else is here; a folder that cannot be written.
    pub fn write_study(&self, file: &StudyFile, name: &str) -> Result<(), CliError> {
        if !self.exists() && !self.is_free()? {
            let remedy = "name an empty or a new one with --out";
            return Err(CliError::place(&self.root, "there is something in this folder already", remedy));
        }
        let _held = self.hold(STUDY)?;
        let named = StudyFile { name: Some(name.to_owned()), ..file.clone() };
        if self.exists() {
            let there = self.study()?;
            if there == named {
                return Ok(());
            }
            if there.name.as_deref() != Some(name) {
                let what = format!("the study `{}` is in this folder", there.name.unwrap_or_default());
                return Err(CliError::place(&self.root, what, "name another folder with --out"));
            }
        }
        let cells = self.root.join(CELLS);
        fs::create_dir_all(&cells).map_err(|e| CliError::writing(&cells, e))?;
        write_whole(&self.study_path(), named.to_toml()?.as_bytes())
    }

    /// Whether nothing is here but what another share may just have begun.
    fn is_free(&self) -> Result<bool, CliError> {
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(true),
            entries => entries.map_err(|e| CliError::writing(&self.root, e))?,
        };
        let ours = |name: &str| name == CELLS || name == LOCKS || name.starts_with(STUDY);
        Ok(entries.flatten().all(|entry| ours(&entry.file_name().to_string_lossy())))
    }

    /// The cell called `name`: how far it has come, and its record. A record that cannot be read counts as a failure.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn cell_found(&self, name: &str) -> Result<Found, CliError> {
        let found = |state, record| Ok(Found { name: name.to_owned(), state, record });
        let folder = self.cell(name);
        if folder.join("record.json").is_file() {
            return match self.record(name) {
                Ok(record) => found(CellState::Done, Some(record)),
                Err(error) => found(CellState::Failed(error.to_string()), None),
            };
        }
        let failure = folder.join(FAILURE);
        if failure.is_file() {
            let text = fs::read_to_string(&failure).map_err(|e| CliError::reading(&failure, e))?;
            let state = match Event::from_line(text.trim()) {
                Ok(Event::Failed { step, problem }) => CellState::failed(&problem, step),
                _ => CellState::Failed("the reason cannot be read".into()),
            };
            return found(state, None);
        }
        if self.is_held(name) {
            return found(CellState::Running, None);
        }
        if !folder.join("events.jsonl").is_file() {
            return found(CellState::Queued, None);
        }
        found(CellState::Begun, None)
    }

    /// Holds the cell called `name` for this process, from before there is anything in its folder.
    ///
    /// # Errors
    /// [`CliError::Busy`] if another process goes on holding it; a folder that cannot be written.
    pub fn hold(&self, name: &str) -> Result<File, CliError> {
        let path = self.lock(name);
        let locks = self.root.join(LOCKS);
        fs::create_dir_all(&locks).map_err(|e| CliError::writing(&locks, e))?;
        let file = File::create(&path).map_err(|e| CliError::writing(&path, e))?;
        let began = Instant::now();
        while is_locked(&file) {
            if began.elapsed() > PATIENCE {
                return Err(CliError::Busy { folder: self.cell(name).display().to_string() });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(file)
    }

    fn is_held(&self, name: &str) -> bool {
        File::open(self.lock(name)).is_ok_and(|file| is_locked(&file))
    }

    fn lock(&self, name: &str) -> PathBuf {
        self.root.join(LOCKS).join(name)
    }

    /// How far the cell called `name` has come.
    ///
    /// # Errors
    /// As [`StudyFolder::cell_found`].
    pub fn state(&self, name: &str) -> Result<CellState, CliError> {
        Ok(self.cell_found(name)?.state)
    }

    /// Notes why a cell failed.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write_failure(&self, name: &str, failed: &Event) -> Result<(), CliError> {
        let folder = self.cell(name);
        fs::create_dir_all(&folder).map_err(|e| CliError::writing(&folder, e))?;
        write_whole(&folder.join(FAILURE), format!("{}\n", failed.to_line()?).as_bytes())
    }

    /// Takes away what a failed cell left, so that it can be run again.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub fn clear(&self, name: &str) -> Result<(), CliError> {
        let folder = self.cell(name);
        fs::remove_dir_all(&folder).map_err(|e| CliError::writing(&folder, e))
    }

    /// The record of a finished cell.
    ///
    /// # Errors
    /// A record that is missing or damaged.
    pub fn record(&self, name: &str) -> Result<Record, CliError> {
        let path = self.cell(name).join("record.json");
        let bytes = fs::read(&path).map_err(|e| CliError::reading(&path, e))?;
        Ok(Record::from_json(&bytes, &path.display().to_string())?)
    }

    /// Every cell that has a folder, by name.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn cells(&self) -> Result<Vec<Found>, CliError> {
        let folder = self.root.join(CELLS);
        let entries = fs::read_dir(&folder).map_err(|e| CliError::reading(&folder, e))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| CliError::reading(&folder, e))?;
            if entry.path().is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        names.iter().map(|name| self.cell_found(name)).collect()
    }
}

/// Whether another process has locked the file; if none has, this one has now, until it closes it. Some network folders
/// have no locks: a cell is then only as safe as its run's own folder makes it.
fn is_locked(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}
