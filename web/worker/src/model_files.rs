//! A model's files: beside the page, dropped into it or fetched from the hub, or under an address that the user gave.

use crate::error::WorkerError;
use crate::fetch;
use apt_bridge::store::Store;
use apt_data::{Tokenizer, TokenizerRead};
use apt_experiment::{
    BUILTIN_DECODER, CONFIG_FILE, INDEX_FILE, NANO_DECODER, TOKENIZER_FILE, TOKENIZER_SETTINGS, WEIGHTS_FILE,
    is_own_decoder, is_own_model,
};
use apt_hub::{ModelName, PREFIX};
use apt_nn::ModelConfig;
use apt_nn::checkpoint::ShardIndex;
use apt_train::{BUILTIN, ModelFiles, ModelFolder, ModelSource, NANO, NamedFiles, nano_config, sha256};
use std::sync::Arc;
use web_sys::File;

/// Tokens that were added to a vocabulary that has no `tokenizer.json`.
const ADDED: &str = "added_tokens.json";

/// The model that the knob names.
///
/// # Errors
/// A file that is missing, or not of a model, or of another one than the others.
pub(crate) async fn model(model: &str, store: Option<&Store>) -> Result<ModelFiles, WorkerError> {
    match ModelLocation::named(model) {
        ModelLocation::BuiltIn(of) => of.files(model).await,
        ModelLocation::Address(address) => at_address(address).await,
        ModelLocation::Dropped(name) => of_files(name, &dropped(name, store).await?).await,
    }
}

/// A model whose files were dropped and are not kept yet.
///
/// # Errors
/// As [`model`].
pub(crate) async fn given_model(files: &[File]) -> Result<ModelFiles, WorkerError> {
    of_files("", files).await
}

/// The sizes of the model that the knob names.
///
/// # Errors
/// A file that is missing or no configuration.
pub(crate) async fn config(model: &str, store: Option<&Store>) -> Result<ModelConfig, WorkerError> {
    let (bytes, file) = match ModelLocation::named(model) {
        ModelLocation::BuiltIn(of) => {
            let config = of.config().await?;
            return Ok(if is_nano(model) { nano_config(&config) } else { config });
        }
        ModelLocation::Address(address) => {
            let file = format!("{address}/{CONFIG_FILE}");
            (fetch::download(&file).await?, file)
        }
        ModelLocation::Dropped(name) => (
            fetch::read(one_of(&dropped(name, store).await?, CONFIG_FILE, name)?).await?,
            format!("{name}/{CONFIG_FILE}"),
        ),
    };
    Ok(ModelConfig::from_json(&bytes, &file)?)
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
    let tokenizer = match ModelLocation::named(model) {
        ModelLocation::Address(_) => return Ok(None),
        ModelLocation::BuiltIn(of) => Tokenizer::from_bytes(&of.file(TOKENIZER_FILE).await?, &of.name(TOKENIZER_FILE))?,
        ModelLocation::Dropped(name) => {
            let files = dropped(name, store).await?;
            let folder = folder(name, &files);
            TokenizerRead::of(&read_all(&folder, &files, &folder.texts()).await?)?.tokenizer
        }
    };
    Ok(Some((tokenizer, config(model, store).await?.max_length())))
}

/// The dropped files that are kept under `name`.
///
/// # Errors
/// None are.
pub(crate) async fn dropped(name: &str, store: Option<&Store>) -> Result<Vec<File>, WorkerError> {
    let files = match store {
        Some(store) => store.files(name).await?,
        None => None,
    };
    files.ok_or_else(|| match name.starts_with(PREFIX) {
        true => WorkerError::new(
            name,
            "this model of the hub is not in this browser",
            "look it up under Model, A model of the hub, or choose another one",
        ),
        false => WorkerError::new(
            name,
            "no files of this name were dropped in this browser",
            format!("drop them on the page, or choose {BUILTIN}, {BUILTIN_DECODER} or {NANO}"),
        ),
    })
}

/// Where a model's files are.
enum ModelLocation<'a> {
    /// Beside the page.
    BuiltIn(BuiltIn),
    /// Under an address.
    Address(&'a str),
    /// Among the files that the browser keeps.
    Dropped(&'a str),
}

impl<'a> ModelLocation<'a> {
    fn named(model: &'a str) -> Self {
        match model {
            own if is_own_model(own) => Self::BuiltIn(BuiltIn { is_decoder: is_own_decoder(own) }),
            address if address.starts_with("https://") || address.starts_with("http://") => {
                Self::Address(address.trim_end_matches('/'))
            }
            name => Self::Dropped(name),
        }
    }
}

/// The files of the encoder or of the decoder beside the page, fetched when they are used.
#[derive(Clone, Copy)]
struct BuiltIn {
    is_decoder: bool,
}

impl BuiltIn {
    async fn files(self, model: &str) -> Result<ModelFiles, WorkerError> {
        let (config, tokenizer) = (self.config().await?, self.file(TOKENIZER_FILE).await?);
        let name = self.name(TOKENIZER_FILE);
        if is_nano(model) {
            return Ok(ModelFiles::nano(&config, tokenizer, &name)?);
        }
        let weights = Arc::new(self.file(WEIGHTS_FILE).await?);
        let hash = sha256(&weights);
        let source = ModelSource::file(config, &self.name(WEIGHTS_FILE), move || Ok(weights.to_vec()));
        Ok(ModelFiles::new(source, hash, tokenizer, &name)?)
    }

    async fn config(self) -> Result<ModelConfig, WorkerError> {
        Ok(ModelConfig::from_json(&self.file(CONFIG_FILE).await?, &self.name(CONFIG_FILE))?)
    }

    async fn file(self, name: &str) -> Result<Vec<u8>, WorkerError> {
        fetch::download(&format!("builtin/{}{name}", if self.is_decoder { "decoder/" } else { "" })).await
    }

    /// What messages call a file.
    fn name(self, name: &str) -> String {
        format!("{} {name}", if self.is_decoder { "built-in decoder's" } else { "built-in" })
    }
}

fn is_nano(model: &str) -> bool {
    [NANO, NANO_DECODER].contains(&model)
}

fn folder(place: &str, files: &[File]) -> ModelFolder {
    let names = files.iter().map(File::name).collect();
    match ModelName::parse(place).ok().filter(|name| place.starts_with(PREFIX) && name.is_commit()) {
        Some(name) => ModelFolder::on_hub(&name.repo, name.revision(), names),
        None => ModelFolder::new(place, names),
    }
}

async fn of_files(place: &str, files: &[File]) -> Result<ModelFiles, WorkerError> {
    let folder = folder(place, files);
    let opened = folder.open(&read_all(&folder, files, &folder.texts()).await?)?;
    let weights = Arc::new(read_all(&folder, files, &opened.weights).await?);
    let kept = weights.clone();
    Ok(ModelFiles::of_folder(opened, &weights, move || Ok(kept.to_vec()))?)
}

async fn read_all(folder: &ModelFolder, files: &[File], names: &[String]) -> Result<NamedFiles, WorkerError> {
    let mut read = Vec::new();
    for name in names {
        read.push((folder.display(name), fetch::read(one_of(files, name, "the model")?).await?));
    }
    Ok(read)
}

/// An address cannot list its files: those that models usually have are asked for, and others where they are not there.
/// Weights come last, once the rest is known to be a model's.
async fn at_address(address: &str) -> Result<ModelFiles, WorkerError> {
    let place = |name: &str| format!("{address}/{name}");
    let (mut names, mut texts, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    let mut wanted = vec![CONFIG_FILE, TOKENIZER_FILE, TOKENIZER_SETTINGS[0]];
    while !wanted.is_empty() {
        for name in std::mem::take(&mut wanted) {
            match fetch::find(&place(name)).await {
                Ok(Some(bytes)) => {
                    names.push(name.to_owned());
                    texts.push((place(name), bytes));
                }
                Ok(None) if name == TOKENIZER_FILE => wanted.extend(["vocab.txt", TOKENIZER_SETTINGS[1], ADDED]),
                Ok(None) if name == "vocab.txt" => wanted.extend(["vocab.json", "merges.txt"]),
                Ok(None) => {}
                // Many models have no such file, and many hosts say so in a way that a browser hides or takes for a page.
                Err(error) if name == ADDED || TOKENIZER_SETTINGS.contains(&name) => {
                    unread.push(format!("{name} was not read ({error})"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    let open = |names: &[String], texts: &NamedFiles| ModelFolder::new(address, names.to_vec()).open(texts);
    names.push(WEIGHTS_FILE.to_owned());
    let mut opened = open(&names, &texts)?;
    let mut weights = Vec::new();
    if let Some(bytes) = fetch::find(&place(WEIGHTS_FILE)).await? {
        weights.push((place(WEIGHTS_FILE), bytes));
    } else {
        names.pop();
        if let Some(bytes) = fetch::find(&place(INDEX_FILE)).await? {
            names.push(INDEX_FILE.to_owned());
            names.extend(ShardIndex::parse(&bytes, &place(INDEX_FILE))?.shards());
            texts.push((place(INDEX_FILE), bytes));
        }
        opened = open(&names, &texts)?;
        for name in &opened.weights {
            weights.push((place(name), fetch::download(&place(name)).await?));
        }
    }
    let weights = Arc::new(weights);
    let kept = weights.clone();
    let mut files = ModelFiles::of_folder(opened, &weights, move || Ok(kept.to_vec()))?;
    files.read.notes.extend(unread);
    Ok(files)
}

/// The file of this name; `place` says where it is looked for.
fn one_of<'f>(files: &'f [File], file: &str, place: &str) -> Result<&'f File, WorkerError> {
    files.iter().find(|of| of.name() == file).ok_or_else(|| {
        let names = files.iter().map(File::name).collect::<Vec<_>>().join(", ");
        WorkerError::new(
            place,
            format!("there is no {file} among the dropped files ({names})"),
            "drop all files of the model together",
        )
    })
}
