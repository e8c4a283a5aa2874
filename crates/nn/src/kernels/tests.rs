//! The kernels against Burn's own operations, in value and gradient.

use super::*;
use crate::checkpoint::read_back;
use burn::tensor::Device;

pub(super) fn values(tensor: Tensor<1>) -> Vec<f32> {
    pollster::block_on(read_back(tensor, "a test's values")).expect("the CPU gives its tensors back")
}

/// The largest difference; never of values that are missing or no numbers.
pub(super) fn worst(expected: &[f32], found: &[f32]) -> f32 {
    assert_eq!(expected.len(), found.len(), "how many values");
    assert!(found.iter().chain(expected).all(|v| v.is_finite()), "not finite: {found:?}, expected {expected:?}");
    expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Value and gradient of `f` weighted unevenly, so that no symmetry hides a mistake.
pub(super) fn graded(f: impl Fn(Tensor<2>) -> Tensor<2>) -> (Vec<f32>, Vec<f32>) {
    graded_to(37, f)
}

/// As [`graded`], for an operation with `width` columns.
pub(super) fn graded_to(width: usize, f: impl Fn(Tensor<2>) -> Tensor<2>) -> (Vec<f32>, Vec<f32>) {
    let device = Device::flex().autodiff();
    let wave = |step: f32, size: f32| -> Tensor<2> {
        let values: Vec<f32> = (0..7 * 37).map(|i| (i as f32 * step).sin() * size).collect();
        Tensor::<1>::from_floats(values.as_slice(), &device).reshape([7, 37])
    };
    let x = wave(0.7, 6.0).require_grad();
    let y = f(x.clone());
    let gradients = (y.clone() * wave(1.3, 1.0).slice([0..7, 0..width])).sum().backward();
    let gradient = x.grad(&gradients).expect("x is a leaf of the graph");
    (values(y.inner().reshape([-1])), values(gradient.reshape([-1])))
}

/// A vector as wide as the rows.
pub(super) fn vector(x: &Tensor<2>, step: f32) -> Tensor<1> {
    let values: Vec<f32> = (0..37).map(|i| (i as f32 * step).cos() + 0.3).collect();
    Tensor::from_floats(values.as_slice(), &x.device())
}

#[test]
fn values_and_gradients_are_those_of_burns_own_operations() {
    type Operation = fn(Tensor<2>) -> Tensor<2>;
    let pairs: [(&str, Operation, Operation); 4] = [
        ("gelu", gelu, activation::gelu),
        (
            "softmax",
            |x| attention_weights(x.reshape([1, 7, 1, 37]), None, 0.7).reshape([7, 37]),
            |x| activation::softmax(x * 0.7, 1),
        ),
        (
            "softmax with padding",
            |x| {
                let padding = vector(&x, 0.9).repeat(&[7]).reshape([7, 1, 1, 37]) * -5.0;
                attention_weights(x.reshape([7, 1, 1, 37]), Some(&padding), 0.7).reshape([7, 37])
            },
            |x| {
                let padding = vector(&x, 0.9).unsqueeze::<2>() * -5.0;
                activation::softmax(x * 0.7 + padding, 1)
            },
        ),
        (
            "norm",
            |x| {
                let (weight, bias) = (vector(&x, 0.4), vector(&x, 1.1));
                norm(x, weight, bias, 1e-12)
            },
            |x| {
                let (weight, bias) = (vector(&x, 0.4), vector(&x, 1.1));
                let centred = x.clone() - x.mean_dim(1);
                let scaled = centred.clone() * (centred.square().mean_dim(1) + 1e-12).sqrt().recip();
                scaled * weight.unsqueeze() + bias.unsqueeze()
            },
        ),
    ];
    for (name, ours, burns) in pairs {
        let ((y, gradient), (y_burn, gradient_burn)) = (graded(ours), graded(burns));
        let (values, gradients) = (worst(&y, &y_burn), worst(&gradient, &gradient_burn));
        assert!(values < 3e-6, "{name}: values differ by {values:e}");
        assert!(gradients < 1e-5, "{name}: gradients differ by {gradients:e}");
    }
}

#[test]
fn a_frozen_linear_layer_is_a_product_and_a_sum_also_for_a_submatrix() {
    fn weight(x: &Tensor<2>) -> Tensor<2> {
        let values: Vec<f32> = (0..40 * 30).map(|i| (i as f32 * 0.37).sin()).collect();
        Tensor::<1>::from_floats(values.as_slice(), &x.device()).reshape([40, 30]).slice([0..37, 0..21])
    }
    let bias = |x: &Tensor<2>| vector(x, 0.8).slice(0..21);
    let (y, gradient) = graded_to(21, |x| linear(x.clone(), weight(&x), bias(&x)));
    let (expected, of_burn) = graded_to(21, |x| x.clone().matmul(weight(&x)) + bias(&x).unsqueeze());
    assert!(worst(&y, &expected) < 1e-4, "values differ by {:e}", worst(&y, &expected));
    assert!(worst(&gradient, &of_burn) < 1e-4, "gradients differ by {:e}", worst(&gradient, &of_burn));
}

#[test]
fn attention_in_one_operation_is_that_of_its_parts() {
    let device = Device::flex();
    let (batch, length, heads, size) = (3, 5, 2, 4);
    let matrix = |step: f32| -> Tensor<2> {
        let values: Vec<f32> = (0..15 * 8).map(|i| (i as f32 * step).sin() * 2.0).collect();
        Tensor::<1>::from_floats(values.as_slice(), &device).reshape([15, 8])
    };
    let padding: Vec<f32> = (0..15).map(|i| if i % 5 > 2 { -1e9 } else { 0.0 }).collect();
    let padding = Tensor::<1>::from_floats(padding.as_slice(), &device).reshape([3, 1, 1, 5]);
    for padding in [None, Some(&padding)] {
        let [q, k, v] = [matrix(0.7), matrix(1.3), matrix(2.1)];
        let spans = vec![Span::new(length, if padding.is_some() { 3 } else { length }); batch];
        let one = Heads { units: heads, group: 1, causal: false };
        let fused = attention(&[q.clone(), k.clone(), v.clone()], &spans, one);
        let split = |t: Tensor<2>| t.reshape([batch, length, heads, size]).swap_dims(1, 2);
        let weights = attention_weights(split(q).matmul(split(k).swap_dims(2, 3)), padding, 0.5);
        let parts = weights.matmul(split(v)).swap_dims(1, 2).reshape([15, 8]);
        let fused = values(fused.expect("the CPU fuses attention").reshape([-1]));
        let difference = worst(&fused, &values(parts.reshape([-1])));
        assert!(difference < 1e-6, "with padding {}: they differ by {difference:e}", padding.is_some());
    }
}

/// A matrix of waves on `device`.
fn waves(device: &Device, [rows, columns]: [usize; 2], step: f32) -> Tensor<2> {
    let values: Vec<f32> = (0..rows * columns).map(|i| (i as f32 * step).sin()).collect();
    Tensor::<1>::from_floats(values.as_slice(), device).reshape([rows, columns])
}

/// Value of `f` and the gradients of its three inputs of these sizes, weighted unevenly.
fn graded_inputs(sizes: [[usize; 2]; 3], f: impl Fn([Tensor<2>; 3]) -> Tensor<2>) -> [Vec<f32>; 4] {
    let device = Device::flex().autodiff();
    let mut step = 0.3;
    let inputs = sizes.map(|size| {
        step += 0.4;
        waves(&device, size, step).require_grad()
    });
    let y = f(inputs.clone());
    let gradients = (y.clone() * waves(&device, y.dims(), 1.9)).sum().backward();
    let [a, b, c] = inputs.map(|x| values(x.grad(&gradients).expect("a leaf of the graph").reshape([-1])));
    [values(y.inner().reshape([-1])), a, b, c]
}

#[test]
fn a_layer_with_its_adapter_is_that_of_its_parts_in_value_and_gradient() {
    for (tokens, rank, with) in [(7, 3, true), (70, 8, true), (5, 1, true), (9, 2, false)] {
        let sizes = [[tokens, 37], [37, rank], [rank, 21]];
        let weight = |x: &Tensor<2>| waves(&x.device(), [40, 30], 0.37).slice([0..37, 0..21]);
        let bias = |x: &Tensor<2>| vector(x, 0.8).slice(0..21);
        let ours =
            graded_inputs(sizes, |[x, a, b]| adapted(x.clone(), weight(&x), with.then(|| bias(&x)), [a, b], 1.7));
        let parts = graded_inputs(sizes, |[x, a, b]| {
            let bias = bias(&x).unsqueeze() * f32::from(u8::from(with));
            x.clone().matmul(weight(&x)) + bias + x.matmul(a).matmul(b) * 1.7
        });
        for (name, (ours, parts)) in ["value", "of x", "of A", "of B"].iter().zip(ours.iter().zip(&parts)) {
            let difference = worst(parts, ours);
            assert!(difference < 2e-4, "{tokens} tokens, rank {rank}, bias {with}, {name}: {difference:e}");
        }
    }
}

#[test]
fn the_gradients_of_attention_in_one_operation_are_those_of_its_parts() {
    let (batch, length, size) = (3, 21, 4);
    const KEYS: [usize; 3] = [5, 13, 21];
    let is_padding = |i: usize| i % length >= KEYS[i / length];
    let padding: Vec<f32> = (0..batch * length).map(|i| if is_padding(i) { -1e9 } else { 0.0 }).collect();
    let padding = Tensor::<1>::from_floats(padding.as_slice(), &Device::flex().autodiff()).reshape([3, 1, 1, 21]);
    let encoder = Heads { units: 2, group: 1, causal: false };
    let decoder = Heads { units: 2, group: 3, causal: true };
    for (heads, padding) in [(encoder, None), (encoder, Some(&padding)), (decoder, None)] {
        let Heads { units, group, causal } = heads;
        let split = |t: Tensor<2>, heads| t.reshape([batch, length, heads, size]).swap_dims(1, 2);
        let sizes = [units * group, units, units].map(|heads| [batch * length, heads * size]);
        let keys = |i: usize| if padding.is_some() { KEYS[i] } else { length };
        let spans: Vec<Span> = (0..batch).map(|i| Span::new(length, keys(i))).collect();
        let ours = graded_inputs(sizes, |qkv| attention(&qkv, &spans, heads).expect("the CPU fuses it"));
        let parts = graded_inputs(sizes, |[q, k, v]| {
            let q = split(q, units * group).reshape([batch, units, group * length, size]);
            let scores = q.matmul(split(k, units).swap_dims(2, 3));
            let weights = if causal { causal_weights(scores, 0.5) } else { attention_weights(scores, padding, 0.5) };
            let context = weights.matmul(split(v, units)).reshape([batch, units * group, length, size]);
            context.swap_dims(1, 2).reshape([batch * length, units * group * size])
        });
        for (name, (ours, parts)) in ["value", "of Q", "of K", "of V"].iter().zip(ours.iter().zip(&parts)) {
            let difference = worst(parts, ours);
            assert!(difference < 1e-5, "{heads:?}, with padding {}, {name}: {difference:e}", padding.is_some());
        }
    }
}

#[test]
fn the_norm_of_a_sum_is_the_same_with_and_without_autodiff() {
    let graph = Device::flex().autodiff();
    let of = |device: &Device| {
        let matrix = |step: f32| -> Tensor<2> {
            let values: Vec<f32> = (0..7 * 37).map(|i| (i as f32 * step).sin() * 4.0).collect();
            Tensor::<1>::from_floats(values.as_slice(), device).reshape([7, 37])
        };
        let (x, y) = (matrix(0.7), matrix(1.9));
        let (weight, bias) = (vector(&x, 0.4), vector(&x, 1.1));
        norm_of_sum(x, y, weight, bias, 1e-12)
    };
    let (fused, apart) = (values(of(&Device::flex()).reshape([-1])), values(of(&graph).inner().reshape([-1])));
    assert!(worst(&fused, &apart) < 1e-6, "they differ by {:e}", worst(&fused, &apart));
}

#[test]
fn attention_to_padding_is_nothing_and_what_is_not_a_number_stays_so() {
    let device = Device::flex();
    let scores = Tensor::<4>::from_floats([[[[1.0, 2.0, 3.0]]], [[[1.0, f32::NAN, 3.0]]]], &device);
    let padding = Tensor::<4>::from_floats([[[[0.0, 0.0, -1e9]]], [[[0.0, 0.0, 0.0]]]], &device);
    let weights = values(attention_weights(scores, Some(&padding), 1.0).reshape([-1]));
    assert_eq!(weights[2], 0.0, "weight of padding");
    assert!((weights[0] + weights[1] - 1.0).abs() < 1e-6, "{weights:?}");
    assert!(weights[3..].iter().any(|w| w.is_nan()), "a NaN was lost: {weights:?}");
}

/// What scores an activation is what the zeros added to it used to give: c(H)∘c(∂L/∂H), and nothing else moves.
#[test]
fn a_tap_that_keeps_vectors_gives_what_one_that_keeps_activations_gives() {
    let device = Device::flex().autodiff();
    // More values than one task has, so that partial sums are put together.
    let (rows, columns) = (900, 37);
    let wave = |step: f32| -> Tensor<2> {
        let values: Vec<f32> = (0..rows * columns).map(|i| (i as f32 * step).sin() * 2.0).collect();
        Tensor::<1>::from_floats(values.as_slice(), &device).reshape([rows, columns])
    };
    let sums = |z: Tensor<2>| z.abs().sum_dim(0).reshape([columns]);
    for tracked in [true, false] {
        let x = if tracked { wave(0.7).require_grad() } else { wave(0.7) };
        let loss = |h: Tensor<2>| (h.clone() * h * wave(1.3)).sum();
        let [sizes, means, squares] = column_sums(&x, None, [Term::Abs, Term::Mean, Term::Square]);
        let (h, leaf) = tapped(x.clone(), &sizes);
        let ours = loss(h).backward();
        let zeros = Tensor::<2>::zeros([rows, columns], &device).require_grad();
        let theirs = loss(x.clone() + zeros.clone()).backward();
        let of_zeros = zeros.grad(&theirs).expect("the loss reaches the zeros");
        let plain = x.clone().without_autodiff();
        let pairs = [
            ("product", leaf.grad(&ours).expect("the loss reaches the tap"), sums(plain.clone()) * sums(of_zeros)),
            ("mean", means, plain.clone().mean_dim(0).reshape([columns])),
            ("squares", squares, plain.square().sum_dim(0).reshape([columns])),
        ];
        for (name, ours, theirs) in pairs {
            let (ours, theirs) = (values(ours), values(theirs));
            let scale = theirs.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            assert!(worst(&ours, &theirs) < 1e-5 * scale, "{name}: {:e} of {scale}", worst(&ours, &theirs));
        }
        if tracked {
            let [ours, theirs] = [ours, theirs].map(|g| values(x.grad(&g).expect("x is a leaf").reshape([-1])));
            assert_eq!(ours, theirs, "the gradient passes as it is");
        }
    }
}

#[test]
fn a_mask_whose_gradient_is_wanted_is_a_product() {
    let device = Device::flex().autodiff();
    for (ones, step) in [(false, 0.4_f32), (true, 0.0)] {
        let wave = |step: f32| -> Tensor<2> {
            let values: Vec<f32> = (0..900 * 37).map(|i| (i as f32 * step).sin() * 2.0).collect();
            Tensor::<1>::from_floats(values.as_slice(), &device).reshape([900, 37])
        };
        let of = |masked: &dyn Fn(Tensor<2>, Tensor<1>) -> Tensor<2>| {
            let mask: Vec<f32> = (0..37).map(|i| (i as f32 * step).cos().max(0.0)).collect();
            let mask = Tensor::<1>::from_floats(mask.as_slice(), &device).require_grad();
            let x = wave(0.7).require_grad();
            let y = masked(x.clone(), mask.clone());
            let gradients = (y.clone() * y.clone() * wave(1.3)).sum().backward();
            let of_x = x.grad(&gradients).expect("x is a leaf").reshape([-1]);
            [y.inner().reshape([-1]), of_x, mask.grad(&gradients).expect("so is the mask")].map(values)
        };
        let ours = of(&|x, mask| masked(x, mask, ones));
        let burns = of(&|x, mask| x * mask.unsqueeze());
        assert_eq!((&ours[0], &ours[1]), (&burns[0], &burns[1]), "ones: {ones}");
        let scale = burns[2].iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        let difference = worst(&ours[2], &burns[2]);
        assert!(difference < 1e-5 * scale, "ones: {ones}: gradients of the mask differ by {difference:e} of {scale}");
    }
}
