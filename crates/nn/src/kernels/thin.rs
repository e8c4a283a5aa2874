//! Products of an adapter, one of whose sides is its rank: too thin for tiles of products to be worth laying out.

use super::gemm::{self, View};
use super::tiles::{self, Panels};
use pulp::{Arch, Simd, WithSimd};

/// Rows of a result at a time.
const ROWS: usize = 8;
/// Entries of the inner dimension at a time.
const INNER: usize = 64;

/// `a·b` of a narrow `b`: `[m, k]·[k, r]`.
pub(super) fn narrow(a: View<'_>, b: View<'_>) -> Vec<f32> {
    let (m, r) = (a.rows(), b.columns());
    let mut out = vec![0.0; m * r];
    if m == 0 || r == 0 {
        return out;
    }
    let share = |first: usize, out: &mut [f32]| {
        let a = a.rows_from(first, out.len() / r);
        if cfg!(target_arch = "x86_64") && a.has_whole_rows() {
            Arch::new().dispatch(Narrow { out, a, b });
        } else {
            gemm::product(out, r, a, b, false);
        }
    };
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        let rows = gemm::rows_of_a_thread([m, r, a.columns()]);
        out.par_chunks_mut(rows * r).enumerate().for_each(|(index, out)| share(index * rows, out));
    }
    #[cfg(target_family = "wasm")]
    share(0, &mut out);
    out
}

struct Narrow<'a> {
    out: &'a mut [f32],
    a: View<'a>,
    b: View<'a>,
}

impl WithSimd for Narrow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, a, b } = self;
        tiles::product(simd, (out, b.columns()), a, b, &mut Panels::default());
    }
}

/// `aᵀ·b` of a narrow `a`: `[m, r]ᵀ·[m, n]`, on this thread.
pub(super) fn low(a: View<'_>, b: View<'_>) -> Vec<f32> {
    let (r, n) = (a.columns(), b.columns());
    let mut out = vec![0.0; r * n];
    if n == 0 {
        return out;
    }
    if cfg!(target_arch = "x86_64") && a.has_whole_rows() && b.has_whole_rows() {
        Arch::new().dispatch(Low { out: &mut out, a, b });
    } else {
        gemm::product(&mut out, n, a.transposed(), b, false);
    }
    out
}

/// A product that reads every row of its right matrix where it lies.
struct Low<'a> {
    out: &'a mut [f32],
    a: View<'a>,
    b: View<'a>,
}

impl WithSimd for Low<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, a, b } = self;
        let (r, whole) = (a.columns(), a.columns() - a.columns() % ROWS);
        for row in (0..whole).step_by(ROWS) {
            rows::<S, ROWS>(simd, out, row, a, b);
        }
        for row in whole..r {
            rows::<S, 1>(simd, out, row, a, b);
        }
    }
}

/// M rows of the product from `row` on, a few rows of both matrices at a time, which are read in the order of memory.
#[inline(always)]
fn rows<S: Simd, const M: usize>(simd: S, out: &mut [f32], row: usize, a: View<'_>, b: View<'_>) {
    for first in (0..a.rows()).step_by(INNER) {
        let inner = INNER.min(a.rows() - first);
        some::<S, M>(simd, out, row, a.rows_from(first, inner), b.rows_from(first, inner));
    }
}

/// Adds the products of these rows.
#[inline(always)]
fn some<S: Simd, const M: usize>(simd: S, out: &mut [f32], row: usize, a: View<'_>, b: View<'_>) {
    let vectors = b.columns() / S::F32_LANES;
    // AVX-512 has twice the registers of all others.
    let most = if S::F32_LANES == 16 { 3 } else { 1 };
    let mut first = 0;
    while first < vectors {
        first += match (vectors - first).min(most) {
            1 => columns::<S, M, 1>(simd, out, row, first, a, b),
            2 => columns::<S, M, 2>(simd, out, row, first, a, b),
            _ => columns::<S, M, 3>(simd, out, row, first, a, b),
        };
    }
    let rest = vectors * S::F32_LANES;
    if rest < b.columns() {
        let mut sums = [simd.splat_f32s(0.0); M];
        for (values, vector) in a.whole_rows().zip(b.whole_rows()) {
            let vector = simd.partial_load_f32s(&vector[rest..]);
            for (sum, value) in sums.iter_mut().zip(&values[row..row + M]) {
                *sum = simd.mul_add_e_f32s(simd.splat_f32s(*value), vector, *sum);
            }
        }
        for (out, sum) in out.chunks_exact_mut(b.columns()).skip(row).zip(sums) {
            let sum = simd.add_f32s(simd.partial_load_f32s(&out[rest..]), sum);
            simd.partial_store_f32s(&mut out[rest..], sum);
        }
    }
}

/// N vectors of these rows, from the `first` on; N.
#[inline(always)]
fn columns<S: Simd, const M: usize, const N: usize>(
    simd: S,
    out: &mut [f32],
    row: usize,
    first: usize,
    a: View<'_>,
    b: View<'_>,
) -> usize {
    let columns = first * S::F32_LANES..(first + N) * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); N]; M];
    for (values, vectors) in a.whole_rows().zip(b.whole_rows()) {
        let vectors = S::as_simd_f32s(&vectors[columns.clone()]).0;
        for (sums, value) in sums.iter_mut().zip(&values[row..row + M]) {
            let value = simd.splat_f32s(*value);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.mul_add_e_f32s(value, *vector, *sum);
            }
        }
    }
    for (out, sums) in out.chunks_exact_mut(b.columns()).skip(row).zip(sums) {
        for (out, sum) in S::as_mut_simd_f32s(&mut out[columns.clone()]).0.iter_mut().zip(sums) {
            *out = simd.add_f32s(*out, sum);
        }
    }
    N
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn thin_products_of_any_sizes_are_their_sums_written_out() {
        for [m, k, r] in [[1, 1, 1], [7, 21, 3], [40, 48, 8], [31, 83, 11], [133, 130, 24], [5, 3, 0]] {
            let (a, b) = (values(m * (k + 2), 0.7), values(k * r, 0.3));
            let a_rows = View::new(&a, m, k, k + 2);
            let ours = narrow(a_rows, View::new(&b, k, r, r));
            assert_eq!(ours.len(), m * r);
            for (at, ours) in ours.iter().enumerate() {
                let (row, column) = (at / r, at % r);
                let sum: f32 = (0..k).map(|i| a[row * (k + 2) + i] * b[i * r + column]).sum();
                assert!((ours - sum).abs() < 1e-4, "{m} × {k} by {r}, entry {at}: {ours} for {sum}");
            }
            let thin = values(m * r, 0.9);
            let ours = low(View::new(&thin, m, r, r), a_rows);
            assert_eq!(ours.len(), r * k);
            for (at, ours) in ours.iter().enumerate() {
                let (row, column) = (at / k, at % k);
                let sum: f32 = (0..m).map(|i| thin[i * r + row] * a[i * (k + 2) + column]).sum();
                assert!((ours - sum).abs() < 1e-4, "{r} × {m} by {k}, entry {at}: {ours} for {sum}");
            }
        }
    }
}
