//! The files of a model, inside this program or in a folder on disk.

use crate::error::CliError;
use apt_data::Tokenizer;
use apt_nn::{ModelConfig, NnError};
use apt_train::{BUILTIN, ModelFiles, ModelSource, NANO, TrainError, nano_config, sha256};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

const CONFIG: &[u8] = include_bytes!("../../../assets/builtin/config.json");
const TOKENIZER: &[u8] = include_bytes!("../../../assets/builtin/tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../../../assets/builtin/model.safetensors");

/// Where the files of a model are.
#[derive(Clone, Debug)]
pub(crate) enum ModelLocation {
    /// Inside this program.
    Builtin,
    /// A tiny one with random weights, made by this program, with the tokenizer of the built-in one.
    Nano,
    /// In a folder in the Hugging Face layout.
    Folder(PathBuf),
}

impl ModelLocation {
    /// What the knob `model` names.
    pub(crate) fn from_knob(model: &str) -> Self {
        match model {
            BUILTIN => Self::Builtin,
            NANO => Self::Nano,
            folder => Self::Folder(folder.into()),
        }
    }

    /// The sizes in `config.json`.
    ///
    /// # Errors
    /// A file that is missing or not a configuration.
    pub(crate) fn config(&self) -> Result<ModelConfig, CliError> {
        if let Self::Folder(folder) = self
            && !folder.is_dir()
        {
            let remedy = format!(
                "give --model `{BUILTIN}`, `{NANO}` or a folder with config.json, tokenizer.json and model.safetensors"
            );
            return Err(CliError::at(folder, "there is no such folder", remedy));
        }
        let (bytes, file) = self.read("config.json")?;
        let config = ModelConfig::from_json(&bytes, &file)?;
        Ok(if matches!(self, Self::Nano) { nano_config(&config) } else { config })
    }

    /// `tokenizer.json`, as bytes and read, checked against the model's vocabulary.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another model.
    pub(crate) fn tokenizer(&self, config: &ModelConfig) -> Result<(Vec<u8>, Tokenizer), CliError> {
        let (bytes, file) = self.read("tokenizer.json")?;
        let tokenizer = Tokenizer::from_bytes(&bytes, &file)?;
        tokenizer.check_vocab(config.vocab_size)?;
        Ok((bytes.into_owned(), tokenizer))
    }

    /// All its files, checked against each other. The weights are read again whenever a model is built.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another model.
    pub(crate) fn files(&self) -> Result<ModelFiles, CliError> {
        let config = self.config()?;
        let (tokenizer, tokenizer_name) = self.read("tokenizer.json")?;
        let tokenizer = tokenizer.into_owned();
        if matches!(self, Self::Nano) {
            return Ok(ModelFiles::nano(&config, tokenizer, &tokenizer_name)?);
        }
        let (bytes, file) = self.read("model.safetensors")?;
        let hash = sha256(&bytes);
        let location = self.clone();
        let fetch =
            move || location.read("model.safetensors").map(|(bytes, _)| bytes.into_owned()).map_err(TrainError::from);
        Ok(ModelFiles::new(ModelSource::file(config, &file, fetch), hash, tokenizer, &tokenizer_name)?)
    }

    fn read(&self, name: &str) -> Result<(Cow<'static, [u8]>, String), NnError> {
        match self {
            Self::Builtin | Self::Nano => {
                let bytes = match name {
                    "config.json" => CONFIG,
                    "tokenizer.json" => TOKENIZER,
                    _ => WEIGHTS,
                };
                Ok((Cow::Borrowed(bytes), format!("built-in {name}")))
            }
            Self::Folder(folder) => {
                let path = folder.join(name);
                let bytes = std::fs::read(&path).map_err(|e| NnError::io(&path, e))?;
                Ok((Cow::Owned(bytes), path.display().to_string()))
            }
        }
    }
}

/// Whether `folder` holds a model's config.json.
pub(crate) fn is_model(folder: &Path) -> bool {
    folder.join("config.json").is_file()
}
