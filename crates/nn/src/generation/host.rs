//! A decoder on the CPU, one token at a time: plain vectors in the place of tensors, and the model's own weights where they
//! lie.

use crate::activation::Activation;
use crate::cache::Cache;
use crate::kernels::decode::{HeadOf, Linear, Weights, attend, linears, normalise, turn, with_rows};
#[cfg(not(target_family = "wasm"))]
use crate::kernels::watch;
use crate::norm::Norm;
use crate::rotary::Rotary;
use crate::{AptLinear, Attention, FeedForward, Transformer};

/// The weights, and what was read.
pub(super) struct Host {
    words: Weights,
    /// `[vocab, hidden]`; `None` for that of words.
    head: Option<Weights>,
    positions: Option<Weights>,
    layers: Vec<HostLayer>,
    final_norm: HostNorm,
    rotary: Option<Rotary>,
    vocab: usize,
    hidden: usize,
    head_size: usize,
}

struct HostLayer {
    attention: Option<HostAttention>,
    feed_forward: Option<HostFeedForward>,
}

struct HostAttention {
    norm: HostNorm,
    qkv: [HostLinear; 3],
    output: HostLinear,
    head_norms: Option<[HostNorm; 2]>,
    units: usize,
    /// Keys and values of every text's every head, `[tokens, head_size]` each.
    cache: Vec<[Vec<f32>; 2]>,
}

struct HostFeedForward {
    norm: HostNorm,
    gate: Option<HostLinear>,
    up: HostLinear,
    down: HostLinear,
    activation: Activation,
}

struct HostLinear {
    weight: Weights,
    bias: Option<Weights>,
    outputs: usize,
}

struct HostNorm {
    weight: Weights,
    bias: Option<Weights>,
    eps: f32,
}

impl Host {
    /// `None` on another device than the CPU, or with autodiff.
    pub(super) fn new(model: &Transformer) -> Option<Self> {
        let config = &model.config;
        let layers = model.layers.iter().map(|layer| {
            Some(HostLayer {
                attention: optional(&layer.attention, HostAttention::of)?,
                feed_forward: optional(&layer.feed_forward, HostFeedForward::of)?,
            })
        });
        Some(Self {
            words: Weights::of(model.embeddings.words.val())?,
            head: optional(&model.lm_head, |table| Weights::of(table.val()))?,
            positions: optional(&model.embeddings.positions, |table| Weights::of(table.val()))?,
            layers: layers.collect::<Option<_>>()?,
            final_norm: HostNorm::of(model.final_norm.as_ref()?)?,
            rotary: config.decoder.as_ref()?.rotary,
            vocab: config.vocab_size,
            hidden: config.hidden,
            head_size: config.head_size,
        })
    }

    /// Takes over what was read.
    pub(super) fn begin(&mut self, cache: &Cache) {
        let size = self.head_size;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let Some((attention, [keys, values])) = layer.attention.as_mut().zip(cache.of_layer(index)) else {
                continue;
            };
            let parts = [keys, values].map(|tensor| {
                let longest = tensor.dims()[2];
                (Weights::of(tensor.clone()), longest)
            });
            let part = |which: usize, text: usize, unit: usize, units: usize, length: usize| {
                let (values, longest) = &parts[which];
                let start = (text * units + unit) * longest * size;
                values.as_ref().map_or(vec![], |values| values.values()[start..start + length * size].to_vec())
            };
            let units = attention.units;
            let heads = cache.lengths.iter().enumerate().flat_map(|(text, &n)| (0..units).map(move |u| (text, u, n)));
            attention.cache =
                heads.map(|(text, unit, n)| [0, 1].map(|which| part(which, text, unit, units, n))).collect();
        }
    }

    /// Logits `[texts, vocab]` after one more token of every text, which have so many before it.
    pub(super) fn step(&mut self, ids: &[i32], before: &[usize]) -> Vec<f32> {
        let (texts, d) = (ids.len(), self.hidden);
        #[cfg(not(target_family = "wasm"))]
        watch::keep();
        let row = |table: &Weights, index: usize| table.values()[index * d..(index + 1) * d].to_vec();
        let mut x: Vec<f32> = ids.iter().flat_map(|&id| row(&self.words, id as usize)).collect();
        if let Some(positions) = &self.positions {
            let places: Vec<f32> = before.iter().flat_map(|&n| row(positions, n)).collect();
            x.iter_mut().zip(places).for_each(|(x, place)| *x += place);
        }
        let angles = self.rotary.map(|rotary| rotary.table(self.head_size, before.iter().copied()));
        for layer in &mut self.layers {
            if let Some(attention) = &mut layer.attention {
                attention.add_to(&mut x, texts, angles.as_deref(), self.head_size);
            }
            if let Some(feed_forward) = &layer.feed_forward {
                feed_forward.add_to(&mut x, texts);
            }
        }
        self.final_norm.on(&mut x, d);
        with_rows(&x, texts, self.head.as_ref().unwrap_or(&self.words).values(), self.vocab)
    }
}

impl HostAttention {
    fn of(attention: &Attention) -> Option<Self> {
        let [query, key, value] = [&attention.query, &attention.key, &attention.value].map(HostLinear::of);
        let norms = |norms: &crate::HeadNorms| Some([HostNorm::of(&norms.query)?, HostNorm::of(&norms.key)?]);
        Some(Self {
            norm: HostNorm::of(&attention.norm)?,
            qkv: [query?, key?, value?],
            output: HostLinear::of(&attention.output)?,
            head_norms: optional(&attention.head_norms, norms)?,
            units: attention.heads(),
            cache: vec![],
        })
    }

    fn add_to(&mut self, x: &mut [f32], texts: usize, angles: Option<&[f32]>, size: usize) {
        let mut read = x.to_vec();
        self.norm.on(&mut read, x.len() / texts.max(1));
        let [mut q, mut k, v] = linears(&read, texts, self.qkv.each_ref().map(HostLinear::linear));
        if let Some([of_queries, of_keys]) = &self.head_norms {
            of_queries.on(&mut q, size);
            of_keys.on(&mut k, size);
        }
        if let Some(angles) = angles {
            for x in [&mut q, &mut k] {
                let width = x.len() / texts.max(1);
                turn(x, width, angles, size);
            }
        }
        for ((cache, k), v) in self.cache.iter_mut().zip(k.chunks_exact(size)).zip(v.chunks_exact(size)) {
            cache[0].extend_from_slice(k);
            cache[1].extend_from_slice(v);
        }
        let queries = q.chunks_exact((q.len() / (texts * self.units).max(1)).max(1));
        let heads = self.cache.iter().zip(queries);
        let heads = heads.map(|([keys, values], queries)| HeadOf { queries, keys, values });
        let context = attend(&heads.collect::<Vec<_>>(), size);
        add(x, &self.output.of_vectors(&context, texts));
    }
}

impl HostFeedForward {
    fn of(feed_forward: &FeedForward) -> Option<Self> {
        Some(Self {
            norm: HostNorm::of(&feed_forward.norm)?,
            gate: optional(&feed_forward.gate, HostLinear::of)?,
            up: HostLinear::of(&feed_forward.up)?,
            down: HostLinear::of(&feed_forward.down)?,
            activation: feed_forward.activation,
        })
    }

    fn add_to(&self, x: &mut [f32], texts: usize) {
        let mut read = x.to_vec();
        self.norm.on(&mut read, x.len() / texts.max(1));
        let h = match &self.gate {
            Some(gate) => {
                let [mut gate, up] = linears(&read, texts, [gate.linear(), self.up.linear()]);
                gate.iter_mut().zip(up).for_each(|(gate, up)| *gate = self.activation.of_one(*gate) * up);
                gate
            }
            None => {
                let mut h = self.up.of_vectors(&read, texts);
                h.iter_mut().for_each(|h| *h = self.activation.of_one(*h));
                h
            }
        };
        add(x, &self.down.of_vectors(&h, texts));
    }
}

impl HostLinear {
    fn of(linear: &AptLinear) -> Option<Self> {
        let bias = optional(&linear.bias, |bias| Weights::of(bias.val()))?;
        Some(Self { weight: Weights::of(linear.weight.val())?, bias, outputs: linear.dims()[1] })
    }

    fn linear(&self) -> Linear<'_> {
        let bias = self.bias.as_ref().map(Weights::values);
        Linear { weight: self.weight.values(), bias, outputs: self.outputs }
    }

    fn of_vectors(&self, x: &[f32], vectors: usize) -> Vec<f32> {
        let [y] = linears(x, vectors, [self.linear()]);
        y
    }
}

impl HostNorm {
    fn of(norm: &Norm) -> Option<Self> {
        let bias = optional(&norm.bias, |bias| Weights::of(bias.val()))?;
        Some(Self { weight: Weights::of(norm.weight.val())?, bias, eps: norm.eps as f32 })
    }

    /// Every `width` values by themselves.
    fn on(&self, x: &mut [f32], width: usize) {
        normalise(x, width, self.weight.values(), self.bias.as_ref().map(Weights::values), self.eps);
    }
}

/// `None` only where `of` says so of what is there.
fn optional<T, R>(part: &Option<T>, of: impl Fn(&T) -> Option<R>) -> Option<Option<R>> {
    match part {
        Some(part) => of(part).map(Some),
        None => Some(None),
    }
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
