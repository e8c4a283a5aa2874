//! Matrix products of the CPU kernels, straight into the memory of their result: Burn's own product first fills its result
//! with zeros and copies it once, which for the thin matrices of a pruned model costs as much as multiplying.

// `gemm` takes pointers; the one unsafe call below is reached only through views whose bounds were checked.
#![allow(unsafe_code)]

use super::thin;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};
use std::ops::Range;

/// Multiplications below which a second thread costs more than it saves.
#[cfg(not(target_family = "wasm"))]
const PARALLEL: usize = 1 << 21;

/// Rows of a thread's share are a multiple of this.
#[cfg(not(target_family = "wasm"))]
const ROWS: usize = 16;
/// Columns of a matrix that are laid out at a time.
const LAID_OUT: usize = 8;

/// A matrix in a slice. Its fields stay private to this file, so that whoever has a view has one that fits its slice.
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
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        let view = Self { values, rows, columns, row_stride, column_stride: 1 };
        view.check();
        view
    }

    /// A matrix on the CPU, however it lies in memory.
    ///
    /// # Panics
    /// When the tensor is no matrix, or runs backwards; nothing here makes such.
    pub(super) fn of(tensor: &'a FlexTensor) -> Self {
        let layout = tensor.layout();
        let (shape, strides) = (layout.shape(), layout.strides());
        let stride = |dim: usize| usize::try_from(strides[dim]).expect("weights are never flipped");
        let values = &tensor.storage::<f32>()[layout.start_offset()..];
        let view = Self { values, rows: shape[0], columns: shape[1], row_stride: stride(0), column_stride: stride(1) };
        view.check();
        view
    }

    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the values of a row lie behind one another.
    pub(super) fn has_whole_rows(&self) -> bool {
        self.column_stride == 1
    }

    /// One row of a matrix that [has whole rows](Self::has_whole_rows).
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.row_stride..][..self.columns]
    }

    /// All rows of a matrix that [has whole rows](Self::has_whole_rows).
    ///
    /// # Panics
    /// When it has none.
    #[inline(always)]
    pub(super) fn whole_rows(self) -> impl Iterator<Item = &'a [f32]> {
        assert!(self.has_whole_rows(), "the rows of a matrix that is turned");
        self.values.chunks(self.row_stride.max(1)).take(self.rows).map(move |row| &row[..self.columns])
    }

    /// The transpose.
    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Its values, and how far apart rows and columns are.
    #[cfg(any(test, target_family = "wasm"))]
    pub(super) fn parts(&self) -> (&'a [f32], usize, usize) {
        (self.values, self.row_stride, self.column_stride)
    }

    /// `rows` of its rows.
    pub(super) fn rows_from(self, first: usize, rows: usize) -> Self {
        let view = Self { values: self.values_from(first, self.row_stride), rows, ..self };
        view.check();
        view
    }

    /// The slice from row or column `first` on.
    fn values_from(&self, first: usize, stride: usize) -> &'a [f32] {
        let start = first.checked_mul(stride).map_or(self.values.len(), |start| start.min(self.values.len()));
        &self.values[start..]
    }

    /// Some of its columns.
    pub(super) fn columns_of(self, columns: Range<usize>) -> Self {
        let values = self.values_from(columns.start, self.column_stride);
        let view = Self { values, columns: columns.len(), ..self };
        view.check();
        view
    }

    /// Its values row by row, each row filled with zeros up to `width`.
    ///
    /// # Panics
    /// When `width` is less than its columns.
    #[inline(always)]
    pub(super) fn laid_out(self, width: usize, memory: &mut Vec<f32>) {
        memory.clear();
        memory.resize(self.rows * width, 0.0);
        if width == 0 {
            return;
        }
        if self.column_stride == 1 {
            for (row, out) in memory.chunks_exact_mut(width).enumerate() {
                out[..self.columns].copy_from_slice(&self.values[row * self.row_stride..][..self.columns]);
            }
        } else {
            // A few columns at a time, so that what is written lies together.
            for first in (0..self.columns).step_by(LAID_OUT) {
                let count = LAID_OUT.min(self.columns - first);
                let values = &self.values[first * self.column_stride..];
                for (row, out) in memory.chunks_exact_mut(width).enumerate() {
                    let values = &values[row * self.row_stride..];
                    if count == LAID_OUT {
                        let gathered: [f32; LAID_OUT] =
                            std::array::from_fn(|column| values[column * self.column_stride]);
                        out[first..first + LAID_OUT].copy_from_slice(&gathered);
                    } else {
                        let values = values.iter().step_by(self.column_stride);
                        out[first..first + count].iter_mut().zip(values).for_each(|(out, value)| *out = *value);
                    }
                }
            }
        }
    }

    /// Panics unless every value lies inside the slice. The arithmetic is checked: sizes that wrap around fit nowhere.
    fn check(&self) {
        let fits = last_index(self.rows, self.columns, self.row_stride, self.column_stride)
            .is_none_or(|last| last.is_some_and(|last| last < self.values.len()));
        assert!(fits, "a matrix reaches beyond its memory");
    }
}

/// The largest index that a matrix of these sizes reaches: `None` if it has no value, `Some(None)` if no index can say.
fn last_index(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> Option<Option<usize>> {
    let (rows, columns) = (rows.checked_sub(1)?, columns.checked_sub(1)?);
    let row = rows.checked_mul(row_stride);
    Some(row.and_then(|row| columns.checked_mul(column_stride).and_then(|column| row.checked_add(column))))
}

/// A stride as a step of a pointer. One that is never taken, because its dimension has a single entry, may be of any size.
#[cfg(not(target_family = "wasm"))]
fn step(stride: usize) -> isize {
    isize::try_from(stride).unwrap_or(1)
}

/// `out ← a·b`, or with `add` `out ← out + a·b`, on this thread; `out` has rows `row_stride` apart.
///
/// # Panics
/// When the sizes do not fit each other or their memory.
pub(super) fn product(out: &mut [f32], row_stride: usize, a: View<'_>, b: View<'_>, add: bool) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner dimensions of a product");
    if m == 0 || n == 0 {
        return;
    }
    let last = last_index(m, n, row_stride, 1).flatten();
    assert!(last.is_some_and(|last| last < out.len()) && n <= row_stride, "a product reaches beyond its memory");
    #[cfg(target_family = "wasm")]
    super::blocked::product(out, row_stride, a, b, add);
    // SAFETY: `out` has room by the assertion, is borrowed mutably and holds values.
    #[cfg(not(target_family = "wasm"))]
    unsafe {
        write_product(out.as_mut_ptr(), row_stride, a, b, add);
    }
}

/// [`product`] into memory that `out` points to.
///
/// # Safety
/// `out` can be written at every index `row·row_stride + column` of the result, which nobody else reads or writes
/// meanwhile; `row_stride` is at least the columns, and an index fits an `isize`. With `add` it holds values.
#[cfg(not(target_family = "wasm"))]
unsafe fn write_product(out: *mut f32, row_stride: usize, a: View<'_>, b: View<'_>, add: bool) {
    assert_eq!(a.columns, b.rows, "inner dimensions of a product");
    a.check();
    b.check();
    // SAFETY: the checks, in arithmetic that cannot wrap around, keep every index `row·row_stride + column·column_stride`
    // inside its slice, so that strides of dimensions with more than one entry are at most lengths of slices and fit an
    // `isize`; that is also so of `out` by the caller's promise, which `gemm` reads only with `add`.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out,
            1,
            step(row_stride),
            add,
            a.values.as_ptr(),
            step(a.column_stride),
            step(a.row_stride),
            b.values.as_ptr(),
            step(b.column_stride),
            step(b.row_stride),
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
    tensor(by_rows(Start::Row(bias), [(x, weight)]), [x.rows, bias.len()])
}

/// `x·W`: `[m, k]·[k, n]`.
pub(super) fn matrix_product(x: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let (x, weight) = (View::of(x), View::of(weight));
    tensor(by_rows(Start::Zeros(weight.columns), [(x, weight)]), [x.rows, weight.columns])
}

/// `g·Wᵀ`: `[m, n]·[k, n]ᵀ`.
pub(super) fn linear_gradient(gradient: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let (gradient, weight) = (View::of(gradient), View::of(weight).transposed());
    tensor(by_rows(Start::Zeros(weight.columns), [(gradient, weight)]), [gradient.rows, weight.columns])
}

/// A linear layer with its adapter, `x·W + b + s·x·A·B`, and `s·x·A`: `[m, k]`, `[k, n]`, `[n]`, `[k, r]`, `[r, n]`; a bias
/// without values is none.
pub(super) fn adapted(
    x: &FlexTensor,
    [weight, a, b]: [&FlexTensor; 3],
    bias: &[f32],
    scale: f32,
) -> (FlexTensor, FlexTensor) {
    let [x, weight, a, b] = [x, weight, a, b].map(View::of);
    let n = weight.columns;
    let start = if bias.is_empty() { Start::Zeros(n) } else { Start::Row(bias) };
    let narrow = scaled(thin::narrow(x, a), scale);
    let of_narrow = View::new(&narrow, x.rows, a.columns, a.columns);
    let y = by_rows(start, [(x, weight), (of_narrow, b)]);
    (tensor(y, [x.rows, n]), tensor(narrow, [x.rows, a.columns]))
}

/// From ∂L/∂y of [`adapted`] and what it was made of: ∂L/∂x, if it is wanted, and ∂L/∂A and ∂L/∂B.
pub(super) fn adapted_gradients(
    g: &FlexTensor,
    x: &FlexTensor,
    [weight, a, b]: [&FlexTensor; 3],
    narrow: &FlexTensor,
    scale: f32,
    of_x: bool,
) -> (Option<FlexTensor>, [FlexTensor; 2]) {
    let [g, x, weight, a, b, narrow] = [g, x, weight, a, b, narrow].map(View::of);
    let (m, k, n, r) = (x.rows, x.columns, weight.columns, a.columns);
    let of_narrow = scaled(thin::narrow(g, b.transposed()), scale);
    let of_narrow = View::new(&of_narrow, m, r, r);
    let of_x = of_x.then(|| {
        let pairs = [(g, weight.transposed()), (of_narrow, a.transposed())];
        tensor(by_rows(Start::Zeros(k), pairs), [m, k])
    });
    // All tokens are the inner dimension of these two: one thread each.
    let of_a = || {
        let turned = thin::low(of_narrow, x);
        let mut out = Vec::with_capacity(k * r);
        View::new(&turned, r, k, k).transposed().laid_out(r, &mut out);
        tensor(out, [k, r])
    };
    let of_b = || tensor(thin::low(narrow, g), [r, n]);
    #[cfg(not(target_family = "wasm"))]
    let (of_a, of_b) = rayon::join(of_a, of_b);
    #[cfg(target_family = "wasm")]
    let (of_a, of_b) = (of_a(), of_b());
    (of_x, [of_a, of_b])
}

fn scaled(mut values: Vec<f32>, factor: f32) -> Vec<f32> {
    values.iter_mut().for_each(|value| *value *= factor);
    values
}

/// What products are added to.
#[derive(Clone, Copy)]
enum Start<'a> {
    /// Every row is this one.
    Row(&'a [f32]),
    /// So many columns of zeros.
    Zeros(usize),
}

impl Start<'_> {
    /// Of the result.
    fn columns(self) -> usize {
        match self {
            Self::Row(row) => row.len(),
            Self::Zeros(columns) => columns,
        }
    }

    /// So many of them.
    #[cfg(target_family = "wasm")]
    fn rows(self, rows: usize) -> Vec<f32> {
        match self {
            Self::Row(row) => row.repeat(rows),
            Self::Zeros(columns) => vec![0.0; rows * columns],
        }
    }
}

/// Rows that each thread has of a product of these sizes.
#[cfg(not(target_family = "wasm"))]
pub(super) fn rows_of_a_thread([m, n, inner]: [usize; 3]) -> usize {
    let small = m.saturating_mul(n).saturating_mul(inner) < PARALLEL;
    let threads = if small { 1 } else { rayon::current_num_threads() };
    m.div_ceil(threads).next_multiple_of(ROWS)
}

/// The sum of products `a·b` on top of `start`, a share of the rows on each thread.
fn by_rows<const N: usize>(start: Start<'_>, products: [(View<'_>, View<'_>); N]) -> Vec<f32> {
    const { assert!(N > 0, "a sum of no products") };
    let (m, n) = (products.first().map_or(0, |(a, _)| a.rows), start.columns());
    for (a, b) in &products {
        assert!(a.rows == m && b.columns == n, "sizes of products that are summed");
    }
    if m == 0 || n == 0 {
        return Vec::new();
    }
    #[cfg(target_family = "wasm")]
    {
        let mut out = start.rows(m);
        for (index, (a, b)) in products.into_iter().enumerate() {
            product(&mut out, n, a, b, index > 0 || matches!(start, Start::Row(_)));
        }
        out
    }
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        let mut out = Vec::with_capacity(m * n);
        let rows = rows_of_a_thread([m, n, products.iter().map(|(a, _)| a.columns).sum()]);
        let memory = &mut out.spare_capacity_mut()[..m * n];
        if rows < m {
            super::watch::keep();
        }
        memory.par_chunks_mut(rows * n).enumerate().for_each(|(index, out)| {
            // Where there is no bias the first product writes every value, so that nobody has to write zeros before it.
            if let Start::Row(row) = start {
                out.chunks_exact_mut(n).for_each(|out| {
                    out.write_copy_of_slice(row);
                });
            }
            for (place, (a, b)) in products.iter().enumerate() {
                let (a, add) = (a.rows_from(index * rows, out.len() / n), place > 0 || matches!(start, Start::Row(_)));
                // SAFETY: `out` has room for all rows of `a`, `n` values each, and this thread alone has it; it holds values
                // since the bias, or else the first product, was written.
                unsafe { write_product(out.as_mut_ptr().cast(), n, a, *b, add) };
            }
        });
        // SAFETY: the capacity is at least that, and every value was written: by the bias, or else by the first product, which
        // writes zeros where the inner dimension is 0.
        unsafe { out.set_len(m * n) };
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 × 3, row by row.
    const VALUES: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

    #[test]
    fn views_of_every_kind_multiply_as_written_out() {
        let matrix = View::new(&VALUES, 2, 3, 3);
        let mut out = [0.0; 4];
        product(&mut out, 2, matrix, matrix.transposed(), false);
        assert_eq!(out, [14.0, 32.0, 32.0, 77.0]);
        product(&mut out, 2, matrix.columns_of(1..3), matrix.transposed().rows_from(1, 2), true);
        assert_eq!(out, [14.0 + 13.0, 32.0 + 28.0, 32.0 + 28.0, 77.0 + 61.0]);
    }

    /// On 32 bits `2³¹ · 2` is 0: a view that only its wrapped sizes fit must be refused, whatever the width of `usize`.
    #[test]
    fn sizes_that_wrap_around_fit_nowhere() {
        let half = usize::MAX / 2 + 1;
        assert_eq!(last_index(3, 1, half, 1), Some(None), "2 · half wraps to 0");
        assert_eq!(last_index(2, 2, usize::MAX, 1), Some(None), "MAX + 1 wraps to 0");
        assert_eq!(last_index(0, 5, usize::MAX, usize::MAX), None, "no rows, no index");
        for (rows, columns, stride) in [(3, 1, half), (2, 2, usize::MAX), (2, 4, 3), (3, 3, 3)] {
            let refused = std::panic::catch_unwind(|| View::new(&VALUES, rows, columns, stride).rows);
            assert!(refused.is_err(), "{rows} × {columns}, {stride} apart, in six values");
        }
    }

    #[test]
    fn a_result_without_room_is_refused() {
        let matrix = View::new(&VALUES, 2, 3, 3);
        for (room, stride) in [(3, 2), (4, 1), (4, usize::MAX)] {
            let refused = std::panic::catch_unwind(|| {
                product(&mut vec![0.0; room], stride, matrix, matrix.transposed(), false);
            });
            assert!(refused.is_err(), "2 × 2 in {room} values, rows {stride} apart");
        }
    }

    #[test]
    fn a_single_row_may_have_any_stride() {
        let mut out = [0.0];
        product(&mut out, usize::MAX, View::new(&VALUES, 1, 2, usize::MAX), View::new(&VALUES, 2, 1, 3), false);
        assert_eq!(out, [1.0 * 1.0 + 2.0 * 4.0]);
    }
}
