//! A model that commands are given: in a run's folder, one of its checkpoints, or a folder of its own.

use crate::error::CliError;
use crate::model::{ModelLocation, TokenizerFile, is_model, models_below};
use crate::reporter::{Reporter, print_stderr};
use crate::run::folder::{CONFIG, EVENTS, run_of};
use crate::run::resume::{session_at, settings_of};
use apt_experiment::{Knobs, is_own_model};
use apt_nn::Transformer;
use apt_train::Session;
use burn::module::Module;
use burn::tensor::Device;
use std::path::Path;

/// The compacted model at `path` on `device`, and its tokenizer. Of an unfinished run it is that of its newest
/// checkpoint; where nothing lies at `path`, it may name a model of this program.
///
/// # Errors
/// There is no model, or it is damaged.
pub(crate) fn model_at(path: &Path, device: &Device) -> Result<(Transformer, TokenizerFile), CliError> {
    let folder = [path.to_path_buf(), path.join("model")].into_iter().find(|folder| is_model(folder));
    let own = path.to_str().filter(|name| is_own_model(name) && !path.exists());
    let location = match (folder, own) {
        (Some(folder), _) => Some(ModelLocation::Folder(folder)),
        (None, Some(name)) => Some(ModelLocation::from_knob(name)?),
        (None, None) => None,
    };
    if let Some(location) = location {
        let files = location.files()?;
        let model = files.source.model(device)?;
        return Ok((model, TokenizerFile::of(&files)));
    }
    let (session, tokenizer) = open_session(path)?;
    if path.is_dir() {
        let (made, planned) = (session.steps_made(), session.steps_planned());
        print_stderr(&format!(
            "{}: this run is not finished; its model is that of its newest checkpoint, after step {made} of {planned}",
            path.display()
        ));
    }
    Ok((session.compacted().to_device(device), tokenizer))
}

/// The session of an unfinished run, or of one checkpoint.
///
/// # Errors
/// There is none, or it is damaged.
pub(crate) fn open_session(path: &Path) -> Result<(Session, TokenizerFile), CliError> {
    let reporter = Reporter::new(false);
    if path.is_file() {
        let root = run_of(path).unwrap_or_default();
        if !root.join(EVENTS).is_file() {
            return Err(nothing_at(path));
        }
        return session_at(&root, Some(path), &reporter);
    }
    if path.exists() {
        if !path.join(EVENTS).is_file() {
            return Err(nothing_at(path));
        }
        return session_at(path, None, &reporter);
    }
    Err(CliError::missing(path, "file or folder", "name a run's folder, a checkpoint or a model's folder"))
}

/// The settings of the run that the model at `path` is of; the defaults where it lies alone.
///
/// # Errors
/// Settings that cannot be read.
pub(crate) fn settings_at(path: &Path) -> Result<Knobs, CliError> {
    let root = if path.is_file() { run_of(path) } else { Some(path.to_path_buf()).filter(|root| !is_model(root)) };
    match root.filter(|root| root.is_dir()) {
        Some(root) if root.join(CONFIG).is_file() => Ok(settings_of(&root)?.into()),
        Some(root) if !is_model(&root.join("model")) => Err(nothing_at(path)),
        Some(_) | None => Ok(Knobs::default()),
    }
}

/// There is something at `path`, and none of what a model can be taken from.
fn nothing_at(path: &Path) -> CliError {
    let below = models_below(path);
    let what = match below.as_slice() {
        [] => "there is no model, run or checkpoint here".to_owned(),
        below => format!("there is no model here, but in {}", below.join(", ")),
    };
    CliError::at(path, what, "name a run's folder, a checkpoint, or a folder with config.json")
}
