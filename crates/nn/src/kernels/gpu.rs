//! The kernels of GPUs: WGSL of our own where Burn launches a kernel for each little operation, and where it reads a
//! matrix only after copying it. What a training step costs on a GPU is mostly launches.
//!
//! Each function gives [`None`] on another device. The WGSL is plain: no subgroups, no halves, workgroups of at most 256,
//! at most eight buffers, no more than 65,535 workgroups along an axis.

pub(super) mod flat;
pub(super) mod joined;
mod launch;
pub(super) mod linear;
pub(super) mod loss;
mod patches;
mod product;
pub(super) mod rows;
pub(super) mod tap;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::ops::{Backward, NodeGuard, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::wgpu::CubeTensor as Primitive;
pub(super) use burn::backend::wgpu::Wgpu as Cube;
use burn::tensor::Tensor;

type Graph = Autodiff<Cube, NoCheckpointing>;

/// The values of an input and its place in autodiff's graph, if it has one.
struct Operand {
    value: Primitive,
    node: Option<NodeGuard>,
}

impl Operand {
    fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        if let Ok(tracked) = tensor.clone().try_into_primitive::<Graph>() {
            let (value, node) = tracked.into_parts();
            return Some(Self { value, node: Some(node) });
        }
        let value = tensor.clone().try_into_primitive::<Cube>().ok()?;
        Some(Self { value, node: None })
    }

    /// With its elements in row order.
    fn in_rows<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        let Self { value, node } = Self::of(tensor)?;
        Some(Self { value: launch::rows(value), node })
    }
}

/// `value` as what `step` makes of `inputs`; what `step` saved for the way back is dropped if there is none.
fn record<const N: usize, const D: usize, S: Backward<Cube, N>>(
    step: S,
    inputs: [Operand; N],
    saved: S::State,
    value: Primitive,
) -> Tensor<D> {
    if inputs.iter().all(|input| input.node.is_none()) {
        return Tensor::from_primitive::<Cube>(value);
    }
    let nodes = inputs.map(|input| input.node.unwrap_or_else(|| FloatTensor::<Graph>::new(input.value).node()));
    Tensor::from_primitive::<Graph>(match step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(tracked) => tracked.finish(saved, value),
        OpsKind::UnTracked(free) => free.finish(value),
    })
}

#[cfg(test)]
mod tests;
