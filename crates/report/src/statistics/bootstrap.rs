//! The interval of a mean by resampling, which assumes nothing of how values are spread.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::interval::{CONFIDENCE, Interval};

/// Up to this many values every resample is made.
pub const EXHAUSTIVE: usize = 6;
/// Resamples where there would be too many.
pub const RESAMPLES: usize = 10_000;

/// The 95 % percentile interval of the mean: of all nⁿ resamples with replacement up to [`EXHAUSTIVE`] values, else of
/// [`RESAMPLES`] seeded ones. Percentiles are interpolated as numpy's default does. `None` for fewer than two values.
#[must_use]
pub fn bootstrap(values: &[f64]) -> Option<Interval> {
    if values.len() < 2 {
        return None;
    }
    let mut means = if values.len() <= EXHAUSTIVE { all_means(values) } else { some_means(values) };
    means.sort_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - CONFIDENCE);
    Some(Interval { low: percentile(&means, tail), high: percentile(&means, 1.0 - tail) })
}

fn all_means(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let resamples = n.pow(n as u32);
    // A resample is a number of n digits to base n, each the place of a value.
    let sum = |mut digits: usize| {
        let mut sum = 0.0;
        for _ in 0..n {
            sum += values[digits % n];
            digits /= n;
        }
        sum / n as f64
    };
    (0..resamples).map(sum).collect()
}

fn some_means(values: &[f64]) -> Vec<f64> {
    let n = values.len() as u64;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut mean = || (0..n).map(|_| values[rng.random_range(0..n) as usize]).sum::<f64>() / n as f64;
    (0..RESAMPLES).map(|_| mean()).collect()
}

/// Linear interpolation between the two nearest of sorted values.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}
