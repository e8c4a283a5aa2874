//! Choosing a device, and the self-test that guards the choice: every operation a session relies on, forward and
//! backward, must agree with the CPU. A GPU that computes something else is never trained on.

use crate::TrainError;
use crate::losses::{PredictionLoss, Targets, mean_squared_error, prediction_loss, task_loss};
use crate::optimizer::AdamW;
use apt_core::arms::{HeadKurtosis, OutlierScale, Salience};
use apt_core::blocks::{Kept, LayerShape};
use apt_core::masks::Masks;
use apt_core::tokens::TokenBatch;
use apt_core::wiring::Site;
use apt_data::{Stream, generator};
use apt_nn::checkpoint::read_back;
use apt_nn::salience::{self, ScoreInputs};
use apt_nn::{
    Activation, Adapter, AptLinear, Batch, DeviceMasks, Dropout, Family, Forward, HeadConfig, Init, ModelConfig, Norm,
    Pooling, Readings, Taps, Transformer, compact, named,
};
use burn::module::Param;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

/// Largest difference from the CPU that passes, relative to the largest value of a result.
pub const TOLERANCE: f64 = 1e-3;

/// A device to compute on, and why it was chosen.
pub struct OpenDevice {
    /// Without autodiff.
    pub device: Device,
    /// `flex`, `wgpu/vulkan`, `wgpu/metal`.
    pub backend: &'static str,
    /// The device in its own words.
    pub name: String,
    /// Why it is this one.
    pub why: String,
}

/// One line of the self-test.
#[derive(Clone, Debug)]
pub struct OpCheck {
    /// The operation.
    pub name: &'static str,
    /// Largest difference from the CPU, relative to the largest value; infinite when something was not finite.
    pub difference: f64,
}

impl OpCheck {
    /// Whether the device computes this operation as the CPU does.
    pub fn passed(&self) -> bool {
        self.difference <= TOLERANCE
    }
}

/// The CPU.
pub fn cpu(why: &str) -> OpenDevice {
    OpenDevice { device: Device::flex(), backend: "flex", name: "CPU".into(), why: why.into() }
}

/// Compares every operation on `device` with the CPU. `report` is called after each, for they may take a while.
///
/// # Errors
/// When values cannot be read back.
pub async fn self_test(device: &Device, mut report: impl FnMut(&OpCheck)) -> Result<Vec<OpCheck>, TrainError> {
    let mut checks = Vec::new();
    for &(name, operation) in OPERATIONS {
        let expected = read_back(operation(&Device::flex()), name).await?;
        let found = read_back(operation(device), name).await?;
        let check = OpCheck { name, difference: difference(&expected, &found) };
        report(&check);
        checks.push(check);
    }
    Ok(checks)
}

fn difference(expected: &[f32], found: &[f32]) -> f64 {
    if expected.len() != found.len() || found.iter().chain(expected).any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    let scale = expected.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    let worst = expected.iter().zip(found).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    f64::from(worst / scale)
}

#[cfg(not(target_family = "wasm"))]
pub use native::open;

#[cfg(not(target_family = "wasm"))]
mod native {
    use super::{Device, OpenDevice, TrainError, cpu, self_test};
    use apt_core::problem::Problem;
    use apt_experiment::Device as Choice;
    use burn::tensor::DeviceType;
    use pollster::block_on;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Opens the device of `choice`. `auto` takes a real GPU that passes the self-test, else the CPU; a device asked for
    /// by name is taken even if it is software, but never one that fails the self-test.
    ///
    /// # Errors
    /// [`TrainError::Device`] when the device asked for is not there or fails.
    pub async fn open(choice: Choice) -> Result<OpenDevice, TrainError> {
        let api = if cfg!(target_os = "macos") { Choice::Metal } else { Choice::Vulkan };
        match choice {
            Choice::Cpu => Ok(cpu("asked for")),
            Choice::Auto => Ok(match best_gpu() {
                None => cpu("no GPU was found"),
                Some(gpu) if gpu.software => cpu(&format!("the only adapter, {}, is software", gpu.name)),
                Some(gpu) => match gpu.tested(api).await {
                    Ok(open) => open,
                    Err(error) => cpu(&format!("{error}")),
                },
            }),
            asked if asked != api => {
                let what = format!("GPUs of this system are reached by {}", api.name());
                Err(unusable(asked.name(), what, "use that, cpu or auto"))
            }
            asked => match best_gpu() {
                Some(gpu) => gpu.tested(asked).await,
                None => {
                    let remedy = "install a driver (Debian: mesa-vulkan-drivers), or use cpu";
                    Err(unusable(asked.name(), "no adapter was found", remedy))
                }
            },
        }
    }

    fn unusable(device: &str, what: impl Into<String>, remedy: &str) -> TrainError {
        TrainError::Device(Problem::new(format!("device {device}"), what, remedy))
    }

    struct Gpu {
        device: Device,
        name: String,
        software: bool,
    }

    impl Gpu {
        async fn tested(self, api: Choice) -> Result<OpenDevice, TrainError> {
            let fail = |what: String| unusable(&self.name, what, "update its driver or use cpu");
            // A driver may panic inside a kernel; that is a failed test, not the end of the program.
            let checks = catch_unwind(AssertUnwindSafe(|| block_on(self_test(&self.device, |_| ()))));
            let checks = checks.map_err(|_| fail("it failed during its self-test".into()))??;
            if let Some(bad) = checks.iter().find(|c| !c.passed()) {
                return Err(fail(format!("`{}` differs from the CPU by {:.1e}", bad.name, bad.difference)));
            }
            let backend = if api == Choice::Metal { "wgpu/metal" } else { "wgpu/vulkan" };
            let kind = if self.software { "software adapter, " } else { "" };
            let why = format!("{kind}all {} operations agree with the CPU", checks.len());
            Ok(OpenDevice { device: self.device, backend, name: self.name, why })
        }
    }

    /// The first real GPU, else the first software adapter.
    fn best_gpu() -> Option<Gpu> {
        let found = catch_unwind(|| {
            let mut gpus: Vec<Gpu> = Device::enumerate(DeviceType::Wgpu)
                .into_iter()
                .filter_map(|device| {
                    let identity = device.identity()?;
                    Some(Gpu { device, name: identity.name, software: identity.physical.is_none() })
                })
                .collect();
            gpus.sort_by_key(|gpu| gpu.software);
            gpus.into_iter().next()
        });
        found.unwrap_or(None)
    }
}

/// Operations in the self-test.
pub const OPERATION_COUNT: usize = OPERATIONS.len();

type Operation = fn(&Device) -> Tensor<1>;

/// Every operation a session relies on. Results are flat; backward results stand behind forward ones.
const OPERATIONS: &[(&str, Operation)] = &[
    ("matmul", |d| flat(matrix(d, 1, 24, 16).matmul(matrix(d, 2, 16, 40)))),
    ("matmul, one row", |d| flat(matrix(d, 1, 1, 33).matmul(matrix(d, 2, 33, 20)))),
    ("matmul, one column", |d| flat(matrix(d, 1, 20, 33).matmul(matrix(d, 2, 33, 1)))),
    ("matmul, inner dimension 1", |d| flat(matrix(d, 1, 20, 1).matmul(matrix(d, 2, 1, 30)))),
    ("matmul, transposed", |d| flat(matrix(d, 1, 24, 16).matmul(matrix(d, 2, 40, 16).transpose()))),
    ("matmul, batched heads", |d| {
        let split = |t: Tensor<2>| t.reshape([2, 6, 2, 4]).swap_dims(1, 2);
        let (q, k) = (split(matrix(d, 1, 12, 8)), split(matrix(d, 2, 12, 8)));
        flat4(q.matmul(k.swap_dims(2, 3)))
    }),
    ("matmul, gradients", |d| grads2(d, [9, 7], [7, 5], |a, b| (a.matmul(b).square()).sum())),
    ("broadcast add and multiply, gradients", |d| {
        grads2(d, [9, 7], [1, 7], |a, b| (a.clone() * b.clone() + a * (b + 0.5)).square().sum())
    }),
    ("softmax, gradients", |d| grads2(d, [6, 11], [6, 11], |a, b| (activation::softmax(a, 1) * b).sum())),
    ("log-softmax and gather, gradients", |d| {
        grads2(d, [6, 5], [6, 5], |a, b| task_loss(a + b, &Targets::classes(&[0, 1, 2, 3, 4, 0], &a_device(d))))
    }),
    ("gelu, gradients", |d| grads2(d, [6, 11], [6, 11], |a, b| (activation::gelu(a * 3.0) * b).sum())),
    ("tanh, gradients", |d| grads2(d, [6, 11], [6, 11], |a, b| ((a * 2.0).tanh() * b).sum())),
    ("mean, variance and square root, gradients", |d| {
        grads2(d, [6, 32], [6, 32], |a, b| {
            let centred = a.clone() - a.mean_dim(1);
            let variance = centred.clone().square().mean_dim(1);
            (centred * (variance + 1e-5).sqrt().recip() * b).sum()
        })
    }),
    ("prediction and layer losses, gradients", |d| {
        grads2(d, [6, 5], [6, 5], |a, b| {
            prediction_loss(a.clone(), b.clone().detach(), 2.0 / 3.0) + mean_squared_error(a, b)
        })
    }),
    ("losses of classes that apply in any number, gradients", |d| {
        grads2(d, [6, 5], [6, 5], |a, b| {
            let followed = PredictionLoss::BinaryDivergence { temperature: 2.0 / 3.0 };
            followed.of(a.clone(), b.clone().detach()) + task_loss(a + b, &marks(6, 5, d))
        })
    }),
    ("minimum of two, gradients", |d| {
        grads2(d, [6, 5], [6, 5], |a, b| {
            mean_squared_error(a.clone(), b.clone()).min_pair(a.sum().abs() + b.sum().abs())
        })
    }),
    ("select rows and columns", |d| {
        let picked = matrix(d, 1, 12, 9).select(0, index(d, &[7, 0, 3, 3])).select(1, index(d, &[8, 1, 2]));
        flat(picked)
    }),
    ("slice and concatenate, gradients", |d| {
        grads2(d, [6, 10], [6, 4], |a, b| {
            Tensor::cat(vec![a.slice([1..5, 2..8]).square().sum(), b.square().sum()], 0).sum()
        })
    }),
    ("sums along both dimensions", |d| {
        let m = matrix(d, 1, 70, 33);
        Tensor::cat(vec![m.clone().abs().sum_dim(0).reshape([33]), m.sum_dim(1).reshape([70])], 0)
    }),
    ("kurtosis", |d| {
        let m = matrix(d, 1, 40, 24);
        Tensor::cat(vec![salience::kurtosis_of(m.clone(), 0), salience::kurtosis_of(m, 1)], 0)
    }),
    ("AdamW", |d| {
        let slot = named::Slot { name: "w".into(), dims: vec![8, 8] };
        let mut adam = AdamW::new(&[slot], 0.1, d);
        let (w, g) = (matrix(d, 1, 8, 8).reshape([64]), matrix(d, 2, 8, 8).reshape([64]));
        let once = adam.step(w, g.clone(), 0.01);
        adam.step(once, g * 0.5, 0.01)
    }),
    ("AdamW with clipping", |d| {
        let slots =
            [named::Slot { name: "w".into(), dims: vec![8, 40] }, named::Slot { name: "b".into(), dims: vec![40] }];
        let mut adam = AdamW::new(&slots, 0.1, d);
        let (w, g) = (matrix(d, 1, 9, 40).reshape([360]), matrix(d, 2, 9, 40).reshape([360]));
        let (once, norm) = adam.clipped_step(w, g.clone(), 1.0, 0.01);
        let (twice, _) = adam.clipped_step(once, g * 0.01, 1.0, 0.005);
        named::concat(vec![twice, adam.first, adam.second * 100.0, norm])
    }),
    ("a linear layer with an adapter, gradients", |d| {
        grads2(d, [140, 70], [70, 9], |x, a| {
            let bias = matrix(&a.device(), 3, 1, 66).reshape([66]);
            let mut linear = AptLinear::new(matrix(&a.device(), 4, 70, 66), Some(bias));
            let b = Param::from_tensor(matrix(&a.device(), 5, 9, 66));
            linear.adapter = Some(Adapter { a: Param::from_tensor(a), b, scale: 2.0 });
            linear.forward(x).square().mean()
        })
    }),
    ("many tokens through an adapter, gradients", |d| {
        let tracked = a_device(d);
        let (x, a) = (matrix(&tracked, 1, 2064, 36).require_grad(), matrix(&tracked, 2, 36, 8).require_grad());
        let b = matrix(&tracked, 5, 8, 768).require_grad();
        let mut linear = AptLinear::new(matrix(&tracked, 4, 36, 768), Some(matrix(&tracked, 3, 1, 768).reshape([768])));
        let branch = [&a, &b].map(|t| Param::from_tensor(t.clone()));
        let [of_a, of_b] = branch;
        linear.adapter = Some(Adapter { a: of_a, b: of_b, scale: 2.0 });
        let y = linear.forward(x.clone());
        let gradients = (y.clone() * matrix(&tracked, 6, 2064, 768)).sum().backward();
        let of = |t: &Tensor<2>| t.grad(&gradients).map(flat);
        let sums = Tensor::cat(vec![flat(y.clone().sum_dim(0)), flat(y.sum_dim(1))], 0).without_autodiff();
        let linear = linear.adapter.as_ref();
        let parts = [Some(sums), of(&x), linear.and_then(|l| of(&l.a.val())), linear.and_then(|l| of(&l.b.val()))];
        Tensor::cat(parts.into_iter().flatten().map(scaled).collect(), 0)
    }),
    ("a wide norm of a sum, gradients", |d| {
        grads2(d, [5, 300], [5, 300], |a, b| {
            let [weight, bias] = [6, 7].map(|seed| matrix(&a.device(), seed, 1, 300).reshape([300]));
            Norm::layer(weight, bias, 1e-12).forward_sum(a.clone(), b, None).mul(a).sum()
        })
    }),
    ("compaction", |d| {
        let kept = Kept {
            heads: vec![vec![1], vec![0, 1]],
            neurons: vec![vec![1, 4, 5, 7], vec![]],
            hidden: (2..14).collect(),
        };
        let model = compact::compact(&small(d, NANO), &kept);
        let batch = Batch::new(&small_batch(NANO), &model.config, d);
        flat(model.forward(&batch, Forward::default()).hidden)
    }),
    ("a training step with outlier-aware salience", |d| training_step(d, NANO, Salience::OutlierAware, false, 0.0)),
    ("a training step on longer texts", |d| training_step(d, LONGER, Salience::OutlierAware, false, 0.0)),
    ("a masked training step with mask gradients", |d| training_step(d, NANO, Salience::Gradient, true, 0.0)),
    ("a masked training step with Wanda scores", |d| training_step(d, NANO, Salience::Wanda, true, 0.0)),
    ("a masked training step with magnitudes", |d| training_step(d, NANO, Salience::Magnitude, true, 0.0)),
    ("a masked training step with dropout", |d| training_step(d, NANO, Salience::OutlierAware, true, 0.2)),
];

/// The sizes of a model and of a batch for it.
#[derive(Clone, Copy)]
struct Sizes {
    head_size: usize,
    neurons: usize,
    lengths: [usize; 3],
}

const NANO: Sizes = Sizes { head_size: 8, neurons: 8, lengths: [4, 5, 6] };
/// What GPUs multiply in tiles, four numbers at a time.
const LONGER: Sizes = Sizes { head_size: 32, neurons: 64, lengths: [36, 20, 33] };

/// Loss, scores and all gradients of one step of a small model.
fn training_step(device: &Device, sizes: Sizes, scorer: Salience, masked: bool, dropout: f64) -> Tensor<1> {
    let tracked = a_device(device);
    let model = small(&tracked, sizes).with_adapters(
        &[Site::Query, Site::Value, Site::Up],
        2,
        2.0,
        &mut Init::new(5, &tracked),
    );
    let model = named::set_trainable(model, &|path| path.contains("adapter") || path.contains("head"));
    // For dropout padding must be there.
    let of = if dropout > 0.0 { Batch::masked } else { Batch::packed };
    let batch = of(&small_batch(sizes), &model.config, &tracked);
    let masks = masked.then(|| {
        let shape = model.config.shape();
        let mut masks = Masks::ones(&shape);
        let mut kept = Kept::all(&shape);
        kept.hidden.truncate(12);
        kept.heads[0] = vec![1];
        masks.step(&kept, 0.25);
        masks.step(&Kept { neurons: vec![vec![0], vec![1]], ..kept }, 1.0);
        DeviceMasks::new(&masks, model.config.wiring(), &tracked, scorer == Salience::Gradient)
    });
    let mut taps = Taps::for_scorer(scorer);
    let mut dropout = Dropout::new(dropout, || generator(1, Stream::Dropout, 0));
    let with = Forward { masks: masks.as_ref(), taps: taps.as_mut(), dropout: dropout.as_mut(), keep_states: false };
    let hidden = model.forward(&batch, with).hidden;
    let Ok(logits) = model.classify_with(hidden, &batch, dropout.as_mut()) else {
        return Tensor::zeros([0], device);
    };
    let loss = task_loss(logits, &Targets::classes(&[0, 1, 1], &tracked));
    let mut gradients = loss.backward();
    let readings = Readings::of(&model, taps.as_ref(), masks.as_ref(), &gradients);
    let seen = ScoreInputs {
        model: &model,
        readings: &readings,
        outliers: OutlierScale::Balanced,
        head_kurtosis: HeadKurtosis::PerHead,
    };
    let scores = salience::scores(scorer, &seen);
    let flat = named::gradients(&model, &mut gradients);
    let parts = [Some(loss.without_autodiff()), scores.map(|scores| scaled(scores.flat())), flat.map(scaled)];
    Tensor::cat(parts.into_iter().flatten().collect(), 0)
}

/// As a share of its largest value, so that what is small is compared as closely as what is large.
fn scaled(t: Tensor<1>) -> Tensor<1> {
    t.clone() / (t.abs().max() + 1e-12)
}

fn small(device: &Device, sizes: Sizes) -> Transformer {
    let config = ModelConfig {
        family: Family::Bert,
        vocab_size: 20,
        max_positions: 40,
        type_vocab_size: 2,
        embedding: None,
        hidden: 2 * sizes.head_size,
        head_size: sizes.head_size,
        layers: vec![LayerShape { heads: 2, neurons: sizes.neurons }; 2],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id: 0,
        head: Some(HeadConfig::new(Pooling::Pooler, 2 * sizes.head_size, 2)),
        label_names: vec![],
        decoder: None,
    };
    Transformer::new(&config, &mut Init::new(3, device))
}

fn small_batch(sizes: Sizes) -> TokenBatch {
    let longest = sizes.lengths.into_iter().max().unwrap_or_default();
    let ids = sizes
        .lengths
        .iter()
        .flat_map(|&length| (0..longest).map(move |i| if i < length { ((7 * i + length) % 19 + 1) as i32 } else { 0 }));
    TokenBatch::of_one_type(ids.collect(), sizes.lengths.to_vec())
}

/// Gradients of `f` with respect to both arguments, behind its value.
fn grads2(device: &Device, a: [usize; 2], b: [usize; 2], f: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>) -> Tensor<1> {
    let tracked = a_device(device);
    let a = matrix(&tracked, 1, a[0], a[1]).require_grad();
    let b = matrix(&tracked, 2, b[0], b[1]).require_grad();
    let value = f(a.clone(), b.clone());
    let gradients = value.backward();
    let of = |t: &Tensor<2>| match t.grad(&gradients) {
        Some(g) => flat(g),
        None => flat(t.clone().without_autodiff().zeros_like()),
    };
    Tensor::cat(vec![value.without_autodiff(), of(&a), of(&b)], 0)
}

fn a_device(device: &Device) -> Device {
    if device.is_autodiff() { device.clone() } else { device.clone().autodiff() }
}

fn matrix(device: &Device, seed: u64, rows: usize, columns: usize) -> Tensor<2> {
    Init::new(seed, device).normal([rows, columns], 1.0)
}

/// Of `n` examples every third mark is 1.
fn marks(n: usize, classes: usize, device: &Device) -> Targets {
    let marks: Vec<i32> = (0..n * classes).map(|at| i32::from(at.is_multiple_of(3))).collect();
    Targets::Marks(Tensor::from_data(TensorData::new(marks, [n * classes, 1]), &a_device(device)))
}

fn index(device: &Device, values: &[i32]) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn flat(t: Tensor<2>) -> Tensor<1> {
    let n: usize = t.dims().iter().product();
    t.reshape([n])
}

fn flat4(t: Tensor<4>) -> Tensor<1> {
    let n: usize = t.dims().iter().product();
    t.reshape([n])
}
