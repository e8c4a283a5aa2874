//! What scoring blocks and teaching cost in a step: medians over steps of one run that differ in nothing else.

use std::collections::BTreeSet;
use std::ops::Range;

use apt_core::averages::median;
use serde::{Deserialize, Serialize};

use super::format::Record;
use crate::finite::checked;

/// Fewest steps that a median is taken of.
const FEWEST: usize = 4;

/// Median seconds of a training step in four parts of a run, evaluations not counted; none where a part has too few steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepSeconds {
    /// Of the whole model, before scoring begins.
    #[serde(serialize_with = "checked")]
    pub dense: Option<f64>,
    /// Of the whole model while its blocks are scored.
    #[serde(serialize_with = "checked")]
    pub scoring: Option<f64>,
    /// Of the finished shape under a teacher.
    #[serde(serialize_with = "checked")]
    pub teaching: Option<f64>,
    /// Of the finished shape, alone.
    #[serde(serialize_with = "checked")]
    pub tuning: Option<f64>,
}

impl StepSeconds {
    /// From the steps of a record; `None` where pruning was not laid out.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let layout = record.layout.as_ref()?;
        let (first, last) = layout.points.first().zip(layout.points.last())?;
        let evaluated: BTreeSet<usize> = record.evaluations.iter().map(|evaluation| evaluation.step).collect();
        let pairs = || record.curve.windows(2).filter(|pair| pair[1].step == pair[0].step + 1);
        // The step counted from 0 that a pair of points lies around, and its seconds.
        let took: Vec<(usize, f64)> = pairs()
            .filter(|pair| !evaluated.contains(&pair[0].step))
            .map(|pair| (pair[0].step, pair[1].seconds - pair[0].seconds))
            .collect();
        let within = |steps: Range<usize>| {
            let seconds: Vec<f64> =
                took.iter().filter(|(step, _)| steps.contains(step)).map(|(_, took)| *took).collect();
            if seconds.len() < FEWEST { None } else { median(seconds) }
        };
        let end = record.curve.last().map_or(0, |point| point.step);
        let taught = layout.distill.clone().unwrap_or(last.step..last.step);
        Some(Self {
            dense: within(0..layout.collect.start.min(first.window_start)),
            scoring: within(layout.collect.start..first.window_start),
            // The step of the last point also removes blocks.
            teaching: within((last.step + 1).max(taught.start)..taught.end),
            tuning: within((last.step + 1).max(taught.end)..end),
        })
    }

    /// Share of a dense step that scoring takes.
    #[must_use]
    pub fn scoring_share(&self) -> Option<f64> {
        self.dense.zip(self.scoring).map(|(alone, with)| 1.0 - alone / with)
    }

    /// Share of a step of the finished shape that teaching takes.
    #[must_use]
    pub fn teaching_share(&self) -> Option<f64> {
        self.tuning.zip(self.teaching).map(|(alone, with)| 1.0 - alone / with)
    }
}
