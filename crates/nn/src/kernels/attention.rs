//! Attention as one operation: the context of a head is written where it belongs. Without autodiff the scores of a head live
//! in a buffer that stays in the cache; with it the weights are kept, but for those of the padding behind a sequence.

use super::gemm::{View, tensor};
use super::rows::{GradientPass, Pass, Softmax, values};
use super::tiles::{Panels, product, product_turned};
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

/// One sequence of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Rows, padding included.
    pub rows: usize,
    /// The first rows, which are looked at: leaving out the padding behind the last token changes nothing.
    pub keys: usize,
}

impl Span {
    /// The sequences of a padded batch: `padding` is `[batch, 1, 1, length]`.
    pub(super) fn of(padding: &FlexTensor) -> Vec<Self> {
        let rows = padding.layout().shape()[3];
        let padding = values(padding).chunks_exact(rows.max(1));
        let keys = |padding: &[f32]| padding.iter().rposition(|&p| p == 0.0).map_or(rows, |last| last + 1);
        padding.map(|padding| Self { rows, keys: keys(padding) }).collect()
    }

    /// Rows of weights as wide as whole vectors; what is too much weighs nothing.
    fn stride(self) -> usize {
        self.keys.next_multiple_of(VECTOR)
    }

    /// Values of the weights of a head.
    fn weights(self) -> usize {
        self.rows * self.stride()
    }
}

/// The operation with gradients, reachable from a tensor of any device.
#[backend_extension(Flex, Autodiff)]
pub(super) trait CpuAttention: Backend {
    /// `softmax(QKᵀ/√size + padding)·V` of every head; shapes as in [`super::attention()`].
    fn cpu_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self>;
}

/// What autodiff makes it of.
trait Parts: Backend {
    /// The context, and the weights of every sequence and head behind one another.
    fn parts(qkv: [FloatTensor<Self>; 3], spans: &[Span], heads: usize) -> (FloatTensor<Self>, Vec<f32>);
    /// The sequences of a padded batch.
    fn spans(padding: FloatTensor<Self>) -> Vec<Span>;
    /// ∂L/∂Q, ∂L/∂K and ∂L/∂V.
    fn gradients(gradient: FloatTensor<Self>, saved: Saved<Self>) -> [FloatTensor<Self>; 3];
}

#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    qkv: [FloatTensor<B>; 3],
    weights: Vec<f32>,
    spans: Vec<Span>,
    heads: usize,
}

impl CpuAttention for Flex {
    fn cpu_attention(q: FlexTensor, k: FlexTensor, v: FlexTensor, padding: FlexTensor, heads: usize) -> FlexTensor {
        let [q, k, v] = [q, k, v].map(|x| x.to_contiguous());
        forward([&q, &k, &v], &Self::spans(padding), heads, None)
    }
}

impl Parts for Flex {
    fn parts(qkv: [FlexTensor; 3], spans: &[Span], heads: usize) -> (FlexTensor, Vec<f32>) {
        let [q, k, v] = qkv.map(|x| x.to_contiguous());
        let mut weights = vec![0.0; heads * spans.iter().map(|span| span.weights()).sum::<usize>()];
        let context = forward([&q, &k, &v], spans, heads, Some(&mut weights));
        (context, weights)
    }

    fn spans(padding: FlexTensor) -> Vec<Span> {
        Span::of(&padding.to_contiguous())
    }

    fn gradients(gradient: FlexTensor, saved: Saved<Self>) -> [FlexTensor; 3] {
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
        let g = gradients.consume::<B>(&ops.node);
        let of = B::gradients(g, ops.state);
        for (parent, gradient) in ops.parents.into_iter().zip(of) {
            if let Some(node) = parent {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: CpuAttention + Parts, C: CheckpointStrategy> CpuAttention for Autodiff<B, C> {
    fn cpu_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        let ((q, of_q), (k, of_k), (v, of_v)) = (q.into_parts(), k.into_parts(), v.into_parts());
        let (padding, _) = padding.into_parts();
        match Attention.prepare::<C>([of_q, of_k, of_v]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let (qkv, spans) = ([q, k, v], B::spans(padding));
                let (context, weights) = B::parts(qkv.clone(), &spans, heads);
                tracked.finish(Saved { qkv, weights, spans, heads }, context)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_attention(q, k, v, padding, heads)),
        }
    }
}

/// `softmax(QKᵀ/√size)·V` of every sequence: `q`, `k`, `v` and the result are `[tokens, heads · size]`, contiguous. The
/// weights go into `kept`, if that is wanted.
pub(super) fn forward(
    [q, k, v]: [&FlexTensor; 3],
    spans: &[Span],
    heads: usize,
    mut kept: Option<&mut [f32]>,
) -> FlexTensor {
    let [tokens, width] = [0, 1].map(|dim| q.layout().shape()[dim]);
    let qkv = [q, k, v].map(values);
    let mut context = vec![0.0; tokens * width];
    let mut rest = context.as_mut_slice();
    let mut first = 0;
    let mut tasks = Vec::with_capacity(spans.len());
    for &span in spans {
        let context = take(&mut rest, span.rows * width);
        let weights = kept.as_mut().map(|kept| take(kept, heads * span.weights()));
        tasks.push(Forward { qkv: qkv.map(|values| &values[first * width..]), span, heads, width, context, weights });
        first += span.rows;
    }
    each(tasks);
    tensor(context, [tokens, width])
}

/// From ∂L/∂context, what [`forward`] read, and the weights that it kept: ∂L/∂Q, ∂L/∂K and ∂L/∂V.
fn backward(
    gradient: &FlexTensor,
    [q, k, v]: [&FlexTensor; 3],
    mut weights: &[f32],
    spans: &[Span],
    heads: usize,
) -> [FlexTensor; 3] {
    let [tokens, width] = [0, 1].map(|dim| q.layout().shape()[dim]);
    let read = [gradient, q, k, v].map(values);
    let mut of = [(); 3].map(|()| vec![0.0; tokens * width]);
    let mut rest = of.each_mut().map(Vec::as_mut_slice);
    let mut first = 0;
    let mut tasks = Vec::with_capacity(spans.len());
    for &span in spans {
        let of = rest.each_mut().map(|rest| take(rest, span.rows * width));
        let (own, behind) = weights.split_at(heads * span.weights());
        tasks.push(Back { read: read.map(|values| &values[first * width..]), weights: own, span, heads, width, of });
        (first, weights) = (first + span.rows, behind);
    }
    each(tasks);
    of.map(|values| tensor(values, [tokens, width]))
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
    heads: usize,
    width: usize,
    context: &'a mut [f32],
    weights: Option<&'a mut [f32]>,
}

impl<'a> WithSimd for Forward<'a> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { qkv, span, heads, width, context, mut weights } = self;
        let Span { rows, keys } = span;
        let (size, stride) = (width / heads.max(1), span.stride());
        let mut tail = vec![f32::NEG_INFINITY; stride];
        tail[..keys].fill(0.0);
        let softmax = Softmax { scale: scale(size), padding: &tail, rows_per_padding: rows };
        let mut scratch = vec![0.0; if weights.is_some() { 0 } else { span.weights() }];
        let mut panels = Panels::default();
        for head in 0..heads {
            let of = |values: &'a [f32], rows| View::new(&values[head * size..], rows, size, width);
            let [q, k, v] = [of(qkv[0], rows), of(qkv[1], keys), of(qkv[2], keys)];
            let scores = match &mut weights {
                Some(weights) => &mut weights[head * span.weights()..][..span.weights()],
                None => &mut scratch,
            };
            product(simd, (scores, stride), q, k.transposed(), &mut panels);
            for row in scores.chunks_exact_mut(stride) {
                Pass::row(softmax, 0, row);
            }
            let weights = View::new(scores, rows, keys, stride);
            product(simd, (&mut context[head * size..], width), weights, v, &mut panels);
        }
    }
}

/// Its gradients.
struct Back<'a> {
    /// ∂L/∂context, Q, K and V from the sequence's first row on.
    read: [&'a [f32]; 4],
    weights: &'a [f32],
    span: Span,
    heads: usize,
    width: usize,
    of: [&'a mut [f32]; 3],
}

impl<'a> WithSimd for Back<'a> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { read, weights, span, heads, width, of: [of_q, of_k, of_v] } = self;
        let Span { rows, keys } = span;
        let (size, stride) = (width / heads.max(1), span.stride());
        let softmax = Softmax { scale: scale(size), padding: &[], rows_per_padding: 1 };
        let mut of_weights = vec![0.0; span.weights()];
        let mut panels = Panels::default();
        for head in 0..heads {
            let at = head * size;
            let of = |values: &'a [f32], rows| View::new(&values[at..], rows, size, width);
            let [g, q, k, v] = [of(read[0], rows), of(read[1], rows), of(read[2], keys), of(read[3], keys)];
            let weights = &weights[head * span.weights()..][..span.weights()];
            product_turned(simd, (&mut of_v[at..], width), View::new(weights, rows, keys, stride), g, &mut panels);
            product(simd, (&mut of_weights, stride), g, v.transposed(), &mut panels);
            for (saved, gradient) in weights.chunks_exact(stride).zip(of_weights.chunks_exact_mut(stride)) {
                GradientPass::row(softmax, saved, gradient);
            }
            let of_scores = View::new(&of_weights, rows, keys, stride);
            product(simd, (&mut of_q[at..], width), of_scores, k, &mut panels);
            product_turned(simd, (&mut of_k[at..], width), of_scores, q, &mut panels);
        }
    }
}

/// 1/√size.
fn scale(size: usize) -> f32 {
    1.0 / (size as f32).sqrt()
}
