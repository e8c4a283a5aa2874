//! The GPU's kernels against the CPU's, in value and gradient, on whatever adapter there is (a software one too).
//!
//! Without an adapter a test says that it did not run, unless `APT_REQUIRE_VULKAN` is set, as `cargo xtask test` sets it
//! wherever it found or installed a driver.

mod decoders;

use super::{joined, loss, rows};
use crate::checkpoint::read_back;
use crate::masks::HiddenMask;
use crate::{Counts, Dropout, Init, Norm, kernels, named};
use burn::tensor::{Device, DeviceType, Int, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::panic::catch_unwind;

/// Largest difference that passes, relative to a result's largest value.
const TOLERANCE: f32 = 2e-5;

fn gpu() -> Option<Device> {
    let found = catch_unwind(|| Device::enumerate(DeviceType::Wgpu).into_iter().next()).unwrap_or(None);
    assert!(found.is_some() || std::env::var_os("APT_REQUIRE_VULKAN").is_none(), "there is no adapter");
    if found.is_none() {
        eprintln!("NOT RUN: there is no adapter here");
    }
    found
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    pollster::block_on(read_back(tensor, "a test's values")).expect("a device gives its tensors back")
}

/// The largest difference, relative to the largest value.
fn worst(expected: &[f32], found: &[f32]) -> f32 {
    let scale = expected.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
    kernels::tests::worst(expected, found) / scale
}

/// Compares an operation on matrices of these sizes, its value and the gradients of those that `trained` names.
fn compare(name: &str, sizes: &[[usize; 2]], trained: &[usize], f: impl Fn(&[Tensor<2>]) -> Tensor<2>) {
    let Some(gpu) = gpu() else { return };
    let of = |device: &Device| -> Vec<Vec<f32>> {
        let mut init = Init::new(7, &device.clone().autodiff());
        let inputs: Vec<Tensor<2>> = sizes
            .iter()
            .enumerate()
            .map(|(i, &size)| {
                let input = init.normal(size, 1.0);
                if trained.contains(&i) { input.require_grad() } else { input }
            })
            .collect();
        let y = f(&inputs);
        let weights = init.normal(y.dims(), 1.0);
        let gradients = (y.clone() * weights).sum().backward();
        let of_inputs = trained.iter().map(|&i| values(inputs[i].grad(&gradients).expect("an input is a leaf")));
        std::iter::once(values(y.inner())).chain(of_inputs).collect()
    };
    let plain = |device: &Device| {
        let mut init = Init::new(7, device);
        values(f(&sizes.iter().map(|&size| init.normal(size, 1.0)).collect::<Vec<_>>()))
    };
    for (i, (expected, found)) in of(&Device::flex()).iter().zip(of(&gpu)).enumerate() {
        let difference = worst(expected, &found);
        let what = if i == 0 { "value".into() } else { format!("gradient {}", trained[i - 1]) };
        assert!(difference < TOLERANCE, "{name} {sizes:?}: {what} differs by {difference:e}");
    }
    let difference = worst(&plain(&Device::flex()), &plain(&gpu));
    assert!(difference < TOLERANCE, "{name} {sizes:?} without autodiff: it differs by {difference:e}");
}

fn vector(matrix: &Tensor<2>) -> Tensor<1> {
    matrix.clone().reshape([-1])
}

#[test]
fn linear_layers_of_any_size_frozen_or_not() {
    let odd = [[1, 8, 3], [5, 33, 20], [20, 1, 30], [130, 70, 65], [260, 19, 129]];
    // Multiples of four, small and large; an inner dimension that is shared out, forward or backward.
    let fours = [[36, 8, 32], [132, 68, 260], [2048, 8, 2052], [33, 2100, 40], [2100, 20, 36]];
    for [rows, d_in, d_out] in odd.into_iter().chain(fours) {
        for trained in [&[0][..], &[0, 1, 2], &[1]] {
            compare("linear", &[[rows, d_in], [d_in, d_out], [1, d_out]], trained, |t| {
                kernels::linear(t[0].clone(), t[1].clone(), vector(&t[2]))
            });
            compare("GELU of linear", &[[rows, d_in], [d_in, d_out], [1, d_out]], trained, |t| {
                let layer = kernels::LinearTensors { weight: t[1].clone(), bias: vector(&t[2]), adapter: None };
                gelu_of(&(t[0].clone() * (2.0 / d_in as f32).sqrt()), layer)
            });
        }
    }
}

/// In one on a GPU.
fn gelu_of(x: &Tensor<2>, layer: kernels::LinearTensors) -> Tensor<2> {
    let at_once = kernels::gelu_of_linear(x, &layer);
    assert_eq!(at_once.is_some(), !kernels::is_cpu(&x.device()), "a GPU has it");
    at_once.unwrap_or_else(|| {
        let kernels::LinearTensors { weight, bias, adapter } = layer;
        kernels::gelu(match adapter {
            Some((adapter, scale)) => kernels::adapted(x.clone(), weight, Some(bias), adapter, scale),
            None => kernels::linear(x.clone(), weight, bias),
        })
    })
}

#[test]
fn a_submatrix_and_a_transpose_are_read_where_they_are() {
    compare("submatrix", &[[40, 64], [128, 192], [1, 64]], &[0], |t| {
        kernels::linear(t[0].clone(), t[1].clone().slice([0..64, 0..64]), vector(&t[2]))
    });
    compare("wide submatrix", &[[40, 64], [64, 192], [1, 64]], &[0], |t| {
        kernels::linear(t[0].clone(), t[1].clone().slice([0..64, 0..64]), vector(&t[2]))
    });
    compare("transpose", &[[64, 140], [72, 64], [1, 72]], &[0], |t| {
        kernels::linear(t[0].clone().transpose(), t[1].clone().transpose(), vector(&t[2]))
    });
}

#[test]
fn adapters_of_any_rank() {
    for (rows, d_in, d_out, rank) in
        [(6, 8, 5, 1), (40, 33, 20, 8), (150, 70, 130, 5), (130, 64, 64, 40), (2100, 36, 64, 8)]
    {
        for trained in [&[0, 3, 4][..], &[3, 4], &[0, 1, 2, 3, 4]] {
            let sizes = [[rows, d_in], [d_in, d_out], [1, d_out], [d_in, rank], [rank, d_out]];
            compare("adapter", &sizes, trained, |t| {
                let adapter = [t[3].clone(), t[4].clone()];
                kernels::adapted(t[0].clone(), t[1].clone(), Some(vector(&t[2])), adapter, 2.0)
            });
            compare("GELU of adapter", &sizes, trained, |t| {
                let (weight, bias) = (t[1].clone(), vector(&t[2]));
                let adapter = Some(([t[3].clone(), t[4].clone()], 0.1));
                gelu_of(&(t[0].clone() * (1.0 / d_in as f32).sqrt()), kernels::LinearTensors { weight, bias, adapter })
            });
        }
    }
}

#[test]
fn joined_layers_are_those_side_by_side() {
    // Ranks that are no multiples of four, a layer without adapter, none with one; odd sizes, and shares of many tokens.
    let ranks = [[8, 8, 8], [5, 8, 3], [0, 4, 0], [0, 0, 0]];
    for (rows, d_in, d_out) in [(5, 8, 3), (40, 64, 32), (130, 70, 65), (2100, 36, 64)] {
        for of in ranks {
            let sizes: Vec<[usize; 2]> = std::iter::once([rows, d_in])
                .chain(of.iter().flat_map(|&r| [[d_in, d_out], [1, d_out], [d_in, r.max(1)], [r.max(1), d_out]]))
                .collect();
            let adapters: Vec<usize> = (0..3).filter(|&i| of[i] > 0).flat_map(|i| [4 * i + 3, 4 * i + 4]).collect();
            let with_x = std::iter::once(0).chain(adapters.clone()).collect::<Vec<_>>();
            let weights = (0..3).flat_map(|i| [4 * i + 1, 4 * i + 2]);
            let all = with_x.iter().copied().chain(weights).collect::<Vec<_>>();
            for trained in [&adapters, &with_x, &all].into_iter().filter(|trained| !trained.is_empty()) {
                compare("joined layers", &sizes, trained, |t| {
                    let layers = std::array::from_fn(|i| kernels::LinearTensors {
                        weight: t[4 * i + 1].clone(),
                        bias: vector(&t[4 * i + 2]),
                        adapter: (of[i] > 0).then(|| ([t[4 * i + 3].clone(), t[4 * i + 4].clone()], 2.0)),
                    });
                    joined::joined(&t[0], &layers).unwrap_or_else(|| {
                        let each = layers.map(|kernels::LinearTensors { weight, bias, adapter }| match adapter {
                            Some((adapter, scale)) => {
                                kernels::adapted(t[0].clone(), weight, Some(bias), adapter, scale)
                            }
                            None => kernels::linear(t[0].clone(), weight, bias),
                        });
                        Tensor::cat(each.to_vec(), 1)
                    })
                });
            }
        }
    }
}

#[test]
fn gelu_of_any_size() {
    for size in [[1, 1], [7, 37], [300, 130]] {
        compare("gelu", &[size], &[0], |t| kernels::gelu(t[0].clone() * 4.0));
    }
}

fn layer_norm(t: &[Tensor<2>]) -> Norm {
    Norm::layer(vector(&t[2]), vector(&t[3]), 1e-12)
}

#[test]
fn norms_of_any_width_with_and_without_a_mask() {
    for [rows, width] in [[3, 8], [9, 33], [4, 300], [2, 768], [70_000, 8]] {
        let sizes = [[rows, width], [rows, width], [1, width], [1, width]];
        compare("norm", &sizes, &[0], |t| layer_norm(t).forward(t[0].clone() * 3.0 + 1.0, None));
        compare("norm of a sum", &sizes, &[0, 1], |t| layer_norm(t).forward_sum(t[0].clone(), t[1].clone(), None));
        let mask = |t: &[Tensor<2>]| {
            let entry = |i: usize| [1.0, 0.0, 0.4][i % 3];
            let of = |f: &dyn Fn(usize) -> f32| {
                let entries: Vec<f32> = (0..width).map(f).collect();
                Tensor::<1>::from_floats(entries.as_slice(), &t[0].device())
            };
            let kept = |i: usize| f32::from(entry(i) > 0.0);
            HiddenMask { values: of(&entry).into(), kept: of(&kept), count: (0..width).map(kept).sum() }
        };
        compare("masked norm", &sizes, &[0], |t| layer_norm(t).forward(t[0].clone(), Some(&mask(t))));
        compare("masked norm of a sum", &sizes, &[0, 1], |t| {
            layer_norm(t).forward_sum(t[0].clone(), t[1].clone(), Some(&mask(t)))
        });
    }
}

#[test]
fn attention_of_any_length_with_and_without_padding() {
    let odd = [(1, 1, 1, 3), (2, 5, 3, 4), (3, 70, 2, 20), (2, 33, 1, 80), (70_000, 1, 1, 1)];
    let fours = [(2, 36, 3, 8), (2, 132, 2, 32)];
    for (batch, length, heads, size) in odd.into_iter().chain(fours) {
        let [tokens, width] = [batch * length, heads * size];
        for padded in [false, true] {
            let f = |t: &[Tensor<2>]| {
                let qkv = [t[0].clone(), t[1].clone(), t[2].clone()];
                let padding: Vec<f32> = (0..tokens).map(|i| if i % length > length / 2 { -1e9 } else { 0.0 }).collect();
                let padding = Tensor::<1>::from_floats(padding.as_slice(), &t[0].device());
                let padding = padded.then(|| padding.reshape([batch, 1, 1, length]));
                let split = |t: Tensor<2>| t.reshape([batch, length, heads, size]).swap_dims(1, 2);
                let keys = if padded { length / 2 + 1 } else { length };
                let spans = vec![kernels::Span::new(length, keys); batch];
                let one = kernels::Heads { units: heads, group: 1, causal: false };
                let joined = Tensor::cat(t.to_vec(), 1);
                if let Some(context) = rows::attention(&joined, padding.as_ref(), length, heads) {
                    return context;
                }
                kernels::attention(&qkv, &spans, one).unwrap_or_else(|| {
                    let [q, k, v] = qkv.map(split);
                    let scale = 1.0 / (size as f64).sqrt();
                    let scores = q.matmul(k.swap_dims(2, 3));
                    let weights = kernels::attention_weights(scores, padding.as_ref(), scale);
                    weights.matmul(v).swap_dims(1, 2).reshape([tokens, width])
                })
            };
            compare("attention", &[[tokens, width]; 3], &[0, 1, 2], f);
            compare("attention", &[[tokens, width]; 3], &[1], f);
        }
    }
}

#[test]
fn attention_is_made_in_tiles_where_a_grid_has_a_layer_for_every_head() {
    let chosen = [(31, 1), (32, 1), (128, 65_535), (128, 65_536)].map(|(length, heads)| rows::in_tiles(length, heads));
    assert_eq!(chosen, [false, true, true, false]);
}

#[test]
fn vectors_are_concatenated_and_split_however_many_there_are() {
    let Some(gpu) = gpu() else { return };
    for n in [1, 2, 6, 7, 13, 30] {
        let mut init = Init::new(n as u64, &gpu);
        let parts: Vec<Tensor<1>> = (0..n).map(|i| init.normal([1 + 97 * (i % 5)], 1.0)).collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.dims()[0]).collect();
        let expected: Vec<f32> = parts.iter().flat_map(|part| values(part.clone())).collect();
        let whole = named::concat(parts);
        assert_eq!(values(whole.clone()), expected, "{n} vectors concatenated");
        let pieces = kernels::split(&whole, &lengths);
        let found: Vec<f32> = pieces.into_iter().flat_map(values).collect();
        assert_eq!(found, expected, "a vector split into {n}");
    }
}

#[test]
fn what_is_not_a_number_stays_so() {
    let Some(gpu) = gpu() else { return };
    let x = Tensor::<2>::from_floats([[1.0, f32::NAN, 0.5, 2.0], [1.0, 2.0, 3.0, 4.0]], &gpu);
    let ones = Tensor::<1>::ones([4], &gpu);
    let is_lost = |name: &str, y: Tensor<2>, nan: usize, finite: usize| {
        let y = values(y);
        assert!(y[..4].iter().filter(|v| v.is_nan()).count() >= nan, "{name} lost it: {y:?}");
        assert!(y[4..].iter().filter(|v| v.is_finite()).count() >= finite, "{name} spread it: {y:?}");
    };
    is_lost("gelu", kernels::gelu(x.clone()), 1, 4);
    is_lost("norm", kernels::norm(x.clone(), ones.clone(), ones.clone(), 1e-12), 4, 4);
    is_lost("linear", kernels::linear(x.clone(), Tensor::ones([4, 4], &gpu), ones), 4, 4);
    let attention = rows::attention(&Tensor::cat(vec![x.clone(); 3], 1), None, 1, 1).expect("a GPU has attention");
    is_lost("attention", attention, 1, 4);
    let layer = |adapter: bool| kernels::LinearTensors {
        weight: Tensor::ones([4, 4], &gpu),
        bias: Tensor::ones([4], &gpu),
        adapter: adapter.then(|| ([Tensor::ones([4, 2], &gpu), Tensor::ones([2, 4], &gpu)], 1.0)),
    };
    let joined = joined::joined(&x, &[true, false, true].map(layer)).expect("a GPU has joined layers");
    is_lost("joined layers", joined, 4, 12);
    is_lost("GELU of linear", kernels::gelu_of_linear(&x, &layer(true)).expect("a GPU has it"), 4, 4);
    is_lost("branch", kernels::added(x.clone(), [Tensor::ones([4, 2], &gpu), Tensor::ones([2, 4], &gpu)], 1.0), 4, 4);
    is_lost("tanh", kernels::tanh(x.clone()), 1, 4);
    // A loss is one number, and must be none that a run would go on with.
    let classes = Tensor::<1, Int>::from_ints([0, 3], &gpu).reshape([2, 1]);
    let infinite = Tensor::<2>::from_floats([[1.0, f32::INFINITY, 0.5, 2.0], [1.0, 2.0, 3.0, 4.0]], &gpu);
    let fine = Tensor::<2>::ones([2, 4], &gpu);
    for bad in [x, infinite] {
        let losses = [
            ("cross entropy", kernels::cross_entropy(bad.clone(), classes.clone())),
            ("divergence", kernels::divergence(bad.clone(), fine.clone(), 2.0, 1.0)),
            ("divergence from it", kernels::divergence(fine.clone(), bad.clone(), 2.0, 1.0)),
            ("squared error", kernels::squared_error(bad.clone(), fine.clone(), None)),
        ];
        for (name, loss) in losses {
            assert!(!values(loss)[0].is_finite(), "{name} hides what is not finite");
        }
    }
}

#[test]
fn taps_of_any_size() {
    let Some(gpu) = gpu() else { return };
    let sizes = [[1, 1], [5, 33], [70, 16], [300, 129]];
    for ([rows, columns], all_count) in sizes.into_iter().flat_map(|size| [(size, true), (size, false)]) {
        let of = |device: &Device| {
            let counting: Vec<f32> = (0..rows).map(|row| if row % 3 == 1 { 0.0 } else { 1.0 }).collect();
            let count = counting.iter().filter(|row| **row > 0.0).count();
            let counting = Tensor::<1>::from_floats(counting.as_slice(), device).reshape([rows, 1]);
            let counts = (!all_count).then_some(Counts { rows: counting, count });
            let mut init = Init::new(7, &device.clone().autodiff());
            let (x, weights) = (init.normal([rows, columns], 1.0).require_grad(), init.normal([rows, columns], 1.0));
            let [sizes, means] = kernels::column_sums(&x, counts.as_ref(), [kernels::Term::Abs, kernels::Term::Mean]);
            let [squares] = kernels::column_sums(&x, counts.as_ref(), [kernels::Term::Square]);
            let (h, leaf) = kernels::tapped(x.clone(), &sizes);
            let gradients = (h * weights).sum().backward();
            let of_leaf = leaf.grad(&gradients).expect("the loss reaches the tap");
            let of_x = x.grad(&gradients).expect("x is a leaf").reshape([-1]);
            [sizes, means, squares, of_leaf, of_x].map(values)
        };
        for (i, (expected, found)) in of(&Device::flex()).iter().zip(of(&gpu)).enumerate() {
            let difference = worst(expected, &found);
            assert!(difference < TOLERANCE, "{rows}×{columns}: result {i} differs by {difference:e}");
        }
    }
}

#[test]
fn a_gpu_drops_what_the_cpu_drops() {
    compare("dropout", &[[9, 37]], &[0], |x| {
        let mut dropout = Dropout::new(0.3, || ChaCha8Rng::seed_from_u64(1));
        Dropout::on(&mut dropout.as_mut(), x[0].clone())
    });
}

#[test]
fn losses_and_tanh_of_any_size() {
    for [rows, classes] in [[1, 2], [7, 5], [300, 2], [33, 150]] {
        compare("cross entropy", &[[rows, classes]], &[0], |t| {
            let right: Vec<i32> = (0..rows).map(|row| (row * 7 % classes) as i32).collect();
            let right = Tensor::<1, Int>::from_ints(right.as_slice(), &t[0].device()).reshape([rows, 1]);
            let on_gpu = !kernels::is_cpu(&t[0].device());
            assert_eq!(loss::cross_entropy(&t[0], &right).is_some(), on_gpu, "the kernel takes these classes");
            (kernels::cross_entropy(t[0].clone() * 20.0, right) * 3.0).reshape([1, 1])
        });
        compare("divergence", &[[rows, classes]; 2], &[0], |t| {
            kernels::divergence(t[0].clone() * 8.0, t[1].clone() * 5.0, 2.5, 10.0).reshape([1, 1]) * 0.3
        });
        compare("squared error", &[[rows, classes]; 2], &[0], |t| {
            kernels::squared_error(t[0].clone() * 2.0, t[1].clone(), None).reshape([1, 1]) * 3.0
        });
        compare("tanh", &[[rows, classes]], &[0], |t| kernels::tanh(t[0].clone() * 4.0));
    }
}

#[test]
fn of_hidden_states_those_of_tokens_count() {
    let Some(gpu) = gpu() else { return };
    let of = |device: &Device| {
        let mut init = Init::new(7, &device.clone().autodiff());
        let one = init.normal([70, 33], 1.0).require_grad();
        let other = init.normal([70, 33], 1.0);
        let rows: Vec<f32> = (0..70).map(|row| f32::from(row % 3 != 1)).collect();
        let count = rows.iter().filter(|&&row| row > 0.0).count();
        let rows = Tensor::<1>::from_floats(rows.as_slice(), device).reshape([70, 1]);
        let loss = kernels::squared_error(one.clone(), other, Some(&Counts { rows, count }));
        let gradient = one.grad(&loss.backward()).expect("it is a leaf");
        [values(loss.inner()), values(gradient)]
    };
    for (expected, found) in of(&Device::flex()).iter().zip(of(&gpu)) {
        let difference = worst(expected, &found);
        assert!(difference < TOLERANCE, "it differs by {difference:e}");
    }
}

#[test]
fn a_branch_is_added_to_what_it_reads() {
    for (rows, width, rank) in [(5, 8, 3), (70, 33, 8), (130, 64, 8), (2100, 36, 8)] {
        for trained in [&[0, 1, 2][..], &[1, 2], &[0]] {
            compare("branch", &[[rows, width], [width, rank], [rank, width]], trained, |t| {
                kernels::added(t[0].clone(), [t[1].clone(), t[2].clone()], 0.5)
            });
        }
    }
}
