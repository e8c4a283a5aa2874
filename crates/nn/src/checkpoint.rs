//! Checkpoints in the Hugging Face layout: `config.json` and `model.safetensors`.
//!
//! Reading takes f32, f16 and bf16, names with or without the family's prefix, and a missing pooler; whatever does not
//! fit is a typed error, never a panic. Writing gives the same names back, so that a dense model reads elsewhere; a
//! compacted one carries its ragged sizes in `config.json` and reloads here.

use crate::config::{HeadConfig, ModelConfig, Pooling};
use crate::family::Family;
use crate::{AptLinear, ClassificationHead, Embeddings, Layer, LayerNorm, NnError, Transformer};
use apt_core::wiring::{Site, SubBlock};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// The embeddings' names, the same in every family.
const WORDS: &str = "embeddings.word_embeddings.weight";
const POSITIONS: &str = "embeddings.position_embeddings.weight";
const TYPES: &str = "embeddings.token_type_embeddings.weight";
const EMBEDDING_NORM: &str = "embeddings.LayerNorm";
/// The remedy for files that contradict each other.
const BOTH: &str = "check that config.json and model.safetensors belong together";

/// A checkpoint's weights as read, before they are a model.
pub struct Checkpoint<'a> {
    file: String,
    family: Family,
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
            let name = name.strip_prefix(family.spec().prefix).unwrap_or(&name).to_string();
            let name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
            if tensors.insert(name.clone(), view).is_some() {
                return Err(bad(format!("tensor `{name}` is there twice, with and without prefix")));
            }
        }
        Ok(Self { file: file.into(), family, tensors })
    }

    /// Builds the model on `device`. The checkpoint's classifier is its head, whether `config` describes it or only the
    /// tensors do; without one there is no head, and a pooler is kept for the head that [`Transformer::with_head`] makes.
    ///
    /// # Errors
    /// [`NnError::Tensor`] for tensors that are missing, unexpected, of another shape or type, or hold NaN or infinity.
    pub fn model(&self, config: &ModelConfig, device: &Device) -> Result<Transformer, NnError> {
        let mut reader = Reader { checkpoint: self, device, used: BTreeSet::new() };
        // Nothing is allocated before the file has shown that it holds it: a configuration may claim any size.
        let embeddings = reader.embeddings(config)?;
        let layers = (0..config.layers.len()).map(|i| reader.layer(i, config)).collect::<Result<Vec<_>, _>>()?;
        let mut config = config.clone();
        let (pooler, head) = reader.head(&mut config)?;
        let unused = self.family.spec().unused;
        match self.tensors.keys().find(|n| !reader.used.contains(*n) && !unused.iter().any(|i| n.starts_with(i))) {
            None => Ok(Transformer { embeddings, layers, pooler, head, config }),
            Some(name) => Err(NnError::Tensor {
                file: self.file.clone(),
                tensor: name.clone(),
                what: "is not part of the model that config.json describes".into(),
                remedy: BOTH.into(),
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
    let spec = model.config.family.spec();
    let names = spec.tensors;
    let mut file = Listing(Vec::new());
    let embeddings = &model.embeddings;
    file.matrix(WORDS.into(), embeddings.words.val());
    file.matrix(POSITIONS.into(), embeddings.positions.val());
    if let Some(types) = &embeddings.types {
        file.matrix(TYPES.into(), types.val());
    }
    file.norm(EMBEDDING_NORM, &embeddings.norm);
    if let Some(projection) = &embeddings.projection {
        file.linear(names.projection, projection);
    }
    for (i, layer) in model.layers.iter().enumerate() {
        for &sub_block in SubBlock::ALL {
            let of_block = |site: &Site| model.config.wiring().linear(*site).sub_block == sub_block;
            for (site, linear) in layer.linears().filter(|(site, _)| of_block(site)) {
                file.linear(&names.linear(i, site), linear);
            }
            if let Some(norm) = layer.norm(sub_block) {
                file.norm(&names.norm(i, sub_block), norm);
            }
        }
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

struct Reader<'c, 'a> {
    checkpoint: &'c Checkpoint<'a>,
    device: &'c Device,
    used: BTreeSet<String>,
}

impl Reader<'_, '_> {
    fn embeddings(&mut self, config: &ModelConfig) -> Result<Embeddings, NnError> {
        let width = config.embedding_width();
        let mut table = |name: &str, rows| {
            Ok::<_, NnError>(Param::from_tensor(self.tensor(name, [rows, width])?).set_require_grad(false))
        };
        let words = table(WORDS, config.vocab_size)?;
        let positions = table(POSITIONS, config.max_positions)?;
        let types = (config.type_vocab_size > 0).then(|| table(TYPES, config.type_vocab_size)).transpose()?;
        let norm = self.norm(EMBEDDING_NORM, width, config)?;
        let name = config.family.spec().tensors.projection;
        let projection = config.embedding.map(|width| self.linear(name, [width, config.hidden], true)).transpose()?;
        Ok(Embeddings { words, positions, types, norm, projection })
    }

    fn layer(&mut self, i: usize, config: &ModelConfig) -> Result<Layer, NnError> {
        let names = config.family.spec().tensors;
        let reader = RefCell::new(self);
        Layer::build(
            config,
            config.layers[i],
            |spec, dims| reader.borrow_mut().linear(&names.linear(i, spec.site), dims, spec.bias),
            |sub_block| reader.borrow_mut().norm(&names.norm(i, sub_block), config.hidden, config),
        )
    }

    /// The pooler or the classifier, whichever the file has; `config` gets the sizes of a classifier that
    /// only the tensors describe.
    fn head(&mut self, config: &mut ModelConfig) -> Result<(Option<AptLinear>, Option<ClassificationHead>), NnError> {
        let spec = &config.family.spec().head;
        let rows = |name: &str| {
            let tensor = self.checkpoint.tensors.get(&format!("{name}.weight"))?;
            tensor.shape().first().copied()
        };
        // A layer of that name alone is another head's, such as that of token classification.
        let found = rows(spec.dense).zip(rows(spec.out));
        let found = found.map(|(dense, labels)| HeadConfig::new(Pooling::Pooler, dense, labels));
        config.head = config.head.or(found);
        if let Some(head) = config.head {
            let names = config.label_names.len();
            if names > 0 && names != head.labels {
                return Err(NnError::Tensor {
                    file: self.checkpoint.file.clone(),
                    tensor: format!("{}.weight", spec.out),
                    what: format!("has {} outputs, `id2label` of config.json names {names}", head.labels),
                    remedy: BOTH.into(),
                });
            }
            let dense = head.dense.map(|width| self.linear(spec.dense, [config.hidden, width], true)).transpose()?;
            let out = self.linear(spec.out, [head.dense.unwrap_or(config.hidden), head.labels], true)?;
            let HeadConfig { pooling, .. } = head;
            return Ok((None, Some(ClassificationHead { dense, out, activation: spec.activation, pooling })));
        }
        let pooler = rows(spec.dense).filter(|_| spec.is_pooler);
        let pooler = pooler.map(|dense| self.linear(spec.dense, [config.hidden, dense], true)).transpose()?;
        Ok((pooler, None))
    }

    /// A linear layer; the file has `[out, in]`, the model `[in, out]`.
    fn linear(&mut self, name: &str, [d_in, d_out]: [usize; 2], bias: bool) -> Result<AptLinear, NnError> {
        let values = self.values(&format!("{name}.weight"), &[d_out, d_in])?;
        let mut transposed = vec![0.0; values.len()];
        for (o, row) in values.chunks_exact(d_in.max(1)).enumerate() {
            for (i, v) in row.iter().enumerate() {
                transposed[i * d_out + o] = *v;
            }
        }
        let weight = Tensor::from_data(TensorData::new(transposed, [d_in, d_out]), self.device);
        let bias = bias.then(|| self.tensor(&format!("{name}.bias"), [d_out])).transpose()?;
        Ok(AptLinear::new(weight, bias))
    }

    fn norm(&mut self, name: &str, width: usize, config: &ModelConfig) -> Result<LayerNorm, NnError> {
        let weight = self.tensor(&format!("{name}.weight"), [width])?;
        Ok(LayerNorm::new(weight, self.tensor(&format!("{name}.bias"), [width])?, config.norm_eps))
    }

    fn tensor<const D: usize>(&mut self, name: &str, dims: [usize; D]) -> Result<Tensor<D>, NnError> {
        let values = self.values(name, &dims)?;
        Ok(Tensor::from_data(TensorData::new(values, dims), self.device))
    }

    fn values(&mut self, name: &str, dims: &[usize]) -> Result<Vec<f32>, NnError> {
        let fail = |what: String, remedy: &str| NnError::Tensor {
            file: self.checkpoint.file.clone(),
            tensor: name.into(),
            what,
            remedy: remedy.into(),
        };
        let view = self.checkpoint.tensors.get(name).ok_or_else(|| fail("is missing".into(), BOTH))?;
        if view.shape() != dims {
            return Err(fail(format!("has shape {:?}, config.json asks for {dims:?}", view.shape()), BOTH));
        }
        let bytes = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::BF16 => bytes.chunks_exact(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            other => return Err(fail(format!("has type {other:?}"), "convert the file to F32, F16 or BF16")),
        };
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(fail(format!("holds {} at index {i}", values[i]), "the checkpoint is damaged: fetch it again"));
        }
        self.used.insert(name.into());
        Ok(values)
    }
}
