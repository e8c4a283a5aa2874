//! From what the knobs name to what a session starts from: the files beside the page, files that were dropped, or files
//! at an address that the user gave.

use crate::error::WorkerError;
use crate::model_files::{dropped, model};
use crate::{clock, fetch, port};
use apt_bridge::Message;
use apt_bridge::store::Store;
use apt_data::{RawTask, Reading, TaskSpec, parse_task};
use apt_experiment::{DataSource, Knobs, Sources};
use apt_train::device::OpenDevice;
use apt_train::{CODE, Machine, Setup};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What a session starts from, and what is needed to use its model afterwards.
pub(crate) struct Prepared {
    /// For the session.
    pub setup: Setup,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// Names of the classes.
    pub labels: Vec<String>,
}

/// Fetches everything that `knobs` name, for a run by so many workers.
///
/// # Errors
/// Whatever is wrong with settings, model, tokenizer or data.
pub(crate) async fn prepare(
    knobs: &Knobs,
    preset: Option<&str>,
    opened: &OpenDevice,
    workers: usize,
    store: Option<&Store>,
) -> Result<Prepared, WorkerError> {
    let model = model(&knobs.model, store).await?;
    let knobs = match model.source.config.decoder {
        Some(_) => knobs.clone().fitted(true).check()?,
        None => knobs.clone().check()?,
    };
    let task = task(&knobs, store).await?;
    if !task.read.notes.is_empty() {
        port::post(&Message::Notice { text: task.read.notes.join("; ") });
    }
    let (tokenizer, labels) = (model.tokenizer_file.clone(), task.objective.labels().to_vec());
    let machine = Machine {
        os: browser(),
        threads: Some(workers),
        started_at: Some(clock::timestamp()),
        commit: option_env!("APT_LAB_COMMIT").map(str::to_owned),
        jobs: Some(1),
    };
    let setup = Setup::assemble(knobs, preset.map(str::to_owned), model, task, opened, machine)?;
    // Of models that come with the page there is nothing to say.
    if let Some(read) = setup.provenance.model.as_ref().filter(|read| !read.files.is_empty()) {
        port::post(&Message::Notice { text: format!("Model: {}", read.line()) });
    }
    Ok(Prepared { setup, tokenizer, labels })
}

/// Digests of what cells are made from; what several cells share is read once.
#[derive(Default)]
pub(crate) struct Digests {
    known: BTreeMap<(String, DataSource), Sources>,
}

impl Digests {
    /// Of what `knobs` name.
    ///
    /// # Errors
    /// Files that are missing or cannot be read.
    pub(crate) async fn of(&mut self, knobs: &Knobs, store: Option<&Store>) -> Result<&Sources, WorkerError> {
        match self.known.entry((knobs.model.clone(), knobs.data_source())) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let (model, data) = (model(&knobs.model, store).await?.hash, task(knobs, store).await?.hash);
                Ok(unknown.insert(Sources { data, model, code: CODE.to_owned() }))
            }
        }
    }
}

/// How many outputs a task needs, with what is read as it.
pub(crate) struct OutputCount {
    of: DataSource,
    count: usize,
}

/// How many outputs a model needs for the task that `knobs` name; its examples are read unless `known` is of it.
///
/// # Errors
/// A task or files that cannot be read.
pub(crate) async fn output_count(
    known: &mut Option<OutputCount>,
    knobs: &Knobs,
    store: Option<&Store>,
) -> Result<usize, WorkerError> {
    let of = knobs.data_source();
    if let Some(known) = known
        && known.of == of
    {
        return Ok(known.count);
    }
    let count = task(knobs, store).await?.objective.outputs();
    *known = Some(OutputCount { of, count });
    Ok(count)
}

/// The task that `knobs` name.
///
/// # Errors
/// Files that are missing, or are not what the task needs.
pub(crate) async fn task(knobs: &Knobs, store: Option<&Store>) -> Result<RawTask, WorkerError> {
    if !TaskSpec::named(&knobs.task)?.needs_files() {
        return parse(knobs, &[]);
    }
    let Some(name) = &knobs.data else {
        return Err(WorkerError::new(
            format!("task {}", knobs.task),
            "it needs files, and data names none",
            "drop its files on the page, or choose the task builtin",
        ));
    };
    let mut files = Vec::new();
    for file in dropped(name, store).await? {
        files.push((file.name(), fetch::read(&file).await?));
    }
    parse(knobs, &files)
}

/// The task that `knobs` name, from files as `(name, bytes)`.
///
/// # Errors
/// Files that are not what the task needs.
pub(crate) fn parse(knobs: &Knobs, files: &[(String, Vec<u8>)]) -> Result<RawTask, WorkerError> {
    Ok(parse_task(&knobs.task, files, &Reading::of(knobs))?)
}

/// The browser, as it calls itself.
fn browser() -> String {
    let agent = port::scope().navigator().user_agent().unwrap_or_default();
    if agent.is_empty() { "a browser".into() } else { agent }
}
