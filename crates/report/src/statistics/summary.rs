//! Mean, spread and interval of a few values.

use serde::{Deserialize, Serialize};

use super::bootstrap::bootstrap;
use super::interval::{CONFIDENCE, Interval};
use super::student::quantile;

/// Values of one measure over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many values.
    pub n: usize,
    /// Their arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divisor N − 1); none for one value.
    pub sd: Option<f64>,
    /// 95 % interval of the mean, mean ± t(0.975, N − 1) · sd / √N; none for one value.
    pub interval: Option<Interval>,
    /// 95 % percentile interval of the mean of resamples: a check on `interval` that assumes no distribution. With few
    /// values it is too narrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Interval>,
}

/// Summarises values; `None` of nothing. Values that are not finite are left out and do not count.
#[must_use]
pub fn summarise(values: &[f64]) -> Option<Summary> {
    let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    Some(Summary { bootstrap: bootstrap(&values), ..by_student(&values)? })
}

/// [`summarise`] without resampling.
#[must_use]
pub fn by_student(values: &[f64]) -> Option<Summary> {
    let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let n = values.len();
    let mean = crate::series::mean(values.iter().copied())?;
    let sd = deviation(&values, mean);
    let interval = sd.map(|sd| {
        let half = quantile(0.5 + 0.5 * CONFIDENCE, n - 1) * sd / (n as f64).sqrt();
        Interval { low: mean - half, high: mean + half }
    });
    Some(Summary { n, mean, sd, interval, bootstrap: None })
}

/// Sample standard deviation. What is left of equal values by rounding counts as none.
fn deviation(values: &[f64], mean: f64) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}
