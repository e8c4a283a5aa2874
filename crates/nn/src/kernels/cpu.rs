//! The CPU backend's side of the kernels: each operation on its tensors, its gradient, and its place in autodiff's graph.

use super::rows::{Term, by_row, by_row_with, values};
use super::{gemm, rows};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, binary, unary};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};
use burn::tensor::{Bytes, DType, Shape};

/// The operations, reachable from a tensor of any device.
#[backend_extension(Flex, Autodiff)]
pub(super) trait CpuKernels: Backend {
    /// `x·W + b`; no gradient reaches W and b.
    fn cpu_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `x·Φ(x)`.
    fn cpu_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `γ ∘ (x − mean)/√(var + ε) + β`; no gradient reaches γ and β.
    fn cpu_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;
    /// `softmax(s·x)` over the last dimension.
    fn cpu_softmax(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self>;
    /// `softmax(s·x + padding)`; no gradient reaches the padding.
    fn cpu_padded_softmax(x: FloatTensor<Self>, padding: FloatTensor<Self>, scale: f64) -> FloatTensor<Self>;
    /// `x ∘ m` of the columns; x as it is if `ones`, which says that m is of ones.
    fn cpu_masked(x: FloatTensor<Self>, mask: FloatTensor<Self>, ones: bool) -> FloatTensor<Self>;
    /// h as it is; the gradient of `leaf` is `sizes`, times the sum of |∂L/∂h| over every column.
    fn cpu_tap(h: FloatTensor<Self>, leaf: FloatTensor<Self>, sizes: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// What only a pass without autodiff needs.
#[backend_extension(Flex)]
pub(super) trait CpuInference: Backend {
    /// `γ ∘ (z − mean)/√(var + ε) + β` of `z = x + y`.
    fn cpu_norm_of_sum(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;
    /// The sum of a term over every column.
    fn cpu_column_sums(x: FloatTensor<Self>, term: Term) -> FloatTensor<Self>;
    /// `ln Σ exp(x)` of every row.
    fn cpu_log_partition(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Their gradients: from what the operation saved and ∂L/∂y to ∂L/∂x.
pub(super) trait CpuGradients: Backend {
    /// From W.
    fn linear_gradient(weight: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `x·Φ(x)`, and its derivative.
    fn gelu_with_derivative(x: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>);
    /// From the derivative.
    fn gelu_gradient(derivative: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
    /// From x and γ.
    fn norm_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;
    /// From y.
    fn softmax_gradient(y: FloatTensor<Self>, gradient: FloatTensor<Self>, scale: f64) -> FloatTensor<Self>;
    /// Of the mask, from x: the sum of x ∘ ∂L/∂y over every column.
    fn mask_gradient(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `sizes` times the sum of |∂L/∂h| over every column.
    fn tap_gradient(sizes: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl CpuKernels for Flex {
    fn cpu_linear(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        gemm::linear(&x, &weight, values(&bias.to_contiguous()))
    }

    fn cpu_gelu(x: FlexTensor) -> FlexTensor {
        by_row(x, rows::Gelu)
    }

    fn cpu_norm(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, eps: f64) -> FlexTensor {
        let (weight, bias) = (weight.to_contiguous(), bias.to_contiguous());
        by_row(x, rows::Norm { weight: values(&weight), bias: values(&bias), eps: eps as f32 })
    }

    fn cpu_softmax(x: FlexTensor, scale: f64) -> FlexTensor {
        by_row(x, rows::Softmax { scale: scale as f32, padding: &[], rows_per_padding: 1 })
    }

    fn cpu_padded_softmax(x: FlexTensor, padding: FlexTensor, scale: f64) -> FlexTensor {
        let shape = x.layout().shape().clone();
        let rows_per_padding = (shape[1] * shape[2]).max(1);
        let padding = padding.to_contiguous();
        by_row(x, rows::Softmax { scale: scale as f32, padding: values(&padding), rows_per_padding })
    }

    fn cpu_masked(x: FlexTensor, mask: FlexTensor, ones: bool) -> FlexTensor {
        if ones { x } else { by_row(x, rows::Masked(values(&mask.to_contiguous()))) }
    }

    fn cpu_tap(h: FlexTensor, _leaf: FlexTensor, _sizes: FlexTensor) -> FlexTensor {
        h
    }
}

impl CpuInference for Flex {
    fn cpu_norm_of_sum(x: FlexTensor, y: FlexTensor, weight: FlexTensor, bias: FlexTensor, eps: f64) -> FlexTensor {
        let (y, weight, bias) = (y.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let norm = rows::Norm { weight: values(&weight), bias: values(&bias), eps: eps as f32 };
        by_row(x, rows::NormOfSum { added: values(&y), norm })
    }

    fn cpu_column_sums(x: FlexTensor, term: Term) -> FlexTensor {
        vector(rows::column_sums(&x, term))
    }

    fn cpu_log_partition(x: FlexTensor) -> FlexTensor {
        vector(rows::log_partition(&x))
    }
}

/// Gives the parents of an operation the gradients that `of` makes of its state and ∂L/∂y.
pub(super) fn give<B: Backend, S, const N: usize>(
    ops: Ops<S, N>,
    gradients: &mut Gradients,
    of: impl FnOnce(S, FloatTensor<B>) -> [FloatTensor<B>; N],
) {
    let gradient = gradients.consume::<B>(&ops.node);
    for (parent, gradient) in ops.parents.into_iter().zip(of(ops.state, gradient)) {
        if let Some(node) = parent {
            gradients.register::<B>(node.id, gradient);
        }
    }
}

pub(super) fn vector(values: Vec<f32>) -> FlexTensor {
    let shape = Shape::from([values.len()]);
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

impl CpuGradients for Flex {
    fn linear_gradient(weight: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        gemm::linear_gradient(&gradient, &weight)
    }

    fn gelu_with_derivative(x: FlexTensor) -> (FlexTensor, FlexTensor) {
        rows::gelu_with_derivative(x)
    }

    fn gelu_gradient(derivative: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        by_row_with(derivative, gradient, rows::Times)
    }

    fn norm_gradient(x: FlexTensor, weight: FlexTensor, gradient: FlexTensor, eps: f64) -> FlexTensor {
        let weight = weight.to_contiguous();
        by_row_with(x, gradient, rows::Norm { weight: values(&weight), bias: &[], eps: eps as f32 })
    }

    fn softmax_gradient(y: FlexTensor, gradient: FlexTensor, scale: f64) -> FlexTensor {
        by_row_with(y, gradient, rows::Softmax { scale: scale as f32, padding: &[], rows_per_padding: 1 })
    }

    fn mask_gradient(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        vector(rows::column_products(&x, &gradient))
    }

    fn tap_gradient(sizes: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let mut product = rows::column_sums(&gradient, Term::Abs);
        let sizes = sizes.to_contiguous();
        product.iter_mut().zip(values(&sizes)).for_each(|(product, size)| *product *= size);
        vector(product)
    }
}

#[derive(Debug)]
struct Linear;

impl<B: CpuGradients> Backward<B, 1> for Linear {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let weight = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::linear_gradient(weight, g));
    }
}

#[derive(Debug)]
struct Gelu;

impl<B: CpuGradients> Backward<B, 1> for Gelu {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let derivative = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::gelu_gradient(derivative, g));
    }
}

#[derive(Debug)]
struct Norm;

impl<B: CpuGradients> Backward<B, 1> for Norm {
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive, f64);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (x, weight, eps) = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::norm_gradient(x, weight, g, eps));
    }
}

#[derive(Debug)]
struct Softmax;

impl<B: CpuGradients> Backward<B, 1> for Softmax {
    type State = (B::FloatTensorPrimitive, f64);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (y, scale) = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::softmax_gradient(y, g, scale));
    }
}

#[derive(Debug)]
struct Masked;

impl<B: CpuKernels + CpuGradients> Backward<B, 2> for Masked {
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive, bool);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (x, mask, ones) = ops.state;
        let of_x = |g| B::cpu_masked(g, mask, ones);
        binary::<B, _, _>(ops.parents, ops.node, gradients, of_x, |g| B::mask_gradient(x, g));
    }
}

#[derive(Debug)]
struct Tap;

impl<B: CpuGradients> Backward<B, 2> for Tap {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let sizes = ops.state;
        binary::<B, _, _>(ops.parents, ops.node, gradients, |g| g, |g| B::tap_gradient(sizes, g));
    }
}

/// `softmax` of the tracked `x`, whatever was added to it.
pub(super) fn tracked_softmax<B: CpuGradients, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    scale: f64,
    softmax: impl FnOnce(FloatTensor<B>) -> FloatTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    match Softmax.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(tracked) => {
            let y = softmax(x);
            tracked.finish((y.clone(), scale), y)
        }
        OpsKind::UnTracked(free) => free.finish(softmax(x)),
    }
}

impl<B: CpuKernels + CpuGradients, C: CheckpointStrategy> CpuKernels for Autodiff<B, C> {
    fn cpu_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((x, node), (weight, _), (bias, _)) = (x.into_parts(), weight.into_parts(), bias.into_parts());
        match Linear.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let y = B::cpu_linear(x, weight.clone(), bias);
                tracked.finish(weight, y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_linear(x, weight, bias)),
        }
    }

    fn cpu_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match Gelu.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let (y, derivative) = B::gelu_with_derivative(x);
                tracked.finish(derivative, y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_gelu(x)),
        }
    }

    fn cpu_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        let ((x, node), (weight, _), (bias, _)) = (x.into_parts(), weight.into_parts(), bias.into_parts());
        match Norm.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let y = B::cpu_norm(x.clone(), weight.clone(), bias, eps);
                tracked.finish((x, weight, eps), y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_norm(x, weight, bias, eps)),
        }
    }

    fn cpu_softmax(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        tracked_softmax::<B, C>(x, scale, |x| B::cpu_softmax(x, scale))
    }

    fn cpu_padded_softmax(x: FloatTensor<Self>, padding: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        let (padding, _) = padding.into_parts();
        tracked_softmax::<B, C>(x, scale, |x| B::cpu_padded_softmax(x, padding, scale))
    }

    fn cpu_masked(x: FloatTensor<Self>, mask: FloatTensor<Self>, ones: bool) -> FloatTensor<Self> {
        let ((x, node), (mask, of_mask)) = (x.into_parts(), mask.into_parts());
        match Masked.prepare::<C>([node, of_mask]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let y = B::cpu_masked(x.clone(), mask.clone(), ones);
                tracked.finish((x, mask, ones), y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_masked(x, mask, ones)),
        }
    }

    fn cpu_tap(h: FloatTensor<Self>, leaf: FloatTensor<Self>, sizes: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((h, node), (_, leaf), (sizes, _)) = (h.into_parts(), leaf.into_parts(), sizes.into_parts());
        match Tap.prepare::<C>([node, leaf]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => tracked.finish(sizes, h),
            OpsKind::UnTracked(free) => free.finish(h),
        }
    }
}
