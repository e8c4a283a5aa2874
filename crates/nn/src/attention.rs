//! Multi-head self-attention whose heads can be masked and removed.

use crate::batch::{Batch, Layout};
use crate::cache::Cache;
use crate::dropout::Dropout;
use crate::kernels::{self, Heads, LinearTensors};
use crate::linear::AptLinear;
use crate::masks::DeviceMasks;
use crate::norm::Norm;
use crate::residual::Stream;
use crate::taps::{TapPoint, Taps};
use apt_core::wiring::{Site, SubBlock, Wiring};
use burn::module::Module;
use burn::tensor::Tensor;

/// `norm(x + output(concat(heads)))` of an encoder; `x + output(concat(heads))` of a decoder, whose heads read `norm(x)`.
#[derive(Module, Debug)]
pub struct Attention {
    /// `[hidden, query heads · head_size]`.
    pub query: AptLinear,
    /// `[hidden, heads · head_size]`.
    pub key: AptLinear,
    /// `[hidden, heads · head_size]`.
    pub value: AptLinear,
    /// `[query heads · head_size, hidden]`.
    pub output: AptLinear,
    /// The norm after the residual sum; before the projections in a decoder.
    pub norm: Norm,
    /// Norms of the queries and keys of every head, `[head_size]` each, in families that have them.
    pub head_norms: Option<HeadNorms>,
    /// Width of a head.
    #[module(skip)]
    pub head_size: usize,
    /// Query heads that share a key-value head, which is the unit that is pruned.
    #[module(skip)]
    pub queries_per_key: usize,
    /// Whether it is a decoder's: a token sees those before it.
    #[module(skip)]
    pub causal: bool,
}

/// Norms of queries and keys, which all heads of a layer share.
#[derive(Module, Debug)]
pub struct HeadNorms {
    /// Of queries.
    pub query: Norm,
    /// Of keys.
    pub key: Norm,
}

/// Which norm of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NormPlace {
    /// A sub-block's own, over the hidden dims.
    Of(SubBlock),
    /// Of the queries of a head.
    Queries,
    /// Of its keys.
    Keys,
}

impl Attention {
    /// Heads that are left; with grouped queries, key-value heads.
    pub fn heads(&self) -> usize {
        self.key.dims()[1] / self.head_size
    }

    /// Built from its linear layers, each made by `linear`, and its norms.
    pub(crate) fn build<E>(
        mut linear: impl FnMut(Site) -> Result<AptLinear, E>,
        mut norm: impl FnMut(NormPlace) -> Result<Norm, E>,
        wiring: Wiring,
        causal: bool,
    ) -> Result<Self, E> {
        let head_norms = |norm: &mut dyn FnMut(NormPlace) -> Result<Norm, E>| {
            Ok(HeadNorms { query: norm(NormPlace::Queries)?, key: norm(NormPlace::Keys)? })
        };
        Ok(Self {
            query: linear(Site::Query)?,
            key: linear(Site::Key)?,
            value: linear(Site::Value)?,
            output: linear(Site::Output)?,
            norm: norm(NormPlace::Of(SubBlock::Attention))?,
            head_norms: wiring.head_norms.then(|| head_norms(&mut norm)).transpose()?,
            head_size: wiring.head_size,
            queries_per_key: wiring.queries_per_key,
            causal,
        })
    }

    /// With each linear layer changed by `linear`, and the norm by `norm`.
    pub(crate) fn map(&self, linear: impl Fn(Site, &AptLinear) -> AptLinear, norm: impl Fn(&Norm) -> Norm) -> Self {
        Self {
            query: linear(Site::Query, &self.query),
            key: linear(Site::Key, &self.key),
            value: linear(Site::Value, &self.value),
            output: linear(Site::Output, &self.output),
            norm: norm(&self.norm),
            ..self.clone()
        }
    }

    /// Its linear layers.
    pub(crate) fn linears(&self) -> Vec<(Site, &AptLinear)> {
        let Self { query, key, value, output, .. } = self;
        vec![(Site::Query, query), (Site::Key, key), (Site::Value, value), (Site::Output, output)]
    }

    /// As [`Self::linears`], to change them.
    pub(crate) fn linears_mut(&mut self) -> Vec<(Site, &mut AptLinear)> {
        let Self { query, key, value, output, .. } = self;
        vec![(Site::Query, query), (Site::Key, key), (Site::Value, value), (Site::Output, output)]
    }

    /// `x: [tokens, hidden]` → the same shape, or, if only the first token of each sequence is wanted, `[sequences, hidden]`.
    /// `layer` names the block for masks, taps and what is remembered.
    #[expect(clippy::too_many_arguments, reason = "they are the parts of one pass, which the transformer holds")]
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        batch: &Batch,
        layer: usize,
        masks: Option<&DeviceMasks>,
        taps: &mut Option<&mut Taps>,
        dropout: &mut Option<&mut Dropout>,
        cache: &mut Option<&mut Cache>,
        first: bool,
    ) -> Tensor<2> {
        let (block, stream) = (SubBlock::Attention, Stream::at(&self.norm, self.causal, masks));
        let branch = Taps::record(taps, TapPoint::Input(block, layer), stream.read(&x));
        let x = if first { batch.first_of(x) } else { x };
        let mut context = match cache {
            Some(cache) => cache.attend(layer, self, self.projections(branch, batch, false), batch),
            None => self.context(branch, batch, dropout, first),
        };
        if let Some(masks) = masks {
            context = masks.of(block, layer).mask.on(context);
        }
        let context = Taps::record(taps, TapPoint::Activation(block, layer), context);
        let y = Taps::record(taps, TapPoint::Added(block, layer), self.output.forward(context));
        stream.add(x, y, dropout)
    }

    /// Queries, keys and values of the heads, normalised and turned where the family does so.
    fn projections(&self, x: Tensor<2>, batch: &Batch, first: bool) -> [Tensor<2>; 3] {
        let asking = if first { batch.first_of(x.clone()) } else { x.clone() };
        let of = [(&self.query, asking), (&self.key, x.clone()), (&self.value, x)];
        let [mut q, mut k, v] = of.map(|(linear, x)| linear.forward(x));
        if let Some(norms) = &self.head_norms {
            (q, k) = (norms.query.of_heads(q), norms.key.of_heads(k));
        }
        if let Some(angles) = &batch.angles {
            (q, k) = (kernels::rotate(q, angles), kernels::rotate(k, angles));
        }
        [q, k, v]
    }

    /// The projections, if nothing but their products stands between `x` and the heads.
    fn joinable(&self) -> Option<[LinearTensors; 3]> {
        let [query, key, value] = [&self.query, &self.key, &self.value].map(AptLinear::tensors);
        self.head_norms.is_none().then_some([query?, key?, value?])
    }

    /// Softmax(QKᵀ/√head_size)·V of every head, `[tokens, query heads · head_size]`; of the first tokens alone if so wanted.
    fn context(&self, x: Tensor<2>, batch: &Batch, dropout: &mut Option<&mut Dropout>, first: bool) -> Tensor<2> {
        let (units, group, size) = (self.heads(), self.queries_per_key, self.head_size);
        let heads = Heads { units, group, causal: self.causal };
        let scale = 1.0 / (size as f64).sqrt();
        let (length, padding) = match &batch.layout {
            Layout::Packed { .. } => (None, None),
            Layout::Padded { length, padding, .. } => (Some(*length), padding.as_deref()),
        };
        // Dropout needs the weights, which neither of the two that do all at once gives.
        let at_once = dropout.is_none();
        let joined = |layers, length| kernels::self_attention(&x, &layers, padding, length, units);
        let is_one = at_once && !first && group == 1 && !self.causal && batch.angles.is_none();
        if let Some(context) = length.filter(|_| is_one).zip(self.joinable()).and_then(|(l, layers)| joined(layers, l))
        {
            return context;
        }
        let qkv = self.projections(x, batch, first);
        let mut spans = batch.layout.spans();
        if first {
            spans.iter_mut().for_each(|span| *span = span.first());
        }
        if let Some(context) = at_once.then(|| kernels::attention(&qkv, &spans, heads)).flatten() {
            return context;
        }
        let length = qkv[0].dims()[0] / batch.size.max(1);
        let split = |t: Tensor<2>, heads| t.reshape([batch.size, length, heads, size]).swap_dims(1, 2);
        let [q, k, v] = qkv;
        let (q, k, v) = (split(q, units * group), split(k, units), split(v, units)); // (B, H, S, D)
        // The queries of a unit stand behind one another.
        let q = if group > 1 { q.reshape([batch.size, units, group * length, size]) } else { q };
        let scores = q.matmul(k.swap_dims(2, 3)); // (B, H, G·S, S)
        let weights = match self.causal {
            // What is before a token is no padding, and padding is before no token.
            true => kernels::causal_weights(scores, scale),
            false => kernels::attention_weights(scores, padding, scale),
        };
        let context = Dropout::on(dropout, weights).matmul(v); // (B, H, G·S, D)
        let heads = units * group;
        let context = if group > 1 { context.reshape([batch.size, heads, length, size]) } else { context };
        context.swap_dims(1, 2).reshape([batch.size * length, heads * size])
    }
}
