//! An interval around a mean.

use serde::{Deserialize, Serialize};

/// How sure an interval is.
pub const CONFIDENCE: f64 = 0.95;

/// An interval, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Half its width: what stands behind ±.
    #[must_use]
    pub fn half(&self) -> f64 {
        0.5 * (self.high - self.low)
    }

    /// Whether it holds this value.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}
