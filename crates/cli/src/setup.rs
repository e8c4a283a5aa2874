//! From knobs to everything a run starts from: device, model, tokenizer, task and provenance.

use crate::device;
use crate::error::CliError;
use crate::model::Place;
use apt_data::{RawTask, TokenizedTask, load_task, tokenize_task};
use apt_lab::{Knobs, Provenance};
use apt_train::Setup;
use apt_train::device::OpenDevice;
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

/// Opens and reads everything that `knobs` name.
///
/// # Errors
/// Contradicting knobs, and whatever is wrong with the device, the model, the tokenizer or the data.
pub fn prepare(knobs: &Knobs, preset: Option<&str>) -> Result<Prepared, CliError> {
    knobs.check()?;
    let opened = device::open(knobs.device)?;
    let place = Place::named(&knobs.model);
    let config = place.config()?;
    let (tokenizer_file, tokenizer) = place.tokenizer(&config)?;
    let raw = limited(task(&knobs.task, knobs.data.as_deref())?, knobs);
    // The model's positions are a limit of their own: texts are cut to the shorter of both.
    let length = knobs.max_length.min(config.max_length());
    let task: TokenizedTask = tokenize_task(&raw, &tokenizer, length)?;
    let (source, model_hash) = place.source(config)?;
    let provenance = provenance(knobs, &opened, &raw, model_hash);
    let setup = Setup {
        knobs: knobs.clone(),
        preset: preset.map(str::to_owned),
        source,
        task,
        labels: raw.labels.len(),
        metric: raw.metric,
        pad_id: tokenizer.pad_id(),
        provenance,
        device: opened.device.clone(),
    };
    Ok(Prepared { setup, tokenizer: tokenizer_file, device: format!("{} ({})", opened.name, opened.why) })
}

/// The task of this name; `csv` is another name of `text`, a file of one's own.
///
/// # Errors
/// An unknown task, and whatever is wrong with its files.
pub fn task(name: &str, data: Option<&str>) -> Result<RawTask, CliError> {
    let name = if name.eq_ignore_ascii_case("csv") { "text" } else { name };
    Ok(load_task(name, data.map(Path::new))?)
}

fn limited(task: RawTask, knobs: &Knobs) -> RawTask {
    match knobs.train_examples {
        Some(n) => task.limit_train(n, knobs.seed),
        None => task,
    }
}

fn provenance(knobs: &Knobs, opened: &OpenDevice, task: &RawTask, model_hash: String) -> Provenance {
    Provenance {
        version: env!("CARGO_PKG_VERSION").into(),
        commit: option_env!("APT_LAB_COMMIT").map(str::to_owned),
        device: opened.name.clone(),
        backend: opened.backend.into(),
        data_hash: Some(task.hash.clone()),
        model_hash: Some(model_hash),
        seed: knobs.seed,
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        threads: Some(device::threads()),
        started_at: Some(jiff::Timestamp::now().to_string()),
    }
}
