//! From knobs to everything a run starts from: device, model, tokenizer, task and provenance.

use crate::device;
use crate::error::CliError;
use crate::model::Place;
use apt_data::{RawTask, load_task};
use apt_experiment::Knobs;
use apt_train::{Machine, Setup};
use std::path::Path;

/// A run's beginning, and what is worth telling about it.
pub struct Prepared {
    /// What the session takes.
    pub setup: Setup,
    /// `tokenizer.json`, to be written beside the exported model.
    pub tokenizer: Vec<u8>,
    /// Device and why, for people.
    pub device: String,
}

/// Opens and reads everything that `knobs` name. `jobs` is how many runs this machine makes side by side, if that is
/// known.
///
/// # Errors
/// Contradicting knobs, and whatever is wrong with the device, the model, the tokenizer or the data.
pub fn prepare(knobs: &Knobs, preset: Option<&str>, jobs: Option<usize>) -> Result<Prepared, CliError> {
    knobs.check()?;
    let opened = device::open(knobs.device)?;
    let model = Place::named(&knobs.model).files()?;
    let task = task(&knobs.task, knobs.data.as_deref())?;
    let tokenizer = model.tokenizer_file.clone();
    let machine = Machine {
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        threads: Some(device::threads()),
        started_at: Some(jiff::Timestamp::now().to_string()),
        jobs,
    };
    let setup = Setup::assemble(knobs.clone(), preset.map(str::to_owned), model, task, &opened, machine)?;
    Ok(Prepared { setup, tokenizer, device: format!("{} ({})", opened.name, opened.why) })
}

/// The task of this name.
///
/// # Errors
/// An unknown task, and whatever is wrong with its files.
pub fn task(name: &str, data: Option<&str>) -> Result<RawTask, CliError> {
    Ok(load_task(name, data.map(Path::new), None)?)
}
