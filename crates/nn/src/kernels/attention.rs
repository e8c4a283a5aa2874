//! Attention as one operation: the scores of a head live in a buffer that stays in the cache, and the context is written
//! where it belongs. For passes without autodiff, which need not keep the weights.

use super::gemm::{View, tensor};
use super::rows::{Pass, Softmax, values};
use super::tiles::product;
use burn::backend::flex::FlexTensor;
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
}

/// `softmax(QKᵀ/√size)·V` of every sequence: `q`, `k`, `v` and the result are `[tokens, heads · size]`, contiguous.
pub(super) fn forward([q, k, v]: [&FlexTensor; 3], spans: &[Span], heads: usize) -> FlexTensor {
    let [tokens, width] = [0, 1].map(|dim| q.layout().shape()[dim]);
    let qkv = [q, k, v].map(values);
    let mut context = vec![0.0; tokens * width];
    let mut rest = context.as_mut_slice();
    let mut first = 0;
    let mut tasks = Vec::with_capacity(spans.len());
    for span in spans {
        let (context, behind) = rest.split_at_mut(span.rows * width);
        tasks.push(Sequence { qkv: qkv.map(|values| &values[first * width..]), span: *span, heads, width, context });
        (first, rest) = (first + span.rows, behind);
    }
    let arch = Arch::new();
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        tasks.into_par_iter().for_each(|sequence| arch.dispatch(sequence));
    }
    #[cfg(target_family = "wasm")]
    tasks.into_iter().for_each(|sequence| arch.dispatch(sequence));
    tensor(context, [tokens, width])
}

/// The attention of one sequence: Q, K and V from its first row on.
struct Sequence<'a> {
    qkv: [&'a [f32]; 3],
    span: Span,
    heads: usize,
    width: usize,
    context: &'a mut [f32],
}

impl<'a> WithSimd for Sequence<'a> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { qkv, span: Span { rows, keys }, heads, width, context } = self;
        let size = width / heads.max(1);
        // Rows as wide as whole vectors; what is too much weighs nothing.
        let stride = keys.next_multiple_of(VECTOR);
        let mut tail = vec![f32::NEG_INFINITY; stride];
        tail[..keys].fill(0.0);
        let softmax = Softmax { scale: 1.0 / (size as f32).sqrt(), padding: &tail, rows_per_padding: rows };
        let (mut scores, mut panel) = (vec![0.0; rows * stride], Vec::new());
        for head in 0..heads {
            let of = |values: &'a [f32], rows| View::new(&values[head * size..], rows, size, width);
            let [q, k, v] = [of(qkv[0], rows), of(qkv[1], keys), of(qkv[2], keys)];
            product(simd, (&mut scores, stride), q, k.transposed(), &mut panel);
            for row in scores.chunks_exact_mut(stride) {
                softmax.row(0, row);
            }
            let weights = View::new(&scores, rows, keys, stride);
            product(simd, (&mut context[head * size..], width), weights, v, &mut panel);
        }
    }
}
