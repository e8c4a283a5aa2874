//! The files of a model in memory, wherever they came from: a folder, the program itself, a download, a drop.

use crate::TrainError;
use crate::model_folder::OpenFolder;
use crate::source::{ModelSource, NamedFiles};
use apt_core::blocks::LayerShape;
use apt_core::hex;
use apt_data::{Tokenizer, TokenizerRead};
pub use apt_experiment::{BUILTIN_MODEL as BUILTIN, NANO_MODEL as NANO};
use apt_experiment::{ModelRead, PartLeftOut};
use apt_nn::ModelConfig;
use apt_nn::checkpoint::Checkpoint;
use sha2::{Digest, Sha256};

/// A model's files, read and checked against each other.
pub struct ModelFiles {
    /// `tokenizer.json` as it is, to be written beside an exported model.
    pub tokenizer_file: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Tokenizer,
    /// Sizes and weights.
    pub source: ModelSource,
    /// Digest of weights, configuration and tokenizer: of all that a run takes from a model.
    pub hash: String,
    /// The longest input that the model's files name beside its positions.
    pub max_length: Option<usize>,
    /// What was read, and what was not.
    pub read: ModelRead,
}

impl ModelFiles {
    /// Of a model that the program brings along. `weights` is a digest of the weights, `file` names `tokenizer.json` in
    /// errors.
    ///
    /// # Errors
    /// A tokenizer that cannot be read, or knows more words than the model.
    pub fn new(source: ModelSource, weights: String, tokenizer_file: Vec<u8>, file: &str) -> Result<Self, TrainError> {
        let hash = digest(&weights, &tokenizer_file, &source.config);
        let tokenizer = Tokenizer::from_bytes(&tokenizer_file, file)?;
        tokenizer.check_vocab(source.config.vocab_size)?;
        let read = ModelRead { family: source.config.family.spec().name.to_owned(), ..ModelRead::default() };
        Ok(Self { tokenizer_file, tokenizer, source, hash, max_length: None, read })
    }

    /// Of an open folder with the files of its weights, which `fetch` reads again whenever a model is built. Their names
    /// are those of `ModelFolder::display`.
    ///
    /// # Errors
    /// Weights that are not the configuration's, or a tokenizer that knows more words than the model.
    pub fn of_folder(
        folder: OpenFolder,
        weights: &NamedFiles,
        fetch: impl Fn() -> Result<NamedFiles, TrainError> + Send + 'static,
    ) -> Result<Self, TrainError> {
        let OpenFolder { config: read, tokenizer, index, files, notes, .. } = folder;
        let parts: Vec<(&str, &[u8])> = weights.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
        let checkpoint = Checkpoint::of(&parts, index.as_ref(), read.config.family)?;
        let config = checkpoint.complete(&read)?;
        tokenizer.tokenizer.check_vocab(config.vocab_size)?;
        let digests: Vec<String> = parts.iter().map(|(_, bytes)| sha256(bytes)).collect();
        let hash = digest(&digests.join(" "), &tokenizer.json, &read.config);
        let wrapper = checkpoint.wrapper();
        let left_out = checkpoint.left_out(&config).into_iter();
        let read = ModelRead {
            family: config.family.spec().name.to_owned(),
            files,
            origin: None,
            prefix: (!wrapper.is_empty()).then(|| wrapper.to_owned()),
            left_out: left_out.map(|(name, tensors)| PartLeftOut { name, tensors }).collect(),
            head: None,
            notes,
        };
        let TokenizerRead { json, tokenizer, max_length, .. } = tokenizer;
        let source = ModelSource::files(config, index, fetch);
        Ok(Self { tokenizer_file: json, tokenizer, source, hash, max_length, read })
    }

    /// A model of [`nano_config`] with random weights: it learns little, and shows within seconds and on any device what
    /// a run does. It takes the tokenizer of `config`'s model.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn nano(config: &ModelConfig, tokenizer_file: Vec<u8>, file: &str) -> Result<Self, TrainError> {
        const SEED: u64 = 1;
        let config = nano_config(config);
        Self::new(ModelSource::random(config, SEED), format!("{NANO} {SEED}"), tokenizer_file, file)
    }
}

/// Of all that a run takes from a model; `weights` is the digest of its weights.
fn digest(weights: &str, tokenizer: &[u8], config: &ModelConfig) -> String {
    sha256(format!("{weights} {} {}", sha256(tokenizer), config.to_json()).as_bytes())
}

/// Two layers, 32 wide; vocabulary and positions are those of `config`.
pub fn nano_config(config: &ModelConfig) -> ModelConfig {
    let layers = vec![LayerShape { heads: 4, neurons: 64 }; 2];
    ModelConfig { hidden: 32, head_size: 8, layers, head: None, ..config.clone() }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
