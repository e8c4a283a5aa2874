//! The operations that decoders have and encoders have not: each one pass forward and one backward on the CPU, and Burn's
//! own operations elsewhere.

use super::cpu::{CpuInference, CpuKernels};
use super::decoders_cpu::DecoderKernels;
use super::{Angles, on_cpu};
use burn::backend::{Dispatch, DispatchTensorKind};
use burn::tensor::{Tensor, activation};

/// `x·W`: `x: [n, d_in]`, `weight: [d_in, d_out]`.
pub(crate) fn product(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let frozen = !weight.is_require_grad();
    let x = x.into_dispatch();
    if frozen && on_cpu(&x) {
        return Tensor::from_dispatch(Dispatch::cpu_product(x, weight.into_dispatch()));
    }
    Tensor::<2>::from_dispatch(x).matmul(weight)
}

/// `γ ∘ x/√(mean of squares + ε)` over the last dimension; γ is `weight`, `[d]` for `x: [n, d]`.
pub(crate) fn rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    let frozen = !weight.is_require_grad();
    let x = x.into_dispatch();
    if frozen && on_cpu(&x) {
        return Tensor::from_dispatch(Dispatch::cpu_rms(x, weight.into_dispatch(), eps));
    }
    let x = Tensor::<2>::from_dispatch(x);
    let squares = (x.clone() * x.clone()).mean_dim(1);
    x * (squares + eps).sqrt().recip() * weight.unsqueeze()
}

/// `x·σ(x)` of `gate`, times `x`.
pub(crate) fn silu_times(gate: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
    let gate = gate.into_dispatch();
    if on_cpu(&gate) {
        return Tensor::from_dispatch(Dispatch::cpu_silu_times(gate, x.into_dispatch()));
    }
    activation::silu(Tensor::<2>::from_dispatch(gate)) * x
}

/// Every head of every token turned by its position: dim i of a head with dim i + size/2.
pub(crate) fn rotate(x: Tensor<2>, angles: &Angles) -> Tensor<2> {
    let x = x.into_dispatch();
    if on_cpu(&x) {
        let table = angles.table.clone().into_dispatch();
        return Tensor::from_dispatch(Dispatch::cpu_rotate(x, table, false));
    }
    let x = Tensor::<2>::from_dispatch(x);
    let ([tokens, width], [rows, size]) = (x.dims(), angles.table.dims());
    let (half, heads) = (angles.size / 2, width / size);
    let x = x.reshape([tokens / rows, rows, heads, size]);
    let part = |t: Tensor<4>, first: usize| t.narrow(3, first, half);
    let table = angles.table.clone().reshape([1, rows, 1, size]);
    let (cos, sin) = (part(table.clone(), 0), part(table, half));
    let (a, b) = (part(x.clone(), 0), part(x, half));
    let turned = [a.clone() * cos.clone() - b.clone() * sin.clone(), b * cos + a * sin];
    Tensor::cat(turned.to_vec(), 3).reshape([tokens, width])
}

/// `softmax(s·scores)` over the keys up to the query's own: `scores: [batch, units, group · length, length]`, the queries of
/// a unit's heads behind one another.
pub(crate) fn causal_weights(scores: Tensor<4>, scale: f64) -> Tensor<4> {
    let scores = scores.into_dispatch();
    if on_cpu(&scores) {
        return Tensor::from_dispatch(Dispatch::cpu_causal_softmax(scores, scale));
    }
    let scores = Tensor::<4>::from_dispatch(scores);
    let [batch, units, queries, length] = scores.dims();
    let later = Tensor::<2, burn::tensor::Bool>::tril_mask([length, length], 0, &scores.device());
    let later = (later.float() * crate::PADDING_SCORE).reshape([1, 1, length, length]);
    let scores = scores.reshape([batch, units * (queries / length.max(1)), length, length]) * scale + later;
    activation::softmax(scores, 3).reshape([batch, units, queries, length])
}

/// `ln Σ exp(x)` of every row, `[n]`; without autodiff.
pub(crate) fn log_partition(x: Tensor<2>) -> Tensor<1> {
    let n = x.dims()[0];
    let x = x.into_dispatch();
    if matches!(x.kind, DispatchTensorKind::Flex(_)) {
        return Tensor::from_dispatch(Dispatch::cpu_log_partition(x));
    }
    let x = Tensor::<2>::from_dispatch(x);
    let most = x.clone().max_dim(1);
    ((x - most.clone()).exp().sum_dim(1).log() + most).reshape([n])
}

/// `softmax(x)` of every row.
pub(crate) fn softmax(x: Tensor<2>) -> Tensor<2> {
    let x = x.into_dispatch();
    if on_cpu(&x) {
        return Tensor::from_dispatch(Dispatch::cpu_softmax(x, 1.0));
    }
    activation::softmax(Tensor::<2>::from_dispatch(x), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::tests::{graded, graded_to, values, vector, worst};
    use burn::tensor::Device;

    fn agree(name: &str, ours: (Vec<f32>, Vec<f32>), burns: (Vec<f32>, Vec<f32>)) {
        let (values, gradients) = (worst(&ours.0, &burns.0), worst(&ours.1, &burns.1));
        assert!(values < 5e-6, "{name}: values differ by {values:e}");
        assert!(gradients < 1e-5, "{name}: gradients differ by {gradients:e}");
    }

    #[test]
    fn the_root_mean_square_norm_is_that_of_burns_operations() {
        let burns = |x: Tensor<2>| {
            let scale = (x.clone().square().mean_dim(1) + 1e-6).sqrt().recip();
            let weight = vector(&x, 0.4);
            x * scale * weight.unsqueeze()
        };
        let ours = |x: Tensor<2>| {
            let weight = vector(&x, 0.4);
            rms_norm(x, weight, 1e-6)
        };
        agree("rms", graded(ours), graded(burns));
    }

    #[test]
    fn a_gate_and_what_it_lets_through_get_their_gradients() {
        let other = |x: &Tensor<2>| vector(x, 0.9).unsqueeze::<2>().repeat_dim(0, 7) * 3.0;
        let silu = |x: Tensor<2>| x.clone() * activation::sigmoid(x);
        agree("gate", graded(|x| silu_times(x.clone(), other(&x))), graded(|x| silu(x.clone()) * other(&x)));
        agree("x", graded(|x| silu_times(other(&x), x)), graded(|x| silu(other(&x)) * x));
        agree("both", graded(|x| silu_times(x.clone() * 0.3, x)), graded(|x| silu(x.clone() * 0.3) * x));
    }

    #[test]
    fn turning_is_that_of_burns_operations_and_begins_anew_with_every_sequence() {
        let size = 6;
        let of = |x: &Tensor<2>| {
            let rotary = crate::Rotary { theta: 30.0, scaling: crate::RotaryScaling::Default };
            let table = rotary.table(size, [0, 1, 2, 5, 9, 2, 1].into_iter());
            Angles { table: Tensor::<1>::from_floats(table.as_slice(), &x.device()).reshape([7, size]), size }
        };
        let heads = |x: Tensor<2>| x.slice([0..7, 0..36]);
        let ours = graded_to(36, |x| rotate(heads(x.clone()), &of(&x)));
        let burns = graded_to(36, |x| {
            let table = of(&x).table.reshape([7, 1, size]);
            let (cos, sin) = (table.clone().narrow(2, 0, 3), table.narrow(2, 3, 3));
            let x = heads(x).reshape([7, 6, size]);
            let (a, b) = (x.clone().narrow(2, 0, 3), x.narrow(2, 3, 3));
            let turned = [a.clone() * cos.clone() - b.clone() * sin.clone(), b * cos + a * sin];
            Tensor::cat(turned.to_vec(), 2).reshape([7, 36])
        });
        agree("rotate", ours, burns);
        let device = Device::flex();
        let x = Tensor::<1>::from_floats([1.0_f32; 24].as_slice(), &device).reshape([4, 6]);
        let rotary = crate::Rotary { theta: 30.0, scaling: crate::RotaryScaling::Default };
        let table = Tensor::<1>::from_floats(rotary.table(size, 0..2).as_slice(), &device).reshape([2, size]);
        let turned = values(rotate(x, &Angles { table, size }).reshape([-1]));
        assert_eq!(turned[..12], turned[12..], "two sequences of two tokens");
    }

    #[test]
    fn a_query_weighs_the_keys_up_to_its_own() {
        // Two units with three queries of every token, of which there are four.
        let shaped = |x: Tensor<2>| x.slice([0..4, 0..24]).reshape([1, 2, 12, 4]);
        let ours = graded_to(24, |x| {
            let y = causal_weights(shaped(x), 0.7).reshape([4, 24]);
            Tensor::cat(vec![y.clone(), y.slice([0..3, 0..24])], 0)
        });
        let burns = graded_to(24, |x| {
            let device = x.device();
            let later: Vec<f32> = (0..12 * 4).map(|at| if at % 4 > at / 4 % 4 { -1e9 } else { 0.0 }).collect();
            let later = Tensor::<1>::from_floats(later.as_slice(), &device).reshape([1, 1, 12, 4]);
            let y = activation::softmax(shaped(x) * 0.7 + later, 3).reshape([4, 24]);
            Tensor::cat(vec![y.clone(), y.slice([0..3, 0..24])], 0)
        });
        agree("causal", ours, burns);
    }

    #[test]
    fn the_log_of_the_partition_is_that_of_burns_operations_and_keeps_what_is_not_a_number() {
        let device = Device::flex();
        let x = Tensor::<2>::from_floats([[1.0, 2.0, 30.0], [-100.0, -100.0, -101.0], [0.0, f32::NAN, 1.0]], &device);
        let found = values(log_partition(x));
        let expected = [30.0, -100.0 + (2.0 + (-1.0_f32).exp()).ln()];
        assert!(worst(&expected, &found[..2]) < 1e-5, "{found:?}");
        assert!(found[2].is_nan(), "a NaN was lost: {found:?}");
    }
}
