//! Checkpoints in the Hugging Face layout: `config.json` and `model.safetensors`.
//!
//! Reading takes f32, f16 and bf16, names with or without the family's prefix, and a missing pooler; whatever does not
//! fit is a typed error, never a panic. Writing gives the same names back, so that a dense model reads elsewhere; a
//! compacted one carries its ragged sizes in `config.json` and reloads here.

use crate::config::{Family, ModelConfig};
use crate::{
    AptLinear, Attention, ClassificationHead, Embeddings, FeedForward, Layer, LayerNorm, NnError, Transformer,
};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, BTreeSet};

/// Tensors of published checkpoints that this model has no use for.
const IGNORED: [&str; 5] = ["embeddings.position_ids", "cls.", "lm_head.", "pooler.", "classifier."];

/// A checkpoint's weights as read, before they are a model.
pub struct Checkpoint<'a> {
    file: String,
    tensors: BTreeMap<String, TensorView<'a>>,
}

impl<'a> Checkpoint<'a> {
    /// Parses a safetensors file of `family`. Only the header is looked at; values are checked when a model is built.
    ///
    /// # Errors
    /// [`NnError::Weights`] when the header lies about the file or is not one.
    pub fn parse(bytes: &'a [u8], file: &str, family: Family) -> Result<Self, NnError> {
        let bad = |what: String| NnError::Weights { file: file.into(), what };
        let parsed =
            SafeTensors::deserialize(bytes).map_err(|e| bad(format!("not a complete safetensors file ({e})")))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in parsed.tensors() {
            let name = name.strip_prefix(family.prefix()).unwrap_or(&name).to_string();
            let name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
            if tensors.insert(name.clone(), view).is_some() {
                return Err(bad(format!("tensor `{name}` is there twice, with and without prefix")));
            }
        }
        Ok(Self { file: file.into(), tensors })
    }

    /// Builds the model on `device`. A head is built when the configuration has one; otherwise BERT's pooler, if there,
    /// becomes the dense layer of the head that [`Transformer::with_head`] makes.
    ///
    /// # Errors
    /// [`NnError::Tensor`] for tensors that are missing, unexpected, of another shape or type, or hold NaN or infinity.
    pub fn model(&self, config: &ModelConfig, device: &Device) -> Result<Transformer, NnError> {
        let mut used = BTreeSet::new();
        let mut reader = Reader { checkpoint: self, device, used: &mut used };
        // Nothing is allocated before the file has shown that it holds it: a configuration may claim any size.
        let embeddings = reader.embeddings(config)?;
        let layers = (0..config.layers.len()).map(|i| reader.layer(i, config)).collect::<Result<Vec<_>, _>>()?;
        let head = reader.head(config)?;
        self.no_others(&used)?;
        Ok(Transformer { embeddings, layers, head, config: config.clone() })
    }

    fn no_others(&self, used: &BTreeSet<String>) -> Result<(), NnError> {
        match self.tensors.keys().find(|n| !used.contains(*n) && !IGNORED.iter().any(|i| n.starts_with(i))) {
            None => Ok(()),
            Some(name) => Err(NnError::Tensor {
                file: self.file.clone(),
                tensor: name.clone(),
                what: "is not part of the model that config.json describes; check that both files belong together"
                    .into(),
            }),
        }
    }
}

/// Reads the files of a checkpoint folder.
///
/// # Errors
/// As [`ModelConfig::from_json`] and [`Checkpoint::model`]; [`NnError::Io`] when a file cannot be read.
#[cfg(not(target_family = "wasm"))]
pub fn load_dir(dir: &std::path::Path, device: &Device) -> Result<Transformer, NnError> {
    let read = |name: &str| {
        let path = dir.join(name);
        std::fs::read(&path).map(|bytes| (bytes, path.display().to_string())).map_err(|e| NnError::io(&path, e))
    };
    let (config, config_file) = read("config.json")?;
    let config = ModelConfig::from_json(&config, &config_file)?;
    let (weights, weights_file) = read("model.safetensors")?;
    Checkpoint::parse(&weights, &weights_file, config.family)?.model(&config, device)
}

/// Precision of an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes a value.
    F32,
    /// Two bytes a value.
    F16,
}

/// The model as safetensors bytes. Adapters are folded into their weights first.
///
/// # Errors
/// [`NnError::Device`] when values cannot be read back.
pub async fn to_safetensors(model: &Transformer, precision: Precision) -> Result<Vec<u8>, NnError> {
    let mut values = Vec::new();
    for (name, tensor, dims) in tensors(&model.clone().merge()) {
        let data = read_back(tensor, &name).await?;
        let bytes: Vec<u8> = match precision {
            Precision::F32 => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::F16 => data.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
        };
        values.push((name, dims, bytes));
    }
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    };
    let fail = |e: safetensors::SafeTensorError| NnError::Weights { file: "export".into(), what: e.to_string() };
    let views = values
        .iter()
        .map(|(name, dims, bytes)| TensorView::new(dtype, dims.clone(), bytes).map(|v| (name.as_str(), v)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(fail)?;
    safetensors::serialize(views, None).map_err(fail)
}

/// Reads a tensor back as f32 values.
pub async fn read_back<const D: usize>(tensor: Tensor<D>, what: &str) -> Result<Vec<f32>, NnError> {
    let fail = |why: String| NnError::Device { what: what.into(), why };
    let data = tensor.into_data_async().await.map_err(|e| fail(format!("{e:?}")))?;
    data.convert::<f32>().try_into_vec::<f32>().map_err(|e| fail(format!("{e:?}")))
}

/// Every tensor of a merged model with its name and dimensions in the file (`[out, in]` for linear layers).
fn tensors(model: &Transformer) -> Vec<(String, Tensor<1>, Vec<usize>)> {
    let names = Names(model.config.family);
    let mut file = Listing(Vec::new());
    let e = &model.embeddings;
    file.matrix(names.embedding("word_embeddings.weight"), e.words.val());
    file.matrix(names.embedding("position_embeddings.weight"), e.positions.val());
    file.matrix(names.embedding("token_type_embeddings.weight"), e.types.val());
    file.norm(&names.embedding("LayerNorm"), &e.norm);
    for (i, layer) in model.layers.iter().enumerate() {
        if let Some(a) = &layer.attention {
            for (name, linear) in a.projections() {
                file.linear(&names.linear(i, name), linear);
            }
            file.norm(&names.norm(i, "attention"), &a.norm);
        }
        if let Some(ff) = &layer.feed_forward {
            file.linear(&names.linear(i, "up"), &ff.up);
            file.linear(&names.linear(i, "down"), &ff.down);
            file.norm(&names.norm(i, "feed_forward"), &ff.norm);
        }
    }
    if let Some(head) = &model.head {
        let [dense, out] = names.head();
        file.linear(dense, &head.dense);
        if model.config.head.is_some() {
            file.linear(out, &head.out);
        }
    }
    file.0
}

/// Tensors in the order of the file.
struct Listing(Vec<(String, Tensor<1>, Vec<usize>)>);

impl Listing {
    fn linear(&mut self, name: &str, linear: &AptLinear) {
        self.matrix(format!("{name}.weight"), linear.weight.val().transpose());
        if let Some(bias) = &linear.bias {
            self.vector(format!("{name}.bias"), bias.val());
        }
    }

    fn norm(&mut self, name: &str, norm: &LayerNorm) {
        self.vector(format!("{name}.weight"), norm.weight.val());
        self.vector(format!("{name}.bias"), norm.bias.val());
    }

    fn matrix(&mut self, name: String, t: Tensor<2>) {
        let dims = t.dims();
        self.0.push((name, t.reshape([dims[0] * dims[1]]), dims.to_vec()));
    }

    fn vector(&mut self, name: String, t: Tensor<1>) {
        let dims = t.dims();
        self.0.push((name, t, dims.to_vec()));
    }
}

/// The names of the Hugging Face layout, without prefix.
struct Names(Family);

impl Names {
    fn embedding(&self, name: &str) -> String {
        format!("embeddings.{name}")
    }

    fn linear(&self, layer: usize, name: &str) -> String {
        let place = match name {
            "query" | "key" | "value" => format!("attention.self.{name}"),
            "output" => "attention.output.dense".into(),
            "up" => "intermediate.dense".into(),
            _ => "output.dense".into(),
        };
        format!("encoder.layer.{layer}.{place}")
    }

    fn norm(&self, layer: usize, block: &str) -> String {
        let place = if block == "attention" { "attention.output" } else { "output" };
        format!("encoder.layer.{layer}.{place}.LayerNorm")
    }

    /// The head's dense and output layers.
    fn head(&self) -> [&'static str; 2] {
        match self.0 {
            Family::Bert => ["pooler.dense", "classifier"],
            Family::Roberta => ["classifier.dense", "classifier.out_proj"],
        }
    }
}

struct Reader<'c, 'a> {
    checkpoint: &'c Checkpoint<'a>,
    device: &'c Device,
    used: &'c mut BTreeSet<String>,
}

impl Reader<'_, '_> {
    fn embeddings(&mut self, config: &ModelConfig) -> Result<Embeddings, NnError> {
        let names = Names(config.family);
        let mut table = |name: &str, rows| {
            let table = self.tensor(&names.embedding(&format!("{name}.weight")), [rows, config.hidden])?;
            Ok::<_, NnError>(Param::from_tensor(table).set_require_grad(false))
        };
        let words = table("word_embeddings", config.vocab_size)?;
        let positions = table("position_embeddings", config.max_positions)?;
        let types = table("token_type_embeddings", config.type_vocab_size)?;
        let norm = self.norm(&names.embedding("LayerNorm"), config)?;
        Ok(Embeddings { words, positions, types, norm })
    }

    fn layer(&mut self, i: usize, config: &ModelConfig) -> Result<Layer, NnError> {
        let names = Names(config.family);
        let (hidden, shape) = (config.hidden, config.layers[i]);
        let width = shape.heads * config.head_size;
        let attention = if shape.heads > 0 {
            Some(Attention {
                query: self.linear(&names.linear(i, "query"), hidden, width)?,
                key: self.linear(&names.linear(i, "key"), hidden, width)?,
                value: self.linear(&names.linear(i, "value"), hidden, width)?,
                output: self.linear(&names.linear(i, "output"), width, hidden)?,
                norm: self.norm(&names.norm(i, "attention"), config)?,
                head_size: config.head_size,
            })
        } else {
            None
        };
        let feed_forward = if shape.neurons > 0 {
            Some(FeedForward {
                up: self.linear(&names.linear(i, "up"), hidden, shape.neurons)?,
                down: self.linear(&names.linear(i, "down"), shape.neurons, hidden)?,
                norm: self.norm(&names.norm(i, "feed_forward"), config)?,
                activation: config.activation,
            })
        } else {
            None
        };
        Ok(Layer { attention, feed_forward })
    }

    fn head(&mut self, config: &ModelConfig) -> Result<Option<ClassificationHead>, NnError> {
        let [dense, out] = Names(config.family).head();
        let hidden = config.hidden;
        if let Some(head) = config.head {
            let dense = self.linear(dense, hidden, head.dense)?;
            return Ok(Some(ClassificationHead { dense, out: self.linear(out, head.dense, head.labels)? }));
        }
        if !self.checkpoint.tensors.contains_key(&format!("{dense}.weight")) {
            return Ok(None);
        }
        // No labels yet: only the dense layer is the checkpoint's, `with_head` makes the rest.
        let dense = self.linear(dense, hidden, hidden)?;
        let out = AptLinear::new(Tensor::zeros([hidden, 1], self.device), None);
        Ok(Some(ClassificationHead { dense, out }))
    }

    /// A linear layer; the file has `[out, in]`, the model `[in, out]`.
    fn linear(&mut self, name: &str, d_in: usize, d_out: usize) -> Result<AptLinear, NnError> {
        let values = self.values(&format!("{name}.weight"), &[d_out, d_in])?;
        let mut transposed = vec![0.0; values.len()];
        for (o, row) in values.chunks_exact(d_in.max(1)).enumerate() {
            for (i, v) in row.iter().enumerate() {
                transposed[i * d_out + o] = *v;
            }
        }
        let weight = Tensor::from_data(TensorData::new(transposed, [d_in, d_out]), self.device);
        Ok(AptLinear::new(weight, Some(self.tensor(&format!("{name}.bias"), [d_out])?)))
    }

    fn norm(&mut self, name: &str, config: &ModelConfig) -> Result<LayerNorm, NnError> {
        let weight = self.tensor(&format!("{name}.weight"), [config.hidden])?;
        Ok(LayerNorm::new(weight, self.tensor(&format!("{name}.bias"), [config.hidden])?, config.norm_eps))
    }

    fn tensor<const D: usize>(&mut self, name: &str, dims: [usize; D]) -> Result<Tensor<D>, NnError> {
        let values = self.values(name, &dims)?;
        Ok(Tensor::from_data(TensorData::new(values, dims), self.device))
    }

    fn values(&mut self, name: &str, dims: &[usize]) -> Result<Vec<f32>, NnError> {
        let fail = |what: String| NnError::Tensor { file: self.checkpoint.file.clone(), tensor: name.into(), what };
        let view =
            self.checkpoint.tensors.get(name).ok_or_else(|| {
                fail("is missing; check that config.json and model.safetensors belong together".into())
            })?;
        if view.shape() != dims {
            return Err(fail(format!("has shape {:?}, config.json asks for {dims:?}", view.shape())));
        }
        let bytes = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::BF16 => bytes.chunks_exact(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            other => return Err(fail(format!("has type {other:?}; convert the file to F32, F16 or BF16"))),
        };
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(fail(format!("holds {} at index {i}; the checkpoint is damaged", values[i])));
        }
        self.used.insert(name.into());
        Ok(values)
    }
}
