//! Random generators of a run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a generator is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Adapters = 0x00A1,
    Head = 0x00A2,
    Transform = 0x00A3,
    Teacher = 0x00A4,
    RandomScores = 0x00A5,
    Gates = 0x00A6,
    Growth = 0x0100_0000,
}

/// The generator of `step` in `stream`.
pub(crate) fn generator(seed: u64, stream: Stream, step: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(match stream {
        Stream::Growth => seed ^ ((stream as u64 + step) << 24),
        _ => seed ^ ((stream as u64) << 32) ^ step,
    })
}
