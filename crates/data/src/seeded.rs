//! Seeded randomness that gives the same draws on every machine: ranges are drawn as `u32`/`u64`,
//! never as `usize`, whose width (and therefore whose draws) differs between a desktop and WASM.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator for `(seed, stream)`: streams of one seed are independent of each other.
pub(crate) fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// A uniform index below `len`, which must not be 0.
pub(crate) fn index(rng: &mut ChaCha8Rng, len: usize) -> usize {
    rng.random_range(0..len as u64) as usize
}

/// True with probability `p`.
pub(crate) fn chance(rng: &mut ChaCha8Rng, p: f64) -> bool {
    rng.random_bool(p)
}

/// Fisher–Yates.
pub(crate) fn shuffle<T>(rng: &mut ChaCha8Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, index(rng, last + 1));
    }
}
