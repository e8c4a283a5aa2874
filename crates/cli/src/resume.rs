//! Going on with a run that was interrupted: the newest checkpoint that is whole, and the events up to it.

use crate::error::CliError;
use crate::folder::{RunFolder, Written, checkpoints};
use crate::probe::DesktopProbe;
use crate::progress::Voice;
use crate::run::{Manner, Outcome, Run};
use crate::settings::apply_file;
use crate::setup::{Prepared, prepare};
use apt_experiment::{Event, Knobs, Provenance, Record, RecordBuilder};
use apt_train::{Session, Setup, Snapshot};
use std::fs;
use std::path::{Path, PathBuf};

/// Goes on with the run in `root` to its end. A finished run is only pointed at.
///
/// # Errors
/// A folder without a run, settings or data that have changed, checkpoints that are all damaged.
pub fn resume(root: &Path, manner: Manner, voice: &mut Voice) -> Result<Outcome, CliError> {
    let mut folder = RunFolder::reopen(root)?;
    if let Some(outcome) = finished(&folder)? {
        voice.say(&format!("this run is finished already; its record is {}", outcome.path.display()));
        return Ok(outcome);
    }
    let events = folder.events()?;
    let begun = Begun::read(&folder, &events)?;
    let Prepared { setup, tokenizer, device } = prepare(&begun.knobs, begun.preset.as_deref(), manner.jobs)?;
    begun.check_sources(root, &setup.provenance)?;
    let probe = Box::new(DesktopProbe::new(&setup.device));
    let mut builder = RecordBuilder::new();
    let Some(point) = newest(root, &events, voice)? else {
        voice.say(&format!("{}: there is no checkpoint yet, the run starts again, on {device}", root.display()));
        folder.cut_events(0)?;
        let session = Session::new(setup, probe)?;
        return Run { manner, session, folder, builder, tokenizer }.finish(voice);
    };
    let session = Session::resume(setup, probe, &point.bytes, &point.path.display().to_string())?;
    voice.say(&format!(
        "{}: going on after step {} of {}, on {device}",
        root.display(),
        point.step,
        session.steps_planned()
    ));
    folder.cut_events(point.end)?;
    events.iter().filter(|w| w.end <= point.end).for_each(|w| builder.observe(&w.event));
    let resumed = Event::Resumed { step: point.step };
    folder.append(&resumed)?;
    voice.tell(&resumed);
    builder.observe(&resumed);
    Run { manner, session, folder, builder, tokenizer }.finish(voice)
}

/// The session of a run as its newest good checkpoint has it, with its model's tokenizer; nothing is written.
///
/// # Errors
/// As [`resume`]; a run without a checkpoint.
pub fn session_at(root: &Path, checkpoint: Option<&Path>, voice: &Voice) -> Result<(Session, Vec<u8>), CliError> {
    let knobs = settings_of(root)?;
    let Prepared { setup, tokenizer, .. } = prepare(&knobs, None, None)?;
    let (path, bytes) = match checkpoint {
        Some(path) => (path.to_path_buf(), fs::read(path).map_err(|e| CliError::reading(path, e))?),
        None => good_checkpoints(root, voice)?.ok_or_else(|| {
            CliError::place(
                root,
                "there is no finished model and no checkpoint in this run",
                "go on with it first: apt-lab run --resume",
            )
        })?,
    };
    let setup = Setup { knobs, ..setup };
    let probe = Box::new(DesktopProbe::new(&setup.device));
    Ok((Session::resume(setup, probe, &bytes, &path.display().to_string())?, tokenizer))
}

/// The settings in a run's folder.
///
/// # Errors
/// A file that is missing or damaged.
pub fn settings_of(root: &Path) -> Result<Knobs, CliError> {
    let mut knobs = Knobs::default();
    apply_file(&mut knobs, &root.join("config.toml"))?;
    Ok(knobs)
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

/// What is known of a run's beginning.
struct Begun {
    knobs: Knobs,
    preset: Option<String>,
    provenance: Option<Provenance>,
}

impl Begun {
    fn read(folder: &RunFolder, events: &[Written]) -> Result<Self, CliError> {
        let knobs = settings_of(folder.root())?;
        match events.first().map(|w| &w.event) {
            Some(Event::Started { preset, provenance, .. }) => {
                Ok(Self { knobs, preset: preset.clone(), provenance: Some((**provenance).clone()) })
            }
            _ => Ok(Self { knobs, preset: None, provenance: None }),
        }
    }

    /// The data and the model must be the ones the run began with: the numbers would silently mean something else.
    fn check_sources(&self, root: &Path, now: &Provenance) -> Result<(), CliError> {
        let Some(then) = &self.provenance else { return Ok(()) };
        for (what, then, now) in
            [("data", &then.data_hash, &now.data_hash), ("model", &then.model_hash, &now.model_hash)]
        {
            if then != now {
                let remedy = format!("bring back the {what} it was started with, or start a new run");
                return Err(CliError::place(
                    root,
                    format!("the {what} of this run has changed since it began"),
                    remedy,
                ));
            }
        }
        Ok(())
    }
}

/// A place to go on from.
struct Point {
    step: usize,
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the events up to it end.
    end: u64,
}

/// The newest checkpoint that is whole and whose events are; `None` if the run has none at all.
fn newest(root: &Path, events: &[Written], voice: &Voice) -> Result<Option<Point>, CliError> {
    let mut last = None;
    for (step, path) in checkpoints(root)? {
        let told = events.iter().rev().find(|w| matches!(&w.event, Event::Checkpoint { step: at, .. } if *at == step));
        match (whole(&path), told) {
            (Ok(bytes), Some(written)) => return Ok(Some(Point { step, path, bytes, end: written.end })),
            (Err(error), _) => last = Some(passed_over(error, voice)),
            (Ok(_), None) => {
                let error =
                    CliError::place(&path, "events.jsonl does not reach this checkpoint", "resume from an earlier one");
                last = Some(passed_over(error, voice));
            }
        }
    }
    last.map_or(Ok(None), Err)
}

fn good_checkpoints(root: &Path, voice: &Voice) -> Result<Option<(PathBuf, Vec<u8>)>, CliError> {
    let mut last = None;
    for (_, path) in checkpoints(root)? {
        match whole(&path) {
            Ok(bytes) => return Ok(Some((path, bytes))),
            Err(error) => last = Some(passed_over(error, voice)),
        }
    }
    last.map_or(Ok(None), Err)
}

fn passed_over(error: CliError, voice: &Voice) -> CliError {
    voice.say(&format!("warning: {error}"));
    error
}

fn whole(path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = fs::read(path).map_err(|e| CliError::reading(path, e))?;
    Snapshot::contents(&bytes, &path.display().to_string())?;
    Ok(bytes)
}
