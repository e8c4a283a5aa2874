//! How small a difference a study can see, before it is made: the power of the paired t-test.

use std::f64::consts::LN_2;

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::gamma::ln_gamma;

use super::interval::CONFIDENCE;
use super::student::quantile;

/// How often a difference of the smallest size that counts as seen is found.
pub const POWER: f64 = 0.8;
/// Intervals of Simpson's rule.
const INTERVALS: usize = 4000;

/// Power of the two-sided paired t-test at 5 % with `n` pairs, where the true difference is `effect` standard deviations
/// of the paired differences: the probability that a noncentral t with n − 1 degrees of freedom and noncentrality
/// effect · √n lies beyond the critical values. 0 for fewer than two pairs.
#[must_use]
pub fn power(effect: f64, n: usize) -> f64 {
    let (Some(freedom), Ok(normal)) = (n.checked_sub(1).filter(|of| *of > 0), Normal::new(0.0, 1.0)) else {
        return 0.0;
    };
    let (freedom, shift) = (freedom as f64, effect * (n as f64).sqrt());
    let critical = quantile(0.5 + 0.5 * CONFIDENCE, n - 1);
    // t = (Z + shift) ÷ s with Z standard normal and s = √(χ² ÷ degrees of freedom): the mean over s of how often Z is
    // far enough out.
    let half = 0.5 * freedom;
    let constant = LN_2 + half * half.ln() - ln_gamma(half);
    let beyond = |s: f64| {
        let density = (constant - half * s * s).exp() * s.powf(freedom - 1.0);
        density * (normal.sf(critical * s - shift) + normal.cdf(-critical * s - shift))
    };
    // Beyond its end s has a probability below 1e-18.
    let end = 1.0 + 9.0 / freedom.sqrt();
    let width = end / INTERVALS as f64;
    let weight = |place: usize| match place {
        0 | INTERVALS => 1.0,
        place if place % 2 == 1 => 4.0,
        _ => 2.0,
    };
    (0..=INTERVALS).map(|place| weight(place) * beyond(width * place as f64)).sum::<f64>() * width / 3.0
}

/// The smallest true difference that the test of [`power`] finds with probability [`POWER`], where paired differences
/// have the standard deviation `sd`. `None` for fewer than two pairs.
#[must_use]
pub fn smallest_difference(sd: f64, n: usize) -> Option<f64> {
    if n < 2 {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while power(high, n) < POWER {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if power(middle, n) < POWER { low = middle } else { high = middle }
    }
    Some(high * sd)
}
