//! Logits of a batch as fast as the device gives them. On the CPU each thread takes a share of the sequences through the
//! whole model: a step through one layer is too short to be worth sharing out.

use crate::{Batch, Forward, NnError, Transformer};
use burn::tensor::{Device, Tensor};

/// Fewest sequences of a thread's share.
#[cfg(not(target_family = "wasm"))]
const SHARE: usize = 4;

/// Logits `[batch, labels]` of `ids` and `type_ids` (`[batch · length]` in row order, `lengths` tokens of each row before
/// padding) by `model`, which must be without autodiff, on `device`.
///
/// # Errors
/// [`NnError::Config`] when the model has no classification head.
pub fn logits(
    model: &Transformer,
    ids: &[i32],
    type_ids: &[i32],
    lengths: &[usize],
    device: &Device,
) -> Result<Tensor<2>, NnError> {
    let whole = |ids: &[i32], type_ids: &[i32], lengths: &[usize]| {
        let batch = Batch::new(ids, type_ids, lengths, &model.config, device);
        model.classify(model.forward(&batch, Forward::default()).hidden, &batch)
    };
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        let share = lengths.len().div_ceil(rayon::current_num_threads()).max(SHARE);
        if crate::kernels::is_on_cpu(model) && share < lengths.len() {
            let tokens = share * (ids.len() / lengths.len());
            let shares = ids.par_chunks(tokens).zip(type_ids.par_chunks(tokens)).zip(lengths.par_chunks(share));
            let parts: Result<Vec<_>, _> = shares.map(|((ids, types), lengths)| whole(ids, types, lengths)).collect();
            return Ok(Tensor::cat(parts?, 0));
        }
    }
    whole(ids, type_ids, lengths)
}
