//! The values of a model, read back once.

use crate::ExportError;
use apt_nn::checkpoint::{FileTensor, file_tensors};
use apt_nn::{ModelConfig, NnError, Transformer};
use safetensors::tensor::{Dtype, SafeTensors};

/// Sizes and values of a merged model, as plain data.
pub struct Weights {
    /// Sizes.
    pub config: ModelConfig,
    /// Every tensor under its published name, as the family's files have it: linear layers as `[out, in]`, GPT-2's as `[in, out]`.
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

    /// The values in a `model.safetensors` of 32-bit floats that was exported here, and whose sizes are `config`.
    ///
    /// # Errors
    /// A file that is damaged or of another kind.
    pub fn from_safetensors(config: ModelConfig, bytes: &[u8]) -> Result<Self, ExportError> {
        let fail = |what: String| NnError::Weights {
            file: "model.safetensors".into(),
            what,
            remedy: "make it anew: run or load the model again".into(),
        };
        let file = SafeTensors::deserialize(bytes).map_err(|e| fail(format!("not a safetensors file ({e})")))?;
        let (spec, mut tensors) = (config.family.spec(), Vec::new());
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(fail(format!("tensor `{name}` has type {:?}, not F32", view.dtype())).into());
            }
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let name = spec.published(name.strip_prefix(spec.prefix).unwrap_or(name));
            tensors.push(FileTensor { name, dims: view.shape().to_vec(), values });
        }
        Ok(Self { config, tensors })
    }

    /// The tensor that the family calls `name` without its prefix.
    pub(crate) fn get(&self, name: &str) -> Result<&FileTensor, ExportError> {
        let name = self.config.family.spec().published(name);
        let found = self.tensors.iter().find(|tensor| tensor.name == name);
        Ok(found.ok_or_else(|| contradiction(name, "is missing"))?)
    }

    /// That the tensor `name` has another number of values than the sizes say.
    pub(crate) fn contradicts(&self, name: &str) -> ExportError {
        contradiction(name.to_owned(), "has other dimensions").into()
    }

    /// Whether there is such a tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        let name = self.config.family.spec().published(name);
        self.tensors.iter().any(|tensor| tensor.name == name)
    }
}

fn contradiction(tensor: String, what: &str) -> NnError {
    NnError::Tensor {
        file: "the model".into(),
        tensor,
        what: what.into(),
        remedy: "make the model anew: this one contradicts its own sizes".into(),
    }
}
