//! Dropout: in a training step, entries of an activation are set to zero at random and the others scaled up, so that
//! their expected value stays what it was (METHOD §7).

use crate::kernels::{self, DRAW_VALUES, Dropped};
use burn::tensor::Tensor;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Bytes that are drawn at once by one thread.
const RUN: usize = 1 << 16;

/// What one training step drops: draws in the order of the forward pass, sixteen bits for every entry of an activation,
/// padding included. They are made on the host, so that every device drops the same entries.
#[derive(Clone)]
pub struct Dropout {
    rng: ChaCha8Rng,
    /// An entry is dropped if its draw is below.
    threshold: u16,
    /// Which sequences of how many are seen, where a batch is gone through in shards.
    shard: Option<(Range<usize>, usize)>,
}

impl Dropout {
    /// Drops entries with probability `p`, 0 ≤ `p` < 1, rounded to a multiple of 2⁻¹⁶, by the draws of `rng`; `None` if that
    /// is 0, and `rng` is then not called.
    pub fn new(p: f64, rng: impl FnOnce() -> ChaCha8Rng) -> Option<Self> {
        // As a conversion saturates, at least one value in 2¹⁶ is kept.
        let threshold = (p * DRAW_VALUES).round() as u16;
        (threshold > 0).then(|| Self { rng: rng(), threshold, shard: None })
    }

    /// For the sequences `rows` of a batch of `all`: they drop what they drop in the whole batch.
    #[must_use]
    pub fn of_rows(self, rows: Range<usize>, all: usize) -> Self {
        Self { shard: Some((rows, all)), ..self }
    }

    /// `x` without what is dropped of it, if there is dropout, and else as it is.
    pub fn on<const D: usize>(dropout: &mut Option<&mut Self>, x: Tensor<D>) -> Tensor<D> {
        match dropout {
            Some(dropout) => {
                let dropped = dropout.draw(x.dims().iter().product());
                kernels::dropped(x, dropped)
            }
            None => x,
        }
    }

    /// Draws for the next `entries`.
    fn draw(&mut self, entries: usize) -> Dropped {
        // The entries of a sequence lie together, one sequence behind the other.
        let (before, of_all) = match &self.shard {
            Some((rows, all)) => {
                let each = entries / rows.len().max(1);
                (each * rows.start, each * all)
            }
            None => (0, entries),
        };
        let start = self.rng.get_word_pos();
        // A word holds two draws.
        let skipped = before % 2;
        let first = start + (before / 2) as u128;
        let mut draws = vec![0; 2 * (skipped + entries)];
        // Every run has its own place in the stream, so that the draws do not depend on the number of threads.
        let fill = |(run, draws): (usize, &mut [u8])| {
            let mut rng = self.rng.clone();
            rng.set_word_pos(first + (run * RUN / 4) as u128);
            rng.fill_bytes(draws);
        };
        #[cfg(not(target_family = "wasm"))]
        {
            use rayon::prelude::*;
            draws.par_chunks_mut(RUN).enumerate().for_each(fill);
        }
        #[cfg(target_family = "wasm")]
        draws.chunks_mut(RUN).enumerate().for_each(fill);
        self.rng.set_word_pos(start + of_all.div_ceil(2) as u128);
        draws.drain(..2 * skipped);
        Dropped::new(draws, self.threshold)
    }
}
