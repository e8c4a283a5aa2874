//! Arm against baseline, seed by seed, and corrected for the number of such tests.

use serde::{Deserialize, Serialize};

use super::interval::{CONFIDENCE, Interval};
use super::student::two_sided;
use super::summary::{Summary, summarise};

/// Arm minus baseline over the seeds that both have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The seeds that both have.
    pub seeds: Vec<u64>,
    /// The differences.
    #[serde(flatten)]
    pub summary: Summary,
    /// Two-sided p of the paired t-test: how often chance alone would do as much. None for one seed, and where all
    /// seeds agree on one difference, which leaves no spread to test against.
    pub p: Option<f64>,
    /// The same after Holm's correction over the arms of the axis.
    pub holm: Option<f64>,
    /// The conclusion.
    pub verdict: Verdict,
}

/// What a difference amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// One seed gives no estimate of chance.
    OneSeed,
    /// All seeds differ by the same; there is no spread to test against.
    NoSpread,
    /// The interval crosses zero.
    NotDistinguishable,
    /// Distinguishable if it were the only question, not among those of the axis.
    OnlyAlone,
    /// The arm's values are higher.
    Higher,
    /// The arm's values are lower.
    Lower,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::OneSeed => "one seed: no interval",
            Self::NoSpread => "the same on every seed",
            Self::NotDistinguishable => "not distinguishable",
            Self::OnlyAlone => "not distinguishable after Holm",
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }
}

/// `arm` minus `base`, each as seed and value, over the seeds that both have; `None` if they share none.
#[must_use]
pub fn paired(arm: &[(u64, f64)], base: &[(u64, f64)]) -> Option<Difference> {
    let mut seeds = Vec::new();
    let mut values = Vec::new();
    let mut largest = 0.0f64;
    for (seed, value) in arm {
        let Some((_, other)) = base.iter().find(|(of, _)| of == seed) else { continue };
        if (value - other).is_finite() && !seeds.contains(seed) {
            seeds.push(*seed);
            values.push(value - other);
            largest = largest.max(value.abs()).max(other.abs());
        }
    }
    let mut summary = summarise(&values)?;
    // Subtraction leaves rounding errors of the size of what was subtracted; they are no spread.
    if summary.sd.is_some_and(|sd| sd <= 1e-12 * largest) {
        summary.sd = Some(0.0);
        if summary.mean.abs() <= 1e-12 * largest {
            summary.mean = 0.0;
        }
        let at = Interval { low: summary.mean, high: summary.mean };
        (summary.interval, summary.bootstrap) = (Some(at), Some(at));
    }
    let p = match summary.sd {
        None => None,
        Some(0.0) if summary.mean == 0.0 => Some(1.0),
        Some(0.0) => None,
        Some(sd) => Some(two_sided(summary.mean / (sd / (summary.n as f64).sqrt()), summary.n - 1)),
    };
    let mut difference = Difference { seeds, summary, p, holm: None, verdict: Verdict::OneSeed };
    difference.verdict = verdict(&difference);
    Some(difference)
}

fn verdict(difference: &Difference) -> Verdict {
    let Some(interval) = difference.summary.interval else {
        return Verdict::OneSeed;
    };
    if interval.holds(0.0) {
        return Verdict::NotDistinguishable;
    }
    match (difference.p, difference.holm) {
        (None, _) => Verdict::NoSpread,
        (_, Some(holm)) if holm > 1.0 - CONFIDENCE => Verdict::OnlyAlone,
        _ if difference.summary.mean > 0.0 => Verdict::Higher,
        _ => Verdict::Lower,
    }
}

/// Corrects the differences of one family, the arms of an axis, and draws their conclusions anew. Differences without
/// p are no tests and do not count.
pub fn set_holm<'a>(family: impl IntoIterator<Item = &'a mut Difference>) {
    let mut family: Vec<&mut Difference> = family.into_iter().filter(|of| of.p.is_some()).collect();
    let adjusted = holm(&family.iter().filter_map(|of| of.p).collect::<Vec<_>>());
    for (difference, holm) in family.iter_mut().zip(adjusted) {
        difference.holm = Some(holm);
        difference.verdict = verdict(difference);
    }
}

/// Holm's step-down correction (1979): the smallest of m is multiplied by m, the next by m − 1, …, none below the one
/// before and none above 1. In the order given.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut least = 0.0f64;
    for (place, of) in order.into_iter().enumerate() {
        least = least.max(((p.len() - place) as f64 * p[of]).min(1.0));
        adjusted[of] = least;
    }
    adjusted
}
