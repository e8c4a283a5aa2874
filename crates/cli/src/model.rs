//! The files of a model, inside this program or in a folder on disk.

use crate::error::CliError;
use crate::hub;
use apt_experiment::{BUILTIN_DECODER, NANO_DECODER};
use apt_export::TextSettings;
use apt_hub::ModelName;
use apt_nn::foreign::{Foreign, gguf};
use apt_nn::{ModelConfig, NnError};
use apt_train::{BUILTIN, ModelFiles, ModelFolder, ModelSource, NANO, NamedFiles, TrainError, nano_config, sha256};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// A model inside this program.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    /// What messages call it.
    name: &'static str,
    config: &'static [u8],
    tokenizer: &'static [u8],
    weights: &'static [u8],
}

const ENCODER: Own = Own {
    name: "built-in",
    config: include_bytes!("../../../assets/builtin/config.json"),
    tokenizer: include_bytes!("../../../assets/builtin/tokenizer.json"),
    weights: include_bytes!("../../../assets/builtin/model.safetensors"),
};

const DECODER: Own = Own {
    name: "built-in decoder's",
    config: include_bytes!("../../../assets/builtin/decoder/config.json"),
    tokenizer: include_bytes!("../../../assets/builtin/decoder/tokenizer.json"),
    weights: include_bytes!("../../../assets/builtin/decoder/model.safetensors"),
};

impl Own {
    fn config(self) -> Result<ModelConfig, NnError> {
        ModelConfig::from_json(self.config, &format!("{} config.json", self.name))
    }

    fn tokenizer_name(self) -> String {
        format!("{} tokenizer.json", self.name)
    }

    fn files(self) -> Result<ModelFiles, CliError> {
        let weights = self.weights;
        let name = format!("{} model.safetensors", self.name);
        let source = ModelSource::file(self.config()?, &name, move || Ok(weights.to_vec()));
        Ok(ModelFiles::new(source, sha256(weights), self.tokenizer.to_vec(), &self.tokenizer_name())?)
    }

    fn nano(self) -> Result<ModelFiles, CliError> {
        Ok(ModelFiles::nano(&self.config()?, self.tokenizer.to_vec(), &self.tokenizer_name())?)
    }
}

/// What is kept of a model's tokenizer, to be written beside an export.
#[derive(Clone)]
pub(crate) struct TokenizerFile {
    /// `tokenizer.json`.
    pub json: Vec<u8>,
    /// The longest input that the model's files name beside its positions, in tokens.
    pub max_length: Option<usize>,
    /// What the files beside it say of texts.
    pub settings: TextSettings,
}

impl TokenizerFile {
    /// Of a model's files.
    pub(crate) fn of(files: &ModelFiles) -> Self {
        Self {
            json: files.tokenizer_file.clone(),
            max_length: files.max_length,
            settings: TextSettings::of(&files.tokenizer),
        }
    }
}

/// Where the files of a model are.
#[derive(Clone)]
pub(crate) enum ModelLocation {
    /// Inside this program.
    Builtin(Own),
    /// A tiny one with random weights, made by this program, with the tokenizer of this one.
    Nano(Own),
    /// In a folder in the Hugging Face layout.
    Folder(PathBuf),
}

impl ModelLocation {
    /// What the knob `model` names. The files of a model of the hub are fetched where they are not in its cache.
    ///
    /// # Errors
    /// A model that the hub does not give.
    pub(crate) fn from_knob(model: &str) -> Result<Self, CliError> {
        Ok(match model {
            BUILTIN => Self::Builtin(ENCODER),
            BUILTIN_DECODER => Self::Builtin(DECODER),
            NANO => Self::Nano(ENCODER),
            NANO_DECODER => Self::Nano(DECODER),
            named => Self::Folder(hub::located(Path::new(named))?),
        })
    }

    /// What the knob `model` had better name instead: a model of the hub with its commit.
    pub(crate) fn pinned(&self, model: &str) -> Option<String> {
        match self {
            Self::Builtin(_) | Self::Nano(_) => None,
            Self::Folder(folder) => hub::pinned(model, folder),
        }
    }

    /// The sizes in `config.json`.
    ///
    /// # Errors
    /// A file that is missing or not a configuration.
    pub(crate) fn config(&self) -> Result<ModelConfig, CliError> {
        match self {
            Self::Builtin(own) => Ok(own.config()?),
            Self::Nano(own) => Ok(nano_config(&own.config()?)),
            Self::Folder(folder) => {
                let path = folder.join("config.json");
                Ok(ModelConfig::from_json(&read(folder, "config.json")?, &path.display().to_string())?)
            }
        }
    }

    /// All its files, checked against each other. The weights are read again whenever a model is built.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another model.
    pub(crate) fn files(&self) -> Result<ModelFiles, CliError> {
        match self {
            Self::Nano(own) => own.nano(),
            Self::Builtin(own) => own.files(),
            Self::Folder(folder) => folder_files(folder),
        }
    }
}

/// The files of the model in `folder`.
fn folder_files(folder: &Path) -> Result<ModelFiles, CliError> {
    let names = names_in(folder)?;
    let origin = ModelName::of_snapshot(folder).map(|name| name.to_string());
    let listing = ModelFolder::new(&folder.display().to_string(), names);
    let opened = listing.open(&read_all(folder, &listing, &listing.texts())?)?;
    let weights = read_all(folder, &listing, &opened.weights)?;
    let (folder, names) = (folder.to_path_buf(), opened.weights.clone());
    let fetch = move || read_all(&folder, &listing, &names).map_err(TrainError::from);
    let mut files = ModelFiles::of_folder(opened, &weights, fetch)?;
    files.read.origin = origin;
    Ok(files)
}

fn read_all(folder: &Path, listing: &ModelFolder, names: &[String]) -> Result<NamedFiles, NnError> {
    names.iter().map(|name| Ok((listing.display(name), read(folder, name)?))).collect()
}

/// The names of the files in a model's folder.
fn names_in(folder: &Path) -> Result<Vec<String>, CliError> {
    if folder.is_file() && folder.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf")) {
        let Foreign { what, remedy } = gguf(&folder.display().to_string(), "");
        return Err(CliError::at(folder, what, remedy));
    }
    if folder.is_file() {
        let remedy = "name the folder that it is in: a model is config.json, tokenizer and weights together";
        return Err(CliError::at(folder, "this is a file", remedy));
    }
    if !folder.is_dir() {
        let remedy = format!(
            "give --model `{BUILTIN}`, `{BUILTIN_DECODER}`, `{NANO}`, a folder with config.json, tokenizer.json and model.safetensors, or a \
             model of the hub as org/name (`apt-lab models`)"
        );
        return Err(CliError::missing(folder, "folder", remedy));
    }
    let names = file_names(folder);
    if !names.iter().any(|name| ["config.json", "adapter_config.json"].contains(&name.as_str())) {
        let found = models_below(folder);
        if !found.is_empty() {
            let what = format!("there is no config.json here, but in {}", found.join(", "));
            return Err(CliError::at(folder, what, "name that folder with --model"));
        }
    }
    Ok(names)
}

/// Names of what lies in `folder`; nothing where it cannot be read.
fn file_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The first folders below `folder` with a config.json, nearest first.
pub(crate) fn models_below(folder: &Path) -> Vec<String> {
    const LISTED: usize = 5;
    // Whoever names the root of a disk does not wait for all of it.
    const LOOKED_INTO: usize = 500;
    let mut next = VecDeque::from([folder.to_path_buf()]);
    let mut found = Vec::new();
    for _ in 0..LOOKED_INTO {
        let Some(folder) = next.pop_front() else { break };
        for below in file_names(&folder).into_iter().map(|name| folder.join(name)) {
            if is_model(&below) {
                found.push(below.display().to_string());
            } else if below.is_dir() {
                next.push_back(below);
            }
        }
    }
    found.truncate(LISTED);
    found
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, NnError> {
    let path = folder.join(name);
    let bytes = std::fs::read(&path);
    if let Ok(bytes) = &bytes {
        tracing::info!("read {}, {} bytes", path.display(), bytes.len());
    }
    bytes.map_err(|error| match std::fs::read_link(&path) {
        Ok(target) if error.kind() == std::io::ErrorKind::NotFound => NnError::Weights {
            file: path.display().to_string(),
            what: format!("this is a link to {}, which is not there", target.display()),
            remedy: "fetch the model again: the file that the link stands for has been removed".to_owned(),
        },
        _ if path.is_dir() => NnError::Weights {
            file: path.display().to_string(),
            what: "this is a folder, where a file is expected".to_owned(),
            remedy: "fetch the model again".to_owned(),
        },
        _ => NnError::io(&path, error),
    })
}

/// Whether `folder` holds a model's config.json.
pub(crate) fn is_model(folder: &Path) -> bool {
    folder.join("config.json").is_file()
}
