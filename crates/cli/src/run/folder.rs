//! The folder of one run. Whatever moment the machine stops at, what is in it is whole: files appear under their name
//! only when complete, and events are whole lines.
//!
//! ```text
//! config.toml  events.jsonl  record.json
//! model/{config.json, model.safetensors, tokenizer.json, tokenizer_config.json}
//! adapter/{adapter_config.json, adapter_model.safetensors}, where nothing was removed
//! checkpoints/step-000123.ckpt
//! ```

use crate::error::CliError;
use crate::files::{create_parent, ensure_empty, remove_folder, write_atomic};
use apt_experiment::Event;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Checkpoints kept: the newest, and one to fall back to.
const CHECKPOINTS_KEPT: usize = 2;
/// The events.
pub(crate) const EVENTS: &str = "events.jsonl";
/// The settings.
pub(crate) const CONFIG: &str = "config.toml";

/// The folder of one run, open for writing in this process alone.
pub(crate) struct RunFolder {
    root: PathBuf,
    /// Locked for as long as the run goes on.
    events: File,
}

/// An event as it was read back, and where in the file its line ends.
pub(crate) struct LoggedEvent {
    /// The event.
    pub event: Event,
    /// Bytes up to and including its line break.
    pub end: u64,
}

impl RunFolder {
    /// Makes the folder and writes the settings into it. No file that was there before is touched.
    ///
    /// # Errors
    /// As [`ensure_empty`]; a folder that cannot be written.
    pub(crate) fn create(root: &Path, config: &str) -> Result<Self, CliError> {
        ensure_empty(root)?;
        fs::create_dir_all(root).map_err(|e| CliError::writing(root, e))?;
        let path = root.join(EVENTS);
        let opened = OpenOptions::new().create_new(true).append(true).open(&path);
        let folder = Self { root: root.into(), events: opened.map_err(|e| CliError::writing(&path, e))? };
        folder.lock()?;
        write_atomic(&folder.config_path(), config.as_bytes()).inspect_err(|_| {
            // Only what was made here is removed, and the folder only if nothing else is in it.
            let _ = fs::remove_file(&path).and_then(|()| fs::remove_dir(root));
        })?;
        Ok(folder)
    }

    /// Opens the folder of an earlier run to continue it.
    ///
    /// # Errors
    /// A folder that holds no run, or one that another process is still writing.
    pub(crate) fn reopen(root: &Path) -> Result<Self, CliError> {
        let path = root.join(EVENTS);
        let opened = OpenOptions::new().append(true).open(&path);
        let events = opened.map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                CliError::at(root, "this is not the folder of a run", "name the folder that holds its events.jsonl")
            }
            _ => CliError::writing(&path, e),
        })?;
        let folder = Self { root: root.into(), events };
        folder.lock()?;
        Ok(folder)
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The settings.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.root.join(CONFIG)
    }

    /// The record, there only when the run is complete.
    pub(crate) fn record_path(&self) -> PathBuf {
        self.root.join("record.json")
    }

    /// Appends one event as one line.
    ///
    /// # Errors
    /// An event with NaN; a file that cannot be written.
    pub(crate) fn append(&mut self, event: &Event) -> Result<(), CliError> {
        let mut line = event.to_line()?;
        line.push('\n');
        self.events.write_all(line.as_bytes()).map_err(|e| CliError::writing(&self.root.join(EVENTS), e))
    }

    /// Removes every event after the first `end` bytes.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn truncate_events(&mut self, end: u64) -> Result<(), CliError> {
        self.events.set_len(end).map_err(|e| CliError::writing(&self.root.join(EVENTS), e))
    }

    /// A checkpoint's path within the folder.
    pub(crate) fn checkpoint_name(step: usize) -> String {
        format!("checkpoints/step-{step:06}.ckpt")
    }

    /// Writes a checkpoint and removes those too old. The events up to it must be appended already.
    ///
    /// # Errors
    /// A file that cannot be written; earlier checkpoints are then still there.
    pub(crate) fn save_checkpoint(&mut self, step: usize, bytes: &[u8]) -> Result<(), CliError> {
        self.events.sync_data().map_err(|e| CliError::writing(&self.root.join(EVENTS), e))?;
        let path = self.root.join(Self::checkpoint_name(step));
        create_parent(&path)?;
        write_atomic(&path, bytes)?;
        for (_, old) in checkpoints(&self.root)?.into_iter().skip(CHECKPOINTS_KEPT) {
            fs::remove_file(&old).map_err(|e| CliError::writing(&old, e))?;
        }
        Ok(())
    }

    /// Removes all checkpoints: the run is over and its record is written.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(crate) fn remove_checkpoints(&self) -> Result<(), CliError> {
        remove_folder(&self.root.join("checkpoints"))
    }

    fn lock(&self) -> Result<(), CliError> {
        match self.events.try_lock() {
            Err(fs::TryLockError::WouldBlock) => Err(CliError::Busy { folder: self.root.display().to_string() }),
            // Some network folders have no locks; two processes that write one run are then the user's to avoid.
            _ => Ok(()),
        }
    }
}

/// Every whole event in a run's folder; a last line that was cut off is left out.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn events(root: &Path) -> Result<Vec<LoggedEvent>, CliError> {
    let path = root.join(EVENTS);
    let bytes = fs::read(&path).map_err(|e| CliError::reading(&path, e))?;
    let mut events = Vec::new();
    let mut end = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        end += line.len() as u64;
        let event = std::str::from_utf8(line).ok().filter(|l| l.ends_with('\n')).map(Event::from_line);
        let Some(Ok(event)) = event else { break };
        events.push(LoggedEvent { event, end });
    }
    Ok(events)
}

/// The folder of the run that a checkpoint is of, two levels above it.
pub(crate) fn run_of(checkpoint: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(checkpoint).ok()?;
    whole.parent().and_then(Path::parent).map(Path::to_path_buf)
}

/// The checkpoints in a run's folder with their steps, newest first.
///
/// # Errors
/// A folder that cannot be read.
pub(crate) fn checkpoints(root: &Path) -> Result<Vec<(usize, PathBuf)>, CliError> {
    let folder = root.join("checkpoints");
    let entries = match fs::read_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| CliError::reading(&folder, e))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| CliError::reading(&folder, e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let step = name.strip_prefix("step-").and_then(|n| n.strip_suffix(".ckpt")).and_then(|n| n.parse().ok());
        found.extend(step.map(|step| (step, path)));
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}
