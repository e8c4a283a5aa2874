//! What an update of AdamW takes and leaves, and the update on the CPU: one pass for the gradient's norm and one for all else.

use super::cpu::vector;
use super::rows::values as slice;
use burn::backend::Flex;
use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};

/// Values that a thread goes through at a time; how many threads there are changes no bit.
const RUN: usize = 1 << 14;
/// Added to a norm that a gradient is divided by, as PyTorch's `clip_grad_norm_` does.
const NORM_EPSILON: f32 = 1e-6;

/// The state and the settings of AdamW.
pub struct AdamWStep<'a> {
    /// First and second moment, as long as the values.
    pub moments: [&'a Tensor<1>; 2],
    /// λ of each value.
    pub decay: &'a Tensor<1>,
    /// How the moments decay.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Largest norm of a gradient; a larger one is scaled down to it.
    pub clip_norm: f64,
    /// η.
    pub learning_rate: f64,
    /// Updates made, this one included.
    pub updates: u64,
}

/// What an update leaves.
pub struct AdamWResult {
    /// The new values.
    pub values: Tensor<1>,
    /// The new moments.
    pub moments: [Tensor<1>; 2],
    /// The norm of the gradient before it was clipped, `[1]`.
    pub norm: Tensor<1>,
}

/// The update of tensors that are the CPU backend's, without autodiff; [`None`] of others.
pub(super) fn on_cpu(values: &Tensor<1>, gradient: &Tensor<1>, step: &AdamWStep<'_>) -> Option<AdamWResult> {
    let plain = |tensor: &Tensor<1>| Some(tensor.clone().try_into_primitive::<Flex>().ok()?.to_contiguous());
    let [first, second] = step.moments;
    let read = [plain(values)?, plain(gradient)?, plain(step.decay)?, plain(first)?, plain(second)?];
    let [_, gradient, ..] = read.each_ref().map(slice);
    let arch = Arch::new();
    // A run's squares are added up in single, those of the runs in double precision.
    let squares = |run: &[f32]| f64::from(arch.dispatch(Squares(run)));
    #[cfg(not(target_family = "wasm"))]
    let squares: Vec<f64> = {
        use rayon::prelude::*;
        gradient.par_chunks(RUN).map(squares).collect()
    };
    #[cfg(target_family = "wasm")]
    let squares = gradient.chunks(RUN).map(squares);
    let norm = squares.into_iter().sum::<f64>().sqrt() as f32;

    let unbiased = step.betas.map(|beta| 1.0 - beta.powf(step.updates as f64));
    let numbers = Numbers {
        // As `f32::min` would not, this lets a norm that is not a number through.
        clip: if norm + NORM_EPSILON < step.clip_norm as f32 {
            1.0
        } else {
            step.clip_norm as f32 / (norm + NORM_EPSILON)
        },
        betas: step.betas.map(|beta| [beta as f32, (1.0 - beta) as f32]),
        unbiased: unbiased[1] as f32,
        epsilon: step.epsilon as f32,
        decay: step.learning_rate as f32,
        rate: (step.learning_rate / unbiased[0]) as f32,
    };
    let n = gradient.len();
    let mut written = [vec![0.0; n], vec![0.0; n], vec![0.0; n]];
    let runs = runs(read.each_ref().map(slice), written.each_mut().map(Vec::as_mut_slice));
    let update = |(read, written)| arch.dispatch(Update { read, written, numbers });
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        runs.into_par_iter().for_each(update);
    }
    #[cfg(target_family = "wasm")]
    runs.into_iter().for_each(update);

    let tensor = |values: Vec<f32>| Tensor::from_primitive::<Flex>(vector(values));
    let [values, first, second] = written.map(tensor);
    Some(AdamWResult { values, moments: [first, second], norm: tensor(vec![norm]) })
}

/// Values, gradient, λ and both moments.
type Read<'a> = [&'a [f32]; 5];
/// The new values and moments.
type Written<'a> = [&'a mut [f32]; 3];

/// Runs of vectors of one length.
fn runs<'a>(read: Read<'a>, written: Written<'a>) -> Vec<(Read<'a>, Written<'a>)> {
    let mut read = read.map(|values| values.chunks(RUN));
    let mut written = written.map(|values| values.chunks_mut(RUN));
    let next = || {
        let [Some(values), Some(gradient), Some(decay), Some(first), Some(second)] =
            read.each_mut().map(Iterator::next)
        else {
            return None;
        };
        let [Some(of_values), Some(of_first), Some(of_second)] = written.each_mut().map(Iterator::next) else {
            return None;
        };
        Some(([values, gradient, decay, first, second], [of_values, of_first, of_second]))
    };
    std::iter::from_fn(next).collect()
}

/// The sum of squares.
struct Squares<'a>(&'a [f32]);

impl WithSimd for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let mut sums = [0.0; 16];
        let (whole, rest) = self.0.as_chunks::<16>();
        for values in whole {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value * value);
        }
        sums.iter().sum::<f32>() + rest.iter().map(|value| value * value).sum::<f32>()
    }
}

/// What all values have in common.
#[derive(Clone, Copy)]
struct Numbers {
    /// What a gradient is multiplied by.
    clip: f32,
    /// Each with its complement.
    betas: [[f32; 2]; 2],
    /// 1 − β₂ᵗ.
    unbiased: f32,
    epsilon: f32,
    /// η.
    decay: f32,
    /// η/(1 − β₁ᵗ).
    rate: f32,
}

/// The update of a run.
struct Update<'a> {
    read: Read<'a>,
    written: Written<'a>,
    numbers: Numbers,
}

impl WithSimd for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { read: [values, gradient, decay, first, second], written, numbers } = self;
        let [new_values, new_first, new_second] = written;
        let Numbers { clip, betas: [[b1, rest1], [b2, rest2]], unbiased, epsilon, decay: decayed, rate } = numbers;
        let read = values.iter().zip(gradient).zip(decay).zip(first).zip(second);
        let written = new_values.iter_mut().zip(new_first).zip(new_second);
        for (((((&x, &g), &decay), &first), &second), ((new_x, new_first), new_second)) in read.zip(written) {
            let g = g * clip;
            *new_first = first * b1 + g * rest1;
            *new_second = second * b2 + g * g * rest2;
            let root = (*new_second / unbiased).sqrt() + epsilon;
            *new_x = x - x * decay * decayed - *new_first / root * rate;
        }
    }
}
