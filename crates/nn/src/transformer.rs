//! The one transformer. A family is a [`ModelConfig`], not another copy of this file.

use crate::config::{HeadConfig, ModelConfig};
use crate::linear::{indices, replace, select_dim};
use crate::masks::DeviceMasks;
pub use crate::salience::Site;
use crate::salience::Taps;
use crate::{AptLinear, Attention, ClassificationHead, FeedForward, Init, LayerNorm, NnError};
use apt_core::blocks::LayerShape;
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Added to the attention scores of padding.
const PADDING_SCORE: f32 = -1e9;

/// One padded batch on a device.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Token ids, `[tokens]`.
    pub ids: Tensor<1, Int>,
    /// Token types, `[tokens]`.
    pub type_ids: Tensor<1, Int>,
    /// The type of every token, if they all have the same.
    pub one_type: Option<usize>,
    /// Positions, `[tokens]`.
    pub positions: Tensor<1, Int>,
    /// 0 for tokens, a large negative number for padding, `[batch, 1, 1, length]`; `None` if nothing is padded.
    pub padding: Option<Tensor<4>>,
    /// Tokens of each sequence, if they lie behind one another without padding.
    pub packed: Option<Vec<usize>>,
    /// Sequences.
    pub size: usize,
    /// Tokens per sequence, padding included.
    pub length: usize,
}

impl Batch {
    /// `ids` and `type_ids` are `[size · length]` in row order; `lengths` are the tokens of each row before padding.
    pub fn new(ids: &[i32], type_ids: &[i32], lengths: &[usize], config: &ModelConfig, device: &Device) -> Self {
        let size = lengths.len();
        let length = ids.len() / size.max(1);
        let first = config.first_position();
        let positions: Vec<i32> = lengths
            .iter()
            .flat_map(|&n| (0..length).map(move |i| if i < n { (first + i) as i32 } else { config.pad_position() }))
            .collect();
        let padding = lengths.iter().any(|&n| n < length).then(|| {
            let values: Vec<f32> = lengths
                .iter()
                .flat_map(|&n| (0..length).map(move |i| if i < n { 0.0 } else { PADDING_SCORE }))
                .collect();
            Tensor::from_data(TensorData::new(values, [size, 1, 1, length]), device)
        });
        Self { padding, length, ..Self::of_tokens(ids.to_vec(), type_ids.to_vec(), positions, size, device) }
    }

    /// As [`Self::new`], without the padding: only for passes without autodiff on the CPU.
    pub fn packed(ids: &[i32], type_ids: &[i32], lengths: &[usize], config: &ModelConfig, device: &Device) -> Self {
        let length = ids.len() / lengths.len().max(1);
        // No sequence is empty: its first token is what is classified.
        let lengths: Vec<usize> = lengths.iter().map(|&n| n.max(1).min(length)).collect();
        let tokens = |values: &[i32]| -> Vec<i32> {
            let rows = values.chunks_exact(length.max(1)).zip(&lengths);
            rows.flat_map(|(row, &n)| row[..n].iter().copied()).collect()
        };
        let first = config.first_position();
        let positions = lengths.iter().flat_map(|&n| (0..n).map(|i| (first + i) as i32)).collect();
        let batch = Self::of_tokens(tokens(ids), tokens(type_ids), positions, lengths.len(), device);
        Self { packed: Some(lengths), length, ..batch }
    }

    fn of_tokens(ids: Vec<i32>, type_ids: Vec<i32>, positions: Vec<i32>, size: usize, device: &Device) -> Self {
        let upload = |values: Vec<i32>| {
            let shape = [values.len()];
            Tensor::<1, Int>::from_data(TensorData::new(values, shape), device)
        };
        let first = type_ids.first().copied().and_then(|first| usize::try_from(first).ok());
        let one_type = first.filter(|_| type_ids.iter().all(|id| *id == type_ids[0]));
        Self {
            ids: upload(ids),
            type_ids: upload(type_ids),
            one_type,
            positions: upload(positions),
            padding: None,
            packed: None,
            size,
            length: 0,
        }
    }

    /// The first token's row of each sequence, of `[tokens, width]`.
    fn first_of(&self, hidden: Tensor<2>) -> Tensor<2> {
        let width = hidden.dims()[1];
        match &self.packed {
            Some(lengths) => {
                let mut next = 0;
                let start = |n: &usize| {
                    next += n;
                    next - n
                };
                let starts: Vec<usize> = lengths.iter().map(start).collect();
                let device = hidden.device();
                hidden.select(0, indices(&starts, &device))
            }
            None => {
                let first = hidden.reshape([self.size, self.length, width]).slice([0..self.size, 0..1]);
                first.reshape([self.size, width])
            }
        }
    }
}

impl ModelConfig {
    /// The position given to padding: RoBERTa numbers it `pad_id`, BERT does not care.
    fn pad_position(&self) -> i32 {
        match self.family {
            crate::Family::Bert => 0,
            crate::Family::Roberta => self.pad_id as i32,
        }
    }
}

/// Word, position and token type embeddings, summed and normalised.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocab, hidden]`.
    pub words: Param<Tensor<2>>,
    /// `[positions, hidden]`.
    pub positions: Param<Tensor<2>>,
    /// `[types, hidden]`.
    pub types: Param<Tensor<2>>,
    /// After the sum.
    pub norm: LayerNorm,
}

impl Embeddings {
    /// `[tokens, hidden]`.
    pub fn forward(&self, batch: &Batch, masks: Option<&DeviceMasks>) -> Tensor<2> {
        let words = self.words.val().select(0, batch.ids.clone());
        let rest = match batch.one_type {
            // The table of positions is short: the type is added to it once and not to every token.
            Some(id) => {
                let table = self.positions.val() + self.types.val().narrow(0, id, 1);
                table.select(0, batch.positions.clone())
            }
            None => {
                self.positions.val().select(0, batch.positions.clone())
                    + self.types.val().select(0, batch.type_ids.clone())
            }
        };
        match masks.and_then(|m| m.hidden.as_ref()) {
            Some(hidden) => self.norm.forward(hidden.values.on(words + rest), Some(hidden)),
            None => self.norm.forward_sum(words, rest, None),
        }
    }

    /// Keeps the given hidden dims.
    pub fn select(&self, hidden: Option<&[usize]>) -> Self {
        let pick = |p: &Param<Tensor<2>>| replace(p, select_dim(p.val().detach(), 1, hidden));
        Self {
            words: pick(&self.words),
            positions: pick(&self.positions),
            types: pick(&self.types),
            norm: self.norm.select(hidden),
        }
    }
}

/// One layer; a block with nothing left is `None` and its residual passes through, as the published code does.
#[derive(Module, Debug)]
pub struct Layer {
    /// `None` when every head was removed.
    pub attention: Option<Attention>,
    /// `None` when every neuron was removed.
    pub feed_forward: Option<FeedForward>,
}

impl Layer {
    /// Heads and neurons that are left.
    pub fn shape(&self) -> LayerShape {
        LayerShape {
            heads: self.attention.as_ref().map_or(0, Attention::heads),
            neurons: self.feed_forward.as_ref().map_or(0, FeedForward::neurons),
        }
    }
}

/// How a forward pass is made.
#[derive(Default)]
pub struct Forward<'a> {
    /// Masks of heads, neurons and hidden dims; `None` is a pass without them.
    pub masks: Option<&'a DeviceMasks>,
    /// Collects activations for salience; `None` costs nothing.
    pub taps: Option<&'a mut Taps>,
    /// Whether to return the hidden state after every layer.
    pub keep_states: bool,
}

/// What a forward pass returns.
pub struct Output {
    /// The last hidden state, `[tokens, hidden]`.
    pub hidden: Tensor<2>,
    /// After each layer (embeddings excluded), if asked for.
    pub states: Vec<Tensor<2>>,
}

/// An encoder with learned positions and post-norm, and the head on it.
#[derive(Module, Debug)]
pub struct Transformer {
    /// The embeddings; always frozen.
    pub embeddings: Embeddings,
    /// The layers.
    pub layers: Vec<Layer>,
    /// The classifier.
    pub head: Option<ClassificationHead>,
    /// Sizes as they are now.
    #[module(skip)]
    pub config: ModelConfig,
}

impl Transformer {
    /// A model with N(0, 0.02²) weights, everything frozen and no adapters.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let device = init.device().clone();
        let norm = |n| LayerNorm::new(Tensor::ones([n], &device), Tensor::zeros([n], &device), config.norm_eps);
        let hidden = config.hidden;
        let mut table = |rows: usize| Param::from_tensor(init.normal([rows, hidden], 0.02)).set_require_grad(false);
        let embeddings = Embeddings {
            words: table(config.vocab_size),
            positions: table(config.max_positions),
            types: table(config.type_vocab_size),
            norm: norm(hidden),
        };
        let mut linear = |d_in: usize, d_out: usize| {
            AptLinear::new(init.normal([d_in, d_out], 0.02), Some(Tensor::zeros([d_out], &device)))
        };
        let layers = config
            .layers
            .iter()
            .map(|shape| {
                let width = shape.heads * config.head_size;
                Layer {
                    attention: (shape.heads > 0).then(|| Attention {
                        query: linear(hidden, width),
                        key: linear(hidden, width),
                        value: linear(hidden, width),
                        output: linear(width, hidden),
                        norm: norm(hidden),
                        head_size: config.head_size,
                    }),
                    feed_forward: (shape.neurons > 0).then(|| FeedForward {
                        up: linear(hidden, shape.neurons),
                        down: linear(shape.neurons, hidden),
                        norm: norm(hidden),
                        activation: config.activation,
                    }),
                }
            })
            .collect();
        let head = config.head.map(|head| ClassificationHead::new(hidden, head, None, init));
        Self { embeddings, layers, head, config: config.clone() }
    }

    /// The device of the weights.
    pub fn device(&self) -> Device {
        self.embeddings.words.val().device()
    }

    /// Runs the encoder.
    pub fn forward(&self, batch: &Batch, with: Forward<'_>) -> Output {
        let Forward { masks, mut taps, keep_states } = with;
        let mut x = self.embeddings.forward(batch, masks);
        let mut states = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            let gone = masks.map_or((false, false), |m| (m.layers[i].no_heads, m.layers[i].no_neurons));
            if let Some(attention) = layer.attention.as_ref().filter(|_| !gone.0) {
                x = attention.forward(x, batch, i, masks, &mut taps);
            }
            if let Some(feed_forward) = layer.feed_forward.as_ref().filter(|_| !gone.1) {
                x = feed_forward.forward(x, i, masks, &mut taps);
            }
            if keep_states {
                states.push(x.clone());
            }
        }
        let hidden = Taps::watch(&mut taps, Site::EncoderOutput, x);
        Output { hidden, states }
    }

    /// Logits `[batch, labels]` from the encoder's output.
    ///
    /// # Errors
    /// [`NnError::Config`] when the model has no classification head.
    pub fn classify(&self, hidden: Tensor<2>, batch: &Batch) -> Result<Tensor<2>, NnError> {
        let head = self
            .head
            .as_ref()
            .ok_or_else(|| NnError::Config { file: "model".into(), what: "there is no classification head".into() })?;
        Ok(head.forward(batch.first_of(hidden)))
    }

    /// A new classifier for `labels` classes on the checkpoint's dense layer (BERT's pooler), if it has one.
    pub fn with_head(mut self, labels: usize, init: &mut Init) -> Self {
        let pooler = self.head.take().map(|head| head.dense);
        let dense = pooler.as_ref().map_or(self.config.hidden, |p| p.dims()[1]);
        let config = HeadConfig { dense, labels };
        self.head = Some(ClassificationHead::new(self.config.hidden, config, pooler, init));
        self.config.head = Some(config);
        self
    }

    /// Every linear layer of the encoder with its name, such as `layers.0.query`.
    pub fn linears(&self) -> Vec<(String, &AptLinear)> {
        let mut all = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            if let Some(attention) = &layer.attention {
                all.extend(attention.projections().into_iter().map(|(name, l)| (format!("layers.{i}.{name}"), l)));
            }
            if let Some(ff) = &layer.feed_forward {
                all.push((format!("layers.{i}.up"), &ff.up));
                all.push((format!("layers.{i}.down"), &ff.down));
            }
        }
        all
    }

    /// As [`Self::linears`], to change them.
    pub fn linears_mut(&mut self) -> Vec<(String, &mut AptLinear)> {
        let mut all: Vec<(String, &mut AptLinear)> = Vec::new();
        for (i, layer) in self.layers.iter_mut().enumerate() {
            if let Some(a) = &mut layer.attention {
                for (name, linear) in
                    [("query", &mut a.query), ("key", &mut a.key), ("value", &mut a.value), ("output", &mut a.output)]
                {
                    all.push((format!("layers.{i}.{name}"), linear));
                }
            }
            if let Some(ff) = &mut layer.feed_forward {
                all.push((format!("layers.{i}.up"), &mut ff.up));
                all.push((format!("layers.{i}.down"), &mut ff.down));
            }
        }
        all
    }

    /// Puts an adapter of rank `rank` on every linear layer whose last name is in `on` (`query`, `key`, `value`,
    /// `output`, `up`, `down`).
    pub fn with_adapters(mut self, on: &[&str], rank: usize, scale: f64, init: &mut Init) -> Self {
        for (name, linear) in self.linears_mut() {
            if name.rsplit('.').next().is_some_and(|last| on.contains(&last)) {
                let [d_in, d_out] = linear.dims();
                linear.adapter = Some(crate::Adapter::new(d_in, d_out, rank, scale, init));
            }
        }
        self
    }

    /// The adapters with their names, in layer order.
    pub fn adapters(&self) -> Vec<(String, &crate::Adapter)> {
        self.linears().into_iter().filter_map(|(name, l)| l.adapter.as_ref().map(|a| (name, a))).collect()
    }

    /// Folds every adapter into its weight.
    pub fn merge(mut self) -> Self {
        for (_, linear) in self.linears_mut() {
            *linear = linear.merge();
        }
        self
    }
}
