//! Attention as one operation: the context of a head is written where it belongs. Without autodiff the scores of a head live
//! in a buffer that stays in the cache; with it the weights are kept, but for those of the padding behind a sequence. A
//! decoder's queries are taken a few at a time, forward and backward, with the keys before the last of them alone.

use super::Heads;
use super::cpu::give;
use super::gemm::{View, tensor};
use super::rows::{GradientPass, Pass, Softmax, values};
use super::tiles::{Panels, product};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};
use pulp::{Arch, Simd, WithSimd};

/// Values in the widest vector.
const VECTOR: usize = 16;
/// Queries of a decoder that are taken at a time.
const QUERIES: usize = 48;

/// One sequence of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// Rows of keys and values, padding included.
    pub rows: usize,
    /// The first rows, which are looked at: leaving out the padding behind the last token changes nothing.
    pub keys: usize,
    /// Rows of queries: as many, or one if nothing is asked but what the first token sees.
    pub queries: usize,
}

impl Span {
    /// So many rows that all look at the first `keys`.
    pub(crate) fn new(rows: usize, keys: usize) -> Self {
        Self { rows, keys, queries: rows }
    }

    /// With the query of the first token alone.
    pub(crate) fn first(self) -> Self {
        Self { queries: self.queries.min(1), ..self }
    }

    /// As these heads see it: of a decoder only padding sees what is behind the last token, and scores are summed over
    /// padding, too.
    fn seen_by(self, heads: Heads) -> Self {
        if heads.causal { Self { keys: self.rows, ..self } } else { self }
    }

    /// Rows of weights as wide as whole vectors; what is too much weighs nothing.
    fn stride(self) -> usize {
        self.keys.next_multiple_of(VECTOR)
    }

    /// Values of the weights of a head.
    fn weights(self) -> usize {
        self.queries * self.stride()
    }
}

/// The operation with gradients, reachable from a tensor of any device.
#[backend_extension(Flex, Autodiff)]
pub(super) trait CpuAttention: Backend {
    /// `softmax(QKᵀ/√size)·V` of every head, over the keys of each sequence; shapes as in [`super::attention()`].
    fn cpu_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        spans: Vec<Span>,
        heads: Heads,
    ) -> FloatTensor<Self>;
}

/// What autodiff makes it of.
trait Parts: Backend {
    /// The context, and the weights of every sequence and head behind one another.
    fn parts(qkv: [FloatTensor<Self>; 3], spans: &[Span], heads: Heads) -> (FloatTensor<Self>, Vec<f32>);
    /// ∂L/∂Q, ∂L/∂K and ∂L/∂V.
    fn gradients(saved: Saved<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 3];
}

#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    qkv: [FloatTensor<B>; 3],
    weights: Vec<f32>,
    spans: Vec<Span>,
    heads: Heads,
}

impl CpuAttention for Flex {
    fn cpu_attention(q: FlexTensor, k: FlexTensor, v: FlexTensor, spans: Vec<Span>, heads: Heads) -> FlexTensor {
        let [q, k, v] = [q, k, v].map(|x| x.to_contiguous());
        let spans: Vec<Span> = spans.into_iter().map(|span| span.seen_by(heads)).collect();
        forward([&q, &k, &v], &spans, heads, None)
    }
}

impl Parts for Flex {
    fn parts(qkv: [FlexTensor; 3], spans: &[Span], heads: Heads) -> (FlexTensor, Vec<f32>) {
        let [q, k, v] = qkv.map(|x| x.to_contiguous());
        let mut weights = vec![0.0; heads.queries() * spans.iter().map(|span| span.weights()).sum::<usize>()];
        let context = forward([&q, &k, &v], spans, heads, Some(&mut weights));
        (context, weights)
    }

    fn gradients(saved: Saved<Self>, gradient: FlexTensor) -> [FlexTensor; 3] {
        let Saved { qkv, weights, spans, heads } = saved;
        let [q, k, v] = qkv.map(|x| x.to_contiguous());
        backward(&gradient.to_contiguous(), [&q, &k, &v], &weights, &spans, heads)
    }
}

#[derive(Debug)]
struct Attention;

impl<B: Parts> Backward<B, 3> for Attention {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        give::<B, _, 3>(ops, gradients, B::gradients);
    }
}

impl<B: CpuAttention + Parts, C: CheckpointStrategy> CpuAttention for Autodiff<B, C> {
    fn cpu_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        spans: Vec<Span>,
        heads: Heads,
    ) -> FloatTensor<Self> {
        let ((q, of_q), (k, of_k), (v, of_v)) = (q.into_parts(), k.into_parts(), v.into_parts());
        match Attention.prepare::<C>([of_q, of_k, of_v]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let (qkv, spans) = ([q, k, v], spans.into_iter().map(|span| span.seen_by(heads)).collect::<Vec<_>>());
                let (context, weights) = B::parts(qkv.clone(), &spans, heads);
                tracked.finish(Saved { qkv, weights, spans, heads }, context)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_attention(q, k, v, spans, heads)),
        }
    }
}

/// `softmax(QKᵀ/√size)·V` of every sequence: `q` and the result are `[tokens, units · group · size]`, `k` and `v`
/// `[tokens, units · size]`, all contiguous. The weights go into `kept`, if that is wanted.
fn forward([q, k, v]: [&FlexTensor; 3], spans: &[Span], heads: Heads, mut kept: Option<&mut [f32]>) -> FlexTensor {
    let [queries, width] = [0, 1].map(|dim| q.layout().shape()[dim]);
    let widths = [width, k.layout().shape()[1]];
    let qkv = [q, k, v].map(values);
    let mut context = vec![0.0; queries * width];
    let mut rest = context.as_mut_slice();
    // The first row of the sequence, of queries and of keys.
    let [mut of_q, mut of_k] = [0, 0];
    let mut tasks = Vec::with_capacity(spans.len());
    for &span in spans {
        let context = take(&mut rest, span.queries * width);
        let weights = kept.as_mut().map(|kept| take(kept, heads.queries() * span.weights()));
        let [q, k, v] = qkv;
        let qkv = [&q[of_q * widths[0]..], &k[of_k * widths[1]..], &v[of_k * widths[1]..]];
        tasks.push(Forward { qkv, span, heads, widths, context, weights });
        (of_q, of_k) = (of_q + span.queries, of_k + span.rows);
    }
    each(tasks);
    tensor(context, [queries, width])
}

/// From ∂L/∂context, what [`forward`] read, and the weights that it kept: ∂L/∂Q, ∂L/∂K and ∂L/∂V.
fn backward(
    gradient: &FlexTensor,
    [q, k, v]: [&FlexTensor; 3],
    mut weights: &[f32],
    spans: &[Span],
    heads: Heads,
) -> [FlexTensor; 3] {
    let [queries, tokens] = [q, k].map(|x| x.layout().shape()[0]);
    let widths = [q, k].map(|x| x.layout().shape()[1]);
    let [of_queries, of_keys] = widths;
    let sizes = [queries * of_queries, tokens * of_keys, tokens * of_keys];
    let (mut of, read) = (sizes.map(|size| vec![0.0; size]), [gradient, q, k, v].map(values));
    let mut rest = of.each_mut().map(Vec::as_mut_slice);
    // The first row of the sequence, of queries and of keys.
    let [mut first_query, mut first] = [0, 0];
    let mut tasks = Vec::with_capacity(spans.len());
    for &span in spans {
        let [of_q, of_k, of_v] = &mut rest;
        let of =
            [take(of_q, span.queries * of_queries), take(of_k, span.rows * of_keys), take(of_v, span.rows * of_keys)];
        let (own, behind) = weights.split_at(heads.queries() * span.weights());
        let [g, q, k, v] = read;
        let asked = first_query * of_queries;
        let read = [&g[asked..], &q[asked..], &k[first * of_keys..], &v[first * of_keys..]];
        tasks.push(Back { read, weights: own, span, heads, widths, of });
        (first_query, first, weights) = (first_query + span.queries, first + span.rows, behind);
    }
    each(tasks);
    let [of_q, of_k, of_v] = of;
    [tensor(of_q, [queries, of_queries]), tensor(of_k, [tokens, of_keys]), tensor(of_v, [tokens, of_keys])]
}

/// The first `n` values, which `rest` loses.
fn take<'a>(rest: &mut &'a mut [f32], n: usize) -> &'a mut [f32] {
    let (taken, behind) = std::mem::take(rest).split_at_mut(n);
    *rest = behind;
    taken
}

/// Every sequence, on all threads.
fn each<T: WithSimd<Output = ()> + Send>(tasks: Vec<T>) {
    let arch = Arch::new();
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        tasks.into_par_iter().for_each(|sequence| arch.dispatch(sequence));
    }
    #[cfg(target_family = "wasm")]
    tasks.into_iter().for_each(|sequence| arch.dispatch(sequence));
}

/// The attention of one sequence: Q, K and V from its first row on.
struct Forward<'a> {
    qkv: [&'a [f32]; 3],
    span: Span,
    heads: Heads,
    /// Of a row of queries and of keys.
    widths: [usize; 2],
    context: &'a mut [f32],
    weights: Option<&'a mut [f32]>,
}

impl<'a> WithSimd for Forward<'a> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { qkv: [q, k, v], span, heads, widths: [width, of_keys], context, mut weights } = self;
        let Span { keys: all, queries: rows, .. } = span;
        let Heads { units, group, causal } = heads;
        let size = of_keys / units.max(1);
        let (scale, widest) = (scale(size), span.stride());
        let mut tail = vec![f32::NEG_INFINITY; widest];
        tail[..all].fill(0.0);
        let at_once = if causal { QUERIES } else { rows.max(1) };
        let mut scratch = vec![0.0; if weights.is_some() { 0 } else { at_once.min(rows) * widest }];
        let mut panels = Panels::default();
        for head in 0..units * group {
            for first in (0..rows).step_by(at_once) {
                let end = (first + at_once).min(rows);
                let keys = if causal { end.min(all) } else { all };
                // Weights that are kept have rows of one length, and zeros where nothing is written.
                let (scores, stride) = match &mut weights {
                    Some(weights) => (&mut weights[head * span.weights() + first * widest..], widest),
                    None => (scratch.as_mut_slice(), keys.next_multiple_of(VECTOR)),
                };
                let of = |values: &'a [f32]| View::new(&values[head / group * size..], keys, size, of_keys);
                let queries = View::new(&q[first * width + head * size..], end - first, size, width);
                product(simd, (scores, stride), queries, of(k).transposed(), &mut panels);
                for (row, scores) in scores.chunks_exact_mut(stride).take(end - first).enumerate() {
                    if causal {
                        let seen = (first + row + 1).min(keys);
                        let softmax = Softmax { scale, padding: &[], rows_per_padding: 1 };
                        Pass::row(softmax, 0, &mut scores[..seen]);
                        scores[seen..keys].fill(0.0);
                    } else {
                        Pass::row(Softmax { scale, padding: &tail, rows_per_padding: rows }, 0, scores);
                    }
                }
                let weights = View::new(scores, end - first, keys, stride);
                product(simd, (&mut context[first * width + head * size..], width), weights, of(v), &mut panels);
            }
        }
    }
}

/// Its gradients.
struct Back<'a> {
    /// ∂L/∂context, Q, K and V from the sequence's first row on.
    read: [&'a [f32]; 4],
    weights: &'a [f32],
    span: Span,
    heads: Heads,
    /// Of a row of queries and of keys.
    widths: [usize; 2],
    of: [&'a mut [f32]; 3],
}

impl<'a> WithSimd for Back<'a> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { read: [g, q, k, v], weights, span, heads, widths: [width, of_keys], of: [of_q, of_k, of_v] } = self;
        let Span { keys, queries: rows, .. } = span;
        let size = of_keys / heads.units.max(1);
        let stride = span.stride();
        let softmax = Softmax { scale: scale(size), padding: &[], rows_per_padding: 1 };
        let at_once = if heads.causal { QUERIES.min(rows) } else { rows }.max(1);
        let (mut of_weights, mut of_unit) = (vec![0.0; at_once * stride], vec![0.0; keys * size]);
        let mut panels = Panels::default();
        for head in 0..heads.queries() {
            let (at, unit) = (head * size, head / heads.group * size);
            let weights = &weights[head * span.weights()..][..span.weights()];
            for first in (0..rows).step_by(at_once) {
                let end = (first + at_once).min(rows);
                // The keys that one of these queries sees.
                let seen = if heads.causal { end.min(keys) } else { keys };
                let of_head = |values: &'a [f32]| View::new(&values[first * width + at..], end - first, size, width);
                let of = |values: &'a [f32]| View::new(&values[unit..], seen, size, of_keys);
                let ([g, q], [k, v]) = ([g, q].map(of_head), [k, v].map(of));
                let weights = &weights[first * stride..end * stride];
                let kept = View::new(weights, end - first, seen, stride);
                product(simd, (&mut of_unit, size), kept.transposed(), g, &mut panels);
                add(&of_unit[..seen * size], size, &mut of_v[unit..], of_keys);
                product(simd, (&mut of_weights, stride), g, v.transposed(), &mut panels);
                for (saved, gradient) in weights.chunks_exact(stride).zip(of_weights.chunks_exact_mut(stride)) {
                    GradientPass::row(softmax, &saved[..seen], &mut gradient[..seen]);
                }
                let of_scores = View::new(&of_weights, end - first, seen, stride);
                product(simd, (&mut of_q[first * width + at..], width), of_scores, k, &mut panels);
                product(simd, (&mut of_unit, size), of_scores.transposed(), q, &mut panels);
                add(&of_unit[..seen * size], size, &mut of_k[unit..], of_keys);
            }
        }
    }
}

/// Adds rows of `size` to those of `out`, which lie `stride` apart: the query heads of a unit share its keys and values.
#[inline(always)]
fn add(values: &[f32], size: usize, out: &mut [f32], stride: usize) {
    for (values, out) in values.chunks_exact(size).zip(out.chunks_mut(stride)) {
        out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
    }
}

/// 1/√size.
fn scale(size: usize) -> f32 {
    1.0 / (size as f32).sqrt()
}
