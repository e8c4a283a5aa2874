//! Continues a run that was interrupted, from its newest undamaged checkpoint and the events up to it.

use super::folder::{CONFIG, EVENTS, LoggedEvent, RunFolder, checkpoints, events};
use super::{ActiveRun, Outcome, RunOptions};
use crate::error::CliError;
use crate::logging::EventLog;
use crate::model::TokenizerFile;
use crate::probe::DesktopProbe;
use crate::reporter::Reporter;
use crate::settings::apply_file;
use crate::setup::{Places, Prepared, prepare};
use crate::shell::resume_command;
use apt_experiment::{CheckedKnobs, Difference, Event, Knobs, Provenance, Record, RecordBuilder, differences};
use apt_train::{Session, Snapshot};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Continues the run in `root` to its end. Of a finished run only the record is named.
///
/// # Errors
/// A folder without a run, settings or data that have changed, checkpoints that are all damaged.
pub(crate) fn resume(root: &Path, options: RunOptions, reporter: &mut Reporter) -> Result<Outcome, CliError> {
    let mut folder = RunFolder::reopen(root)?;
    if let Some(outcome) = finished(&folder)? {
        reporter.print(&format!("this run is already finished; its record is {}", outcome.path.display()));
        return Ok(outcome);
    }
    let events = events(root)?;
    let start = RunStart::read(root, &events)?;
    let model = start.places.model.clone();
    let Prepared { setup, tokenizer, dense, device } =
        prepare(start.knobs.clone(), &start.places, start.preset.as_deref(), options.jobs)?;
    start.check_sources(root, &setup.provenance)?;
    let probe = Box::new(DesktopProbe::new(&setup.device));
    let mut builder = RecordBuilder::new();
    let Some(point) = newest_resume_point(root, &events, reporter)? else {
        reporter
            .print(&format!("{}: there is no checkpoint yet, the run starts from step 0, on {device}", root.display()));
        folder.truncate_events(0)?;
        let session = Session::new(setup, probe)?;
        return ActiveRun { options, session, folder, builder, log: EventLog::default(), tokenizer, dense, model }
            .finish(reporter);
    };
    let ResumePoint { step, path, bytes, end } = point;
    let session = Session::resume(setup, probe, &bytes, &path.display().to_string())?;
    // A checkpoint must not count in the memory of what follows.
    drop(bytes);
    reporter.print(&format!(
        "{}: resuming after step {} of {}, on {device}",
        root.display(),
        step,
        session.steps_planned()
    ));
    folder.truncate_events(end)?;
    events.iter().filter(|logged| logged.end <= end).for_each(|logged| builder.observe(&logged.event));
    let resumed = Event::Resumed { step };
    folder.append(&resumed)?;
    reporter.event(&resumed);
    builder.observe(&resumed);
    ActiveRun { options, session, folder, builder, log: EventLog::default(), tokenizer, dense, model }.finish(reporter)
}

/// The session of a run as its newest undamaged checkpoint has it, with its model's tokenizer; nothing is written.
///
/// # Errors
/// As [`resume`]; a run without a checkpoint.
pub(crate) fn session_at(
    root: &Path,
    checkpoint: Option<&Path>,
    reporter: &Reporter,
) -> Result<(Session, TokenizerFile), CliError> {
    let start = RunStart::read(root, &events(root)?)?;
    let Prepared { setup, tokenizer, .. } = prepare(start.knobs, &start.places, None, None)?;
    let (path, bytes) = match checkpoint {
        Some(path) => (path.to_path_buf(), fs::read(path).map_err(|e| CliError::reading(path, e))?),
        None => newest_checkpoint(root, reporter)?.ok_or_else(|| {
            CliError::at(
                root,
                "there is no finished model and no checkpoint in this run",
                format!("continue it first: {}", resume_command(root)),
            )
        })?,
    };
    let probe = Box::new(DesktopProbe::new(&setup.device));
    Ok((Session::resume(setup, probe, &bytes, &path.display().to_string())?, tokenizer))
}

/// The settings in a run's folder.
///
/// # Errors
/// A file that is missing or damaged, settings that contradict each other.
pub(crate) fn settings_of(root: &Path) -> Result<CheckedKnobs, CliError> {
    // The file names every knob that there was.
    let mut knobs = Knobs::default().of_its_time(&Value::Null);
    apply_file(&mut knobs, &root.join(CONFIG))?;
    Ok(knobs.check()?)
}

/// Checks that the run in `root` has the settings `wanted`; where its model and data lie is not compared.
///
/// # Errors
/// Settings that differ, or cannot be read.
pub(crate) fn refuse_other_settings(root: &Path, wanted: &Knobs) -> Result<(), CliError> {
    let there = settings_of(root)?;
    let differ: Vec<String> =
        changes(wanted, &there).map(|d| format!("{} is {} and not {}", d.knob, d.b, d.a)).collect();
    if differ.is_empty() {
        return Ok(());
    }
    let what = format!("there is a run of other settings: {}", differ.join(", "));
    Err(CliError::at(root, what, "name a new folder with --out"))
}

/// Where `written` differs from `started`, paths aside.
fn changes(started: &Knobs, written: &Knobs) -> impl Iterator<Item = Difference> {
    let Places { model, data } = Places::of(started);
    differences(started, &Knobs { model, data, ..written.clone() }).into_iter()
}

/// A run goes on with the settings that it was started with; where its model and data are now is for its digests to judge.
fn refuse_changes(file: &Path, started: &Knobs, written: &Knobs) -> Result<(), CliError> {
    let changed: Vec<String> =
        changes(started, written).map(|d| format!("{} was {} and is now {}", d.knob, d.a, d.b)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let what = format!("these are not the settings that the run was started with: {}", changed.join(", "));
    Err(CliError::at(file, what, "set them as they were, or start a new run with them: apt-lab run --config"))
}

fn finished(folder: &RunFolder) -> Result<Option<Outcome>, CliError> {
    let path = folder.record_path();
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(|e| CliError::reading(&path, e))?;
    let record = Record::from_json(&bytes, &path.display().to_string())?;
    Ok(Some(Outcome { record, path }))
}

/// What a run's folder says of its start.
struct RunStart {
    /// As it was given them.
    knobs: CheckedKnobs,
    places: Places,
    preset: Option<String>,
    provenance: Option<Provenance>,
}

impl RunStart {
    fn read(root: &Path, events: &[LoggedEvent]) -> Result<Self, CliError> {
        let written = settings_of(root)?;
        let places = Places::of(&written);
        match events.first().map(|logged| &logged.event) {
            Some(Event::Started { preset, provenance, config, .. }) => {
                refuse_changes(&root.join(CONFIG), config, &written)?;
                let knobs = Knobs::clone(config).check()?;
                Ok(Self { knobs, places, preset: preset.clone(), provenance: Some((**provenance).clone()) })
            }
            Some(_) => {
                let remedy = "restore the file from a copy, or start a new run";
                Err(CliError::at(&root.join(EVENTS), "it does not begin with the start of the run", remedy))
            }
            None => Ok(Self { knobs: written, places, preset: None, provenance: None }),
        }
    }

    /// The data and the model must be the ones the run began with: the numbers would silently mean something else.
    fn check_sources(&self, root: &Path, now: &Provenance) -> Result<(), CliError> {
        let Some(then) = &self.provenance else { return Ok(()) };
        for (what, then, now) in
            [("data", &then.data_hash, &now.data_hash), ("model", &then.model_hash, &now.model_hash)]
        {
            if then != now {
                let remedy = format!("restore the {what} it was started with, or start a new run");
                return Err(CliError::at(root, format!("the {what} of this run has changed since it began"), remedy));
            }
        }
        Ok(())
    }
}

/// A checkpoint to resume from.
pub(super) struct ResumePoint {
    /// Steps made.
    pub step: usize,
    /// Its file.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Where in events.jsonl the events up to it end, in bytes.
    pub end: u64,
}

/// The newest checkpoint that is undamaged and whose events are; `None` if the run has none at all.
pub(super) fn newest_resume_point(
    root: &Path,
    events: &[LoggedEvent],
    reporter: &Reporter,
) -> Result<Option<ResumePoint>, CliError> {
    let mut last = None;
    for (step, path) in checkpoints(root)? {
        let logged =
            events.iter().rev().find(|l| matches!(&l.event, Event::Checkpoint { step: at, .. } if *at == step));
        match (read_checkpoint(&path), logged) {
            (Ok(bytes), Some(logged)) => return Ok(Some(ResumePoint { step, path, bytes, end: logged.end })),
            (Err(error), _) => last = Some(skipped(error, reporter)),
            (Ok(_), None) => {
                let error =
                    CliError::at(&path, "events.jsonl does not reach this checkpoint", "resume from an earlier one");
                last = Some(skipped(error, reporter));
            }
        }
    }
    last.map_or(Ok(None), Err)
}

/// The newest undamaged checkpoint; `None` if the run has none at all.
fn newest_checkpoint(root: &Path, reporter: &Reporter) -> Result<Option<(PathBuf, Vec<u8>)>, CliError> {
    let mut last = None;
    for (_, path) in checkpoints(root)? {
        match read_checkpoint(&path) {
            Ok(bytes) => return Ok(Some((path, bytes))),
            Err(error) => last = Some(skipped(error, reporter)),
        }
    }
    last.map_or(Ok(None), Err)
}

fn skipped(error: CliError, reporter: &Reporter) -> CliError {
    reporter.print(&format!("warning: {error}"));
    error
}

/// The bytes of a checkpoint whose hash is right.
fn read_checkpoint(path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = fs::read(path).map_err(|e| CliError::reading(path, e))?;
    Snapshot::contents(&bytes, &path.display().to_string())?;
    Ok(bytes)
}
