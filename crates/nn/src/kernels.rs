//! Operations whose cost is not their arithmetic: GELU, layer normalisation, the weights of attention and a linear
//! layer's bias and adapter are chains of passes over memory on a CPU, and chains of launches on a GPU. Here each is one
//! pass forward and one backward: on all threads and in wide vectors ([`rows`]), with products written where they belong
//! ([`gemm`]), or in WGSL ([`gpu`]). The mathematics is that of Burn's own operations, which remain where neither fits.

mod attention;
mod gemm;
mod gpu;
mod rows;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchTensor, DispatchTensorKind, Flex, backend_extension};
use burn::tensor::{Tensor, activation};
pub use gpu::flat::{AdamWResult, AdamWStep};
use gpu::rows::NormOf;
use rows::{by_row, by_row_with, values};

/// `x·W + b`: `x: [n, d_in]`, `weight: [d_in, d_out]`, `bias: [d_out]`.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    if let Some(y) = gpu::linear::linear(&x, &weight, &bias) {
        return y;
    }
    let frozen = !weight.is_require_grad() && !bias.is_require_grad();
    let x = x.into_dispatch();
    if frozen && on_cpu(&x) {
        return Tensor::from_dispatch(Dispatch::cpu_linear(x, weight.into_dispatch(), bias.into_dispatch()));
    }
    Tensor::<2>::from_dispatch(x).matmul(weight) + bias.unsqueeze()
}

/// `x·W + b + s·x·A·B`: `a: [d_in, r]`, `b: [r, d_out]`.
pub(crate) fn adapted(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    [a, b]: [Tensor<2>; 2],
    scale: f64,
) -> Tensor<2> {
    match gpu::linear::adapted(&x, [&weight, &a, &b], &bias, scale) {
        Some(y) => y,
        None => linear(x.clone(), weight, bias) + x.matmul(a).matmul(b * scale),
    }
}

/// `softmax(s·QKᵀ + padding)·V` of every head at once, where that is cheaper than its parts: on a GPU, and on the CPU
/// without autodiff.
/// `q`, `k`, `v` and the result are `[batch · length, heads · size]`, `padding` is `[batch, 1, 1, length]`.
pub(crate) fn attention(
    qkv: &[Tensor<2>; 3],
    padding: Option<&Tensor<4>>,
    batch: [usize; 2],
    heads: usize,
) -> Option<Tensor<2>> {
    if let Some(context) = gpu::rows::attention(qkv, padding, batch, heads) {
        return Some(context);
    }
    let device = qkv[0].device();
    let [q, k, v] = qkv.clone().map(Tensor::into_dispatch);
    if !matches!(q.kind, DispatchTensorKind::Flex(_)) {
        return None;
    }
    let padding = padding.cloned().unwrap_or_else(|| Tensor::zeros([batch[0], 1, 1, batch[1]], &device));
    Some(Tensor::from_dispatch(Dispatch::cpu_attention(q, k, v, padding.into_dispatch(), heads)))
}

/// `x·Φ(x)`, element by element.
pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if let Some(y) = gpu::rows::gelu(&x) {
        return y;
    }
    let x = x.into_dispatch();
    if on_cpu(&x) {
        Tensor::from_dispatch(Dispatch::cpu_gelu(x))
    } else {
        activation::gelu(Tensor::<D>::from_dispatch(x))
    }
}

/// `γ ∘ (x − mean)/√(var + ε) + β` over the last dimension; γ is `weight`, β is `bias`, both `[d]` for `x: [n, d]`.
pub(crate) fn norm(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<2> {
    if let Some(y) = gpu_norm(&x, None, [&weight, &bias], eps, None) {
        return y;
    }
    let frozen = !weight.is_require_grad() && !bias.is_require_grad();
    let x = x.into_dispatch();
    if frozen && on_cpu(&x) {
        return Tensor::from_dispatch(Dispatch::cpu_norm(x, weight.into_dispatch(), bias.into_dispatch(), eps));
    }
    let x = Tensor::<2>::from_dispatch(x);
    let centred = x.clone() - x.mean_dim(1);
    let variance = (centred.clone() * centred.clone()).mean_dim(1);
    centred * (variance + eps).sqrt().recip() * weight.unsqueeze() + bias.unsqueeze()
}

/// [`norm`] of `x + y`.
pub(crate) fn norm_of_sum(x: Tensor<2>, y: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<2> {
    if let Some(y) = gpu_norm(&x, Some(&y), [&weight, &bias], eps, None) {
        return y;
    }
    let x = x.into_dispatch();
    // With autodiff the sum must be kept anyway.
    if matches!(x.kind, DispatchTensorKind::Flex(_)) {
        let (y, weight, bias) = (y.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        return Tensor::from_dispatch(Dispatch::cpu_norm_of_sum(x, y, weight, bias, eps));
    }
    norm(Tensor::<2>::from_dispatch(x) + y, weight, bias, eps)
}

/// As [`norm`] or [`norm_of_sum`], with a mask of which so many entries are above zero: the others take no part, and the
/// result is multiplied by it. Only on a GPU, and only if nothing but `x` and `y` wants gradients.
pub(crate) fn gpu_norm(
    x: &Tensor<2>,
    y: Option<&Tensor<2>>,
    [weight, bias]: [&Tensor<1>; 2],
    eps: f64,
    mask: Option<(&Tensor<1>, f32)>,
) -> Option<Tensor<2>> {
    let frozen = [Some(weight), Some(bias), mask.map(|(mask, _)| mask)].into_iter().flatten();
    if frozen.into_iter().any(Tensor::is_require_grad) {
        return None;
    }
    gpu::rows::norm(x, y, &NormOf { weight, bias, eps, mask })
}

/// The vectors behind one another.
pub(crate) fn concatenated(parts: Vec<Tensor<1>>) -> Tensor<1> {
    gpu::flat::concatenated(&parts).unwrap_or_else(|| Tensor::cat(parts, 0))
}

/// The vector cut into pieces of these lengths; a piece may be a view.
pub(crate) fn cut(whole: &Tensor<1>, lengths: &[usize]) -> Vec<Tensor<1>> {
    gpu::flat::cut(whole, lengths).unwrap_or_else(|| {
        let mut at = 0;
        let piece = |&n: &usize| {
            at += n;
            whole.clone().slice(at - n..at)
        };
        lengths.iter().map(piece).collect()
    })
}

/// `values` after an update with `gradient` in as few passes as there can be; [`None`] on a device where they are Burn's.
pub fn adamw(values: &Tensor<1>, gradient: &Tensor<1>, step: &AdamWStep<'_>) -> Option<AdamWResult> {
    gpu::flat::adamw(values, gradient, step)
}

/// `softmax(s·scores + padding)` over the last dimension: `scores: [batch, heads, queries, keys]`,
/// `padding: [batch, 1, 1, keys]`.
pub(crate) fn attention_weights(scores: Tensor<4>, padding: Option<&Tensor<4>>, scale: f64) -> Tensor<4> {
    let scores = scores.into_dispatch();
    if on_cpu(&scores) {
        return Tensor::from_dispatch(match padding {
            Some(padding) => Dispatch::cpu_padded_softmax(scores, padding.clone().into_dispatch(), scale),
            None => Dispatch::cpu_softmax(scores, scale),
        });
    }
    let scores = Tensor::<4>::from_dispatch(scores) * scale;
    let scores = match padding {
        Some(padding) => scores + padding.clone(),
        None => scores,
    };
    activation::softmax(scores, 3)
}

/// Whether the model is on the CPU backend.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn is_on_cpu(model: &crate::Transformer) -> bool {
    on_cpu(&model.embeddings.words.val().into_dispatch())
}

/// Whether the tensor is the CPU backend's.
fn on_cpu(x: &DispatchTensor) -> bool {
    match &x.kind {
        DispatchTensorKind::Flex(_) => true,
        DispatchTensorKind::Autodiff(inner) => matches!(**inner, DispatchTensorKind::Flex(_)),
        #[allow(unreachable_patterns)] // A browser build may have no other backend.
        _ => false,
    }
}

/// The operations, reachable from a tensor of any device.
#[backend_extension(Flex, Autodiff)]
pub trait CpuKernels: Backend {
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
}

/// What only a pass without autodiff needs.
#[backend_extension(Flex)]
pub trait CpuInference: Backend {
    /// `γ ∘ (z − mean)/√(var + ε) + β` of `z = x + y`.
    fn cpu_norm_of_sum(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;
    /// `softmax(QKᵀ/√size + padding)·V` of every head; shapes as in [`attention`].
    fn cpu_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self>;
}

/// Their gradients: from what the operation saved and ∂L/∂y to ∂L/∂x.
trait CpuGradients: Backend {
    /// From W.
    fn linear_gradient(weight: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
    /// From x.
    fn gelu_gradient(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
    /// From x and γ.
    fn norm_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;
    /// From y.
    fn softmax_gradient(y: FloatTensor<Self>, gradient: FloatTensor<Self>, scale: f64) -> FloatTensor<Self>;
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
}

impl CpuInference for Flex {
    fn cpu_norm_of_sum(x: FlexTensor, y: FlexTensor, weight: FlexTensor, bias: FlexTensor, eps: f64) -> FlexTensor {
        let (y, weight, bias) = (y.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let norm = rows::Norm { weight: values(&weight), bias: values(&bias), eps: eps as f32 };
        by_row(x, rows::NormOfSum { added: values(&y), norm })
    }

    fn cpu_attention(q: FlexTensor, k: FlexTensor, v: FlexTensor, padding: FlexTensor, heads: usize) -> FlexTensor {
        attention::forward(&q.to_contiguous(), &k.to_contiguous(), &v.to_contiguous(), &padding.to_contiguous(), heads)
    }
}

impl CpuGradients for Flex {
    fn linear_gradient(weight: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        gemm::linear_gradient(&gradient, &weight)
    }

    fn gelu_gradient(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        by_row_with(x, gradient, rows::Gelu)
    }

    fn norm_gradient(x: FlexTensor, weight: FlexTensor, gradient: FlexTensor, eps: f64) -> FlexTensor {
        let weight = weight.to_contiguous();
        by_row_with(x, gradient, rows::Norm { weight: values(&weight), bias: &[], eps: eps as f32 })
    }

    fn softmax_gradient(y: FlexTensor, gradient: FlexTensor, scale: f64) -> FlexTensor {
        by_row_with(y, gradient, rows::Softmax { scale: scale as f32, padding: &[], rows_per_padding: 1 })
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
        let x = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::gelu_gradient(x, g));
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

/// `softmax` of the tracked `x`, whatever was added to it.
fn tracked_softmax<B: CpuKernels + CpuGradients, C: CheckpointStrategy>(
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
            OpsKind::Tracked(tracked) => tracked.finish(x.clone(), B::cpu_gelu(x)),
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
}

#[cfg(test)]
mod tests;
