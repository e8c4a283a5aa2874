//! From what the knobs name to what a session starts from: the files beside the page, files that were dropped, or files
//! at an address that the user gave.

use crate::error::WorkerError;
use crate::{clock, fetch, port};
use apt_bridge::store::Store;
use apt_bridge::{MODEL_FILES, Message};
use apt_data::{RawTask, Reading, TaskSpec, Tokenizer, parse_task};
use apt_experiment::{DataSource, Knobs, Sources};
use apt_nn::ModelConfig;
use apt_train::device::OpenDevice;
use apt_train::{BUILTIN, CODE, Machine, ModelFiles, ModelSource, NANO, Setup, nano_config, sha256};
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
    if !task.read.notes.is_empty() {
        port::post(&Message::Notice { text: task.read.notes.join("; ") });
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
    let config = ModelLocation::named(model).config(store).await?;
    Ok(if model == NANO { nano_config(&config) } else { config })
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

async fn model(model: &str, store: Option<&Store>) -> Result<ModelFiles, WorkerError> {
    let location = ModelLocation::named(model);
    if model == NANO {
        let config = config(BUILTIN, store).await?;
        let tokenizer = location.file(TOKENIZER, store).await?;
        return Ok(ModelFiles::nano(&config, tokenizer, &location.display_name(TOKENIZER))?);
    }
    location.model(store).await
}

/// A model whose files were dropped and are not kept yet.
///
/// # Errors
/// A file that is missing, or not of a model, or of another one than the others.
pub(crate) async fn given_model(files: &[web_sys::File]) -> Result<ModelFiles, WorkerError> {
    ModelLocation::Given(files).model(None).await
}

/// Whether dropped files are a model's.
pub(crate) fn is_model(files: &[web_sys::File]) -> bool {
    files.iter().any(|file| MODEL_FILES.contains(&file.name().as_str()))
}

/// The tokenizer of the model that the knob names, with how many tokens the model reads at most; `None` for a model
/// elsewhere, whose host is not asked for this.
///
/// # Errors
/// Files that are missing or cannot be read.
pub(crate) async fn near_tokenizer(
    model: &str,
    store: Option<&Store>,
) -> Result<Option<(Tokenizer, usize)>, WorkerError> {
    let location = ModelLocation::named(model);
    if matches!(location, ModelLocation::Address(_)) {
        return Ok(None);
    }
    let tokenizer = Tokenizer::from_bytes(&location.file(TOKENIZER, store).await?, &location.display_name(TOKENIZER))?;
    Ok(Some((tokenizer, config(model, store).await?.max_length())))
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

/// Where a model's files are.
enum ModelLocation<'a> {
    /// Beside the page.
    BuiltIn,
    /// Under an address.
    Address(&'a str),
    /// Among the dropped files.
    Dropped(&'a str),
    /// In files that are just being dropped.
    Given(&'a [web_sys::File]),
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
            Self::Given(_) => file.to_owned(),
        }
    }

    async fn config(&self, store: Option<&Store>) -> Result<ModelConfig, WorkerError> {
        Ok(ModelConfig::from_json(&self.file(CONFIG, store).await?, &self.display_name(CONFIG))?)
    }

    async fn model(&self, store: Option<&Store>) -> Result<ModelFiles, WorkerError> {
        let config = self.config(store).await?;
        let tokenizer = self.file(TOKENIZER, store).await?;
        let weights = self.file(WEIGHTS, store).await?;
        let hash = sha256(&weights);
        let weights = Arc::new(weights);
        let source = ModelSource::file(config, &self.display_name(WEIGHTS), move || Ok(weights.to_vec()));
        Ok(ModelFiles::new(source, hash, tokenizer, &self.display_name(TOKENIZER))?)
    }

    async fn file(&self, file: &str, store: Option<&Store>) -> Result<Vec<u8>, WorkerError> {
        match self {
            Self::BuiltIn => fetch::download(&format!("builtin/{file}")).await,
            Self::Address(address) => fetch::download(&format!("{address}/{file}")).await,
            Self::Dropped(name) => fetch::read(one_of(&dropped(name, store).await?, file, name)?).await,
            Self::Given(files) => fetch::read(one_of(files, file, "the model")?).await,
        }
    }
}

/// The file of this name; `place` says where it is looked for.
fn one_of<'f>(files: &'f [web_sys::File], file: &str, place: &str) -> Result<&'f web_sys::File, WorkerError> {
    files.iter().find(|of| of.name().eq_ignore_ascii_case(file)).ok_or_else(|| {
        let names = files.iter().map(web_sys::File::name).collect::<Vec<_>>().join(", ");
        WorkerError::new(
            place,
            format!("there is no {file} among the dropped files ({names})"),
            format!("drop {CONFIG}, {TOKENIZER} and {WEIGHTS} together"),
        )
    })
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
