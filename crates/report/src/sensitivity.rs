//! How small a difference between two arms a study can see with the seeds it asks for, told from the runs that are
//! finished.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::statistics::{POWER, smallest_difference};
use crate::tables::Table;

/// The smallest difference that can be seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sensitivity {
    /// Seeds that the study asks for.
    pub seeds: usize,
    /// Standard deviation of the differences between an arm and the baseline on the same seed, pooled over arms; none
    /// before an arm has two such differences that are not the same.
    pub sd: Option<f64>,
    /// Arms with the baselines that they are compared with, from which it comes.
    pub comparisons: usize,
    /// Its degrees of freedom.
    pub freedom: usize,
    /// The smallest true difference that a two-sided paired t-test at 5 % finds with [`POWER`]; none for one seed.
    pub difference: Option<f64>,
}

impl Sensitivity {
    pub(crate) fn new(seeds: usize, tables: &[Table], compared_by: &str) -> Self {
        let mut known = BTreeSet::new();
        let (mut squares, mut freedom, mut comparisons) = (0.0, 0, 0);
        for table in tables {
            let Some(base) = table.rows.iter().find(|row| row.is_base) else { continue };
            for row in &table.rows {
                // An arm that several axes have is one.
                let Some(of) = row.differences.get(compared_by).filter(|_| known.insert((base.group, row.group)))
                else {
                    continue;
                };
                if let Some(sd) = of.summary.sd {
                    squares += (of.summary.n - 1) as f64 * sd * sd;
                    freedom += of.summary.n - 1;
                    comparisons += 1;
                }
            }
        }
        let sd = (squares > 0.0).then(|| (squares / freedom as f64).sqrt());
        Self { seeds, sd, comparisons, freedom, difference: sd.and_then(|sd| smallest_difference(sd, seeds)) }
    }

    /// In a sentence, with what it assumes.
    #[must_use]
    pub fn words(&self, measure: &str) -> String {
        let seeds = if self.seeds == 1 { "1 seed".to_owned() } else { format!("{} seeds", self.seeds) };
        if self.seeds < 2 {
            return format!("With {seeds} no difference can be tested.");
        }
        match (self.sd, self.difference) {
            (Some(sd), Some(difference)) => format!(
                "With {seeds} a difference of {:.2} points in {measure} can be seen: a two-sided paired t-test at 5 % \
                 finds it {:.0} times of 100, before Holm's correction. Differences to the baseline on the same seed \
                 are taken as normal with one standard deviation, {:.2} points (pooled over {} {}, {} degrees of freedom).",
                100.0 * difference,
                100.0 * POWER,
                100.0 * sd,
                self.comparisons,
                if self.comparisons == 1 { "comparison" } else { "comparisons" },
                self.freedom,
            ),
            _ => format!(
                "How small a difference {seeds} can show cannot be told yet: {}.",
                match self.comparisons {
                    0 => "it takes an arm with two finished seeds beside the baseline",
                    _ => "every arm differs from the baseline by the same on all seeds",
                }
            ),
        }
    }
}
