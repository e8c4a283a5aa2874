//! From the bytes of a checkpoint's files to a model.

use super::naming::Naming;
use super::shards::ShardIndex;
use crate::attention::NormPlace;
use crate::config::{ConfigRead, HeadConfig, ModelConfig, Pooling};
use crate::family::Family;
use crate::foreign::{kind_of_tensors, recognised};
use crate::norm::NormKind;
use crate::{AptLinear, ClassificationHead, Embeddings, Layer, NnError, Norm, Transformer};
use apt_core::wiring::{LinearSpec, Site};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// The remedy for files that contradict each other.
const BOTH: &str = "check that config.json and the weights belong together";

/// A checkpoint's weights as read, before they are a model.
pub struct Checkpoint<'a> {
    /// The file that stands for all of them: the only one, or the index.
    file: String,
    family: Family,
    tensors: BTreeMap<String, Stored<'a>>,
    wrapper: String,
    /// Tensors outside the model, by what they are called in the file.
    outside: Vec<String>,
}

/// A tensor with the file that it is in.
struct Stored<'a> {
    view: TensorView<'a>,
    file: &'a str,
}

impl<'a> Checkpoint<'a> {
    /// Parses a safetensors file of `family`. Only the header is looked at; values are checked when a model is built.
    ///
    /// # Errors
    /// [`NnError::Weights`] when the header lies about the file or is not one, when it holds no plain weights, or those
    /// of another family.
    pub fn parse(bytes: &'a [u8], file: &'a str, family: Family) -> Result<Self, NnError> {
        Self::of(&[(file, bytes)], None, family)
    }

    /// As [`Self::parse`], of files with their names, and the index that they are shards of if there is one.
    ///
    /// # Errors
    /// As [`Self::parse`]; files that contradict the index.
    pub fn of(files: &[(&'a str, &'a [u8])], index: Option<&ShardIndex>, family: Family) -> Result<Self, NnError> {
        let mut stored: Vec<(String, Stored<'a>)> = Vec::new();
        for &(file, bytes) in files {
            let parsed =
                SafeTensors::deserialize(bytes).map_err(|error| unreadable(bytes, file, &error.to_string()))?;
            if let Some(index) = index {
                index.check(file, &parsed)?;
            }
            stored.extend(parsed.tensors().into_iter().map(|(name, view)| (name, Stored { view, file })));
        }
        let file = index.map(ShardIndex::file).or(files.first().map(|(file, _)| *file)).unwrap_or_default();
        let bad = |what: String, remedy: String| NnError::Weights { file: file.into(), what, remedy };
        let names = || stored.iter().map(|(name, _)| name.as_str());
        if let Some(kind) = kind_of_tensors(names()) {
            let foreign = kind.explained();
            return Err(bad(foreign.what, foreign.remedy));
        }
        let naming = Naming::of(names(), family, file)?;
        let (mut tensors, mut outside) = (BTreeMap::new(), Vec::new());
        for (in_file, tensor) in stored {
            let Some(name) = naming.name(&in_file, family) else {
                outside.push(in_file);
                continue;
            };
            if tensors.insert(name.clone(), tensor).is_some() {
                let what = format!("tensor `{name}` is there twice, with and without prefix");
                return Err(bad(what, "save the model anew, with save_pretrained".into()));
            }
        }
        Ok(Self { file: file.into(), family, tensors, wrapper: naming.wrapper, outside })
    }

    /// What stands before the names of all tensors of the model, in a file that transformers did not write; empty for one
    /// that it did.
    pub fn wrapper(&self) -> &str {
        &self.wrapper
    }

    /// Tensors that a model of `config` has no use for, such as another head's, by their beginnings: with their number.
    pub fn left_out(&self, config: &ModelConfig) -> BTreeMap<String, usize> {
        let spec = config.family.spec();
        let head = [spec.head.dense, spec.head.out].map(|name| format!("{name}."));
        let is_used = |name: &str| {
            let of_head = head.iter().any(|of_head| name.starts_with(of_head)) && config.head.is_some();
            let of_pooler = spec.head.is_pooler && name.starts_with(&head[0]);
            let of_decoder = spec.decoder.is_some_and(|decoder| name.split('.').next() == Some(decoder.head));
            of_head || of_pooler || of_decoder || self.is_encoder(name)
        };
        let mut left_out = BTreeMap::new();
        let others = self.tensors.keys().filter(|name| !is_used(name));
        for name in others.chain(&self.outside) {
            *left_out.entry(beginning(name)).or_default() += 1;
        }
        left_out
    }

    /// The configuration with the head that the tensors show where it describes none: a classifier of the family's own
    /// kind, unless the configuration says that it is one of another. Without a head, nothing is said of labels.
    ///
    /// # Errors
    /// [`NnError::Tensor`] for another number of outputs than `id2label` has names.
    pub fn complete(&self, read: &ConfigRead) -> Result<ModelConfig, NnError> {
        let mut config = read.config.clone();
        let spec = &config.family.spec().head;
        // A layer of that name alone is another head's, such as that of token classification.
        let found = self.rows(spec.dense).zip(self.rows(spec.out)).filter(|_| read.other_head.is_none());
        let of_family = |(dense, labels)| HeadConfig {
            multi_label: read.multi_label,
            ..HeadConfig::new(Pooling::Pooler, dense, labels)
        };
        config.head = config.head.or(found.map(of_family));
        let names = config.label_names.len();
        match config.head {
            None => config.label_names.clear(),
            Some(head) if names > 0 && names != head.labels => {
                let what = format!("has {} outputs, `id2label` of config.json names {names}", head.labels);
                return Err(self.tensor_error(&format!("{}.weight", spec.out), what, BOTH));
            }
            Some(_) => {}
        }
        Ok(config)
    }

    /// Builds the model that `config` describes, on `device`. Without a head in it there is none, and a pooler is kept for
    /// the head that [`Transformer::with_head`] makes.
    ///
    /// # Errors
    /// [`NnError::Tensor`] for tensors that are missing, unexpected, of another shape or type, or hold NaN or infinity.
    pub fn model(&self, config: &ModelConfig, device: &Device) -> Result<Transformer, NnError> {
        let mut reader = Reader { checkpoint: self, device, used: BTreeSet::new() };
        // Nothing is allocated before the file has shown that it holds it: a configuration may claim any size.
        let embeddings = reader.embeddings(config)?;
        let layers = (0..config.layers.len()).map(|i| reader.layer(i, config)).collect::<Result<Vec<_>, _>>()?;
        let (pooler, head) = reader.head(config)?;
        let (final_norm, lm_head) = reader.end(config)?;
        let is_unexpected = |name: &&String| !reader.used.contains(*name) && self.is_encoder(name) && !is_buffer(name);
        match self.tensors.keys().find(is_unexpected) {
            None => Ok(Transformer { embeddings, layers, pooler, head, final_norm, lm_head, config: config.clone() }),
            Some(name) => {
                let (what, remedy) = unexpected(name);
                Err(self.tensor_error(name, what, remedy))
            }
        }
    }

    /// Whether a name is one of the encoder's: what it computes depends on such a tensor.
    fn is_encoder(&self, name: &str) -> bool {
        let (names, decoder) = (self.family.spec().tensors, self.family.spec().decoder);
        let first = |name: &'static str| name.split('.').next().unwrap_or_default();
        let [layers, words, positions] = [names.layer, names.words, names.positions].map(first);
        let end = decoder.map_or(names.projection, |decoder| decoder.final_norm);
        [layers, words, positions, end].contains(&name.split('.').next().unwrap_or_default())
    }

    fn rows(&self, name: &str) -> Option<usize> {
        self.tensors.get(&format!("{name}.weight"))?.view.shape().first().copied()
    }

    /// That a tensor is missing; without word embeddings, what the file has instead says more.
    fn missing(&self, name: &str) -> String {
        if name != self.family.spec().tensors.words {
            return "is missing".to_owned();
        }
        let others = self.tensors.keys().chain(&self.outside).take(3);
        let others = others.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        format!("is missing; there are {others} and others")
    }

    fn tensor_error(&self, tensor: &str, what: impl Into<String>, remedy: &str) -> NnError {
        let file = self.tensors.get(tensor).map_or(self.file.as_str(), |stored| stored.file);
        NnError::Tensor { file: file.into(), tensor: tensor.into(), what: what.into(), remedy: remedy.into() }
    }
}

/// What `bytes` are, that are no safetensors file.
fn unreadable(bytes: &[u8], file: &str, error: &str) -> NnError {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let (what, remedy) = match recognised(bytes, name) {
        Some(foreign) => (foreign.what, foreign.remedy),
        None => {
            let remedy = "fetch the file again or check that it belongs to this config.json";
            (format!("not a complete safetensors file ({error})"), remedy.to_owned())
        }
    };
    NnError::Weights { file: file.into(), what, remedy }
}

/// Whether a tensor is only a table of numbers that older versions of transformers wrote along.
fn is_buffer(name: &str) -> bool {
    let of_layer = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"];
    ["embeddings.position_ids", "embeddings.token_type_ids"].contains(&name)
        || of_layer.iter().any(|end| name.ends_with(end))
}

/// Why a tensor inside the encoder has no place in the model.
fn unexpected(name: &str) -> (&'static str, &'static str) {
    const ENCODER: &str = "give a plain encoder of one of the families that `apt-lab inspect` can read";
    if name.contains("crossattention") {
        ("is of a decoder's cross attention, which this program does not have", ENCODER)
    } else if name.contains("distance_embedding") {
        ("is of relative position embeddings, which this program does not have", ENCODER)
    } else if name.contains("adapter") {
        ("is of an adapter, which is not merged into the weights", "give the model without adapters")
    } else {
        ("is not part of the model that config.json describes", BOTH)
    }
}

/// What a tensor outside the encoder is reported as: the part that it is of.
fn beginning(name: &str) -> String {
    let parts = if name.starts_with("cls.") { 2 } else { 1 };
    name.split('.').take(parts).collect::<Vec<_>>().join(".")
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
        let names = config.family.spec().tensors;
        let words = table(names.words, config.vocab_size)?;
        let positions =
            config.has_position_table().then(|| table(names.positions, config.max_positions)).transpose()?;
        let types = (config.type_vocab_size > 0).then(|| table(names.types, config.type_vocab_size)).transpose()?;
        let norm = config.decoder.is_none().then(|| self.norm(names.embedding_norm, width, config)).transpose()?;
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
            |spec, dims| reader.borrow_mut().linear_of(i, spec, dims, config),
            |place| {
                let of_heads = config.family.spec().decoder.and_then(|decoder| decoder.head_norms);
                // Invariant: a norm of heads is asked for in families that name it.
                let [query, key] = of_heads.unwrap_or_default().map(|name| format!("{}.{name}", names.layer(i)));
                let (name, width) = match place {
                    NormPlace::Of(sub_block) => (names.norm(i, sub_block), config.hidden),
                    NormPlace::Queries => (query, config.head_size),
                    NormPlace::Keys => (key, config.head_size),
                };
                reader.borrow_mut().norm(&name, width, config)
            },
        )
    }

    /// A linear layer of layer `i`, which may lie beside others in one tensor.
    fn linear_of(
        &mut self,
        i: usize,
        spec: &LinearSpec,
        [d_in, d_out]: [usize; 2],
        config: &ModelConfig,
    ) -> Result<AptLinear, NnError> {
        let names = config.family.spec().tensors;
        let decoder = config.family.spec().decoder;
        let part = [Site::Query, Site::Key, Site::Value].iter().position(|site| *site == spec.site);
        let fused = decoder.and_then(|decoder| decoder.fused).zip(part);
        if let Some((name, part)) = fused {
            let name = format!("{}.{name}", names.layer(i));
            let columns = part * d_out..(part + 1) * d_out;
            let values = self.values(&format!("{name}.weight"), &[d_in, 3 * d_out])?;
            let rows = values.chunks_exact((3 * d_out).max(1));
            let weight = rows.flat_map(|row| row[columns.clone()].iter().copied()).collect();
            let bias = self.values(&format!("{name}.bias"), &[3 * d_out])?[columns].to_vec();
            let bias = Tensor::from_data(TensorData::new(bias, [d_out]), self.device);
            let weight = Tensor::from_data(TensorData::new::<f32, _>(weight, [d_in, d_out]), self.device);
            return Ok(AptLinear::new(weight, Some(bias)));
        }
        let name = names.linear(i, spec.site);
        if decoder.is_none_or(|decoder| !decoder.transposed) {
            return self.linear(&name, [d_in, d_out], spec.bias);
        }
        let weight = self.tensor(&format!("{name}.weight"), [d_in, d_out])?;
        let bias = spec.bias.then(|| self.tensor(&format!("{name}.bias"), [d_out])).transpose()?;
        Ok(AptLinear::new(weight, bias))
    }

    /// A decoder's last norm, and its head where that is not the table of words.
    fn end(&mut self, config: &ModelConfig) -> Result<(Option<Norm>, Option<Param<Tensor<2>>>), NnError> {
        let Some((decoder, spec)) = config.decoder.as_ref().zip(config.family.spec().decoder) else {
            return Ok((None, None));
        };
        let norm = self.norm(spec.final_norm, config.hidden, config)?;
        let name = format!("{}.weight", spec.head);
        let table = if decoder.tied {
            // Some files hold the table of words a second time.
            self.used.insert(name);
            None
        } else {
            let table = self.tensor(&name, [config.vocab_size, config.hidden])?;
            Some(Param::from_tensor(table).set_require_grad(false))
        };
        Ok((Some(norm), table))
    }

    /// The pooler or the classifier of `config`.
    fn head(&mut self, config: &ModelConfig) -> Result<(Option<AptLinear>, Option<ClassificationHead>), NnError> {
        let spec = &config.family.spec().head;
        if let Some(head) = config.head {
            let dense = head.dense.map(|width| self.linear(spec.dense, [config.hidden, width], true)).transpose()?;
            let out = self.linear(spec.out, [head.dense.unwrap_or(config.hidden), head.labels], true)?;
            let HeadConfig { pooling, .. } = head;
            return Ok((None, Some(ClassificationHead { dense, out, activation: spec.activation, pooling })));
        }
        let pooler = self.checkpoint.rows(spec.dense).filter(|_| spec.is_pooler);
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

    fn norm(&mut self, name: &str, width: usize, config: &ModelConfig) -> Result<Norm, NnError> {
        let weight = self.tensor(&format!("{name}.weight"), [width])?;
        Ok(match config.family.spec().norm() {
            NormKind::Layer => Norm::layer(weight, self.tensor(&format!("{name}.bias"), [width])?, config.norm_eps),
            NormKind::Rms => Norm::rms(weight, config.norm_eps),
        })
    }

    fn tensor<const D: usize>(&mut self, name: &str, dims: [usize; D]) -> Result<Tensor<D>, NnError> {
        let values = self.values(name, &dims)?;
        Ok(Tensor::from_data(TensorData::new(values, dims), self.device))
    }

    fn values(&mut self, name: &str, dims: &[usize]) -> Result<Vec<f32>, NnError> {
        let checkpoint = self.checkpoint;
        let fail = |what: String, remedy: &str| checkpoint.tensor_error(name, what, remedy);
        let Some(Stored { view, .. }) = checkpoint.tensors.get(name) else {
            return Err(fail(checkpoint.missing(name), BOTH));
        };
        if view.shape() != dims {
            return Err(fail(format!("has shape {:?}, config.json asks for {dims:?}", view.shape()), BOTH));
        }
        let bytes = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::BF16 => bytes.chunks_exact(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::I8 | Dtype::U8 | Dtype::F8_E4M3 | Dtype::F8_E5M2 => {
                let what = format!("has type {:?}: the weights are quantised", view.dtype());
                return Err(fail(what, "give the model that it was made from, in F32, F16 or BF16"));
            }
            other => return Err(fail(format!("has type {other:?}"), "convert the file to F32, F16 or BF16")),
        };
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(fail(format!("holds {} at index {i}", values[i]), "the checkpoint is damaged: fetch it again"));
        }
        self.used.insert(name.into());
        Ok(values)
    }
}
