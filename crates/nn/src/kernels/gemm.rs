//! Matrix products of the CPU kernels, straight into the memory of their result: Burn's own product first fills its result
//! with zeros and copies it once, which for the thin matrices of a pruned model costs as much as multiplying.

// `gemm` takes pointers; the one unsafe call below is reached only through views whose bounds were checked.
#![allow(unsafe_code)]

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};

/// Multiplications below which a second thread costs more than it saves.
const PARALLEL: usize = 1 << 22;

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
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

    fn check(&self) {
        let empty = self.rows == 0 || self.columns == 0;
        let last = self.rows.saturating_sub(1) * self.row_stride + self.columns.saturating_sub(1) * self.column_stride;
        assert!(empty || last < self.values.len(), "a matrix reaches beyond its memory");
    }
}

/// `out ← a·b`, or with `add` `out ← out + a·b`; `out` has rows `row_stride` apart.
pub(super) fn product(out: &mut [f32], row_stride: usize, a: View<'_>, b: View<'_>, add: bool, threads: bool) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner dimensions of a product");
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * row_stride + n <= out.len() && n <= row_stride, "a product reaches beyond its memory");
    let parallelism = match threads && m.saturating_mul(n).saturating_mul(k) >= PARALLEL {
        #[cfg(not(target_family = "wasm"))]
        true => gemm::Parallelism::Rayon(0),
        _ => gemm::Parallelism::None,
    };
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
            parallelism,
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
    let (m, n) = (x.rows, weight.columns);
    let mut out = Vec::with_capacity(m * n);
    (0..m).for_each(|_| out.extend_from_slice(bias));
    product(&mut out, n.max(1), x, weight, true, true);
    tensor(out, [m, n])
}

/// `g·Wᵀ`: `[m, n]·[k, n]ᵀ`.
pub(super) fn linear_gradient(gradient: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let (gradient, weight) = (View::of(gradient), View::of(weight).transposed());
    let (m, k) = (gradient.rows, weight.columns);
    let mut out = vec![0.0; m * k];
    product(&mut out, k.max(1), gradient, weight, false, true);
    tensor(out, [m, k])
}
