//! In the place of the kernels of GPUs where a program has none: nothing is on a GPU, and nothing of wgpu is linked.

use super::{AdamWResult, AdamWStep, Term};
use burn::tensor::Tensor;

pub(super) mod flat {
    use super::{AdamWResult, AdamWStep, Tensor};

    pub(in crate::kernels) fn concat(_parts: &[Tensor<1>]) -> Option<Tensor<1>> {
        None
    }

    pub(in crate::kernels) fn split(_whole: &Tensor<1>, _lengths: &[usize]) -> Option<Vec<Tensor<1>>> {
        None
    }

    pub(in crate::kernels) fn adamw(
        _values: &Tensor<1>,
        _gradient: &Tensor<1>,
        _step: &AdamWStep<'_>,
    ) -> Option<AdamWResult> {
        None
    }
}

pub(super) mod joined {
    use super::Tensor;
    use crate::kernels::LinearTensors;

    pub(in crate::kernels) fn joined(_x: &Tensor<2>, _layers: &[LinearTensors; 3]) -> Option<Tensor<2>> {
        None
    }
}

pub(super) mod linear {
    use super::Tensor;

    pub(in crate::kernels) fn linear(
        _x: &Tensor<2>,
        _weight: &Tensor<2>,
        _bias: &Tensor<1>,
        _gelu: bool,
    ) -> Option<Tensor<2>> {
        None
    }

    pub(in crate::kernels) fn added(_x: &Tensor<2>, _adapter: [&Tensor<2>; 2], _scale: f64) -> Option<Tensor<2>> {
        None
    }

    pub(in crate::kernels) fn adapted(
        _x: &Tensor<2>,
        _weight_and_adapter: [&Tensor<2>; 3],
        _bias: &Tensor<1>,
        _scale: f64,
        _gelu: bool,
    ) -> Option<Tensor<2>> {
        None
    }
}

pub(super) mod loss {
    use super::Tensor;
    use crate::batch::Counts;
    use burn::tensor::Int;

    pub(in crate::kernels) fn cross_entropy(_logits: &Tensor<2>, _classes: &Tensor<2, Int>) -> Option<Tensor<1>> {
        None
    }

    pub(in crate::kernels) fn divergence(
        _student: &Tensor<2>,
        _teacher: &Tensor<2>,
        _temperature: f64,
        _scale: f64,
    ) -> Option<Tensor<1>> {
        None
    }

    pub(in crate::kernels) fn squared_error(
        _one: &Tensor<2>,
        _other: &Tensor<2>,
        _counts: Option<&Counts>,
    ) -> Option<Tensor<1>> {
        None
    }
}

pub(super) mod rows {
    use super::Tensor;

    pub(in crate::kernels) fn gelu<const D: usize>(_x: &Tensor<D>) -> Option<Tensor<D>> {
        None
    }

    pub(in crate::kernels) fn tanh(_x: &Tensor<2>) -> Option<Tensor<2>> {
        None
    }

    pub(in crate::kernels) fn norm(
        _x: &Tensor<2>,
        _y: Option<&Tensor<2>>,
        _affine: [&Tensor<1>; 2],
        _eps: f64,
        _mask: Option<(&Tensor<1>, f32)>,
    ) -> Option<Tensor<2>> {
        None
    }

    pub(in crate::kernels) fn attention(
        _qkv: &Tensor<2>,
        _padding: Option<&Tensor<4>>,
        _length: usize,
        _heads: usize,
    ) -> Option<Tensor<2>> {
        None
    }
}

pub(super) mod tap {
    use super::{Tensor, Term};
    use crate::batch::Counts;

    pub(in crate::kernels) fn column_sums<const N: usize>(
        _x: &Tensor<2>,
        _counts: Option<&Counts>,
        _terms: [Term; N],
    ) -> Option<[Tensor<1>; N]> {
        None
    }

    pub(in crate::kernels) fn tapped(_h: &Tensor<2>, _leaf: &Tensor<1>, _sizes: &Tensor<1>) -> Option<Tensor<2>> {
        None
    }
}
