//! Parts of tensors, and what a parameter becomes when it is replaced by one.

use burn::module::Param;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The entries `rows` and `columns` of a matrix; everything for `None`.
pub(crate) fn select2(p: &Param<Tensor<2>>, rows: Option<&[usize]>, columns: Option<&[usize]>) -> Param<Tensor<2>> {
    replace(p, select_dim(select_dim(p.val().detach(), 0, rows), 1, columns))
}

/// `value` in the place of `old`, with the same training state.
pub(crate) fn replace<const D: usize>(old: &Param<Tensor<D>>, value: Tensor<D>) -> Param<Tensor<D>> {
    Param::from_tensor(value.detach()).set_require_grad(old.is_require_grad())
}

/// The entries `keep` of dimension `dim`; everything for `None`.
pub(crate) fn select_dim<const D: usize>(t: Tensor<D>, dim: usize, keep: Option<&[usize]>) -> Tensor<D> {
    match keep {
        Some(keep) => {
            let device = t.device();
            t.select(dim, indices(keep, &device))
        }
        None => t,
    }
}

/// `keep` as an index tensor.
pub(crate) fn indices(keep: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = keep.iter().map(|&i| i as i32).collect();
    Tensor::from_data(TensorData::new(values, [keep.len()]), device)
}
