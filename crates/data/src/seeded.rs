//! Seeded randomness that gives the same draws on every machine: ranges are drawn as `u32`/`u64`,
//! never as `usize`, whose width (and therefore whose draws) differs between a desktop and WASM.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a generator is for. The numbers are those of ChaCha's streams and must not change: the built-in task follows
/// from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Texts of the built-in task.
    Task = 0,
    /// Texts of the built-in pretraining corpus.
    Corpus = 1,
    /// Which training examples are held out for validation.
    HoldOut = 2,
    /// Which training examples a smaller task has.
    Subset = 3,
    /// Order of the examples; a step is an epoch.
    Order = 4,
    /// Tokens hidden in pretraining.
    HiddenTokens = 5,
    /// Weights of a model without a checkpoint.
    Weights = 6,
    /// A new classification head.
    Head = 7,
    /// New adapters.
    Adapters = 8,
    /// The map from the student's hidden states to the teacher's.
    Transform = 9,
    /// New rows of adapters whose rank grows; a step is a pruning point.
    Growth = 10,
    /// Layers of the teacher that a step distils.
    Teacher = 11,
    /// Gates of learned masks.
    Gates = 12,
    /// Scores of the random scorer.
    RandomScores = 13,
    /// Entries of activations that a training step drops.
    Dropout = 14,
    /// Tokens that a decoder draws when it writes.
    Writing = 15,
}

/// The generator of `step` in `stream`. No two of different `(seed, stream, step)` share a draw: the seed is ChaCha's
/// key, the stream its stream, and every step has 2³⁶ words of it. Steps count modulo 2³².
pub fn generator(seed: u64, stream: Stream, step: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng.set_word_pos(u128::from(step % (1 << 32)) << 36);
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

#[cfg(test)]
mod tests {
    use super::{Stream, generator};
    use rand::RngExt;
    use std::collections::BTreeMap;

    const STREAMS: [Stream; 16] = [
        Stream::Task,
        Stream::Corpus,
        Stream::HoldOut,
        Stream::Subset,
        Stream::Order,
        Stream::HiddenTokens,
        Stream::Weights,
        Stream::Head,
        Stream::Adapters,
        Stream::Transform,
        Stream::Growth,
        Stream::Teacher,
        Stream::Gates,
        Stream::RandomScores,
        Stream::Dropout,
        Stream::Writing,
    ];

    /// Seeds that were combined with the step by an exclusive or shared their generators in another order.
    #[test]
    fn no_two_seeds_streams_or_steps_share_a_draw() {
        let mut seen = BTreeMap::new();
        for seed in 0..20 {
            for stream in STREAMS {
                for step in (0..200).chain([u64::from(u32::MAX)]) {
                    let mut rng = generator(seed, stream, step);
                    for draw in 0..4 {
                        let now = (seed, stream, step, draw);
                        let before = seen.insert(rng.random::<u64>(), now);
                        assert_eq!(before, None, "{now:?} draws what another has drawn");
                    }
                }
            }
        }
        assert_eq!(seen.len(), 20 * STREAMS.len() * 201 * 4);
    }

    /// Published studies are repeated only if draws stay what they are, on every machine.
    #[test]
    fn draws_are_the_same_everywhere() {
        let draw = |seed, stream, step| generator(seed, stream, step).random::<u64>();
        let drawn = [draw(1, Stream::Task, 0), draw(1, Stream::Teacher, 0), draw(1, Stream::Teacher, 7)];
        assert_eq!(drawn, [7_424_550_030_962_593_201, 10_776_164_205_255_725_789, 6_762_653_748_090_133_300]);
    }
}
