//! Where the dense model comes from. It is built again whenever it is needed (start, resume, final measures) instead of
//! being kept beside the model in training, so that memory measured is memory needed.

use crate::TrainError;
use apt_data::{Stream, generator};
use apt_nn::checkpoint::{Checkpoint, ShardIndex};
use apt_nn::{Init, ModelConfig, Transformer};
use burn::tensor::Device;

/// A dense model that can be built any number of times.
pub struct ModelSource {
    /// The model's sizes.
    pub config: ModelConfig,
    weights: Weights,
}

/// Files as `(name, bytes)`.
pub type NamedFiles = Vec<(String, Vec<u8>)>;

type Fetch = dyn Fn() -> Result<NamedFiles, TrainError> + Send;

enum Weights {
    /// Fetches safetensors files: shards, if there is an index of them.
    Files(Option<ShardIndex>, Box<Fetch>),
    /// Seeded random values.
    Random(u64),
}

impl ModelSource {
    /// A safetensors file called `file` whose bytes `fetch` gives.
    pub fn file(
        config: ModelConfig,
        file: &str,
        fetch: impl Fn() -> Result<Vec<u8>, TrainError> + Send + 'static,
    ) -> Self {
        let file = file.to_owned();
        Self::files(config, None, move || Ok(vec![(file.clone(), fetch()?)]))
    }

    /// The safetensors files that `fetch` gives, which are shards if there is an index of them.
    pub fn files(
        config: ModelConfig,
        index: Option<ShardIndex>,
        fetch: impl Fn() -> Result<NamedFiles, TrainError> + Send + 'static,
    ) -> Self {
        Self { config, weights: Weights::Files(index, Box::new(fetch)) }
    }

    /// Random weights.
    pub fn random(config: ModelConfig, seed: u64) -> Self {
        Self { config, weights: Weights::Random(seed) }
    }

    /// Builds the model on `device`.
    ///
    /// # Errors
    /// Whatever is wrong with the file.
    pub fn model(&self, device: &Device) -> Result<Transformer, TrainError> {
        match &self.weights {
            Weights::Random(seed) => {
                Ok(Transformer::new(&self.config, &mut Init::from_rng(generator(*seed, Stream::Weights, 0), device)))
            }
            Weights::Files(index, fetch) => {
                let files = fetch()?;
                let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
                Ok(Checkpoint::of(&files, index.as_ref(), self.config.family)?.model(&self.config, device)?)
            }
        }
    }
}
