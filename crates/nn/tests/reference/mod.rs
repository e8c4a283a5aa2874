//! The transformer once more, as plain `f64` loops over a model's own weights: what tensors are held against, and what
//! finite differences move. Nothing here is shared with the crate but the order of its weights.
#![allow(dead_code)]

use apt_core::masks::Masks;
use apt_core::tokens::TokenBatch;
use apt_core::wiring::{Site, SubBlock};
use apt_nn::{Activation, AptLinear, Batch, Init, ModelConfig, Pooling, Positions, TapPoint, Transformer};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};

/// Row-major `[rows, cols]`.
#[derive(Clone)]
pub(crate) struct Matrix {
    pub cols: usize,
    pub v: Vec<f64>,
}

impl Matrix {
    pub(crate) fn rows(&self) -> usize {
        self.v.len() / self.cols
    }

    pub(crate) fn row(&self, r: usize) -> &[f64] {
        &self.v[r * self.cols..(r + 1) * self.cols]
    }

    pub(crate) fn times(&self, other: &Matrix) -> Matrix {
        let mut v = vec![0.0; self.rows() * other.cols];
        for r in 0..self.rows() {
            for (k, x) in self.row(r).iter().enumerate() {
                for (c, y) in other.row(k).iter().enumerate() {
                    v[r * other.cols + c] += x * y;
                }
            }
        }
        Matrix { cols: other.cols, v }
    }

    pub(crate) fn plus(&self, other: &Matrix) -> Matrix {
        Matrix { cols: self.cols, v: self.v.iter().zip(&other.v).map(|(a, b)| a + b).collect() }
    }

    pub(crate) fn each_row(&self, by: &[f64], f: impl Fn(f64, f64) -> f64) -> Matrix {
        let v = self.v.iter().enumerate().map(|(i, x)| f(*x, by[i % self.cols])).collect();
        Matrix { cols: self.cols, v }
    }

    /// Multiplied by `factors`, if there are any, entry by entry.
    fn dropped(&self, factors: Option<&Vec<f64>>) -> Matrix {
        match factors {
            Some(factors) => {
                assert_eq!(self.v.len(), factors.len(), "how many entries are dropped or not");
                Matrix { cols: self.cols, v: self.v.iter().zip(factors).map(|(x, f)| x * f).collect() }
            }
            None => self.clone(),
        }
    }

    pub(crate) fn transposed(&self) -> Matrix {
        let rows = self.rows();
        let v = (0..self.cols).flat_map(|c| (0..rows).map(move |r| self.v[r * self.cols + c])).collect();
        Matrix { cols: rows, v }
    }
}

/// The values of a tensor.
pub(crate) fn values<const D: usize>(t: &Tensor<D>) -> Vec<f64> {
    let data = t.to_data().convert::<f32>();
    data.try_into_vec::<f32>().expect("just converted").into_iter().map(f64::from).collect()
}

pub(crate) fn matrix(t: &Tensor<2>) -> Matrix {
    Matrix { cols: t.dims()[1], v: values(t) }
}

/// A linear layer with its adapter folded in: `[in, out]`.
#[derive(Clone)]
pub(crate) struct Linear {
    pub weight: Matrix,
    pub bias: Vec<f64>,
}

impl Linear {
    pub(crate) fn of(linear: &AptLinear) -> Self {
        let mut weight = matrix(&linear.weight.val());
        if let Some(adapter) = &linear.adapter {
            let delta = matrix(&adapter.a.val()).times(&matrix(&adapter.b.val()));
            weight.v.iter_mut().zip(&delta.v).for_each(|(w, d)| *w += adapter.scale * d);
        }
        let bias = linear.bias.as_ref().map_or_else(|| vec![0.0; weight.cols], |b| values(&b.val()));
        Self { weight, bias }
    }

    fn run(&self, x: &Matrix) -> Matrix {
        x.times(&self.weight).each_row(&self.bias, |y, b| y + b)
    }
}

#[derive(Clone)]
struct Norm {
    weight: Vec<f64>,
    /// `None` for a norm of the root mean square.
    bias: Option<Vec<f64>>,
    eps: f64,
}

impl Norm {
    fn of(norm: &apt_nn::Norm) -> Self {
        let bias = norm.bias.as_ref().map(|bias| values(&bias.val()));
        Self { weight: values(&norm.weight.val()), bias, eps: norm.eps }
    }

    /// What a decoder's sub-block reads: nothing of the dims that are not kept.
    fn before(&self, x: &Matrix, kept: &[bool]) -> Matrix {
        let kept_ones: Vec<f64> = kept.iter().map(|k| f64::from(*k)).collect();
        self.run(x, kept).each_row(&kept_ones, |x, k| x * k)
    }

    /// Of every head by itself.
    fn of_heads(&self, x: &Matrix) -> Matrix {
        let size = self.weight.len();
        let heads = self.run(&Matrix { cols: size, v: x.v.clone() }, &vec![true; size]);
        Matrix { cols: x.cols, v: heads.v }
    }

    /// Over the dims that are kept; the others are at the mean, so that only their bias is left for a mask to see.
    fn run(&self, x: &Matrix, kept: &[bool]) -> Matrix {
        let n = kept.iter().filter(|k| **k).count() as f64;
        let mut out = x.clone();
        for r in 0..x.rows() {
            let of_kept = |f: &dyn Fn(f64) -> f64| -> f64 {
                x.row(r).iter().zip(kept).filter(|(_, k)| **k).map(|(v, _)| f(*v)).sum::<f64>() / n
            };
            let mean = if self.bias.is_some() { of_kept(&|v| v) } else { 0.0 };
            let variance = of_kept(&|v| (v - mean).powi(2));
            for (c, &kept) in kept.iter().enumerate() {
                let z = if kept { (x.row(r)[c] - mean) / (variance + self.eps).sqrt() } else { 0.0 };
                out.v[r * x.cols + c] = z * self.weight[c] + self.bias.as_ref().map_or(0.0, |bias| bias[c]);
            }
        }
        out
    }
}

#[derive(Clone)]
struct Attend {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: Norm,
    head_norms: Option<[Norm; 2]>,
}

#[derive(Clone)]
struct Feed {
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
    norm: Norm,
}

/// Token ids, types and lengths of a padded batch.
pub(crate) struct Tokens {
    pub ids: Vec<i32>,
    pub types: Vec<i32>,
    pub lengths: Vec<usize>,
}

impl Tokens {
    /// Three sequences of different lengths, padded to five tokens.
    pub(crate) fn sample(config: &ModelConfig) -> Self {
        let (lengths, width) = (vec![5, 3, 4], 5);
        let vocab = config.vocab_size;
        let mut ids = Vec::new();
        for (row, &n) in lengths.iter().enumerate() {
            for i in 0..width {
                let id = if i < n { 2 + (row * 7 + i * 3) % (vocab - 2) } else { config.pad_id };
                ids.push(id as i32);
            }
        }
        let types = (0..ids.len()).map(|i| (i % width / 3 % config.type_vocab_size.max(1)) as i32).collect();
        Self { ids, types, lengths }
    }

    pub(crate) fn batch(&self, config: &ModelConfig, device: &Device) -> Batch {
        Batch::new(&self.padded(), config, device)
    }

    pub(crate) fn padded(&self) -> TokenBatch {
        TokenBatch { ids: self.ids.clone(), type_ids: self.types.clone(), lengths: self.lengths.clone() }
    }
}

/// Adds `by` to one value of an activation.
#[derive(Clone, Copy)]
pub(crate) struct Nudge {
    pub site: TapPoint,
    pub index: usize,
    pub by: f64,
}

/// What a pass saw.
pub(crate) struct Pass {
    pub logits: Vec<f64>,
    pub seen: Vec<(TapPoint, Matrix)>,
}

impl Pass {
    pub(crate) fn at(&self, site: TapPoint) -> &Matrix {
        &self.seen.iter().find(|(s, _)| *s == site).expect("the site was passed").1
    }
}

/// What dropout multiplies every entry of an activation by; what is not there is not dropped.
#[derive(Clone, Default)]
pub(crate) struct Factors {
    pub embeddings: Option<Vec<f64>>,
    /// By layer: attention weights `[batch, heads, queries, keys]`, and what the two sub-blocks add.
    pub layers: Vec<[Option<Vec<f64>>; 3]>,
    /// What the dense layer and the classifier read.
    pub head: [Option<Vec<f64>>; 2],
}

#[derive(Clone)]
pub(crate) struct Reference {
    pub factors: Factors,
    words: Matrix,
    positions: Option<Matrix>,
    types: Option<Matrix>,
    norm: Option<Norm>,
    layers: Vec<(Option<Attend>, Option<Feed>)>,
    dense: Option<Linear>,
    out: Option<Linear>,
    final_norm: Option<Norm>,
    unembedding: Option<Matrix>,
    config: ModelConfig,
}

impl Reference {
    pub(crate) fn of(model: &Transformer) -> Self {
        let head = model.head.as_ref();
        let layers = model.layers.iter().map(|layer| {
            let attend = layer.attention.as_ref().map(|a| Attend {
                query: Linear::of(&a.query),
                key: Linear::of(&a.key),
                value: Linear::of(&a.value),
                output: Linear::of(&a.output),
                norm: Norm::of(&a.norm),
                head_norms: a.head_norms.as_ref().map(|norms| [Norm::of(&norms.query), Norm::of(&norms.key)]),
            });
            let feed = layer.feed_forward.as_ref().map(|f| Feed {
                gate: f.gate.as_ref().map(Linear::of),
                up: Linear::of(&f.up),
                down: Linear::of(&f.down),
                norm: Norm::of(&f.norm),
            });
            (attend, feed)
        });
        Self {
            factors: Factors { layers: vec![Default::default(); model.layers.len()], ..Factors::default() },
            words: matrix(&model.embeddings.words.val()),
            positions: model.embeddings.positions.as_ref().map(|positions| matrix(&positions.val())),
            types: model.embeddings.types.as_ref().map(|types| matrix(&types.val())),
            norm: model.embeddings.norm.as_ref().map(Norm::of),
            layers: layers.collect(),
            dense: head.and_then(|head| head.dense.as_ref()).map(Linear::of),
            out: head.map(|head| Linear::of(&head.out)),
            final_norm: model.final_norm.as_ref().map(Norm::of),
            unembedding: model
                .config
                .decoder
                .as_ref()
                .map(|_| matrix(&model.lm_head.as_ref().unwrap_or(&model.embeddings.words).val()).transposed()),
            config: model.config.clone(),
        }
    }

    /// The weight `[in, out]` of a linear layer, adapter included.
    pub(crate) fn weight_mut(&mut self, layer: usize, site: Site) -> Option<&mut Matrix> {
        let (attend, feed) = &mut self.layers[layer];
        let linear = match site {
            Site::Query => &mut attend.as_mut()?.query,
            Site::Key => &mut attend.as_mut()?.key,
            Site::Value => &mut attend.as_mut()?.value,
            Site::Output => &mut attend.as_mut()?.output,
            Site::Up => &mut feed.as_mut()?.up,
            Site::Down => &mut feed.as_mut()?.down,
            Site::Gate => feed.as_mut()?.gate.as_mut()?,
        };
        Some(&mut linear.weight)
    }

    /// `kept` are the masks that decide what counts in norms and which blocks are skipped; `masks` are their values.
    pub(crate) fn run(&self, tokens: &Tokens, kept: &Masks, masks: &Masks, nudge: Option<Nudge>) -> Pass {
        let alive: Vec<bool> = kept.hidden.iter().map(|m| *m > 0.0).collect();
        let mask = |x: &Matrix| x.each_row(&masks.hidden, |x, m| x * m);
        let norm = |norm: &Norm, x: &Matrix| mask(&norm.run(x, &alive));
        let mut seen = Vec::new();
        let mut see = |site: TapPoint, mut x: Matrix| {
            if let Some(nudge) = nudge.filter(|n| n.site == site) {
                x.v[nudge.index] += nudge.by;
            }
            seen.push((site, x.clone()));
            x
        };
        let mut x = mask(&self.embed(tokens));
        if let Some(first) = &self.norm {
            x = norm(first, &x);
        }
        let mut x = x.dropped(self.factors.embeddings.as_ref());
        let decoder = self.unembedding.is_some();
        let group = self.group();
        for (i, (attend, feed)) in self.layers.iter().enumerate() {
            let [of_weights, of_attend, of_feed] = self.factors.layers[i].each_ref().map(Option::as_ref);
            let any = |masks: &[f64]| masks.iter().any(|m| *m > 0.0);
            if let Some(a) = attend.as_ref().filter(|_| any(&kept.heads[i])) {
                let read = if decoder { a.norm.before(&x, &alive) } else { x.clone() };
                let branch = see(TapPoint::Input(SubBlock::Attention, i), read);
                let size = self.config.head_size * group;
                let heads: Vec<f64> = masks.heads[i].iter().flat_map(|m| vec![*m; size]).collect();
                let context = self.context(a, &branch, tokens, of_weights).each_row(&heads, |c, m| c * m);
                let context = see(TapPoint::Activation(SubBlock::Attention, i), context);
                let added = see(TapPoint::Added(SubBlock::Attention, i), a.output.run(&context));
                x = match decoder {
                    true => mask(&x.plus(&added.dropped(of_attend))),
                    false => norm(&a.norm, &x.plus(&mask(&added).dropped(of_attend))),
                };
            }
            if let Some(f) = feed.as_ref().filter(|_| any(&kept.neurons[i])) {
                let read = if decoder { f.norm.before(&x, &alive) } else { x.clone() };
                let branch = see(TapPoint::Input(SubBlock::FeedForward, i), read);
                let mut h = f.gate.as_ref().unwrap_or(&f.up).run(&branch);
                h.v.iter_mut().for_each(|v| *v = activate(*v, self.config.activation));
                if f.gate.is_some() {
                    h.v.iter_mut().zip(f.up.run(&branch).v).for_each(|(h, up)| *h *= up);
                }
                let h =
                    see(TapPoint::Activation(SubBlock::FeedForward, i), h).each_row(&masks.neurons[i], |h, m| h * m);
                let added = see(TapPoint::Added(SubBlock::FeedForward, i), f.down.run(&h));
                x = match decoder {
                    true => mask(&x.plus(&added.dropped(of_feed))),
                    false => norm(&f.norm, &x.plus(&mask(&added).dropped(of_feed))),
                };
            }
        }
        if let Some((last, table)) = self.final_norm.as_ref().zip(self.unembedding.as_ref()) {
            return Pass { logits: last.before(&x, &alive).times(table).v, seen };
        }
        let x = see(TapPoint::Output, x);
        let length = tokens.ids.len() / tokens.lengths.len();
        let mean = self.config.head.is_some_and(|head| head.pooling == Pooling::Mean);
        let read = tokens.lengths.iter().enumerate().flat_map(|(b, &real)| {
            let of = if mean { real } else { 1 };
            let entry = |c: usize| (0..of).map(|i| x.row(b * length + i)[c]).sum::<f64>() / of as f64;
            (0..x.cols).map(entry).collect::<Vec<f64>>()
        });
        let [of_read, of_pooled] = self.factors.head.each_ref().map(Option::as_ref);
        let mut pooled = Matrix { cols: x.cols, v: read.collect() }.dropped(of_read);
        if let Some(dense) = &self.dense {
            pooled = dense.run(&pooled);
            let activation = self.config.family.spec().head.activation;
            pooled.v.iter_mut().for_each(|v| *v = activate(*v, activation));
        }
        let out = self.out.as_ref().expect("an encoder of these tests has a head");
        Pass { logits: out.run(&pooled.dropped(of_pooled)).v, seen }
    }

    /// Query heads of a unit.
    fn group(&self) -> usize {
        self.config.decoder.as_ref().map_or(1, |decoder| decoder.queries_per_key)
    }

    fn embed(&self, tokens: &Tokens) -> Matrix {
        let length = tokens.ids.len() / tokens.lengths.len();
        let mut v = Vec::new();
        for (t, (&id, &kind)) in tokens.ids.iter().zip(&tokens.types).enumerate() {
            let (at, real) = (t % length, t % length < tokens.lengths[t / length]);
            let spec = self.config.family.spec();
            let position = match (spec.positions, real) {
                (Positions::FromZero, true) => at,
                (Positions::FromZero, false) => 0,
                (Positions::AfterPadding, true) => self.config.pad_id + at + 1,
                (Positions::AfterPadding, false) => self.config.pad_id,
            };
            for c in 0..self.words.cols {
                let kind = self.types.as_ref().map_or(0.0, |types| types.row(kind as usize)[c]);
                let place = self.positions.as_ref().map_or(0.0, |positions| positions.row(position)[c]);
                v.push(self.words.row(id as usize)[c] + place + kind);
            }
        }
        Matrix { cols: self.words.cols, v }
    }

    fn context(&self, a: &Attend, x: &Matrix, tokens: &Tokens, factors: Option<&Vec<f64>>) -> Matrix {
        let (mut q, mut k, v) = (a.query.run(x), a.key.run(x), a.value.run(x));
        let (size, length) = (self.config.head_size, tokens.ids.len() / tokens.lengths.len());
        if let Some([queries, keys]) = &a.head_norms {
            (q, k) = (queries.of_heads(&q), keys.of_heads(&k));
        }
        if let Some(rotary) = self.config.decoder.as_ref().and_then(|decoder| decoder.rotary) {
            let frequencies = rotary.frequencies(size);
            let turned = |x: &Matrix| {
                let mut out = x.clone();
                for (at, out) in out.v.iter_mut().enumerate() {
                    let (row, dim) = (at / x.cols, at % size);
                    let (pair, other) = (dim % (size / 2), (dim + size / 2) % size);
                    let angle = (row % length) as f64 * frequencies[pair];
                    let sign = if dim < size / 2 { -1.0 } else { 1.0 };
                    *out = x.v[at] * angle.cos() + sign * x.v[at - dim + other] * angle.sin();
                }
                out
            };
            (q, k) = (turned(&q), turned(&k));
        }
        let (group, causal) = (self.group(), self.config.decoder.is_some());
        let mut out = Matrix { cols: q.cols, v: vec![0.0; q.v.len()] };
        for (b, &real) in tokens.lengths.iter().enumerate() {
            for start in (0..q.cols).step_by(size) {
                for i in 0..length {
                    let dims = start..start + size;
                    let unit = start / size / group * size;
                    let scores: Vec<f64> = (0..if causal { i + 1 } else { real })
                        .map(|j| {
                            let key = &k.row(b * length + j)[unit..unit + size];
                            let pairs = q.row(b * length + i)[dims.clone()].iter().zip(key);
                            (pairs.map(|(q, k)| q * k).sum::<f64>() / (size as f64).sqrt()).exp()
                        })
                        .collect();
                    let total: f64 = scores.iter().sum();
                    let row = ((b * (q.cols / size) + start / size) * length + i) * length;
                    let factor = |j: usize| factors.map_or(1.0, |factors| factors[row + j]);
                    for d in dims {
                        let of_key = |(j, s): (usize, &f64)| s * factor(j) * v.row(b * length + j)[unit + d - start];
                        let sum: f64 = scores.iter().enumerate().map(of_key).sum();
                        out.v[(b * length + i) * q.cols + d] = sum / total;
                    }
                }
            }
        }
        out
    }
}

fn activate(x: f64, by: Activation) -> f64 {
    match by {
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluNew => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Silu => x / (1.0 + (-x).exp()),
    }
}

/// The Maclaurin series, good to 1e-10 where it is used.
fn erf(x: f64) -> f64 {
    if x.abs() > 4.5 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..120 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// Moves every value of `model` by N(0, `std`²): no zero biases, no norms of one, no empty B.
pub(crate) fn shaken(model: Transformer, init: &mut Init, std: f32) -> Transformer {
    model.map(&mut Shake { init, std })
}

struct Shake<'a> {
    init: &'a mut Init,
    std: f32,
}

impl ModuleMapper for Shake<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let on = param.is_require_grad();
        let moved = param.val().detach() + self.init.normal(param.dims(), self.std);
        Param::from_tensor(moved.detach()).set_require_grad(on)
    }
}

/// Asserts that `ours` is within `tolerance` of `expected`, relative to the largest of it.
#[track_caller]
pub(crate) fn close(what: &str, ours: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), expected.len(), "{what}: how many numbers");
    let scale = expected.iter().fold(1e-12_f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * scale,
            "{what} [{i}]: {a} here, {b} expected (largest {scale:.3e}, tolerance {tolerance:.0e})"
        );
    }
}
