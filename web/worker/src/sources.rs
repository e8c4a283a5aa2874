//! From what the knobs name to what a session starts from: the files beside the page, files that were dropped, or files
//! at an address that the user gave.

use crate::error::WorkerError;
use crate::{clock, fetch, port};
use apt_bridge::store::Store;
use apt_bridge::{MODEL_FILES, Message};
use apt_data::{RawTask, TaskSpec, parse_task};
use apt_experiment::{Knobs, ObjectiveChoice, Sources, TaskName};
use apt_nn::ModelConfig;
use apt_train::device::OpenDevice;
use apt_train::{BUILTIN, CODE, Machine, ModelFiles, ModelSource, NANO, Setup, nano_config, objective_of, sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

const CONFIG: &str = MODEL_FILES[0];
const TOKENIZER: &str = MODEL_FILES[1];
const WEIGHTS: &str = MODEL_FILES[2];

/// What a session starts from, and what is needed to use its model afterwards.
pub(crate) struct Prepared {
    /// For the session.
    pub setup: Setup,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// Names of the classes.
    pub labels: Vec<String>,
}

/// Fetches everything that `knobs` name.
///
/// # Errors
/// Whatever is wrong with settings, model, tokenizer or data.
pub(crate) async fn prepare(
    knobs: &Knobs,
    preset: Option<&str>,
    opened: &OpenDevice,
    store: Option<&Store>,
) -> Result<Prepared, WorkerError> {
    let knobs = knobs.clone().check()?;
    let model = model(&knobs.model, store).await?;
    let task = task(&knobs, store).await?;
    if !task.notes.is_empty() {
        port::post(&Message::Notice { text: task.notes.join("; ") });
    }
    let (tokenizer, labels) = (model.tokenizer_file.clone(), task.objective.labels().to_vec());
    let machine = Machine {
        os: browser(),
        threads: Some(1),
        started_at: Some(clock::timestamp()),
        commit: option_env!("APT_LAB_COMMIT").map(str::to_owned),
        jobs: Some(1),
    };
    let setup = Setup::assemble(knobs, preset.map(str::to_owned), model, task, opened, machine)?;
    Ok(Prepared { setup, tokenizer, labels })
}

/// The sizes of the model that the knob names.
///
/// # Errors
/// A file that is missing or no configuration.
pub(crate) async fn config(model: &str, store: Option<&Store>) -> Result<ModelConfig, WorkerError> {
    let location = ModelLocation::named(model);
    let config = ModelConfig::from_json(&location.file(CONFIG, store).await?, &location.display_name(CONFIG))?;
    Ok(if model == NANO { nano_config(&config) } else { config })
}

/// Digests of what cells are made from; what several cells share is read once.
#[derive(Default)]
pub(crate) struct Digests {
    known: BTreeMap<(String, TaskName, Option<String>, ObjectiveChoice), Sources>,
}

impl Digests {
    /// Of what `knobs` name.
    ///
    /// # Errors
    /// Files that are missing or cannot be read.
    pub(crate) async fn of(&mut self, knobs: &Knobs, store: Option<&Store>) -> Result<&Sources, WorkerError> {
        match self.known.entry((knobs.model.clone(), knobs.task.clone(), knobs.data.clone(), knobs.objective)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let (model, data) = (model(&knobs.model, store).await?.hash, task(knobs, store).await?.hash);
                Ok(unknown.insert(Sources { data, model, code: CODE.to_owned() }))
            }
        }
    }
}

/// How many outputs a task needs, with task, data and objective.
pub(crate) struct OutputCount {
    of: (TaskName, Option<String>, ObjectiveChoice),
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
    let of = (knobs.task.clone(), knobs.data.clone(), knobs.objective);
    if let Some(known) = known
        && known.of == of
    {
        return Ok(known.count);
    }
    let count = task(knobs, store).await?.objective.outputs();
    *known = Some(OutputCount { of, count });
    Ok(count)
}

async fn model(model: &str, store: Option<&Store>) -> Result<ModelFiles, WorkerError> {
    let location = ModelLocation::named(model);
    let config = config(model, store).await?;
    let tokenizer = location.file(TOKENIZER, store).await?;
    let tokenizer_name = location.display_name(TOKENIZER);
    if model == NANO {
        return Ok(ModelFiles::nano(&config, tokenizer, &tokenizer_name)?);
    }
    let weights = location.file(WEIGHTS, store).await?;
    let hash = sha256(&weights);
    let weights = Arc::new(weights);
    let source = ModelSource::file(config, &location.display_name(WEIGHTS), move || Ok(weights.to_vec()));
    Ok(ModelFiles::new(source, hash, tokenizer, &tokenizer_name)?)
}

async fn task(knobs: &Knobs, store: Option<&Store>) -> Result<RawTask, WorkerError> {
    if !TaskSpec::named(&knobs.task)?.needs_files() {
        return Ok(parse_task(&knobs.task, &[], objective_of(knobs))?);
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
    Ok(parse_task(&knobs.task, &files, objective_of(knobs))?)
}

/// Where a model's files are.
enum ModelLocation<'a> {
    /// Beside the page.
    BuiltIn,
    /// Under an address.
    Address(&'a str),
    /// Among the dropped files.
    Dropped(&'a str),
}

impl<'a> ModelLocation<'a> {
    fn named(model: &'a str) -> Self {
        match model {
            BUILTIN | NANO => Self::BuiltIn,
            address if address.starts_with("https://") || address.starts_with("http://") => {
                Self::Address(address.trim_end_matches('/'))
            }
            name => Self::Dropped(name),
        }
    }

    /// The file's name in errors.
    fn display_name(&self, file: &str) -> String {
        match self {
            Self::BuiltIn => format!("built-in {file}"),
            Self::Address(address) => format!("{address}/{file}"),
            Self::Dropped(name) => format!("{name}/{file}"),
        }
    }

    async fn file(&self, file: &str, store: Option<&Store>) -> Result<Vec<u8>, WorkerError> {
        match self {
            Self::BuiltIn => fetch::download(&format!("builtin/{file}")).await,
            Self::Address(address) => fetch::download(&format!("{address}/{file}")).await,
            Self::Dropped(name) => {
                let files = dropped(name, store).await?;
                let found = files.iter().find(|f| f.name().eq_ignore_ascii_case(file)).ok_or_else(|| {
                    let names = files.iter().map(web_sys::File::name).collect::<Vec<_>>().join(", ");
                    WorkerError::new(
                        *name,
                        format!("there is no {file} among the dropped files ({names})"),
                        format!("drop {CONFIG}, {TOKENIZER} and {WEIGHTS} together"),
                    )
                })?;
                fetch::read(found).await
            }
        }
    }
}

async fn dropped(name: &str, store: Option<&Store>) -> Result<Vec<web_sys::File>, WorkerError> {
    let files = match store {
        Some(store) => store.files(name).await?,
        None => None,
    };
    files.ok_or_else(|| {
        WorkerError::new(
            name,
            "no files of this name were dropped in this browser",
            format!("drop them on the page, or choose {BUILTIN} or {NANO}"),
        )
    })
}

/// The browser, as it calls itself.
fn browser() -> String {
    let agent = port::scope().navigator().user_agent().unwrap_or_default();
    if agent.is_empty() { "a browser".into() } else { agent }
}
