//! Matrix products in tiles of vector registers, for the short matrices of a model that is only used: a panel of the right
//! matrix, as wide as a few vectors, is laid out once and meets every row of the left one. Widths that are no multiple of
//! four vectors are shared out evenly, so that what pruning left over costs no more than its vectors.

use super::gemm::{self, View};
use pulp::{Simd, WithSimd};

/// Rows of a tile.
const ROWS: usize = 6;

/// Entries of the inner dimension at a time where the right matrix lies in panels: one of the widest takes 36 kB, which stay
/// in the first cache.
const INNER: usize = 144;

/// Memory to lay out matrices in, kept from product to product.
#[derive(Default)]
pub(super) struct Panels {
    /// A panel of the right matrix.
    right: Vec<f32>,
}

/// `out ← a·b`, on this thread; `out` has rows `row_stride` apart. Of `a` either rows or columns
/// lie in one piece each.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    (out, row_stride): (&mut [f32], usize),
    a: View<'_>,
    b: View<'_>,
    Panels { right: panel }: &mut Panels,
) {
    if cfg!(target_family = "wasm") {
        return gemm::product(out, row_stride, a, b, false);
    }
    assert_eq!(a.columns(), b.rows(), "inner dimensions of a product");
    let vectors = b.columns().div_ceil(S::F32_LANES);
    let panels = vectors.div_ceil(most_vectors::<S>().1);
    let mut first = 0;
    for index in 1..=panels {
        let end = index * vectors / panels;
        let columns = first * S::F32_LANES..(end * S::F32_LANES).min(b.columns());
        let (out, b) = (&mut out[columns.start..], b.columns_of(columns));
        match end - first {
            1 => simd.vectorize(Panel::<1> { out, row_stride, a, b, panel }),
            2 => simd.vectorize(Panel::<2> { out, row_stride, a, b, panel }),
            3 => simd.vectorize(Panel::<3> { out, row_stride, a, b, panel }),
            _ => simd.vectorize(Panel::<4> { out, row_stride, a, b, panel }),
        }
        first = end;
    }
}

/// A product whose right matrix is at most N vectors wide.
struct Panel<'a, const N: usize> {
    out: &'a mut [f32],
    row_stride: usize,
    a: View<'a>,
    b: View<'a>,
    panel: &'a mut Vec<f32>,
}

impl<const N: usize> WithSimd for Panel<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, row_stride, a, b, panel } = self;
        b.laid_out(N * S::F32_LANES, panel);
        let panel = S::as_simd_f32s(panel).0.as_chunks::<N>().0;
        if a.rows() < ROWS {
            for row in 0..a.rows() {
                let [values] = tile_of::<S, 1, N>(simd, a, row, panel, [[simd.splat_f32s(0.0); N]; 1]);
                store(simd, &mut out[row * row_stride..][..b.columns()], values);
            }
            return;
        }
        // The last tile begins early enough to be whole: some rows are computed twice, to the same values.
        for row in (0..a.rows()).step_by(ROWS).map(|row| row.min(a.rows() - ROWS)) {
            let rows = tile_of::<S, ROWS, N>(simd, a, row, panel, [[simd.splat_f32s(0.0); N]; ROWS]);
            for (index, values) in rows.into_iter().enumerate() {
                store(simd, &mut out[(row + index) * row_stride..][..b.columns()], values);
            }
        }
    }
}

/// Writes the first of the values, as many as `out` takes.
#[inline(always)]
fn store<S: Simd, const N: usize>(simd: S, out: &mut [f32], values: [S::f32s; N]) {
    let (whole, rest) = S::as_mut_simd_f32s(out);
    for (out, value) in whole.iter_mut().zip(values) {
        *out = value;
    }
    if let Some(last) = values.get(whole.len()) {
        simd.partial_store_f32s(rest, *last);
    }
}

/// M rows of the product from `row` on, added to `sums`.
#[inline(always)]
fn tile<S: Simd, const M: usize, const N: usize>(
    simd: S,
    a: View<'_>,
    row: usize,
    panel: &[[S::f32s; N]],
    mut sums: [[S::f32s; N]; M],
) -> [[S::f32s; N]; M] {
    let rows: [&[f32]; M] = std::array::from_fn(|index| a.row(row + index));
    let panel = &panel[..a.columns()];
    for (at, vectors) in panel.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let value = simd.splat_f32s(row[at]);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.mul_add_e_f32s(value, *vector, *sum);
            }
        }
    }
    sums
}

/// Values of a vector, and how many vectors a panel is wide at most.
pub(super) const fn most_vectors<S: Simd>() -> (usize, usize) {
    match (cfg!(target_family = "wasm"), S::F32_LANES) {
        // A browser's products have panels of their own.
        (true, _) => (16, 4),
        // AVX-512 has twice the registers of all others.
        (false, 16) => (16, 4),
        (false, lanes) => (lanes, 2),
    }
}

/// `out ← a·b`, or with `add` `out + a·b`, where the rows of `b` and of `out` lie behind one another and are `width` long,
/// which is as much as [`most_vectors`] at most. Of `a` either rows or columns lie in one piece each.
///
/// # Panics
/// When the sizes do not fit each other.
#[inline(always)]
pub(super) fn add_product<S: Simd>(simd: S, out: &mut [f32], a: View<'_>, b: &[f32], width: usize, add: bool) {
    if cfg!(target_family = "wasm") {
        return gemm::product(out, width, a, View::new(b, a.columns(), width, width), add);
    }
    assert!(out.len() == a.rows() * width && b.len() == a.columns() * width, "inner dimensions of a product");
    match width / S::F32_LANES {
        0 => {}
        1 => simd.vectorize(Added::<1> { out, a, b, add }),
        2 => simd.vectorize(Added::<2> { out, a, b, add }),
        3 => simd.vectorize(Added::<3> { out, a, b, add }),
        _ => simd.vectorize(Added::<4> { out, a, b, add }),
    }
}

/// A product whose right matrix and result are N vectors wide.
struct Added<'a, const N: usize> {
    out: &'a mut [f32],
    a: View<'a>,
    b: &'a [f32],
    add: bool,
}

impl<const N: usize> WithSimd for Added<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, a, b, add } = self;
        let (out, b) = (S::as_mut_simd_f32s(out).0.as_chunks_mut::<N>().0, S::as_simd_f32s(b).0.as_chunks::<N>().0);
        let whole = a.rows() - a.rows() % ROWS;
        for inner in (0..a.columns()).step_by(INNER) {
            let end = (inner + INNER).min(a.columns());
            let (a, b, add) = (a.columns_of(inner..end), &b[inner..end], add || inner > 0);
            for row in (0..whole).step_by(ROWS) {
                added::<S, ROWS, N>(simd, a, row, b, out, add);
            }
            for row in whole..a.rows() {
                added::<S, 1, N>(simd, a, row, b, out, add);
            }
        }
    }
}

/// M rows of `out` from `row` on.
#[inline(always)]
fn added<S: Simd, const M: usize, const N: usize>(
    simd: S,
    a: View<'_>,
    row: usize,
    b: &[[S::f32s; N]],
    out: &mut [[S::f32s; N]],
    add: bool,
) {
    let out = &mut out[row..row + M];
    let sums = if add { std::array::from_fn(|row| out[row]) } else { [[simd.splat_f32s(0.0); N]; M] };
    out.copy_from_slice(&tile_of(simd, a, row, b, sums));
}

/// M rows of the product from `row` on, added to `sums`, whichever way the left matrix lies.
#[inline(always)]
fn tile_of<S: Simd, const M: usize, const N: usize>(
    simd: S,
    a: View<'_>,
    row: usize,
    panel: &[[S::f32s; N]],
    sums: [[S::f32s; N]; M],
) -> [[S::f32s; N]; M] {
    if a.has_whole_rows() { tile(simd, a, row, panel, sums) } else { tile_turned(simd, a, row, panel, sums) }
}

/// As [`tile`], of a left matrix whose columns lie in one piece each.
#[inline(always)]
fn tile_turned<S: Simd, const M: usize, const N: usize>(
    simd: S,
    a: View<'_>,
    row: usize,
    panel: &[[S::f32s; N]],
    mut sums: [[S::f32s; N]; M],
) -> [[S::f32s; N]; M] {
    for (values, vectors) in a.transposed().whole_rows().zip(panel) {
        let values = &values[row..row + M];
        for (sums, value) in sums.iter_mut().zip(values) {
            let value = simd.splat_f32s(*value);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.mul_add_e_f32s(value, *vector, *sum);
            }
        }
    }
    sums
}
