//! From knobs to everything a run starts from: device, model, tokenizer, task and provenance.

use crate::device;
use crate::error::CliError;
use crate::model::{ModelLocation, TokenizerFile};
use apt_data::{RawTask, Reading};
use apt_experiment::{CheckedKnobs, Knobs};
use apt_nn::ModelConfig;
use apt_train::{Machine, Setup};
use std::path::Path;

/// What a run starts from.
pub(crate) struct Prepared {
    /// What the session takes.
    pub setup: Setup,
    /// What is to be written beside the exported model.
    pub tokenizer: TokenizerFile,
    /// Sizes of the model started from.
    pub dense: ModelConfig,
    /// The device and why it was chosen, to be printed.
    pub device: String,
}

/// Opens and reads everything that `knobs` name. `jobs` is the number of runs made side by side on this machine, if that
/// is known.
///
/// # Errors
/// Whatever is wrong with the device, the model, the tokenizer or the data.
pub(crate) fn prepare(knobs: CheckedKnobs, preset: Option<&str>, jobs: Option<usize>) -> Result<Prepared, CliError> {
    let opened = device::open(knobs.device)?;
    let model = ModelLocation::from_knob(&knobs.model).files()?;
    let task = load_task(&knobs)?;
    let tokenizer = TokenizerFile { json: model.tokenizer_file.clone(), max_length: model.max_length };
    let dense = model.source.config.clone();
    let machine = Machine {
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        threads: Some(device::threads()),
        started_at: Some(jiff::Timestamp::now().to_string()),
        commit: option_env!("APT_LAB_COMMIT").map(str::to_owned),
        jobs,
    };
    let setup = Setup::assemble(knobs, preset.map(str::to_owned), model, task, &opened, machine)?;
    Ok(Prepared { setup, tokenizer, dense, device: format!("{} ({})", opened.name, opened.why) })
}

/// The task that `knobs` name, with its examples.
///
/// # Errors
/// An unknown task, and whatever is wrong with its files.
pub(crate) fn load_task(knobs: &Knobs) -> Result<RawTask, CliError> {
    Ok(apt_data::load_task(&knobs.task, knobs.data.as_deref().map(Path::new), &Reading::of(knobs))?)
}
