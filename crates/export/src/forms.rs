//! The forms of a merged model, each as the files of its folder.

use crate::tokenizer::TokenizerFiles;
use crate::{ExportError, Weights, config, gguf, onnx, padded, transformers};
use apt_data::{TextEnds, Tokenizer, TokenizerRead};
use apt_nn::ModelConfig;
use apt_nn::checkpoint::{Precision, safetensors_of};
use serde_json::Value;

/// A file of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path within the form's folder, with `/` between its parts.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl File {
    /// A file.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }

    pub(crate) fn json(name: &str, json: &Value) -> Self {
        Self::new(name, format!("{json:#}\n"))
    }
}

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// As 32-bit floats.
    F32,
    /// As half-precision floats. An ONNX graph makes them 32-bit floats again and computes in those, so that it runs
    /// wherever that does.
    F16,
    /// Matrices and tables as bytes with a scale for each column or row, the rest as 32-bit floats: ONNX alone. Products
    /// are computed in bytes, with inputs quantised at each call.
    Int8,
}

impl Stored {
    /// What transformers.js and optimum put behind `model` in the name of an ONNX file.
    const fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "",
            Self::F16 => "_fp16",
            Self::Int8 => "_quantized",
        }
    }

    fn precision(self, form: &'static str) -> Result<Precision, ExportError> {
        match self {
            Self::F32 => Ok(Precision::F32),
            Self::F16 => Ok(Precision::F16),
            Self::Int8 => Err(ExportError::Form {
                form,
                what: "it holds no 8-bit weights".into(),
                remedy: "take --precision f32 or f16; only ONNX graphs hold 8-bit weights",
            }),
        }
    }
}

/// A merged model, read back, with the files of its tokenizer.
pub struct Model {
    /// Sizes and values.
    pub weights: Weights,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// The longest input that the model's files name beside its positions, in tokens.
    pub max_length: Option<usize>,
    /// What the model's files say of texts beside `tokenizer.json`.
    pub settings: TextSettings,
}

/// What the files beside `tokenizer.json` say of texts, which a decoder's exported folder says too.
#[derive(Clone, Debug, Default)]
pub struct TextSettings {
    /// Which tokens begin and end texts, and whether they are put around them; `None` where only the configuration names
    /// them.
    pub ends: Option<TextEnds>,
    /// How conversations are written, a Jinja template.
    pub chat_template: Option<String>,
}

impl TextSettings {
    /// Of a model's own tokenizer, files beside it included.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        let chat_template = tokenizer.chat_template().map(str::to_owned);
        Self { ends: Some(tokenizer.ends().clone()), chat_template }
    }

    /// The ends of texts; where nothing else is known, as `tokenizer` and a configuration beside it say.
    ///
    /// # Errors
    /// A file that is no `tokenizer.json`.
    pub(crate) fn ends_of(&self, tokenizer: &[u8], config: &ModelConfig) -> Result<TextEnds, ExportError> {
        if let Some(ends) = &self.ends {
            return Ok(ends.clone());
        }
        let read = TokenizerRead::of_run(tokenizer, &config.to_json().to_string());
        let read = read.map_err(|e| ExportError::Tokenizer { what: e.to_string() })?;
        Ok(read.tokenizer.ends().clone())
    }
}

impl Model {
    /// The Hugging Face layout. This program loads it; transformers does where nothing was removed but whole layers' equal
    /// shares of heads and neurons.
    ///
    /// # Errors
    /// A tokenizer that is none; bytes as precision.
    pub fn safetensors(&self, stored: Stored) -> Result<Vec<File>, ExportError> {
        let json = config::plain(&self.weights.config);
        self.folder(&json, &self.weights, stored, "safetensors")
    }

    /// ONNX as ONNX Runtime, optimum and transformers.js load it: a graph for each way to store weights.
    ///
    /// # Errors
    /// A tokenizer that is none; a model without a classifier, or too large for one file.
    pub fn onnx(&self, stored: &[Stored]) -> Result<Vec<File>, ExportError> {
        let mut files = vec![File::json("config.json", &config::plain(&self.weights.config))];
        files.extend(self.tokenizer_files()?);
        for &stored in stored {
            let name = format!("onnx/model{}.onnx", stored.suffix());
            files.push(File::new(name, onnx::model(&self.weights, stored)?));
        }
        Ok(files)
    }

    /// The Hugging Face layout with the code by which transformers loads layers of unequal width. This program loads it too.
    ///
    /// # Errors
    /// As [`Self::safetensors`]; an encoder without a classifier.
    pub fn transformers(&self, stored: Stored) -> Result<Vec<File>, ExportError> {
        let json = transformers::config(&self.weights.config)?;
        let mut files = self.folder(&json, &self.weights, stored, "transformers")?;
        files.push(File::new(transformers::CODE_FILE, transformers::CODE));
        Ok(files)
    }

    /// The Hugging Face layout with zeros in the place of heads and neurons that were removed, so that transformers' own
    /// classes load it. It computes the same and is no faster than what it was pruned from.
    ///
    /// # Errors
    /// As [`Self::safetensors`]; a model that lost hidden dims or, as an encoder, a whole sub-block, or whose classifier is
    /// not the family's.
    pub fn padded(&self, stored: Stored) -> Result<Vec<File>, ExportError> {
        let weights = padded::padded(&self.weights)?;
        self.folder(&config::plain(&weights.config), &weights, stored, "transformers")
    }

    /// One file for llama.cpp, of a decoder.
    ///
    /// # Errors
    /// An encoder; bytes as precision; what llama.cpp does not compute, or a tokenizer that it does not have.
    pub fn gguf(&self, stored: Stored) -> Result<Vec<File>, ExportError> {
        let is_half = stored.precision("gguf")? == Precision::F16;
        let bytes = gguf::file(&self.weights, &self.tokenizer, &self.settings, is_half)?;
        Ok(vec![File::new("model.gguf", bytes)])
    }

    /// Whether transformers' own classes load a model of `config` as it is: layers of equal width and the family's
    /// classifier.
    pub fn is_plain(config: &ModelConfig) -> bool {
        padded::is_plain(config)
    }

    fn folder(
        &self,
        json: &Value,
        weights: &Weights,
        stored: Stored,
        form: &'static str,
    ) -> Result<Vec<File>, ExportError> {
        let tensors = safetensors_of(&weights.tensors, stored.precision(form)?)?;
        let mut files = vec![File::json("config.json", json), File::new("model.safetensors", tensors)];
        files.extend(self.tokenizer_files()?);
        Ok(files)
    }

    fn tokenizer_files(&self) -> Result<[File; 2], ExportError> {
        let TokenizerFiles { tokenizer, config } =
            TokenizerFiles::new(&self.tokenizer, self.max_length, &self.weights.config, &self.settings)?;
        Ok([File::new("tokenizer.json", tokenizer), File::new("tokenizer_config.json", config)])
    }
}
