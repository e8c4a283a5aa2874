//! The values of a model, read back once.

use crate::ExportError;
use apt_nn::checkpoint::{FileTensor, file_tensors};
use apt_nn::{ModelConfig, NnError, Transformer};

/// Sizes and values of a merged model, as plain data.
pub struct Weights {
    /// Sizes.
    pub config: ModelConfig,
    /// Every tensor under its published name, linear layers as `[out, in]`.
    pub tensors: Vec<FileTensor>,
}

impl Weights {
    /// Reads the model back. Adapters are folded into their weights.
    ///
    /// # Errors
    /// When values cannot be read back.
    pub async fn read(model: &Transformer) -> Result<Self, ExportError> {
        Ok(Self { config: model.config.clone(), tensors: file_tensors(model).await? })
    }

    /// The tensor that the family calls `name` without its prefix.
    pub(crate) fn get(&self, name: &str) -> Result<&FileTensor, ExportError> {
        let name = self.config.family.spec().published(name);
        let found = self.tensors.iter().find(|tensor| tensor.name == name);
        Ok(found.ok_or_else(|| NnError::Tensor {
            file: "the model".into(),
            tensor: name,
            what: "is missing".into(),
            remedy: "make the model anew: this one contradicts its own sizes".into(),
        })?)
    }

    /// Whether there is such a tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        let name = self.config.family.spec().published(name);
        self.tensors.iter().any(|tensor| tensor.name == name)
    }
}
