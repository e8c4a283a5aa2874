//! Operations whose cost is not their arithmetic: GELU, layer normalisation, the weights of attention and a linear
//! layer's bias and adapter are chains of passes over memory on a CPU, and chains of launches on a GPU. Here each is one
//! pass forward and one backward: on all threads and in wide vectors ([`rows`]), with products written where they belong
//! ([`gemm`]), or in WGSL ([`gpu`]). The mathematics is that of Burn's own operations, which remain where neither fits.

mod adapted;
mod angles;
mod attention;
#[cfg(any(test, target_family = "wasm"))]
mod blocked;
mod cpu;
pub(crate) mod decode;
mod decoders;
mod decoders_cpu;
mod dropout;
mod gemm;
#[cfg(any(feature = "gpu", not(target_family = "wasm")))]
mod gpu;
#[cfg(all(target_family = "wasm", not(feature = "gpu")))]
#[path = "kernels/no_gpu.rs"]
mod gpu;
mod rows;
mod thin;
#[cfg(all(test, not(target_family = "wasm")))]
mod tile;
#[cfg(target_family = "wasm")]
pub mod tile;
mod tiles;
mod update;
pub(crate) mod vocabulary;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod watch;

use crate::batch::Counts;
use adapted::CpuAdapted;
pub(crate) use angles::Angles;
use attention::CpuAttention;
pub(crate) use attention::Span;
use burn::backend::{Dispatch, DispatchTensor, DispatchTensorKind};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use cpu::{CpuInference, CpuKernels};
pub(crate) use decoders::{causal_weights, log_partition, product, rms_norm, rotate, silu_times, softmax};
use dropout::CpuDropout;
pub(crate) use dropout::{DRAW_VALUES, Dropped};
pub(crate) use rows::Term;
pub use update::{AdamWResult, AdamWStep};

/// `x·W + b`: `x: [n, d_in]`, `weight: [d_in, d_out]`, `bias: [d_out]`.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    if let Some(y) = gpu::linear::linear(&x, &weight, &bias, false) {
        return y;
    }
    let frozen = !weight.is_require_grad() && !bias.is_require_grad();
    let x = x.into_dispatch();
    if frozen && on_cpu(&x) {
        return Tensor::from_dispatch(Dispatch::cpu_linear(x, weight.into_dispatch(), bias.into_dispatch()));
    }
    Tensor::<2>::from_dispatch(x).matmul(weight) + bias.unsqueeze()
}

/// `x·W + b + s·x·A·B`: `a: [d_in, r]`, `b: [r, d_out]`; a layer need not have a bias.
pub(crate) fn adapted(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    [a, b]: [Tensor<2>; 2],
    scale: f64,
) -> Tensor<2> {
    let on_gpu = |bias| gpu::linear::adapted(&x, [&weight, &a, &b], bias, scale, false);
    if let Some(y) = bias.as_ref().and_then(on_gpu) {
        return y;
    }
    let frozen = !weight.is_require_grad() && !bias.as_ref().is_some_and(Tensor::is_require_grad);
    let device = x.device();
    let x = x.into_dispatch();
    if frozen && on_cpu(&x) {
        let bias = bias.unwrap_or_else(|| Tensor::zeros([0], &device)).into_dispatch();
        let [weight, a, b] = [weight, a, b].map(Tensor::into_dispatch);
        return Tensor::from_dispatch(Dispatch::cpu_adapted(x, weight, bias, a, b, scale));
    }
    let x = Tensor::<2>::from_dispatch(x);
    let y = match bias {
        Some(bias) => linear(x.clone(), weight, bias),
        None => product(x.clone(), weight),
    };
    y + x.matmul(a).matmul(b * scale)
}

/// The tensors of a linear layer with a bias.
#[derive(Clone)]
pub(crate) struct LinearTensors {
    /// `[d_in, d_out]`.
    pub weight: Tensor<2>,
    /// `[d_out]`.
    pub bias: Tensor<1>,
    /// A and B as in [`adapted()`], and s.
    pub adapter: Option<([Tensor<2>; 2], f64)>,
}

/// The GELU of [`linear`] or of [`adapted()`]; only on a GPU, where it is made along with the product.
pub(crate) fn gelu_of_linear(x: &Tensor<2>, layer: &LinearTensors) -> Option<Tensor<2>> {
    let LinearTensors { weight, bias, adapter } = layer;
    match adapter {
        Some(([a, b], scale)) => gpu::linear::adapted(x, [weight, a, b], bias, *scale, true),
        None => gpu::linear::linear(x, weight, bias, true),
    }
}

/// What attention gives whose queries, keys and values these layers make of `x`, `[tokens, d_in]`, in sequences of one
/// `length`; `padding: [batch, 1, 1, length]`. Only on a GPU, where the three are one product.
pub(crate) fn self_attention(
    x: &Tensor<2>,
    layers: &[LinearTensors; 3],
    padding: Option<&Tensor<4>>,
    length: usize,
    heads: usize,
) -> Option<Tensor<2>> {
    gpu::rows::attention(&gpu::joined::joined(x, layers)?, padding, length, heads)
}

/// The heads of an attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Those of keys and values.
    pub units: usize,
    /// Query heads for each of them.
    pub group: usize,
    /// Whether a token sees only itself and those before it.
    pub causal: bool,
}

impl Heads {
    /// Query heads.
    fn queries(self) -> usize {
        self.units * self.group
    }
}

/// `softmax(s·QKᵀ)·V` of every head at once; [`None`] on a device where it is made of its parts.
/// `q` and the result are `[tokens, units · group · size]`, `k` and `v` `[tokens, units · size]`, their rows those of the
/// sequences `spans` behind one another.
pub(crate) fn attention(qkv: &[Tensor<2>; 3], spans: &[Span], heads: Heads) -> Option<Tensor<2>> {
    let [q, k, v] = qkv.clone().map(Tensor::into_dispatch);
    on_cpu(&q).then(|| Tensor::from_dispatch(Dispatch::cpu_attention(q, k, v, spans.to_vec(), heads)))
}

/// `x·Φ(x)` of one number.
pub(crate) fn gelu_of(x: f32) -> f32 {
    x * rows::normal(x).0
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

/// Element by element.
pub(crate) fn tanh(x: Tensor<2>) -> Tensor<2> {
    gpu::rows::tanh(&x).unwrap_or_else(|| x.tanh())
}

/// Mean cross entropy over the rows of `logits: [n, classes]`, of which `classes: [n, 1]` are right, `[1]`.
pub fn cross_entropy(logits: Tensor<2>, classes: Tensor<2, Int>) -> Tensor<1> {
    gpu::loss::cross_entropy(&logits, &classes).unwrap_or_else(|| {
        let [n, _] = logits.dims();
        activation::log_softmax(logits, 1).gather(1, classes).sum() * (-1.0 / n as f64)
    })
}

/// `scale·T²·KL(teacher ‖ student)` of logits `[n, classes]` divided by the temperature T, the mean over the rows, `[1]`. No
/// gradient reaches the teacher.
pub fn divergence(student: Tensor<2>, teacher: Tensor<2>, temperature: f64, scale: f64) -> Tensor<1> {
    gpu::loss::divergence(&student, &teacher, temperature, scale).unwrap_or_else(|| {
        let [n, _] = student.dims();
        let student = activation::log_softmax(student / temperature, 1);
        let teacher = activation::log_softmax(teacher / temperature, 1);
        let divergence = (teacher.clone().exp() * (teacher - student)).sum();
        divergence * (scale * temperature * temperature / n as f64)
    })
}

/// Mean squared difference of `[tokens, n]` over the tokens that count, `[1]`. No gradient reaches `other`.
pub fn squared_error(one: Tensor<2>, other: Tensor<2>, counts: Option<&Counts>) -> Tensor<1> {
    gpu::loss::squared_error(&one, &other, counts).unwrap_or_else(|| {
        let Some(Counts { rows, count }) = counts else { return (one - other).square().mean() };
        let values = (count * one.dims()[1]) as f64;
        let difference = (one - other) * Tensor::from_inner(rows.clone());
        difference.square().sum() / values
    })
}

/// `x + s·x·A·B`: `x: [n, d]`, `a: [d, r]`, `b: [r, d]`.
pub fn added(x: Tensor<2>, [a, b]: [Tensor<2>; 2], scale: f64) -> Tensor<2> {
    gpu::linear::added(&x, [&a, &b], scale).unwrap_or_else(|| x.clone() + x.matmul(a).matmul(b * scale))
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
    gpu::rows::norm(x, y, [weight, bias], eps, mask)
}

/// The vectors behind one another.
pub(crate) fn concat(parts: Vec<Tensor<1>>) -> Tensor<1> {
    gpu::flat::concat(&parts).unwrap_or_else(|| Tensor::cat(parts, 0))
}

/// The vector split into pieces of these lengths; a piece may be a view.
pub(crate) fn split(whole: &Tensor<1>, lengths: &[usize]) -> Vec<Tensor<1>> {
    gpu::flat::split(whole, lengths).unwrap_or_else(|| {
        let mut at = 0;
        let piece = |&n: &usize| {
            at += n;
            whole.clone().slice(at - n..at)
        };
        lengths.iter().map(piece).collect()
    })
}

/// The sums of these terms over every column, `[n]` each, of the rows that count; on a GPU in one pass.
pub(crate) fn column_sums<const N: usize>(x: &Tensor<2>, counts: Option<&Counts>, terms: [Term; N]) -> [Tensor<1>; N] {
    let x = x.clone().without_autodiff();
    gpu::tap::column_sums(&x, counts, terms).unwrap_or_else(|| {
        let (x, of_all) = match counts {
            Some(Counts { rows, count }) => (x.clone() * rows.clone(), x.dims()[0] as f64 / *count as f64),
            None => (x, 1.0),
        };
        terms.map(|term| {
            let sums = Tensor::from_dispatch(Dispatch::cpu_column_sums(x.clone().into_dispatch(), term));
            if term == Term::Mean && of_all != 1.0 { sums * of_all } else { sums }
        })
    })
}

/// `h`, and a leaf whose gradient is `sizes` times the sum over tokens of |∂L/∂h|, `[n]`: neither is the activation kept
/// for it, nor the gradient.
pub(crate) fn tapped(h: Tensor<2>, sizes: &Tensor<1>) -> (Tensor<2>, Tensor<1>) {
    // The leaf is only a name for its gradient: its own values are never read, nor is its size.
    let leaf = Tensor::<1>::empty([1], &h.device()).require_grad();
    let h = gpu::tap::tapped(&h, &leaf, sizes).unwrap_or_else(|| {
        let sizes = Tensor::from_inner(sizes.clone());
        Tensor::from_dispatch(Dispatch::cpu_tap(h.into_dispatch(), leaf.clone().into_dispatch(), sizes.into_dispatch()))
    });
    (h, leaf)
}

/// `x ∘ m` of a mask whose gradient is wanted; if it is of ones, which the caller knows, nothing is multiplied and on the
/// CPU nothing kept that is not kept anyway.
pub(crate) fn masked(x: Tensor<2>, mask: Tensor<1>, ones: bool) -> Tensor<2> {
    let x = x.into_dispatch();
    if on_cpu(&x) {
        return Tensor::from_dispatch(Dispatch::cpu_masked(x, mask.into_dispatch(), ones));
    }
    Tensor::<2>::from_dispatch(x) * mask.unsqueeze()
}

/// `x` without the entries of `dropped`, the others scaled up.
pub(crate) fn dropped<const D: usize>(x: Tensor<D>, dropped: Dropped) -> Tensor<D> {
    let x = x.into_dispatch();
    if on_cpu(&x) {
        return Tensor::from_dispatch(Dispatch::cpu_dropped(x, dropped));
    }
    let x = Tensor::<D>::from_dispatch(x);
    let factors = TensorData::new(dropped.factors(), x.dims());
    let device = x.device();
    x * Tensor::from_data(factors, &device)
}

/// `values` after an update with `gradient` in as few passes as there can be; [`None`] of tensors that have no kernel.
pub fn adamw(values: &Tensor<1>, gradient: &Tensor<1>, step: &AdamWStep<'_>) -> Option<AdamWResult> {
    gpu::flat::adamw(values, gradient, step).or_else(|| update::on_cpu(values, gradient, step))
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

/// Whether the device is the CPU, with or without autodiff.
pub(crate) fn is_cpu(device: &Device) -> bool {
    on_cpu(&Tensor::<1>::empty([1], device).into_dispatch())
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

#[cfg(test)]
mod tests;
