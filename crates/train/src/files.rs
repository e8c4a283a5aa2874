//! The files of a model in memory, wherever they came from: a folder, the program itself, a download, a drop.

use crate::TrainError;
use crate::source::ModelSource;
use apt_core::blocks::LayerShape;
use apt_core::hex;
use apt_data::Tokenizer;
pub use apt_experiment::{BUILTIN_MODEL as BUILTIN, NANO_MODEL as NANO};
use apt_nn::ModelConfig;
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
}

impl ModelFiles {
    /// Checks that the tokenizer is the model's. `weights` is a digest of the weights, `file` names `tokenizer.json` in
    /// errors.
    ///
    /// # Errors
    /// A tokenizer that cannot be read, or knows more words than the model.
    pub fn new(source: ModelSource, weights: String, tokenizer_file: Vec<u8>, file: &str) -> Result<Self, TrainError> {
        let hash = sha256(format!("{weights} {} {}", sha256(&tokenizer_file), source.config.to_json()).as_bytes());
        let tokenizer = Tokenizer::from_bytes(&tokenizer_file, file)?;
        tokenizer.check_vocab(source.config.vocab_size)?;
        Ok(Self { tokenizer_file, tokenizer, source, hash })
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

/// Two layers, 32 wide; vocabulary and positions are those of `config`.
pub fn nano_config(config: &ModelConfig) -> ModelConfig {
    let layers = vec![LayerShape { heads: 4, neurons: 64 }; 2];
    ModelConfig { hidden: 32, head_size: 8, layers, head: None, ..config.clone() }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
