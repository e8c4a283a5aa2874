//! The arithmetic that decoders have and encoders have not.

use super::{GradientPass, Pass, Softmax, exp, fold, sum, values, width_of, with_second};
use burn::backend::flex::FlexTensor;
use pulp::{Arch, Simd, WithSimd};

/// [`Softmax`] over the columns up to the row's own, of square matrices behind one another; backward as [`Softmax`].
#[derive(Clone, Copy)]
pub(in crate::kernels) struct CausalSoftmax {
    /// s.
    pub scale: f32,
}

impl Pass for CausalSoftmax {
    #[inline(always)]
    fn row(self, index: usize, row: &mut [f32]) {
        let (seen, later) = row.split_at_mut(index % row.len() + 1);
        Pass::row(Softmax { scale: self.scale, padding: &[], rows_per_padding: 1 }, 0, seen);
        later.fill(0.0);
    }
}

/// `γ ∘ x/√(mean of squares + ε)`; backward from x.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Rms<'a> {
    pub weight: &'a [f32],
    pub eps: f32,
}

impl Rms<'_> {
    /// `1/√(mean of squares + ε)`.
    #[inline(always)]
    fn scale(self, row: &[f32]) -> f32 {
        (sum(row, row, |x, _| x * x) / row.len() as f32 + self.eps).sqrt().recip()
    }
}

impl Pass for Rms<'_> {
    #[inline(always)]
    fn row(self, _index: usize, row: &mut [f32]) {
        let scale = self.scale(row);
        row.iter_mut().zip(self.weight).for_each(|(x, weight)| *x *= scale * weight);
    }
}

impl GradientPass for Rms<'_> {
    #[inline(always)]
    fn row(self, saved: &[f32], gradient: &mut [f32]) {
        gradient.iter_mut().zip(self.weight).for_each(|(g, &weight)| *g *= weight);
        let scale = self.scale(saved);
        let of_scale = sum(saved, gradient, |x, g| x * g) * scale * scale / saved.len() as f32;
        saved.iter().zip(gradient).for_each(|(&x, g)| *g = (*g - x * of_scale) * scale);
    }
}

/// `x ← x ∘ g·σ(g)`, of a saved g.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct SiluTimes;

impl GradientPass for SiluTimes {
    #[inline(always)]
    fn row(self, saved: &[f32], x: &mut [f32]) {
        saved.iter().zip(x).for_each(|(&g, x)| *x *= g * sigmoid(g));
    }
}

/// From g, x and the gradient of `x ∘ g·σ(g)`: those of g and of x.
pub(in crate::kernels) fn silu_gradients(gate: &FlexTensor, x: &FlexTensor, gradient: FlexTensor) -> [FlexTensor; 2] {
    struct Values<'a>([&'a [f32]; 2], &'a mut [f32], &'a mut [f32]);
    impl WithSimd for Values<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self([gate, x], gradient, of_gate) = self;
            for (((&g, &x), gradient), of_gate) in gate.iter().zip(x).zip(gradient).zip(of_gate) {
                let s = sigmoid(g);
                *of_gate = x * *gradient * (s * (1.0 + g * (1.0 - s)));
                *gradient *= g * s;
            }
        }
    }
    let (gate, x, arch) = (gate.to_contiguous(), x.to_contiguous(), Arch::new());
    let read = [&gate, &x].map(values);
    let (of_x, of_gate) = with_second(gradient, |at, gradient, of_gate| {
        let read = read.map(|values| &values[at..at + gradient.len()]);
        arch.dispatch(Values(read, gradient, of_gate));
    });
    [of_gate, of_x]
}

/// Every `size` columns turned by the row's cosines and sines, or back: column i with column i + size/2.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Rotate<'a> {
    /// Rows of `size`: cosines, then sines. They begin anew after the last.
    pub table: &'a [f32],
    pub size: usize,
    pub back: bool,
}

impl Pass for Rotate<'_> {
    #[inline(always)]
    fn row(self, index: usize, row: &mut [f32]) {
        let rows = (self.table.len() / self.size.max(1)).max(1);
        let (cos, sin) = self.table[index % rows * self.size..][..self.size].split_at(self.size / 2);
        let way = if self.back { -1.0 } else { 1.0 };
        for head in row.chunks_exact_mut(self.size) {
            let (first, second) = head.split_at_mut(self.size / 2);
            for (((a, b), &cos), &sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                let sin = way * sin;
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    }
}

/// `ln Σ exp(x)` of every row.
pub(in crate::kernels) fn log_partition(x: &FlexTensor) -> Vec<f32> {
    struct Partition<'a>(&'a [f32]);
    impl WithSimd for Partition<'_> {
        type Output = f32;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> f32 {
            let most = fold(self.0, self.0, f32::NEG_INFINITY, |x, _| x, f32::max);
            // What is not a number must not get lost in the maximum.
            sum(self.0, self.0, |x, _| if x.is_nan() { x } else { exp(x - most) }).ln() + most
        }
    }
    let x = x.to_contiguous();
    let (values, width, arch) = (values(&x), width_of(&x), Arch::new());
    let of = |row: &[f32]| arch.dispatch(Partition(row));
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        values.par_chunks_exact(width).map(of).collect()
    }
    #[cfg(target_family = "wasm")]
    values.chunks_exact(width).map(of).collect()
}

/// `1/(1 + e⁻ˣ)`.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let power = exp(-x.abs());
    let of_size = (1.0 + power).recip();
    if x < 0.0 { power * of_size } else { of_size }
}
