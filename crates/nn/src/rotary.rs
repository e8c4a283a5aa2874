//! Rotary positions (Su et al. 2021, arXiv 2104.09864): queries and keys are turned by an angle that grows with the
//! position, so that their product depends on the distance. Dim i of a head is turned together with dim i + size/2, as in
//! transformers.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How fast each pair of dims turns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rotary {
    /// θ: pair i of a head of `size` dims turns by θ^(−2i/size) a position.
    pub theta: f64,
    /// How that is slowed down for sequences longer than those of pretraining.
    pub scaling: RotaryScaling,
}

/// The published ways to slow turning down (`rope_type` of transformers).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotaryScaling {
    /// As it is.
    Default,
    /// All pairs alike.
    Linear {
        /// How much slower.
        factor: f64,
    },
    /// Pairs that turn less than `low` times in the original length by the factor, those that turn more than `high` times
    /// not at all, and those between in between (LLaMA 3.1).
    Llama3 {
        /// How much slower.
        factor: f64,
        /// Turns below which a pair is slowed down by the whole factor.
        low: f64,
        /// Turns above which a pair is left alone.
        high: f64,
        /// Tokens of pretraining.
        original: f64,
    },
    /// The same with a ramp over pairs (Peng et al. 2023, arXiv 2309.00071), and queries and keys scaled.
    Yarn {
        /// How much slower.
        factor: f64,
        /// Turns above which a pair is left alone.
        fast: f64,
        /// Turns below which it is slowed down by the whole factor.
        slow: f64,
        /// Tokens of pretraining.
        original: f64,
        /// Of queries and keys; their products grow by its square.
        attention: f64,
    },
}

impl RotaryScaling {
    /// What transformers calls those that there are.
    pub const NAMES: [&'static str; 4] = ["default", "linear", "llama3", "yarn"];

    /// What multiplies queries and keys.
    pub fn attention(&self) -> f64 {
        match self {
            Self::Yarn { attention, .. } => *attention,
            _ => 1.0,
        }
    }
}

impl Rotary {
    /// The angle per position of every pair of a head of `size` dims, `size / 2` of them.
    pub fn frequencies(&self, size: usize) -> Vec<f64> {
        let plain = (0..size / 2).map(|i| self.theta.powf(-2.0 * i as f64 / size as f64));
        match self.scaling {
            RotaryScaling::Default => plain.collect(),
            RotaryScaling::Linear { factor } => plain.map(|f| f / factor).collect(),
            RotaryScaling::Llama3 { factor, low, high, original } => {
                let slowed = |f: f64| {
                    let turns = original * f / (2.0 * PI);
                    let whole = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    (1.0 - whole) * f / factor + whole * f
                };
                plain.map(slowed).collect()
            }
            RotaryScaling::Yarn { factor, fast, slow, original, .. } => {
                let pair = |turns: f64| size as f64 * (original / (turns * 2.0 * PI)).ln() / (2.0 * self.theta.ln());
                let first = pair(fast).floor().max(0.0);
                let last = pair(slow).ceil().min(size as f64 - 1.0);
                let reach = if first == last { 0.001 } else { last - first };
                let slowed = |(i, f): (usize, f64)| {
                    let slowed = ((i as f64 - first) / reach).clamp(0.0, 1.0);
                    slowed * f / factor + (1.0 - slowed) * f
                };
                plain.enumerate().map(slowed).collect()
            }
        }
    }

    /// Rows of `size` numbers for the positions: the cosines of all pairs, then their sines.
    pub(crate) fn table(&self, size: usize, positions: impl Iterator<Item = usize>) -> Vec<f32> {
        let (frequencies, attention) = (self.frequencies(size), self.scaling.attention());
        let mut table = Vec::new();
        for position in positions {
            let angles = frequencies.iter().map(|f| position as f64 * f);
            table.extend(angles.clone().map(|angle| (angle.cos() * attention) as f32));
            table.extend(angles.map(|angle| (angle.sin() * attention) as f32));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalings_leave_fast_pairs_and_slow_down_slow_ones() {
        let plain = Rotary { theta: 1e4, scaling: RotaryScaling::Default };
        assert_eq!(plain.frequencies(4), [1.0, 0.01]);
        let of = |scaling| Rotary { theta: 1e4, scaling }.frequencies(64);
        let unscaled = plain.frequencies(64);
        let llama = of(RotaryScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 512.0 });
        let yarn = of(RotaryScaling::Yarn { factor: 8.0, fast: 32.0, slow: 1.0, original: 512.0, attention: 1.2 });
        for scaled in [llama, yarn] {
            assert_eq!(scaled[0], unscaled[0], "the fastest pair");
            assert!((scaled[31] - unscaled[31] / 8.0).abs() < 1e-12, "the slowest pair: {}", scaled[31]);
            let between = scaled.iter().zip(&unscaled).filter(|(s, u)| **s < 0.99 * **u && **s > 0.13 * **u);
            assert!(between.count() > 0, "some pairs are slowed down in part");
        }
    }

    #[test]
    fn a_row_of_the_table_holds_cosines_and_sines_of_its_position() {
        let table = Rotary { theta: 1e4, scaling: RotaryScaling::Default }.table(4, [0, 3].into_iter());
        let expected = [1.0, 1.0, 0.0, 0.0, 3f32.cos(), 0.03f32.cos(), 3f32.sin(), 0.03f32.sin()];
        assert!(table.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{table:?}");
    }
}
