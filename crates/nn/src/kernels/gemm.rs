//! Matrix products of the CPU kernels, straight into the memory of their result: Burn's own product first fills its result
//! with zeros and copies it once, which for the thin matrices of a pruned model costs as much as multiplying.

// `gemm` takes pointers; the one unsafe call below is reached only through views whose bounds were checked.
#![allow(unsafe_code)]

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};
use std::ops::Range;

/// Multiplications below which a second thread costs more than it saves.
#[cfg(not(target_family = "wasm"))]
const PARALLEL: usize = 1 << 21;
/// Rows of a thread's share are a multiple of this.
#[cfg(not(target_family = "wasm"))]
const ROWS: usize = 16;

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> View<'a> {
    /// `rows × columns` values, row by row, `row_stride` apart.
    ///
    /// # Panics
    /// When the slice is too short.
    pub fn new(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        let view = Self { values, rows, columns, row_stride, column_stride: 1 };
        view.check();
        view
    }

    /// A matrix on the CPU, however it lies in memory.
    ///
    /// # Panics
    /// When the tensor is no matrix, or runs backwards; nothing here makes such.
    pub fn of(tensor: &'a FlexTensor) -> Self {
        let layout = tensor.layout();
        let (shape, strides) = (layout.shape(), layout.strides());
        let stride = |dim: usize| usize::try_from(strides[dim]).expect("weights are never flipped");
        let values = &tensor.storage::<f32>()[layout.start_offset()..];
        let view = Self { values, rows: shape[0], columns: shape[1], row_stride: stride(0), column_stride: stride(1) };
        view.check();
        view
    }

    /// The transpose.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// `rows` of its rows.
    fn rows_from(self, first: usize, rows: usize) -> Self {
        let view = Self { values: &self.values[(first * self.row_stride).min(self.values.len())..], rows, ..self };
        view.check();
        view
    }

    /// Some of its columns.
    pub fn columns_of(self, columns: Range<usize>) -> Self {
        let first = (columns.start * self.column_stride).min(self.values.len());
        let view = Self { values: &self.values[first..], columns: columns.len(), ..self };
        view.check();
        view
    }

    /// Its values row by row, each row filled with zeros up to `width`.
    #[inline(always)]
    pub fn laid_out(self, width: usize, memory: &mut Vec<f32>) {
        memory.clear();
        memory.resize(self.rows * width, 0.0);
        if self.column_stride == 1 {
            for (row, out) in memory.chunks_exact_mut(width).enumerate() {
                out[..self.columns].copy_from_slice(&self.values[row * self.row_stride..][..self.columns]);
            }
        } else {
            for column in 0..self.columns {
                let values = self.values[column * self.column_stride..].iter().step_by(self.row_stride);
                for (out, value) in memory[column..].iter_mut().step_by(width).zip(values) {
                    *out = *value;
                }
            }
        }
    }

    fn check(&self) {
        let empty = self.rows == 0 || self.columns == 0;
        let last = self.rows.saturating_sub(1) * self.row_stride + self.columns.saturating_sub(1) * self.column_stride;
        assert!(empty || last < self.values.len(), "a matrix reaches beyond its memory");
    }
}

/// `out ← a·b`, or with `add` `out ← out + a·b`, on this thread; `out` has rows `row_stride` apart.
pub(super) fn product(out: &mut [f32], row_stride: usize, a: View<'_>, b: View<'_>, add: bool) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner dimensions of a product");
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * row_stride + n <= out.len() && n <= row_stride, "a product reaches beyond its memory");
    // SAFETY: `View` and the assertion above keep every index `row·row_stride + column·column_stride` inside its slice;
    // `out` is borrowed mutably, so it overlaps neither `a` nor `b`. Strides are at most lengths of slices, which fit.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            row_stride as isize,
            add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// A tensor of `values`, row by row.
pub(super) fn tensor(values: Vec<f32>, dims: [usize; 2]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::from(dims)), DType::F32)
}

/// `x·W + b`: `[m, k]·[k, n] + [n]`.
pub(super) fn linear(x: &FlexTensor, weight: &FlexTensor, bias: &[f32]) -> FlexTensor {
    let (x, weight) = (View::of(x), View::of(weight));
    let mut out = Vec::with_capacity(x.rows * bias.len());
    (0..x.rows).for_each(|_| out.extend_from_slice(bias));
    by_rows(out, x, weight, true)
}

/// `g·Wᵀ`: `[m, n]·[k, n]ᵀ`.
pub(super) fn linear_gradient(gradient: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let (gradient, weight) = (View::of(gradient), View::of(weight).transposed());
    by_rows(vec![0.0; gradient.rows * weight.columns], gradient, weight, false)
}

/// `a·b`, or with `add` `out + a·b`, a share of the rows on each thread.
fn by_rows(mut out: Vec<f32>, a: View<'_>, b: View<'_>, add: bool) -> FlexTensor {
    let (m, n) = (a.rows, b.columns);
    let share = |first: usize, out: &mut [f32]| product(out, n, a.rows_from(first, out.len() / n), b, add);
    if n > 0 {
        #[cfg(not(target_family = "wasm"))]
        {
            use rayon::prelude::*;
            let small = m.saturating_mul(n).saturating_mul(a.columns) < PARALLEL;
            let threads = if small { 1 } else { rayon::current_num_threads() };
            let rows = m.div_ceil(threads).next_multiple_of(ROWS).max(ROWS);
            out.par_chunks_mut(rows * n).enumerate().for_each(|(index, out)| share(index * rows, out));
        }
        #[cfg(target_family = "wasm")]
        share(0, &mut out);
    }
    tensor(out, [m, n])
}
