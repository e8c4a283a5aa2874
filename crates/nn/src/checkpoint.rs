//! Checkpoints in the Hugging Face layout: `config.json` and `model.safetensors`, or shards of it with their index.
//!
//! Reading takes f32, f16 and bf16, names with or without the family's prefix or another's, and a missing pooler; whatever
//! does not fit is a typed error, never a panic. Writing gives the same names back, so that a dense model reads elsewhere;
//! a compacted one carries its ragged sizes in `config.json` and reloads here.

mod naming;
mod reading;
mod shards;

pub use reading::Checkpoint;
pub use shards::ShardIndex;

#[cfg(not(target_family = "wasm"))]
use crate::ConfigRead;
use crate::{AptLinear, NnError, Norm, Transformer};
use apt_core::wiring::{Site, SubBlock};
#[cfg(not(target_family = "wasm"))]
use burn::tensor::Device;
use burn::tensor::Tensor;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;

/// The table of words, called so in every family of encoders.
pub const WORDS: &str = "embeddings.word_embeddings.weight";
/// The table of positions.
pub const POSITIONS: &str = "embeddings.position_embeddings.weight";
/// The table of token types.
pub const TYPES: &str = "embeddings.token_type_embeddings.weight";
/// The norm behind the sum of the tables.
pub const EMBEDDING_NORM: &str = "embeddings.LayerNorm";

/// Reads the files of a checkpoint folder whose weights are in one file.
///
/// # Errors
/// As [`ConfigRead::from_json`], [`Checkpoint::complete`] and [`Checkpoint::model`]; [`NnError::Io`] when a file cannot be
/// read.
#[cfg(not(target_family = "wasm"))]
pub fn load_dir(dir: &std::path::Path, device: &Device) -> Result<Transformer, NnError> {
    let read = |name: &str| {
        let path = dir.join(name);
        std::fs::read(&path).map(|bytes| (bytes, path.display().to_string())).map_err(|e| NnError::io(&path, e))
    };
    let (config, config_file) = read("config.json")?;
    let config = ConfigRead::from_json(&config, &config_file)?;
    let (weights, weights_file) = read("model.safetensors")?;
    let checkpoint = Checkpoint::parse(&weights, &weights_file, config.config.family)?;
    checkpoint.model(&checkpoint.complete(&config)?, device)
}

/// Precision of an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes a value.
    F32,
    /// Two bytes a value.
    F16,
}

/// A tensor as it stands in a file, read back from the device.
#[derive(Clone, Debug, PartialEq)]
pub struct FileTensor {
    /// Its published name, prefix and all.
    pub name: String,
    /// Dimensions; `[out, in]` for linear layers.
    pub dims: Vec<usize>,
    /// Values, row by row.
    pub values: Vec<f32>,
}

/// Every tensor of the model under its published name, in the order of files. Adapters are folded into their weights first.
///
/// # Errors
/// [`NnError::Device`] when values cannot be read back.
pub async fn file_tensors(model: &Transformer) -> Result<Vec<FileTensor>, NnError> {
    let spec = model.config.family.spec();
    let mut read = Vec::new();
    for (name, tensor, dims) in tensors(&model.clone().merge()) {
        let values = read_back(tensor, &name).await?;
        read.push(FileTensor { name: spec.published(&name), dims, values });
    }
    Ok(read)
}

/// The tensors as safetensors bytes, marked as PyTorch's layout, which some readers ask for.
///
/// # Errors
/// [`NnError::Weights`] when two have one name, or one has other dimensions than values.
pub fn safetensors_of(tensors: &[FileTensor], precision: Precision) -> Result<Vec<u8>, NnError> {
    let fail = |e: safetensors::SafeTensorError| NnError::Weights {
        file: "export".into(),
        what: e.to_string(),
        remedy: "this is a fault of this program: report it".into(),
    };
    let bytes_of = |values: &[f32]| -> Vec<u8> {
        match precision {
            Precision::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
        }
    };
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    };
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|tensor| bytes_of(&tensor.values)).collect();
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        TensorView::new(dtype, tensor.dims.clone(), bytes).map(|view| (tensor.name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(fail)
}

/// The model as safetensors bytes. Adapters are folded into their weights first.
///
/// # Errors
/// As [`file_tensors`].
pub async fn to_safetensors(model: &Transformer, precision: Precision) -> Result<Vec<u8>, NnError> {
    safetensors_of(&file_tensors(model).await?, precision)
}

/// Reads a tensor back as f32 values.
pub async fn read_back<const D: usize>(tensor: Tensor<D>, what: &str) -> Result<Vec<f32>, NnError> {
    let fail = |why: String| NnError::Device { what: what.into(), why };
    let data = tensor.into_data_async().await.map_err(|e| fail(format!("{e:?}")))?;
    data.convert::<f32>().try_into_vec::<f32>().map_err(|e| fail(format!("{e:?}")))
}

/// Every tensor of a merged model with its dimensions in the file and its name there without the prefix.
fn tensors(model: &Transformer) -> Vec<(String, Tensor<1>, Vec<usize>)> {
    let spec = model.config.family.spec();
    let names = spec.tensors;
    let mut file = Listing { tensors: Vec::new(), as_is: spec.decoder.is_some_and(|decoder| decoder.transposed) };
    let embeddings = &model.embeddings;
    file.matrix(names.words.into(), embeddings.words.val());
    if let Some(positions) = &embeddings.positions {
        file.matrix(names.positions.into(), positions.val());
    }
    if let Some(types) = &embeddings.types {
        file.matrix(names.types.into(), types.val());
    }
    if let Some(norm) = &embeddings.norm {
        file.norm(names.embedding_norm, norm);
    }
    if let Some(projection) = &embeddings.projection {
        file.linear(names.projection, projection);
    }
    for (i, layer) in model.layers.iter().enumerate() {
        for &sub_block in SubBlock::ALL {
            let of_block = |site: &Site| model.config.wiring().linear(*site).sub_block == sub_block;
            let fused = spec.decoder.and_then(|decoder| decoder.fused);
            let apart = |site: &Site| fused.is_none() || !FUSED.contains(site);
            if let Some((name, attention)) = fused.zip(layer.attention.as_ref()).filter(|_| of_block(&Site::Query)) {
                file.linear(&format!("{}.{name}", names.layer(i)), &fused_linear(attention));
            }
            for (site, linear) in layer.linears().filter(|(site, _)| of_block(site) && apart(site)) {
                file.linear(&names.linear(i, site), linear);
            }
            if let Some(norm) = layer.norm(sub_block) {
                file.norm(&names.norm(i, sub_block), norm);
            }
        }
        let head_norms = layer.attention.as_ref().and_then(|attention| attention.head_norms.as_ref());
        if let Some((norms, [query, key])) = head_norms.zip(spec.decoder.and_then(|decoder| decoder.head_norms)) {
            file.norm(&format!("{}.{query}", names.layer(i)), &norms.query);
            file.norm(&format!("{}.{key}", names.layer(i)), &norms.key);
        }
    }
    if let Some((norm, decoder)) = model.final_norm.as_ref().zip(spec.decoder.as_ref()) {
        file.norm(decoder.final_norm, norm);
    }
    if let Some((table, decoder)) = model.lm_head.as_ref().zip(spec.decoder.as_ref()) {
        file.matrix(format!("{}.weight", decoder.head), table.val());
    }
    if let Some(pooler) = &model.pooler {
        file.linear(spec.head.dense, pooler);
    }
    if let Some(head) = &model.head {
        if let Some(dense) = &head.dense {
            file.linear(spec.head.dense, dense);
        }
        file.linear(spec.head.out, &head.out);
    }
    file.tensors
}

/// The linear layers that a family may have in one tensor.
const FUSED: [Site; 3] = [Site::Query, Site::Key, Site::Value];

/// Queries, keys and values behind one another.
fn fused_linear(attention: &crate::Attention) -> AptLinear {
    let parts = [&attention.query, &attention.key, &attention.value];
    let weight = Tensor::cat(parts.map(|part| part.weight.val()).to_vec(), 1);
    let biases: Option<Vec<Tensor<1>>> = parts.iter().map(|part| part.bias.as_ref().map(|bias| bias.val())).collect();
    AptLinear::new(weight, biases.map(|biases| Tensor::cat(biases, 0)))
}

/// Tensors in the order of the file.
struct Listing {
    tensors: Vec<(String, Tensor<1>, Vec<usize>)>,
    /// Whether linear layers are written as they are kept, `[in, out]`.
    as_is: bool,
}

impl Listing {
    fn linear(&mut self, name: &str, linear: &AptLinear) {
        let weight = linear.weight.val();
        self.matrix(format!("{name}.weight"), if self.as_is { weight } else { weight.transpose() });
        if let Some(bias) = &linear.bias {
            self.vector(format!("{name}.bias"), bias.val());
        }
    }

    fn norm(&mut self, name: &str, norm: &Norm) {
        self.vector(format!("{name}.weight"), norm.weight.val());
        if let Some(bias) = &norm.bias {
            self.vector(format!("{name}.bias"), bias.val());
        }
    }

    fn matrix(&mut self, name: String, t: Tensor<2>) {
        let dims = t.dims();
        self.tensors.push((name, t.reshape([dims[0] * dims[1]]), dims.to_vec()));
    }

    fn vector(&mut self, name: String, t: Tensor<1>) {
        let dims = t.dims();
        self.tensors.push((name, t, dims.to_vec()));
    }
}
