//! Logits of a batch as fast as the device gives them. On the CPU nothing is computed for padding, and each thread takes a
//! share of the sequences through the whole model: a step through one layer is too short to be worth sharing out.

use crate::{Batch, NnError, Transformer};
use apt_core::tokens::TokenBatch;
use burn::tensor::{Device, Tensor};
#[cfg(not(target_family = "wasm"))]
use std::ops::Range;

/// Fewest tokens of a thread's share.
#[cfg(not(target_family = "wasm"))]
const SHARE: usize = 64;

/// Logits `[sequences, labels]` of `tokens` by `model`, which must be without autodiff, on `device`.
///
/// # Errors
/// [`NnError::Config`] when the model has no classification head.
pub fn logits(model: &Transformer, tokens: &TokenBatch, device: &Device) -> Result<Tensor<2>, NnError> {
    let of = |batch: &Batch| model.logits(batch, None);
    #[cfg(not(target_family = "wasm"))]
    if crate::kernels::is_cpu(device) {
        use rayon::prelude::*;
        let share = |rows: Range<usize>| of(&Batch::packed(&tokens.rows(rows), &model.config, device));
        let shares = shares(&tokens.lengths, rayon::current_num_threads());
        if shares.len() > 1 {
            let parts: Result<Vec<_>, _> = shares.into_par_iter().map(share).collect();
            return Ok(Tensor::cat(parts?, 0));
        }
    }
    of(&Batch::packed(tokens, &model.config, device))
}

/// Runs of sequences with about as many tokens each, one for every thread that is worth its while.
#[cfg(not(target_family = "wasm"))]
fn shares(lengths: &[usize], threads: usize) -> Vec<Range<usize>> {
    let tokens: usize = lengths.iter().sum();
    let count = threads.min(tokens / SHARE).max(1);
    let mut shares = Vec::with_capacity(count);
    let (mut first, mut seen) = (0, 0);
    for (index, n) in lengths.iter().enumerate() {
        // To the nearer side of where the share ought to end.
        if (seen + n / 2) * count >= tokens * (shares.len() + 1) && first < index {
            shares.push(first..index);
            first = index;
        }
        seen += n;
    }
    shares.push(first..lengths.len());
    shares
}
