//! Attention as one operation: the scores of a head live in a buffer that stays in the cache, and the context is written
//! where it belongs. For passes without autodiff, which need not keep the weights.

use super::gemm::{View, product, tensor};
use super::rows::{Softmax, by_slice, values};
use burn::backend::flex::FlexTensor;

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
        let mut scores = vec![0.0; length * length];
        let softmax = Softmax {
            scale: 1.0 / (size as f32).sqrt(),
            padding: &padding[index * length..][..length],
            rows_per_padding: length,
        };
        for head in 0..heads {
            let at = index * length * width + head * size;
            let of = |values| View::new(slice(values, at), length, size, width);
            product(&mut scores, length, of(q), of(k).transposed(), false, false);
            by_slice(&mut scores, length, softmax);
            product(
                &mut context[head * size..],
                width,
                View::new(&scores, length, length, length),
                of(v),
                false,
                false,
            );
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
