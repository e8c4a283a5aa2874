//! Three operations whose cost is not their arithmetic: on the CPU backend, GELU, normalisation and the gradient of
//! softmax are chains of single-threaded passes over memory. Here each is one pass forward and one backward, on all
//! threads. Other devices keep Burn's own operations; the mathematics is the same.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ActivationOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchTensor, DispatchTensorKind, Flex, backend_extension};
use burn::tensor::{Tensor, activation};

/// `x·Φ(x)`, element by element.
pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    by_device(x, Dispatch::cpu_gelu, activation::gelu)
}

/// `(x − mean)/√(var + ε)` over the last dimension.
pub(crate) fn normalise<const D: usize>(x: Tensor<D>, eps: f64) -> Tensor<D> {
    by_device(
        x,
        |x| Dispatch::cpu_normalise(x, eps),
        |x| {
            let centred = x.clone() - x.mean_dim(D - 1);
            let variance = (centred.clone() * centred.clone()).mean_dim(D - 1);
            centred * (variance + eps).sqrt().recip()
        },
    )
}

/// Softmax over the last dimension.
pub(crate) fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    by_device(x, Dispatch::cpu_softmax, |x| activation::softmax(x, D - 1))
}

/// `cpu` where the tensor is the CPU backend's, `burn` where it is not.
fn by_device<const D: usize>(
    x: Tensor<D>,
    cpu: impl FnOnce(DispatchTensor) -> DispatchTensor,
    burn: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    let x = x.into_dispatch();
    let on_cpu = match &x.kind {
        DispatchTensorKind::Flex(_) => true,
        DispatchTensorKind::Autodiff(inner) => matches!(**inner, DispatchTensorKind::Flex(_)),
        #[allow(unreachable_patterns)] // A browser build may have no other backend.
        _ => false,
    };
    if on_cpu { Tensor::from_dispatch(cpu(x)) } else { burn(Tensor::from_dispatch(x)) }
}

/// The operations, reachable from a tensor of any device.
#[backend_extension(Flex, Autodiff)]
pub trait CpuKernels: Backend {
    /// `x·Φ(x)`.
    fn cpu_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `(x − mean)/√(var + ε)` over the last dimension.
    fn cpu_normalise(x: FloatTensor<Self>, eps: f64) -> FloatTensor<Self>;
    /// Softmax over the last dimension.
    fn cpu_softmax(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Their gradients: from what the operation saved and ∂L/∂y to ∂L/∂x.
trait CpuGradients: Backend {
    /// From x.
    fn gelu_gradient(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
    /// From x.
    fn normalise_gradient(x: FloatTensor<Self>, gradient: FloatTensor<Self>, eps: f64) -> FloatTensor<Self>;
    /// From y.
    fn softmax_gradient(y: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl CpuKernels for Flex {
    fn cpu_gelu(x: FlexTensor) -> FlexTensor {
        by_row(x, |row| row.iter_mut().for_each(|x| *x *= normal(*x).0))
    }

    fn cpu_normalise(x: FlexTensor, eps: f64) -> FlexTensor {
        by_row(x, |row| {
            let (mean, scale) = moments(row, eps as f32);
            row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
        })
    }

    fn cpu_softmax(x: FlexTensor) -> FlexTensor {
        let last = x.layout().num_dims() - 1;
        <Flex as ActivationOps<Flex>>::softmax(x, last)
    }
}

impl CpuGradients for Flex {
    fn gelu_gradient(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        by_row_with(x, gradient, |row, gradient| {
            for (&x, g) in row.iter().zip(gradient) {
                let (cdf, density) = normal(x);
                *g *= cdf + x * density;
            }
        })
    }

    fn normalise_gradient(x: FlexTensor, gradient: FlexTensor, eps: f64) -> FlexTensor {
        by_row_with(x, gradient, |row, gradient| {
            let (mean, scale) = moments(row, eps as f32);
            let n = row.len() as f32;
            let of_mean = sum(gradient, gradient, |g, _| g) / n;
            let of_scale = sum(row, gradient, |x, g| (x - mean) * g) * scale * scale / n;
            for (&x, g) in row.iter().zip(gradient) {
                *g = (*g - of_mean - (x - mean) * of_scale) * scale;
            }
        })
    }

    fn softmax_gradient(y: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        by_row_with(y, gradient, |row, gradient| {
            let inner = sum(row, gradient, |y, g| y * g);
            row.iter().zip(gradient).for_each(|(&y, g)| *g = y * (*g - inner));
        })
    }
}

/// Applies `f` to every row of the last dimension.
fn by_row(x: FlexTensor, f: impl Fn(&mut [f32]) + Sync) -> FlexTensor {
    let (mut x, width) = own(x);
    in_parallel(x.storage_mut(), width, |_, rows| rows.chunks_mut(width).for_each(&f));
    x
}

/// Applies `f` to every row of `x` and of `gradient`, which becomes the result.
fn by_row_with(x: FlexTensor, gradient: FlexTensor, f: impl Fn(&[f32], &mut [f32]) + Sync) -> FlexTensor {
    let (mut gradient, width) = own(gradient);
    let x = x.to_contiguous();
    // Invariant: a contiguous float tensor is one slice, and a gradient has the shape of its tensor.
    let values: &[f32] = x.as_slice().unwrap_or_default();
    in_parallel(gradient.storage_mut(), width, |at, rows| {
        let values = &values[at..at + rows.len()];
        values.chunks(width).zip(rows.chunks_mut(width)).for_each(|(x, g)| f(x, g));
    });
    gradient
}

/// A tensor whose storage is exactly its values, row by row, and the width of a row.
fn own(x: FlexTensor) -> (FlexTensor, usize) {
    let shape = x.layout().shape().clone();
    let width = shape[shape.num_dims() - 1].max(1);
    let x = x.to_contiguous();
    let whole = x.storage::<f32>().len() == shape.num_elements();
    match x.as_slice::<f32>() {
        Some(values) if !whole => {
            let bytes = burn::tensor::Bytes::from_elems(values.to_vec());
            (FlexTensor::new(bytes, burn::backend::flex::Layout::contiguous(shape), x.dtype()), width)
        }
        _ => (x, width),
    }
}

/// Calls `f` with runs of whole rows and where they begin.
fn in_parallel(values: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    /// Values of one task: small enough to share out evenly, large enough to hide the cost of sharing.
    const TASK: usize = 1 << 14;
    let run = (TASK / width).max(1) * width;
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        values.par_chunks_mut(run).enumerate().for_each(|(i, rows)| f(i * run, rows));
    }
    #[cfg(target_family = "wasm")]
    values.chunks_mut(run).enumerate().for_each(|(i, rows)| f(i * run, rows));
}

/// Mean and `1/√(var + ε)`.
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(row, row, |x, _| x) / n;
    let variance = sum(row, row, |x, _| (x - mean) * (x - mean)) / n;
    (mean, (variance + eps).sqrt().recip())
}

/// `Σ f(aᵢ, bᵢ)` in sixteen partial sums, so that the compiler may use vector registers.
fn sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(&a, &b)| f(a, b)).sum();
    for (a, b) in a.zip(b) {
        for i in 0..LANES {
            sums[i] += f(a[i], b[i]);
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Φ(x) and φ(x) of the standard normal distribution, to a few units in the last place of f32.
///
/// `Φ(−|x|) = e^(−x²/2)·t·P(t)` with `t = 1/(1 + p·|x|)`: the form of Abramowitz & Stegun 26.2.17, with a polynomial
/// fitted on `|x| ≤ 14` to a relative error of 4·10⁻⁸. Branch-free, so that the compiler may use vector registers.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    const P: f32 = 0.231_641_9;
    const FITTED: [f32; 8] = [
        -0.072_382_03,
        0.255_960_4,
        -0.216_164_97,
        0.238_886_35,
        0.006_154_533,
        0.104_961_13,
        0.090_036_16,
        0.092_548_39,
    ];
    const DENSITY_AT_0: f32 = 0.398_942_3;
    let size = x.abs().min(13.0);
    let t = 1.0 / (1.0 + P * size);
    let exponential = exp(-0.5 * size * size);
    let polynomial = FITTED.iter().fold(0.0, |sum, &c| sum * t + c);
    let tail = exponential * t * polynomial;
    let cdf = if x < 0.0 { tail } else { 1.0 - tail };
    (cdf, exponential * DENSITY_AT_0)
}

/// eˣ for −87 ≤ x ≤ 0: 2ⁿ from the exponent's bits times a polynomial for what is left.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const FITTED: [f32; 7] =
        [1.546_144_5e-4, 1.340_042_8e-3, 9.618_057e-3, 5.550_327e-2, 0.240_226_5, std::f32::consts::LN_2, 1.0];
    let shifted = x.max(-87.0) * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let rest = ((x.max(-87.0) - n * LN_2[0]) - n * LN_2[1]) * std::f32::consts::LOG2_E;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    FITTED.iter().fold(0.0, |sum, &c| sum * rest + c) * power
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
struct Normalise;

impl<B: CpuGradients> Backward<B, 1> for Normalise {
    type State = (B::FloatTensorPrimitive, f64);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (x, eps) = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::normalise_gradient(x, g, eps));
    }
}

#[derive(Debug)]
struct Softmax;

impl<B: CpuGradients> Backward<B, 1> for Softmax {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let y = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |g| B::softmax_gradient(y, g));
    }
}

impl<B: CpuKernels + CpuGradients, C: CheckpointStrategy> CpuKernels for Autodiff<B, C> {
    fn cpu_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match Gelu.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => tracked.finish(x.clone(), B::cpu_gelu(x)),
            OpsKind::UnTracked(free) => free.finish(B::cpu_gelu(x)),
        }
    }

    fn cpu_normalise(x: FloatTensor<Self>, eps: f64) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match Normalise.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => tracked.finish((x.clone(), eps), B::cpu_normalise(x, eps)),
            OpsKind::UnTracked(free) => free.finish(B::cpu_normalise(x, eps)),
        }
    }

    fn cpu_softmax(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match Softmax.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let y = B::cpu_softmax(x);
                tracked.finish(y.clone(), y)
            }
            OpsKind::UnTracked(free) => free.finish(B::cpu_softmax(x)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::read_back;
    use burn::tensor::Device;

    fn values(tensor: Tensor<1>) -> Vec<f32> {
        pollster::block_on(read_back(tensor, "a test's values")).expect("the CPU gives its tensors back")
    }

    fn worst(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// Value and gradient of `f` weighted unevenly, so that no symmetry hides a mistake.
    fn graded(f: impl Fn(Tensor<2>) -> Tensor<2>) -> (Vec<f32>, Vec<f32>) {
        let device = Device::flex().autodiff();
        let wave = |step: f32, size: f32| -> Tensor<2> {
            let values: Vec<f32> = (0..7 * 37).map(|i| (i as f32 * step).sin() * size).collect();
            Tensor::<1>::from_floats(values.as_slice(), &device).reshape([7, 37])
        };
        let x = wave(0.7, 6.0).require_grad();
        let y = f(x.clone());
        let gradients = (y.clone() * wave(1.3, 1.0)).sum().backward();
        let gradient = x.grad(&gradients).expect("x is a leaf of the graph");
        (values(y.inner().reshape([-1])), values(gradient.reshape([-1])))
    }

    #[test]
    fn values_and_gradients_are_those_of_burns_own_operations() {
        type Operation = fn(Tensor<2>) -> Tensor<2>;
        let pairs: [(&str, Operation, Operation); 3] = [
            ("gelu", gelu, activation::gelu),
            ("softmax", softmax, |x| activation::softmax(x, 1)),
            (
                "normalise",
                |x| normalise(x, 1e-12),
                |x| {
                    let centred = x.clone() - x.mean_dim(1);
                    centred.clone() * (centred.square().mean_dim(1) + 1e-12).sqrt().recip()
                },
            ),
        ];
        for (name, ours, burns) in pairs {
            let ((y, gradient), (y_burn, gradient_burn)) = (graded(ours), graded(burns));
            let (values, gradients) = (worst(&y, &y_burn), worst(&gradient, &gradient_burn));
            assert!(values < 2e-6, "{name}: values differ by {values:e}");
            assert!(gradients < 5e-6, "{name}: gradients differ by {gradients:e}");
        }
    }
}
