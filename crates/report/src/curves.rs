//! How the metric on validation data grows with the steps: mean over seeds with its interval, and each seed.

use std::collections::BTreeMap;

use apt_experiment::{Record, Split};
use serde::Serialize;

use crate::assignment::Assigned;
use crate::groups::Group;
use crate::statistics::{Summary, by_student};
use crate::tables::Table;

/// The arms of one table.
#[derive(Clone, Debug, Serialize)]
pub struct Curves {
    /// The table's title.
    pub title: String,
    /// A line for each arm that has runs, the baseline first.
    pub arms: Vec<ArmCurve>,
}

/// One arm.
#[derive(Clone, Debug, Serialize)]
pub struct ArmCurve {
    /// Its name on the axis.
    pub name: String,
    /// Its place in the table, which decides its colour.
    pub place: usize,
    /// Its runs.
    pub seeds: Vec<SeedCurve>,
    /// Over the runs that were evaluated at a step.
    pub mean: Vec<MeanPoint>,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct SeedCurve {
    /// Its seed.
    pub seed: u64,
    /// Step and metric.
    pub points: Vec<(usize, f64)>,
}

/// Several runs at one step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MeanPoint {
    /// The step.
    pub step: usize,
    /// The metric.
    #[serde(flatten)]
    pub summary: Summary,
}

pub(crate) fn curves(tables: &[Table], groups: &[Group], runs: &[Assigned]) -> Vec<Curves> {
    let arm = |(place, row): (usize, &crate::tables::Row)| {
        let own = &groups[row.group].runs;
        let records = own
            .iter()
            .filter_map(|run| runs.iter().find(|of| of.name == run.name && of.record.config.seed == run.seed));
        let seeds: Vec<SeedCurve> =
            records.map(|of| SeedCurve { seed: of.record.config.seed, points: validation(of.record) }).collect();
        let mut by_step: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (step, metric) in seeds.iter().flat_map(|seed| &seed.points) {
            by_step.entry(*step).or_default().push(*metric);
        }
        let mean = by_step.into_iter().filter_map(|(step, values)| {
            // Resampling every point of every curve would cost much and show nothing.
            Some(MeanPoint { step, summary: by_student(&values)? })
        });
        ArmCurve { name: row.name.clone(), place, mean: mean.collect(), seeds }
    };
    let of = |table: &Table| Curves {
        title: table.title.clone(),
        arms: table.rows.iter().enumerate().filter(|(_, row)| row.n > 0).map(arm).collect(),
    };
    tables.iter().filter(|table| !table.relative).map(of).filter(|curves| !curves.arms.is_empty()).collect()
}

fn validation(record: &Record) -> Vec<(usize, f64)> {
    let evaluations = record.evaluations.iter().filter(|evaluation| evaluation.split == Split::Validation);
    evaluations.filter(|of| of.metric.is_finite()).map(|evaluation| (evaluation.step, evaluation.metric)).collect()
}
