//! The arithmetic of the CPU kernels, row by row: plain loops without branches, compiled for the widest vectors that the
//! processor has (chosen when the program runs), on all threads.

mod decoders;

pub(super) use decoders::{CausalSoftmax, Rms, Rotate, SiluTimes, log_partition, silu_gradients};

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType};
use pulp::{Arch, Simd, WithSimd};

/// What to do with one row in place. Implementations are `inline(always)`, or they would be compiled for the narrowest
/// vectors there are.
pub(super) trait Pass: Copy + Send + Sync {
    /// `index` counts the rows of the whole tensor.
    fn row(self, index: usize, row: &mut [f32]);
}

/// What to do with one row of ∂L/∂y in place, given the row that the forward pass saved.
pub(super) trait GradientPass: Copy + Send + Sync {
    /// Rows of equal length.
    fn row(self, saved: &[f32], gradient: &mut [f32]);
}

/// `x·Φ(x)`.
#[derive(Clone, Copy)]
pub(super) struct Gelu;

impl Pass for Gelu {
    #[inline(always)]
    fn row(self, _index: usize, row: &mut [f32]) {
        for x in row {
            *x *= normal(*x).0;
        }
    }
}

/// `x·Φ(x)`, and its derivative: both come from one exponential.
pub(super) fn gelu_with_derivative(x: FlexTensor) -> (FlexTensor, FlexTensor) {
    struct Values<'a>(&'a mut [f32], &'a mut [f32]);
    impl WithSimd for Values<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            for (x, derivative) in self.0.iter_mut().zip(self.1) {
                let (cdf, density) = normal(*x);
                *derivative = cdf + *x * density;
                *x *= cdf;
            }
        }
    }
    let arch = Arch::new();
    with_second(x, |_, x, derivative| arch.dispatch(Values(x, derivative)))
}

/// `x`, and a second tensor of its size, which begins with zeros: `f` is given where a run of values begins, and the run of
/// both.
fn with_second(x: FlexTensor, f: impl Fn(usize, &mut [f32], &mut [f32]) + Sync) -> (FlexTensor, FlexTensor) {
    let (mut x, width) = own(x);
    let shape = x.layout().shape().clone();
    let mut second = vec![0.0; shape.num_elements()];
    let run = run_of(width);
    let values: &mut [f32] = x.storage_mut();
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        let runs = values.par_chunks_mut(run).zip(second.par_chunks_mut(run)).enumerate();
        runs.for_each(|(index, (x, second))| f(index * run, x, second));
    }
    #[cfg(target_family = "wasm")]
    for (index, (x, second)) in values.chunks_mut(run).zip(second.chunks_mut(run)).enumerate() {
        f(index * run, x, second);
    }
    (x, FlexTensor::new(Bytes::from_elems(second), Layout::contiguous(shape), DType::F32))
}

/// `γ ∘ (x − mean)/√(var + ε) + β`; backward from x.
#[derive(Clone, Copy)]
pub(super) struct Norm<'a> {
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub eps: f32,
}

impl Pass for Norm<'_> {
    #[inline(always)]
    fn row(self, _index: usize, row: &mut [f32]) {
        let (mean, scale) = moments(row, self.eps);
        for ((x, &weight), &bias) in row.iter_mut().zip(self.weight).zip(self.bias) {
            *x = (*x - mean) * scale * weight + bias;
        }
    }
}

impl GradientPass for Norm<'_> {
    #[inline(always)]
    fn row(self, saved: &[f32], gradient: &mut [f32]) {
        gradient.iter_mut().zip(self.weight).for_each(|(g, &weight)| *g *= weight);
        let (mean, scale) = moments(saved, self.eps);
        let n = saved.len() as f32;
        let of_mean = sum(gradient, gradient, |g, _| g) / n;
        let of_scale = sum(saved, gradient, |x, g| (x - mean) * g) * scale * scale / n;
        for (&x, g) in saved.iter().zip(gradient) {
            *g = (*g - of_mean - (x - mean) * of_scale) * scale;
        }
    }
}

/// [`Norm`] of a sum.
#[derive(Clone, Copy)]
pub(super) struct NormOfSum<'a> {
    /// As large as the tensor.
    pub added: &'a [f32],
    pub norm: Norm<'a>,
}

impl Pass for NormOfSum<'_> {
    #[inline(always)]
    fn row(self, index: usize, row: &mut [f32]) {
        let added = &self.added[index * row.len()..];
        row.iter_mut().zip(added).for_each(|(x, added)| *x += added);
        Pass::row(self.norm, index, row);
    }
}

/// `softmax(s·x + padding)`; backward from the result.
#[derive(Clone, Copy)]
pub(super) struct Softmax<'a> {
    /// s.
    pub scale: f32,
    /// One row for every `rows_per_padding` rows; empty for none.
    pub padding: &'a [f32],
    pub rows_per_padding: usize,
}

impl Pass for Softmax<'_> {
    #[inline(always)]
    fn row(self, index: usize, row: &mut [f32]) {
        if self.padding.is_empty() {
            each(row, |x| x * self.scale);
        } else {
            let padding = &self.padding[index / self.rows_per_padding * row.len()..];
            for (x, padding) in row.iter_mut().zip(padding) {
                *x = *x * self.scale + padding;
            }
        }
        let most = fold(row, row, f32::NEG_INFINITY, |x, _| x, f32::max);
        each(row, |x| exp_of_difference(x, most));
        let total = sum(row, row, |x, _| x).recip();
        each(row, |x| x * total);
    }
}

impl GradientPass for Softmax<'_> {
    #[inline(always)]
    fn row(self, saved: &[f32], gradient: &mut [f32]) {
        let inner = sum(saved, gradient, |y, g| y * g);
        saved.iter().zip(gradient).for_each(|(&y, g)| *g = y * (*g - inner) * self.scale);
    }
}

/// `x ∘ m` with the same mask for every row.
#[derive(Clone, Copy)]
pub(super) struct Masked<'a>(pub &'a [f32]);

impl Pass for Masked<'_> {
    #[inline(always)]
    fn row(self, _index: usize, row: &mut [f32]) {
        row.iter_mut().zip(self.0).for_each(|(x, mask)| *x *= mask);
    }
}

/// `y ← x ∘ y`, of a saved x.
#[derive(Clone, Copy)]
pub(super) struct Times;

impl GradientPass for Times {
    #[inline(always)]
    fn row(self, saved: &[f32], y: &mut [f32]) {
        saved.iter().zip(y).for_each(|(x, y)| *y *= x);
    }
}

/// A pass over consecutive rows: the pass, their width, the first one's index, the rows.
struct Rows<'a, P>(P, usize, usize, &'a mut [f32]);

impl<P: Pass> WithSimd for Rows<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(pass, width, first, rows) = self;
        for (index, row) in rows.chunks_mut(width).enumerate() {
            pass.row(first + index, row);
        }
    }
}

/// Makes `pass` over rows of `width` values that lie behind one another, on this thread.
pub(super) fn over(values: &mut [f32], width: usize, pass: impl Pass) {
    Arch::new().dispatch(Rows(pass, width.max(1), 0, values));
}

/// Makes `pass` over every row of the last dimension.
pub(super) fn by_row(x: FlexTensor, pass: impl Pass) -> FlexTensor {
    let (mut x, width) = own(x);
    let arch = Arch::new();
    in_parallel(x.storage_mut(), width, |at, rows| arch.dispatch(Rows(pass, width, at / width, rows)));
    x
}

/// Makes `pass` over every row of `saved` and of `gradient`, which becomes the result.
pub(super) fn by_row_with(saved: FlexTensor, gradient: FlexTensor, pass: impl GradientPass) -> FlexTensor {
    struct Rows<'a, P>(P, usize, &'a [f32], &'a mut [f32]);
    impl<P: GradientPass> WithSimd for Rows<'_, P> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self(pass, width, saved, gradient) = self;
            for (saved, gradient) in saved.chunks(width).zip(gradient.chunks_mut(width)) {
                pass.row(saved, gradient);
            }
        }
    }
    let (mut gradient, width) = own(gradient);
    let saved = saved.to_contiguous();
    // A gradient has the shape of its tensor.
    let values = values(&saved);
    let arch = Arch::new();
    in_parallel(gradient.storage_mut(), width, |at, rows| {
        arch.dispatch(Rows(pass, width, &values[at..at + rows.len()], rows));
    });
    gradient
}

/// What is summed over a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    /// |x|.
    Abs,
    /// x divided by the rows, so that the sum is the mean.
    Mean,
    /// x².
    Square,
}

/// The sum of a term over every column of `[rows, width]`.
pub(super) fn column_sums(x: &FlexTensor, term: Term) -> Vec<f32> {
    let x = x.to_contiguous();
    let (values, width) = (values(&x), width_of(&x));
    let mut sums = by_column(values, values, width, |x, _| match term {
        Term::Abs => x.abs(),
        Term::Mean => x,
        Term::Square => x * x,
    });
    if term == Term::Mean {
        let rows = (values.len() / width).max(1) as f32;
        sums.iter_mut().for_each(|sum| *sum /= rows);
    }
    sums
}

/// The sum of `x ∘ y` over every column; both are `[rows, width]`.
pub(super) fn column_products(x: &FlexTensor, y: &FlexTensor) -> Vec<f32> {
    let (x, y) = (x.to_contiguous(), y.to_contiguous());
    by_column(values(&x), values(&y), width_of(&x), |x, y| x * y)
}

/// Sums `f` of two matrices over every column. Runs of rows are summed on all threads and then put together in their
/// order, so that the result does not depend on the number of threads.
fn by_column(x: &[f32], y: &[f32], width: usize, f: impl Fn(f32, f32) -> f32 + Copy + Sync) -> Vec<f32> {
    struct Rows<'a, F>(F, &'a [f32], &'a [f32], &'a mut [f32]);
    impl<F: Fn(f32, f32) -> f32 + Copy> WithSimd for Rows<'_, F> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self(f, x, y, sums) = self;
            for (x, y) in x.chunks_exact(sums.len()).zip(y.chunks_exact(sums.len())) {
                sums.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (&x, &y))| *sum += f(x, y));
            }
        }
    }
    let (run, arch) = (run_of(width), Arch::new());
    let of = |x: &[f32], y: &[f32]| {
        let mut sums = vec![0.0; width];
        arch.dispatch(Rows(f, x, y, &mut sums));
        sums
    };
    #[cfg(not(target_family = "wasm"))]
    let parts: Vec<Vec<f32>> = {
        use rayon::prelude::*;
        x.par_chunks(run).zip(y.par_chunks(run)).map(|(x, y)| of(x, y)).collect()
    };
    #[cfg(target_family = "wasm")]
    let parts: Vec<Vec<f32>> = x.chunks(run).zip(y.chunks(run)).map(|(x, y)| of(x, y)).collect();
    let mut sums = vec![0.0; width];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sums
}

fn width_of(x: &FlexTensor) -> usize {
    let shape = x.layout().shape();
    shape[shape.num_dims() - 1].max(1)
}

/// The values of a contiguous tensor.
///
/// # Panics
/// When it is not contiguous or not of `f32`: an empty slice in its place would be read as no padding.
pub(super) fn values(x: &FlexTensor) -> &[f32] {
    x.as_slice().expect("a contiguous tensor of f32 is one slice")
}

/// A tensor whose storage is exactly its values, row by row, and the width of a row.
fn own(x: FlexTensor) -> (FlexTensor, usize) {
    let (shape, width) = (x.layout().shape().clone(), width_of(&x));
    let x = x.to_contiguous();
    let whole = x.storage::<f32>().len() == shape.num_elements();
    match x.as_slice::<f32>() {
        Some(values) if !whole => {
            let bytes = Bytes::from_elems(values.to_vec());
            (FlexTensor::new(bytes, Layout::contiguous(shape), x.dtype()), width)
        }
        _ => (x, width),
    }
}

/// Values in the rows of one task: few enough to share out evenly, enough to hide the cost of sharing.
fn run_of(width: usize) -> usize {
    const TASK: usize = 1 << 14;
    (TASK / width).max(1) * width
}

/// Calls `f` with runs of whole rows and where they begin.
fn in_parallel(values: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    let run = run_of(width);
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        values.par_chunks_mut(run).enumerate().for_each(|(i, rows)| f(i * run, rows));
    }
    #[cfg(target_family = "wasm")]
    values.chunks_mut(run).enumerate().for_each(|(i, rows)| f(i * run, rows));
}

/// Mean and `1/√(var + ε)`.
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(row, row, |x, _| x) / n;
    let variance = sum(row, row, |x, _| (x - mean) * (x - mean)) / n;
    (mean, (variance + eps).sqrt().recip())
}

/// `xᵢ ← f(xᵢ)`, sixteen at a time: a row of a few vectors is too short for loops that the compiler unrolls.
#[inline(always)]
fn each(row: &mut [f32], f: impl Fn(f32) -> f32) {
    let (chunks, rest) = row.as_chunks_mut::<16>();
    for chunk in chunks {
        for x in chunk {
            *x = f(*x);
        }
    }
    for x in rest {
        *x = f(*x);
    }
}

/// `Σ f(aᵢ, bᵢ)`.
#[inline(always)]
pub(super) fn sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    fold(a, b, 0.0, f, |sum, term| sum + term)
}

/// Partial results of a sum.
pub(super) const LANES: usize = 16;

/// All `f(aᵢ, bᵢ)` folded by `with` from `start`, in sixteen partial results, so that the compiler may use vector
/// registers; the order is the same on every machine.
#[inline(always)]
fn fold(a: &[f32], b: &[f32], start: f32, f: impl Fn(f32, f32) -> f32, with: impl Fn(f32, f32) -> f32) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [start; LANES];
    for (a, b) in a.iter().zip(b) {
        lanes = std::array::from_fn(|i| with(lanes[i], f(a[i], b[i])));
    }
    together(lanes, a_rest, b_rest, f, with)
}

/// What [`fold`] makes of its partial results and of the fewer entries that are left over.
#[inline(always)]
pub(super) fn together(
    mut lanes: [f32; LANES],
    a_rest: &[f32],
    b_rest: &[f32],
    f: impl Fn(f32, f32) -> f32,
    with: impl Fn(f32, f32) -> f32,
) -> f32 {
    for (lane, (&a, &b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane = with(*lane, f(a, b));
    }
    let eight: [f32; 8] = std::array::from_fn(|i| with(lanes[i], lanes[i + 8]));
    let four: [f32; 4] = std::array::from_fn(|i| with(eight[i], eight[i + 4]));
    with(with(four[0], four[2]), with(four[1], four[3]))
}

/// Φ(x) and φ(x) of the standard normal distribution, to a few units in the last place of f32.
///
/// `Φ(−|x|) = e^(−x²/2)·t·P(t)` with `t = 1/(1 + p·|x|)`: the form of Abramowitz & Stegun 26.2.17, with a polynomial
/// fitted on `|x| ≤ 14` to a relative error of 4·10⁻⁸. Branch-free, so that the compiler may use vector registers.
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
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

/// e to the power of `x − most`, which is not above 0.
#[inline(always)]
pub(super) fn exp_of_difference(x: f32, most: f32) -> f32 {
    /// e to the power of less counts as nothing.
    const NOTHING: f32 = -80.0;
    let below = x - most;
    let power = if below <= NOTHING { 0.0 } else { exp(below) };
    // Zero, but for what is not a number, which must not get lost here.
    if below.is_nan() { below } else { power }
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
