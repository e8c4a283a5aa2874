//! The CPU backend's side of what decoders have: each operation on its tensors, its gradient, and its place in autodiff's
//! graph.

use super::cpu::{CpuGradients, give, tracked_softmax};
use super::rows::{by_row, by_row_with, values};
use super::{gemm, rows};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

/// The operations, reachable from a tensor of any device.
#[backend_extension(Flex, Autodiff)]
pub(super) trait DecoderKernels: Backend {
    /// `x·W`; no gradient reaches W.
    fn cpu_product(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `γ ∘ x/√(mean of squares + ε)`; no gradient reaches γ.
    fn cpu_rms(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f64) -> FloatTensor<Self>;
    /// `x ∘ g·σ(g)`.
    fn cpu_silu_times(gate: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Every head turned by its row of the table, or `back`.
    fn cpu_rotate(x: FloatTensor<Self>, table: FloatTensor<Self>, back: bool) -> FloatTensor<Self>;
    /// `softmax(s·x)` over the columns up to the row's own, of square matrices behind one another.
    fn cpu_causal_softmax(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self>;
}

/// Their gradients.
trait DecoderGradients: Backend {
    /// From x and γ.
    fn rms_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;
    /// Of the gate and of x, from both.
    fn silu_gradients(
        gate: FloatTensor<Self>,
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2];
}

impl DecoderKernels for Flex {
    fn cpu_product(x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        gemm::matrix_product(&x, &weight)
    }

    fn cpu_rms(x: FlexTensor, weight: FlexTensor, eps: f64) -> FlexTensor {
        let weight = weight.to_contiguous();
        by_row(x, rows::Rms { weight: values(&weight), eps: eps as f32 })
    }

    fn cpu_silu_times(gate: FlexTensor, x: FlexTensor) -> FlexTensor {
        by_row_with(gate, x, rows::SiluTimes)
    }

    fn cpu_rotate(x: FlexTensor, table: FlexTensor, back: bool) -> FlexTensor {
        let (size, table) = (table.layout().shape()[1], table.to_contiguous());
        by_row(x, rows::Rotate { table: values(&table), size, back })
    }

    fn cpu_causal_softmax(x: FlexTensor, scale: f64) -> FlexTensor {
        by_row(x, rows::CausalSoftmax { scale: scale as f32 })
    }
}

impl DecoderGradients for Flex {
    fn rms_gradient(x: FlexTensor, weight: FlexTensor, gradient: FlexTensor, eps: f64) -> FlexTensor {
        let weight = weight.to_contiguous();
        by_row_with(x, gradient, rows::Rms { weight: values(&weight), eps: eps as f32 })
    }

    fn silu_gradients(gate: FlexTensor, x: FlexTensor, gradient: FlexTensor) -> [FlexTensor; 2] {
        rows::silu_gradients(&gate, &x, gradient)
    }
}

#[derive(Debug)]
struct Product;

impl<B: CpuGradients> Backward<B, 1> for Product {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let weight = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::linear_gradient(weight, g));
    }
}

#[derive(Debug)]
struct Rms;

impl<B: DecoderGradients> Backward<B, 1> for Rms {
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive, f64);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (x, weight, eps) = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::rms_gradient(x, weight, g, eps));
    }
}

#[derive(Debug)]
struct SiluTimes;

impl<B: DecoderGradients> Backward<B, 2> for SiluTimes {
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        give::<B, _, 2>(ops, gradients, |(gate, x), gradient| B::silu_gradients(gate, x, gradient));
    }
}

#[derive(Debug)]
struct Rotate;

impl<B: DecoderKernels> Backward<B, 1> for Rotate {
    type State = (B::FloatTensorPrimitive, bool);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (table, back) = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::cpu_rotate(g, table, !back));
    }
}

impl<B: DecoderKernels + DecoderGradients + CpuGradients, C: CheckpointStrategy> DecoderKernels for Autodiff<B, C> {
    fn cpu_product(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((x, node), (weight, _)) = (x.into_parts(), weight.into_parts());
        match Product.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let y = B::cpu_product(x, weight.clone());
                tracked.finish(weight, y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_product(x, weight)),
        }
    }

    fn cpu_rms(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f64) -> FloatTensor<Self> {
        let ((x, node), (weight, _)) = (x.into_parts(), weight.into_parts());
        match Rms.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let y = B::cpu_rms(x.clone(), weight.clone(), eps);
                tracked.finish((x, weight, eps), y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_rms(x, weight, eps)),
        }
    }

    fn cpu_silu_times(gate: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((gate, of_gate), (x, of_x)) = (gate.into_parts(), x.into_parts());
        match SiluTimes.prepare::<C>([of_gate, of_x]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let y = B::cpu_silu_times(gate.clone(), x.clone());
                tracked.finish((gate, x), y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_silu_times(gate, x)),
        }
    }

    fn cpu_rotate(x: FloatTensor<Self>, table: FloatTensor<Self>, back: bool) -> FloatTensor<Self> {
        let ((x, node), (table, _)) = (x.into_parts(), table.into_parts());
        match Rotate.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let y = B::cpu_rotate(x, table.clone(), back);
                tracked.finish((table, back), y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_rotate(x, table, back)),
        }
    }

    fn cpu_causal_softmax(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        tracked_softmax::<B, C>(x, scale, |x| B::cpu_causal_softmax(x, scale))
    }
}
