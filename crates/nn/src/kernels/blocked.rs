//! Matrix products for a browser's CPU, in tiles of registers ([`super::tile`]): as much of the right matrix as stays in
//! the second cache is laid out in panels as wide as a tile, each of which meets a block of rows that stays there too. The
//! left matrix is read where it lies, whichever way it runs.

use super::gemm::View;
use super::tile::{COLUMNS, ROWS, multiply};
use std::cell::RefCell;

/// Entries of the inner dimension at a time: a panel of the right matrix takes 12 kB.
const INNER: usize = 384;
/// Columns at a time: the panels take 768 kB.
const RIGHT: usize = 512;
/// Rows at a time that meet a panel before the next one.
const LEFT: usize = 8 * ROWS;

thread_local! {
    /// Memory of the panels, kept from product to product.
    static PANELS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// `out ← a·b`, or with `add` `out ← out + a·b`; `out` has rows `row_stride` apart.
///
/// # Panics
/// When the sizes do not fit each other or their memory.
pub(super) fn product(out: &mut [f32], row_stride: usize, a: View<'_>, b: View<'_>, add: bool) {
    let (m, n, k) = (a.rows(), b.columns(), a.columns());
    if k == 0 && !add {
        (0..m).for_each(|row| out[row * row_stride..][..n].fill(0.0));
    }
    PANELS.with_borrow_mut(|panels| {
        for inner in blocks(k, INNER) {
            let add = add || inner.start > 0;
            for right in blocks(n, RIGHT) {
                let width = right.len();
                let b = b.rows_from(inner.start, inner.len()).columns_of(right.clone());
                lay_out(b, panels);
                for left in blocks(m, LEFT) {
                    let a = a.rows_from(left.start, left.len()).columns_of(inner.clone());
                    let out = &mut out[left.start * row_stride + right.start..];
                    for (panel, columns) in panels.chunks_exact(inner.len() * COLUMNS).zip(blocks(width, COLUMNS)) {
                        for rows in blocks(a.rows(), ROWS) {
                            let out = &mut out[rows.start * row_stride + columns.start..];
                            tile(a.rows_from(rows.start, rows.len()), panel, (out, row_stride, columns.len()), add);
                        }
                    }
                }
            }
        }
    });
}

/// `0..whole` in pieces of `size`.
fn blocks(whole: usize, size: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..whole).step_by(size).map(move |start| start..whole.min(start + size))
}

/// Panels of [`COLUMNS`] columns behind one another, each row by row, the last filled up with zeros.
fn lay_out(b: View<'_>, panels: &mut Vec<f32>) {
    let (inner, width) = (b.rows(), b.columns());
    panels.clear();
    panels.resize(inner * width.next_multiple_of(COLUMNS), 0.0);
    for (panel, columns) in panels.chunks_exact_mut(inner * COLUMNS).zip(blocks(width, COLUMNS)) {
        let b = b.columns_of(columns);
        let (values, row, column) = b.parts();
        if column == 1 && b.columns() == COLUMNS {
            for (t, out) in panel.as_chunks_mut::<COLUMNS>().0.iter_mut().enumerate() {
                out.copy_from_slice(&values[t * row..][..COLUMNS]);
            }
        } else {
            for j in 0..b.columns() {
                let values = values[j * column..].iter().step_by(row);
                panel[j..].iter_mut().step_by(COLUMNS).zip(values).for_each(|(out, value)| *out = *value);
            }
        }
    }
}

/// One tile, of whose result `columns` columns are wanted.
#[inline(always)]
fn tile(a: View<'_>, panel: &[f32], (out, row_stride, columns): (&mut [f32], usize, usize), add: bool) {
    let (rows, inner) = (a.rows(), a.columns());
    if columns == COLUMNS {
        multiply(rows, inner, a.parts(), (panel, COLUMNS), (out, row_stride), add);
        return;
    }
    let mut whole = [0.0; ROWS * COLUMNS];
    multiply(rows, inner, a.parts(), (panel, COLUMNS), (&mut whole, COLUMNS), false);
    for (row, sums) in whole.as_chunks::<COLUMNS>().0[..rows].iter().enumerate() {
        for (out, sum) in out[row * row_stride..][..columns].iter_mut().zip(sums) {
            *out = if add { *out + sum } else { *sum };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes around every block's end, in each of the four ways that two matrices can lie.
    #[test]
    fn products_of_all_sizes_and_layouts_are_as_written_out() {
        let values = |n: usize, phase: f32| (0..n).map(|i| (i as f32 * 0.3 + phase).sin()).collect::<Vec<_>>();
        for [m, n, k] in [[1, 1, 1], [6, 8, 3], [7, 9, 5], [50, 17, 385], [3, 520, 2], [13, 8, 770], [5, 3, 0]] {
            let (a, b) = (values(m * k, 0.1), values(k * n, 0.8));
            for [a_turned, b_turned, add] in (0..8).map(|bits| [1, 2, 4].map(|bit| bits & bit > 0)) {
                let view = |values, rows, columns, turned| match turned {
                    false => View::new(values, rows, columns, columns),
                    true => View::new(values, columns, rows, rows).transposed(),
                };
                let before = values(m * (n + 2), 0.4);
                let mut out = before.clone();
                product(&mut out, n + 2, view(&a, m, k, a_turned), view(&b, k, n, b_turned), add);
                for (place, (&value, &before)) in out.iter().zip(&before).enumerate() {
                    let (i, j) = (place / (n + 2), place % (n + 2));
                    let of_a = |t| if a_turned { a[t * m + i] } else { a[i * k + t] };
                    let of_b = |t| if b_turned { b[j * k + t] } else { b[t * n + j] };
                    let expected = match j < n {
                        true => (0..k).map(|t| of_a(t) * of_b(t)).sum::<f32>() + if add { before } else { 0.0 },
                        false => before,
                    };
                    let case = format!("{m} × {n} × {k}, turned {a_turned} {b_turned}, add {add}, at {i}, {j}");
                    assert!((value - expected).abs() < 1e-4 + 2e-6 * expected.abs(), "{case}: {value} for {expected}");
                }
            }
        }
    }
}
