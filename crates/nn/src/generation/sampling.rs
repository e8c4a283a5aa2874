//! Choosing the next token from logits.

use crate::NnError;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How a token is chosen. Temperature comes first, then `top_k`, then `top_p`, as in transformers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the likeliest token.
    pub temperature: f64,
    /// Only so many of the likeliest tokens; `None` for all.
    pub top_k: Option<usize>,
    /// Only the fewest tokens that are together at least as likely as this (Holtzman et al. 2020, arXiv 1904.09751); 1 for
    /// all.
    pub top_p: f64,
}

impl Sampling {
    /// The likeliest token, always.
    pub const GREEDY: Self = Self { temperature: 0.0, top_k: None, top_p: 1.0 };

    /// Whether nothing is drawn.
    pub fn always_likeliest(&self) -> bool {
        self.temperature <= 0.0 || self.top_k == Some(1)
    }
}

/// Chooses the tokens of one text.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    rng: ChaCha8Rng,
}

impl Sampler {
    /// Draws from `rng`, once for every token that is not taken greedily.
    pub fn new(sampling: Sampling, rng: ChaCha8Rng) -> Self {
        Self { sampling, rng }
    }

    /// The token that follows, of the logits of all.
    ///
    /// # Errors
    /// [`NnError::Device`] when a logit is not a number, or there is none.
    pub fn choose(&mut self, logits: &[f32]) -> Result<usize, NnError> {
        let broken = |why: &str| NnError::Device { what: "logits".into(), why: why.into() };
        if any_is_nan(logits) {
            return Err(broken("one of them is not a number"));
        }
        let best = best(logits).ok_or_else(|| broken("there are none"))?;
        if self.sampling.always_likeliest() {
            return Ok(best);
        }
        let Sampling { temperature, top_k, top_p } = self.sampling;
        let most = f64::from(logits[best]);
        let mut shares: Vec<(usize, f64)> = logits
            .iter()
            .enumerate()
            .map(|(id, logit)| (id, ((f64::from(*logit) - most) / temperature).exp()))
            .filter(|(_, share)| *share > 0.0)
            .collect();
        if top_k.is_some() || top_p < 1.0 {
            // The likeliest first, ties by id.
            shares.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            shares.truncate(top_k.unwrap_or(usize::MAX).max(1));
            let wanted = top_p * shares.iter().map(|(_, share)| share).sum::<f64>();
            let mut sum = 0.0;
            let kept = shares.iter().take_while(|(_, share)| {
                let before = sum;
                sum += share;
                before < wanted
            });
            let kept = kept.count().max(1);
            shares.truncate(kept);
        }
        let total: f64 = shares.iter().map(|(_, share)| share).sum();
        let mut left = self.rng.random::<f64>() * total;
        for (id, share) in &shares {
            left -= share;
            if left < 0.0 {
                return Ok(*id);
            }
        }
        // Rounding may leave a little over.
        Ok(shares.last().map_or(best, |(id, _)| *id))
    }
}

/// Logits that are looked at side by side, so that the compiler may use vectors: greedily written, a token is little else
/// that is not a product.
const LANES: usize = 16;

fn any_is_nan(logits: &[f32]) -> bool {
    let any = |logits: &[f32]| logits.iter().fold(false, |any, logit| any | logit.is_nan());
    logits.chunks(LANES * LANES).any(any)
}

/// The first of the largest.
fn best(logits: &[f32]) -> Option<usize> {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = logits.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(most, logit)| *most = larger(*most, *logit));
    }
    let most = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger);
    logits.iter().position(|logit| *logit == most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    fn drawn(sampling: Sampling, logits: &[f32]) -> Vec<usize> {
        let mut sampler = Sampler::new(sampling, ChaCha8Rng::seed_from_u64(3));
        let mut counts = vec![0; logits.len()];
        (0..4000).for_each(|_| counts[sampler.choose(logits).expect("logits are numbers")] += 1);
        counts
    }

    const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, -1.0];

    #[test]
    fn greedy_takes_the_first_of_the_likeliest() {
        assert_eq!(drawn(Sampling::GREEDY, &[1.0, 3.0, 3.0]), [0, 4000, 0]);
    }

    #[test]
    fn the_likeliest_of_any_number_is_found_wherever_it_stands() {
        for n in [1, 15, 16, 17, 100] {
            for place in [0, n / 2, n - 1] {
                let logit = |i: usize| if i >= place { (place as f32 - i as f32) / 8.0 } else { -9.0 };
                let logits: Vec<f32> = (0..n).map(logit).collect();
                assert_eq!(best(&logits), Some(place), "{place} of {n}");
                let broken: Vec<f32> = (0..n).map(|i| if i == place { f32::NAN } else { 0.0 }).collect();
                assert!(any_is_nan(&broken) && !any_is_nan(&logits), "not a number at {place} of {n}");
            }
        }
        assert_eq!((best(&[]), best(&[f32::NEG_INFINITY; 3])), (None, Some(0)));
    }

    #[test]
    fn temperature_draws_by_the_softmax() {
        let counts = drawn(Sampling { temperature: 2.0, ..Sampling::GREEDY }, &LOGITS);
        let shares = LOGITS.map(|l| (l / 2.0).exp());
        let total: f32 = shares.iter().sum();
        for (count, share) in counts.iter().zip(shares) {
            let expected = 4000.0 * share / total;
            assert!((*count as f32 - expected).abs() < 5.0 * expected.sqrt(), "{counts:?}, expected {expected}");
        }
    }

    #[test]
    fn top_k_and_top_p_leave_out_the_unlikely() {
        let warm = Sampling { temperature: 1.0, ..Sampling::GREEDY };
        let two = drawn(Sampling { top_k: Some(2), ..warm }, &LOGITS);
        assert!(two[0] == 0 && two[3] == 0 && two[1] > two[2] && two[2] > 0, "{two:?}");
        // Shares are 0.087, 0.644, 0.237, 0.032: the first two are 0.88, the first three 0.97.
        let most = drawn(Sampling { top_p: 0.9, ..warm }, &LOGITS);
        assert!(most[3] == 0 && most[0] > 0, "{most:?}");
        let one = drawn(Sampling { top_p: 0.1, ..warm }, &LOGITS);
        assert_eq!(one, [0, 4000, 0, 0]);
    }

    #[test]
    fn what_is_not_a_number_is_an_error() {
        let mut sampler = Sampler::new(Sampling::GREEDY, ChaCha8Rng::seed_from_u64(0));
        assert!(sampler.choose(&[0.0, f32::NAN]).is_err() && sampler.choose(&[]).is_err());
    }
}
