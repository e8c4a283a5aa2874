//! Seconds per step, read off the curve of a record.

use std::collections::BTreeSet;
use std::ops::Range;

use apt_core::averages::median;

use super::format::Record;
use super::step_seconds::StepSeconds;

/// Fewest steps that a median is taken of.
const FEWEST: usize = 4;

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
}
