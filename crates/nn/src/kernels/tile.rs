//! The innermost part of a product in a browser: up to six rows by eight columns, kept in registers over the inner
//! dimension. The functions here are what any processor can run; in WebAssembly their places in the table of functions are
//! given to those of a module that `build.rs` wrote and the engine accepts ([`MODULES`], [`slots`]).

// A function that another module provides takes pointers; `multiply` checks what they may reach.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::sync::OnceLock;

/// Most rows of a tile.
pub(super) const ROWS: usize = 6;
/// Columns of a tile.
pub(super) const COLUMNS: usize = 8;

/// The name of WebAssembly's relaxed SIMD: multiply-add is rounded once where the processor does so.
#[cfg(target_family = "wasm")]
pub const RELAXED: &str = "relaxed-simd";

/// The modules, the fastest first, each with the name of its vectors. They import the memory `env.memory` and export `rows1`
/// to `rows6`.
#[cfg(target_family = "wasm")]
pub const MODULES: [(&str, &[u8]); 2] = [
    (RELAXED, include_bytes!(concat!(env!("OUT_DIR"), "/tile-fused.wasm"))),
    ("simd128", include_bytes!(concat!(env!("OUT_DIR"), "/tile-plain.wasm"))),
];

/// `out ← a·b` of R rows and [`COLUMNS`] columns, or with `add` other than 0 `out + a·b`: entry (i, t) of a is at
/// `a + i·a_row + t·a_step`, row t of b at `b + t·b_step`, row i of `out` at `out + i·out_row`.
type Tile = unsafe extern "C" fn(
    a: *const f32,
    a_row: usize,
    a_step: usize,
    b: *const f32,
    b_step: usize,
    inner: usize,
    out: *mut f32,
    out_row: usize,
    add: u32,
);

/// The functions by rows, less one. Read from memory, so that the compiler calls what stands in the table at run time.
static TILES: OnceLock<[Tile; ROWS]> = OnceLock::new();

fn tiles() -> &'static [Tile; ROWS] {
    TILES.get_or_init(|| {
        black_box([portable::<1>, portable::<2>, portable::<3>, portable::<4>, portable::<5>, portable::<6>])
    })
}

/// The name of the vectors that products are made of: of the module that [`is_used`], else of this program.
#[cfg(target_family = "wasm")]
pub fn vectors() -> &'static str {
    VECTORS.get().copied().unwrap_or("simd128")
}

/// Says that the functions of this module have been put into the table, before anything is computed with them.
#[cfg(target_family = "wasm")]
pub fn is_used(vectors: &'static str) {
    let _ = VECTORS.set(vectors);
}

#[cfg(target_family = "wasm")]
static VECTORS: OnceLock<&str> = OnceLock::new();

/// Where in the table of functions those for 1 to 6 rows stand. Whatever is put there must do what [`agrees`] checks.
#[cfg(target_family = "wasm")]
pub fn slots() -> [u32; ROWS] {
    tiles().map(|tile| tile as usize as u32)
}

/// Whether the functions that stand in the table give the products that the processor gives without them, to rounding.
#[cfg(target_family = "wasm")]
pub fn agrees() -> bool {
    (1..=ROWS).all(|rows| largest_difference(rows, 37) < 1e-5)
}

/// `out ← a·b`, or with `add` `out + a·b`; `a` holds entry (i, t) at `i·a_row + t·a_step`.
///
/// # Panics
/// When a tile reaches beyond its slices, or has more than [`ROWS`] rows.
#[inline(always)]
pub(super) fn multiply(
    rows: usize,
    inner: usize,
    (a, a_row, a_step): (&[f32], usize, usize),
    (b, b_step): (&[f32], usize),
    (out, out_row): (&mut [f32], usize),
    add: bool,
) {
    assert!((1..=ROWS).contains(&rows) && inner > 0, "the size of a tile");
    let (last_row, last) = (rows - 1, inner - 1);
    assert!(last_row * a_row + last * a_step < a.len(), "a tile reads beyond its left matrix");
    assert!(last * b_step + COLUMNS <= b.len(), "a tile reads beyond its right matrix");
    assert!(last_row * out_row + COLUMNS <= out.len(), "a tile writes beyond its result");
    // SAFETY: the function reads a and b and writes `out` at the places that its type documents, all of which lie in the
    // slices by the assertions; sizes come from views whose own check is that no index wraps around.
    unsafe {
        tiles()[last_row](
            a.as_ptr(),
            a_row,
            a_step,
            b.as_ptr(),
            b_step,
            inner,
            out.as_mut_ptr(),
            out_row,
            u32::from(add),
        );
    }
}

/// The tile on any processor.
///
/// # Safety
/// As the type documents.
unsafe extern "C" fn portable<const R: usize>(
    a: *const f32,
    a_row: usize,
    a_step: usize,
    b: *const f32,
    b_step: usize,
    inner: usize,
    out: *mut f32,
    out_row: usize,
    add: u32,
) {
    let mut sums = [[0.0_f32; COLUMNS]; R];
    for t in 0..inner {
        // SAFETY: the caller's places.
        let row = unsafe { *b.add(t * b_step).cast::<[f32; COLUMNS]>() };
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's places.
            let entry = unsafe { *a.add(i * a_row + t * a_step) };
            sums.iter_mut().zip(row).for_each(|(sum, b)| *sum += entry * b);
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        // SAFETY: the caller's places, which nobody else has while `out` is borrowed.
        let row = unsafe { &mut *out.add(i * out_row).cast::<[f32; COLUMNS]>() };
        match add {
            0 => *row = *sums,
            _ => row.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum),
        }
    }
}

/// The largest difference between a tile and its sums written out, over layouts of both matrices, with adding and without.
#[cfg(any(test, target_family = "wasm"))]
fn largest_difference(rows: usize, inner: usize) -> f32 {
    let values = |n: usize, phase: f32| (0..n).map(|i| (i as f32 * 0.7 + phase).sin()).collect::<Vec<_>>();
    let (stride, out_row) = (COLUMNS + 3, COLUMNS + 1);
    let mut worst = 0.0_f32;
    for (a_row, a_step) in [(inner, 1), (1, ROWS), (2 * inner, 2)] {
        let a = values(rows * inner * 2 + ROWS * inner, 0.1);
        let b = values(inner * stride, 0.5);
        for add in [false, true] {
            let before = values(rows * out_row, 0.9);
            let mut out = before.clone();
            multiply(rows, inner, (&a, a_row, a_step), (&b, stride), (&mut out, out_row), add);
            for (place, (&value, &before)) in out.iter().zip(&before).enumerate() {
                let (i, j) = (place / out_row, place % out_row);
                let sum: f32 = (0..inner).map(|t| a[i * a_row + t * a_step] * b[t * stride + j.min(COLUMNS)]).sum();
                let expected = if j == COLUMNS { before } else { sum + if add { before } else { 0.0 } };
                worst = worst.max((value - expected).abs());
            }
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_its_sums_written_out() {
        for rows in 1..=ROWS {
            for inner in [1, 2, 37] {
                let worst = largest_difference(rows, inner);
                assert!(worst < 1e-5, "{rows} rows, inner dimension {inner}: {worst}");
            }
        }
    }

    #[test]
    fn a_tile_without_room_is_refused() {
        let (values, mut out) = ([1.0; 16], [0.0; 16]);
        let mut refused = |rows, inner, a_row, b_step, out_row| {
            let call = std::panic::AssertUnwindSafe(|| {
                multiply(rows, inner, (&values, a_row, 1), (&values, b_step), (&mut out, out_row), false);
            });
            std::panic::catch_unwind(call).is_err()
        };
        assert!(!refused(2, 2, 8, 8, 8), "what fits");
        assert!(refused(2, 2, 15, 8, 8) && refused(2, 2, 8, 9, 8) && refused(2, 2, 8, 8, 9), "one place too far");
        assert!(refused(0, 2, 8, 8, 8) && refused(7, 1, 1, 8, 1) && refused(1, 0, 8, 8, 8), "sizes that are none");
    }
}
