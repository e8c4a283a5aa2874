//! The one transformer. A family is a row of [`crate::family`], not another copy of this file.

use crate::attention::NormPlace;
use crate::batch::Batch;
use crate::cache::Cache;
use crate::config::{HeadConfig, ModelConfig, Pooling};
use crate::dropout::Dropout;
use crate::embeddings::Embeddings;
use crate::masks::DeviceMasks;
use crate::taps::{TapPoint, Taps};
use crate::{Adapter, AptLinear, Attention, ClassificationHead, FeedForward, Init, NnError, Norm};
use apt_core::blocks::LayerShape;
use apt_core::wiring::{LinearSpec, Side, Site, SubBlock};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// One layer; a block with nothing left is `None` and its residual passes through, as the published code does.
#[derive(Module, Debug)]
pub struct Layer {
    /// `None` when every head was removed.
    pub attention: Option<Attention>,
    /// `None` when every neuron was removed.
    pub feed_forward: Option<FeedForward>,
}

impl Layer {
    /// A layer of `shape`: every linear layer is made by `linear` from its row and its `[d_in, d_out]`, every norm by `norm`.
    /// A sub-block without units is left out.
    pub(crate) fn build<E>(
        config: &ModelConfig,
        shape: LayerShape,
        mut linear: impl FnMut(&LinearSpec, [usize; 2]) -> Result<AptLinear, E>,
        mut norm: impl FnMut(NormPlace) -> Result<Norm, E>,
    ) -> Result<Self, E> {
        let (wiring, causal) = (config.wiring(), config.decoder.is_some());
        let mut made = |site: Site| {
            let spec = wiring.linear(site);
            linear(&spec, [spec.input, spec.output].map(|side| config.entries(side, spec.sub_block, &shape)))
        };
        let attention = match shape.units(SubBlock::Attention) {
            0 => None,
            _ => Some(Attention::build(&mut made, &mut norm, wiring, causal)?),
        };
        let feed_forward = match shape.units(SubBlock::FeedForward) {
            0 => None,
            _ => {
                let norm = norm(NormPlace::Of(SubBlock::FeedForward))?;
                Some(FeedForward::build(&mut made, norm, config.activation, [wiring.gated, causal])?)
            }
        };
        Ok(Self { attention, feed_forward })
    }

    /// Heads and neurons that are left.
    pub fn shape(&self) -> LayerShape {
        LayerShape {
            heads: self.attention.as_ref().map_or(0, Attention::heads),
            neurons: self.feed_forward.as_ref().map_or(0, FeedForward::neurons),
        }
    }

    /// A sub-block's norm over the hidden dims, while it is there.
    pub(crate) fn norm(&self, sub_block: SubBlock) -> Option<&Norm> {
        match sub_block {
            SubBlock::Attention => self.attention.as_ref().map(|attention| &attention.norm),
            SubBlock::FeedForward => self.feed_forward.as_ref().map(|feed_forward| &feed_forward.norm),
        }
    }

    /// As [`Self::norm`], to change it.
    pub(crate) fn norm_mut(&mut self, sub_block: SubBlock) -> Option<&mut Norm> {
        match sub_block {
            SubBlock::Attention => self.attention.as_mut().map(|attention| &mut attention.norm),
            SubBlock::FeedForward => self.feed_forward.as_mut().map(|feed_forward| &mut feed_forward.norm),
        }
    }

    /// The linear layers that are left.
    pub(crate) fn linears(&self) -> impl Iterator<Item = (Site, &AptLinear)> {
        let attention = self.attention.iter().flat_map(Attention::linears);
        attention.chain(self.feed_forward.iter().flat_map(FeedForward::linears))
    }

    /// As [`Self::linears`], to change them.
    pub(crate) fn linears_mut(&mut self) -> impl Iterator<Item = (Site, &mut AptLinear)> {
        let attention = self.attention.iter_mut().flat_map(Attention::linears_mut);
        attention.chain(self.feed_forward.iter_mut().flat_map(FeedForward::linears_mut))
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
    /// What a training step drops; `None` drops nothing.
    pub dropout: Option<&'a mut Dropout>,
}

/// What a forward pass returns.
pub struct Output {
    /// The last hidden state, `[tokens, hidden]`; of a decoder after its last norm.
    pub hidden: Tensor<2>,
    /// After each layer (embeddings excluded), if asked for; of a decoder before its last norm.
    pub states: Vec<Tensor<2>>,
}

/// An encoder with learned positions whose norms follow the residual sums, or a decoder whose norms stand before the
/// sub-blocks, and the head on it.
#[derive(Module, Debug)]
pub struct Transformer {
    /// The embeddings; always frozen.
    pub embeddings: Embeddings,
    /// The layers.
    pub layers: Vec<Layer>,
    /// The checkpoint's pooler, `[hidden, dense]`, while no classifier stands on it.
    pub pooler: Option<AptLinear>,
    /// The classifier.
    pub head: Option<ClassificationHead>,
    /// The norm behind a decoder's last layer.
    pub final_norm: Option<Norm>,
    /// A decoder's head, `[vocab, hidden]`, where it is not the table of words.
    pub lm_head: Option<Param<Tensor<2>>>,
    /// Sizes as they are now.
    #[module(skip)]
    pub config: ModelConfig,
}

impl Transformer {
    /// A model with N(0, 0.02²) weights, everything frozen and no adapters.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let device = init.device().clone();
        let embeddings = Embeddings::new(config, init);
        let layers = config.layers.iter().map(|&shape| {
            let linear = |spec: &LinearSpec, [d_in, d_out]: [usize; 2]| {
                Ok::<_, std::convert::Infallible>(AptLinear::random(d_in, d_out, spec.bias, init))
            };
            let ones = |width| Norm::ones(config.family.spec().norm(), width, config.norm_eps, &device);
            let Ok(layer) = Layer::build(config, shape, linear, |place| {
                Ok(ones(match place {
                    NormPlace::Of(_) => config.hidden,
                    NormPlace::Queries | NormPlace::Keys => config.head_size,
                }))
            });
            layer
        });
        let layers = layers.collect();
        let head = config.head.map(|head| ClassificationHead::new(config, head, None, init));
        let ones = || Norm::ones(config.family.spec().norm(), config.hidden, config.norm_eps, &device);
        let final_norm = config.decoder.is_some().then(ones);
        let untied = config.decoder.as_ref().is_some_and(|decoder| !decoder.tied);
        let lm_head = untied.then(|| init.normal([config.vocab_size, config.hidden], 0.02));
        let lm_head = lm_head.map(|table| Param::from_tensor(table).set_require_grad(false));
        Self { embeddings, layers, pooler: None, head, final_norm, lm_head, config: config.clone() }
    }

    /// The device of the weights.
    pub fn device(&self) -> Device {
        self.embeddings.words.val().device()
    }

    /// Runs all layers.
    pub fn forward(&self, batch: &Batch, with: Forward<'_>) -> Output {
        self.forward_after(batch, with, None)
    }

    /// Logits `[sequences, labels]`, as [`Self::forward`] and [`Self::classify`] give them. Where the classifier reads the first
    /// token alone, the last layer of a packed batch is computed for it alone: the others matter as keys and values.
    ///
    /// # Errors
    /// As [`Self::classify`].
    pub fn logits(&self, batch: &Batch, masks: Option<&DeviceMasks>) -> Result<Tensor<2>, NnError> {
        let head = self.head()?;
        let first = batch.is_read_first(head.pooling);
        let hidden = self.run(batch, Forward { masks, ..Forward::default() }, None, first).hidden;
        let read = if first { hidden } else { batch.read_by(head.pooling, hidden) };
        Ok(head.forward(read, &mut None))
    }

    /// As [`Self::forward`], of tokens that follow those in `cache`, which is given them too.
    pub(crate) fn forward_after(&self, batch: &Batch, with: Forward<'_>, cache: Option<&mut Cache>) -> Output {
        self.run(batch, with, cache, false)
    }

    /// If only the first token of each sequence is wanted, an encoder's output is `[sequences, hidden]`.
    fn run(&self, batch: &Batch, with: Forward<'_>, mut cache: Option<&mut Cache>, first: bool) -> Output {
        let Forward { masks, mut taps, keep_states, mut dropout } = with;
        if let Some(taps) = &mut taps {
            taps.of(self.config.decoder.is_some(), batch.counts());
        }
        let mut x = self.embeddings.forward(batch, masks, &mut dropout);
        let mut states = Vec::new();
        let last = self.layers.len().saturating_sub(1);
        for (i, layer) in self.layers.iter().enumerate() {
            let skipped = |sub_block| masks.is_some_and(|masks| masks.of(sub_block, i).none);
            let first = first && i == last;
            if let Some(attention) = layer.attention.as_ref().filter(|_| !skipped(SubBlock::Attention)) {
                x = attention.forward(x, batch, i, masks, &mut taps, &mut dropout, &mut cache, first);
            } else if first {
                x = batch.first_of(x);
            }
            if let Some(feed_forward) = layer.feed_forward.as_ref().filter(|_| !skipped(SubBlock::FeedForward)) {
                x = feed_forward.forward(x, i, masks, &mut taps, &mut dropout);
            }
            if keep_states {
                states.push(x.clone());
            }
        }
        let hidden = match &self.final_norm {
            Some(norm) => norm.before(x, masks.and_then(|masks| masks.hidden.as_ref())),
            None => Taps::record(&mut taps, TapPoint::Output, x),
        };
        Output { hidden, states }
    }

    /// A decoder's table of output embeddings, `[vocab, hidden]`: its own, or that of words.
    pub(crate) fn unembedding(&self) -> Tensor<2> {
        self.lm_head.as_ref().unwrap_or(&self.embeddings.words).val()
    }

    /// What a decoder expects to follow each of the tokens: from its output `[tokens, hidden]` to logits `[tokens, vocab]`.
    ///
    /// # Errors
    /// [`NnError::Config`] for an encoder.
    pub fn next_token_logits(&self, hidden: Tensor<2>) -> Result<Tensor<2>, NnError> {
        self.check_decoder()?;
        Ok(crate::kernels::product(hidden, self.unembedding().transpose()))
    }

    /// That it is a decoder.
    pub(crate) fn check_decoder(&self) -> Result<(), NnError> {
        if self.config.decoder.is_some() {
            return Ok(());
        }
        Err(NnError::Config {
            file: "model".into(),
            what: format!("{} is an encoder, which does not say what follows a text", self.config.family.spec().name),
            remedy: "give a decoder, such as a model of LLaMA's family".into(),
        })
    }

    /// Logits `[batch, labels]` from the encoder's output.
    ///
    /// # Errors
    /// [`NnError::Config`] when the model has no classification head.
    pub fn classify(&self, hidden: Tensor<2>, batch: &Batch) -> Result<Tensor<2>, NnError> {
        self.classify_with(hidden, batch, None)
    }

    fn head(&self) -> Result<&ClassificationHead, NnError> {
        self.head.as_ref().ok_or_else(|| NnError::Config {
            file: "model".into(),
            what: "there is no classification head".into(),
            remedy: "train one with `apt-lab run --model`".into(),
        })
    }

    /// As [`Self::classify`], in a training step that drops entries of what the classifier reads.
    ///
    /// # Errors
    /// As [`Self::classify`].
    pub fn classify_with(
        &self,
        hidden: Tensor<2>,
        batch: &Batch,
        mut dropout: Option<&mut Dropout>,
    ) -> Result<Tensor<2>, NnError> {
        let head = self.head()?;
        let mut read = batch.read_by(head.pooling, hidden);
        if head.dense.is_some() && self.config.family.spec().head.drops_input {
            read = Dropout::on(&mut dropout, read);
        }
        Ok(head.forward(read, &mut dropout))
    }

    /// A new classifier with `labels` outputs; its dense layer, if `pooling` has one, is the checkpoint's where there is one.
    pub fn with_head(mut self, pooling: Pooling, labels: usize, init: &mut Init) -> Self {
        let pooler = self.pooler.take().or(self.head.take().and_then(|head| head.dense));
        let dense = pooler.as_ref().map_or(self.config.hidden, |p| p.dims()[1]);
        let head = HeadConfig::new(pooling, dense, labels);
        self.head = Some(ClassificationHead::new(&self.config, head, pooler, init));
        self.config.head = Some(head);
        self.config.label_names.clear();
        self
    }

    /// With the outputs of its head in another order: the i-th is the `order[i]`-th of now.
    #[must_use]
    pub fn with_outputs(mut self, order: &[usize]) -> Self {
        if let Some(head) = &mut self.head {
            head.out = head.out.select(None, Some(order));
        }
        let names = order.iter().filter_map(|&output| self.config.label_names.get(output).cloned());
        self.config.label_names = names.collect();
        self
    }

    /// The sub-blocks that are left, each with its layer and its units, in the order of layers.
    pub(crate) fn sub_blocks(&self) -> impl Iterator<Item = (usize, SubBlock, usize)> {
        self.layers
            .iter()
            .enumerate()
            .flat_map(|(index, layer)| {
                let shape = layer.shape();
                SubBlock::ALL.iter().map(move |&sub_block| (index, sub_block, shape.units(sub_block)))
            })
            .filter(|(_, _, units)| *units > 0)
    }

    /// Every linear layer of the layers that is left with its layer and its row of the wiring.
    pub(crate) fn wired_linears(&self) -> impl Iterator<Item = (usize, LinearSpec, &AptLinear)> {
        let wiring = self.config.wiring();
        let layers = self.layers.iter().enumerate();
        layers.flat_map(move |(i, layer)| layer.linears().map(move |(site, linear)| (i, wiring.linear(site), linear)))
    }

    /// Every linear layer of the layers with its name, such as `layers.0.query`.
    pub fn linears(&self) -> Vec<(String, &AptLinear)> {
        let layers = self.layers.iter().enumerate();
        layers
            .flat_map(|(i, layer)| layer.linears().map(move |(site, linear)| (linear_name(i, site), linear)))
            .collect()
    }

    /// As [`Self::linears`], to change them.
    pub fn linears_mut(&mut self) -> Vec<(String, &mut AptLinear)> {
        let layers = self.layers.iter_mut().enumerate();
        layers
            .flat_map(|(i, layer)| layer.linears_mut().map(move |(site, linear)| (linear_name(i, site), linear)))
            .collect()
    }

    /// Puts an adapter of rank `rank` on every linear layer that is one of `on`.
    pub fn with_adapters(mut self, on: &[Site], rank: usize, scale: f64, init: &mut Init) -> Self {
        for (site, linear) in self.layers.iter_mut().flat_map(Layer::linears_mut) {
            if on.contains(&site) {
                let [d_in, d_out] = linear.dims();
                linear.adapter = Some(Adapter::new(d_in, d_out, rank, scale, init));
            }
        }
        self
    }

    /// The adapters with their names, in layer order.
    pub fn adapters(&self) -> Vec<(String, &Adapter)> {
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

/// What a linear layer is called in records.
pub fn linear_name(layer: usize, site: Site) -> String {
    format!("layers.{layer}.{site}")
}

impl ModelConfig {
    /// Entries of one side of a linear layer in a layer of `shape`.
    pub fn entries(&self, side: Side, sub_block: SubBlock, shape: &LayerShape) -> usize {
        let units = if side.axis == sub_block.axis() { shape.units(sub_block) } else { self.hidden };
        units * side.width
    }
}
