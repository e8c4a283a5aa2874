//! The open run's model as files: as it is stored, or as an ONNX graph.

use crate::error::WorkerError;
use crate::port;
use crate::worker::{Worker, nothing_open};
use apt_bridge::store::StoredModel;
use apt_bridge::{Message, Wanted, transport};
use apt_experiment::CONFIG_FILE;
use apt_export::{Model, Stored, TextSettings, Weights, zip};
use apt_nn::ModelConfig;

impl Worker {
    /// Sends the page a file of the model as it is now.
    ///
    /// # Errors
    /// When no run is open or its model is not kept; values that cannot be read back or written as asked.
    pub(crate) async fn export(&mut self, what: Wanted) -> Result<(), WorkerError> {
        let run = self.run.as_ref().ok_or_else(nothing_open)?;
        let model = match (&run.session, &self.store) {
            (Some(_), _) => Some(run.model().await?),
            (None, Some(store)) => store.model(&run.entry.name).await?,
            (None, None) => None,
        };
        let model = model.ok_or_else(nothing_open)?;
        if !run.is_gpu_ok().await {
            return Ok(());
        }
        let (name, bytes) = match what {
            Wanted::Weights => ("model.safetensors", model.weights),
            Wanted::Config => ("config.json", model.config.into_bytes()),
            Wanted::Tokenizer => ("tokenizer.json", model.tokenizer),
            Wanted::Onnx => ("onnx.zip", onnx(model, Stored::F32)?),
            Wanted::OnnxHalf => ("onnx-fp16.zip", onnx(model, Stored::F16)?),
        };
        port::post_with(&Message::File { name: name.into() }, &[transport::buffer(&bytes)]);
        Ok(())
    }
}

/// The folder of the model's ONNX graph, as one archive.
fn onnx(model: StoredModel, stored: Stored) -> Result<Vec<u8>, WorkerError> {
    let StoredModel { config, tokenizer, weights, .. } = model;
    let config = ModelConfig::from_json(config.as_bytes(), CONFIG_FILE)?;
    let read = Weights::from_safetensors(config, &weights)?;
    // Memory holds the model once less.
    drop(weights);
    let settings = TextSettings::default();
    let files = Model { weights: read, tokenizer, max_length: None, settings }.onnx(&[stored])?;
    Ok(zip(&files)?)
}
