//! Where the dense model comes from. It is built again whenever it is needed (start, resume, final measures) instead of
//! being kept beside the model in training, so that memory measured is memory needed.

use crate::TrainError;
use apt_data::{Stream, generator};
use apt_nn::checkpoint::Checkpoint;
use apt_nn::{Init, ModelConfig, Transformer};
use burn::tensor::Device;

/// A dense model that can be built any number of times.
pub struct ModelSource {
    /// The model's sizes.
    pub config: ModelConfig,
    weights: Weights,
}

type Fetch = dyn Fn() -> Result<Vec<u8>, TrainError> + Send;

enum Weights {
    /// Fetches the bytes of a safetensors file of the given name.
    File(String, Box<Fetch>),
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
        Self { config, weights: Weights::File(file.into(), Box::new(fetch)) }
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
            Weights::File(file, fetch) => {
                let bytes = fetch()?;
                Ok(Checkpoint::parse(&bytes, file, self.config.family)?.model(&self.config, device)?)
            }
        }
    }
}
