//! Attention as one operation: the scores of a head live in a buffer that stays in the cache, and the context is written
//! where it belongs. For passes without autodiff, which need not keep the weights.

use super::gemm::{View, product, tensor};
use super::rows::{Softmax, by_slice, values};
use burn::backend::flex::FlexTensor;

/// Values in the widest vector.
const VECTOR: usize = 16;

/// `softmax(QKᵀ/√size + padding)·V`: `q`, `k`, `v` and the result are `[batch · length, heads · size]`, `padding` is
/// `[batch, 1, 1, length]`; all contiguous.
pub(super) fn forward(
    q: &FlexTensor,
    k: &FlexTensor,
    v: &FlexTensor,
    padding: &FlexTensor,
    heads: usize,
) -> FlexTensor {
    let (length, width) = (padding.layout().shape()[3], q.layout().shape()[1]);
    let tokens = q.layout().shape()[0];
    let size = width / heads.max(1);
    let (q, k, v, padding) = (values(q), values(k), values(v), values(padding));
    let mut context = vec![0.0; tokens * width];
    let sequence = |index: usize, context: &mut [f32]| {
        let padding = &padding[index * length..][..length];
        // Keys behind the last token have no weight: leaving them out changes nothing.
        let keys = padding.iter().rposition(|&p| p == 0.0).map_or(length, |last| last + 1);
        // Rows as wide as whole vectors; what is too much weighs nothing.
        let stride = keys.next_multiple_of(VECTOR);
        let mut tail = vec![f32::NEG_INFINITY; stride];
        tail[..keys].copy_from_slice(&padding[..keys]);
        let softmax = Softmax { scale: 1.0 / (size as f32).sqrt(), padding: &tail, rows_per_padding: length };
        let mut scores = vec![0.0; length * stride];
        for head in 0..heads {
            let at = index * length * width + head * size;
            let of = |values, rows| View::new(slice(values, at), rows, size, width);
            product(&mut scores, stride, of(q, length), of(k, keys).transposed(), false);
            by_slice(&mut scores, stride, softmax);
            let weights = View::new(&scores, length, keys, stride);
            product(&mut context[head * size..], width, weights, of(v, keys), false);
        }
    };
    let one = (length * width).max(1);
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        context.par_chunks_mut(one).enumerate().for_each(|(index, context)| sequence(index, context));
    }
    #[cfg(target_family = "wasm")]
    context.chunks_mut(one).enumerate().for_each(|(index, context)| sequence(index, context));
    tensor(context, [tokens, width])
}

fn slice(values: &[f32], from: usize) -> &[f32] {
    &values[from.min(values.len())..]
}
