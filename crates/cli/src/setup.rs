//! From knobs to everything a run starts from: device, model, tokenizer, task and provenance.

use crate::device;
use crate::error::CliError;
use crate::logging::timed;
use crate::model::{ModelLocation, TokenizerFile};
use apt_data::{RawTask, Reading};
use apt_experiment::{BUILTIN_TASK, CheckedKnobs, Knobs, TaskName, is_own_model};
use apt_nn::ModelConfig;
use apt_train::{Machine, Setup};
use std::path::Path;

/// Where a run's model and data are read: as its settings name them, or as a path that is right from any folder.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The knob `model`.
    pub model: String,
    /// The knob `data`.
    pub data: Option<String>,
}

impl Places {
    /// What `knobs` name.
    pub(crate) fn of(knobs: &Knobs) -> Self {
        Self { model: knobs.model.clone(), data: knobs.data.clone() }
    }

    /// `knobs` with the paths in them right from any folder, as they are written down for a later call.
    pub(crate) fn whole_in(knobs: &Knobs) -> Knobs {
        let whole = |name: &String| {
            let path = Path::new(name);
            let is_path = !is_own_model(name) && path.exists();
            let whole = std::path::absolute(path).ok().filter(|_| is_path);
            whole.and_then(|whole| whole.to_str().map(str::to_owned)).unwrap_or_else(|| name.clone())
        };
        Knobs { model: whole(&knobs.model), data: knobs.data.as_ref().map(whole), ..knobs.clone() }
    }
}

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

/// Opens and reads everything that `knobs` name, at `places`. `jobs` is the number of runs made side by side on this
/// machine, if that is known.
///
/// # Errors
/// Whatever is wrong with the device, the model, the tokenizer or the data.
pub(crate) fn prepare(
    knobs: CheckedKnobs,
    places: &Places,
    preset: Option<&str>,
    jobs: Option<usize>,
) -> Result<Prepared, CliError> {
    let opened = timed("device", || device::open(knobs.device))?;
    let location = timed("model of the hub", || ModelLocation::from_knob(&places.model))?;
    let model = timed("model files", || location.files())?;
    let knobs = match location.pinned(&places.model) {
        Some(model) => Knobs { model, ..knobs.into() }.check()?,
        None => knobs,
    };
    let task = timed("data files", || load_task(&knobs, places.data.as_deref()))?;
    let tokenizer = TokenizerFile::of(&model);
    let dense = model.source.config.clone();
    let machine = Machine {
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        threads: Some(device::threads()),
        started_at: Some(jiff::Timestamp::now().to_string()),
        commit: option_env!("APT_LAB_COMMIT").map(str::to_owned),
        jobs,
    };
    let assemble = || Setup::assemble(knobs, preset.map(str::to_owned), model, task, &opened, machine);
    let setup = timed("tokens of all texts", assemble)?;
    Ok(Prepared { setup, tokenizer, dense, device: format!("{} ({})", opened.name, opened.why) })
}

/// The task that `knobs` name, with its examples, from `data`.
///
/// # Errors
/// An unknown task, and whatever is wrong with its files.
pub(crate) fn load_task(knobs: &Knobs, data: Option<&str>) -> Result<RawTask, CliError> {
    let data = data.map(Path::new);
    ensure_data(&knobs.task, data)?;
    Ok(apt_data::load_task(&knobs.task, data, &Reading::of(knobs))?)
}

/// Checks that there is something at `data`, if the task reads any.
///
/// # Errors
/// There is nothing; the message says where a relative path begins.
pub(crate) fn ensure_data(task: &TaskName, data: Option<&Path>) -> Result<(), CliError> {
    match data.filter(|data| *task != BUILTIN_TASK && !data.exists()) {
        None => Ok(()),
        Some(data) => {
            let remedy = "give --data the path of a task's folder, or of a file of texts";
            Err(CliError::missing(data, "file or folder", remedy))
        }
    }
}
