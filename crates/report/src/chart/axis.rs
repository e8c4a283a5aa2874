//! What an axis holds and where it is labelled.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

use super::plot::{Curve, Plot};
use crate::series::Point;

/// The range of an axis and its labelled places.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) range: (f64, f64),
    pub(super) ticks: Vec<f64>,
    /// Decimals with which the labels differ.
    pub(super) decimals: usize,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, pixels: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(value, pixels)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.0..self.range.1
    }
}

impl Axis {
    /// Whether a value lies on it.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.range.0..=self.range.1).contains(&value)
    }

    /// The place on it that is nearest to a value.
    pub(super) fn clamp(&self, value: f64) -> f64 {
        value.max(self.range.0).min(self.range.1)
    }

    /// Labels at round numbers within the range, about `count`.
    fn within(range: (f64, f64), count: usize, whole: bool) -> Self {
        let step = round_step(range.1 - range.0, count, whole);
        // A hair of room, so that an end that is round is labelled whatever it was computed from.
        let (first, last) = ((range.0 / step - 1e-6).ceil() as i64, (range.1 / step + 1e-6).floor() as i64);
        let ticks = (first..=last).map(|place| place as f64 * step).collect();
        Self { range, ticks, decimals: (-step.log10().floor()).clamp(0.0, 12.0) as usize }
    }

    /// The same with the range made wider, so that both ends are labelled.
    fn around((low, high): (f64, f64), count: usize) -> Self {
        let step = round_step(high - low, count, false);
        let (low, high) = ((low / step + 1e-6).floor() * step, (high / step - 1e-6).ceil() * step);
        Self::within((low, if high > low { high } else { low + step }), count, false)
    }
}

/// The axes of a plot whose curves are these, with about so many labels.
pub(super) fn axes(plot: &Plot, curves: &[(&Curve, Vec<Point>)], labels: (usize, usize)) -> (Axis, Axis) {
    if !plot.markers.is_empty() {
        let across: Vec<Bar> = plot.markers.iter().map(|marker| (marker.at.0, marker.across)).collect();
        let up: Vec<Bar> = plot.markers.iter().map(|marker| (marker.at.1, marker.up)).collect();
        // A marker on the edge would be cut, and its name needs room.
        let wider = |(low, high): (f64, f64), share: f64| (low - share * (high - low), high + share * (high - low));
        let axis = |bars: &[Bar], share, count| Axis::within(wider(of_most(bars), share), count, false);
        return (axis(&across, 0.08, labels.0), axis(&up, 0.06, labels.1));
    }
    let points = || curves.iter().flat_map(|(_, points)| points);
    let bands = plot.bands.iter().flat_map(|band| &band.points).flat_map(|(_, low, high)| [*low, *high]);
    let ends = plot.until.into_iter().flat_map(|until| [plot.from, until]);
    let across = points().map(|point| point.0).chain(plot.vertical_lines.iter().copied()).chain(ends);
    // Steps are counted.
    let whole = across.clone().all(|at| at.fract() == 0.0);
    let up = span(points().map(|point| point.1).chain(bands).chain(plot.level), plot.from_zero);
    (Axis::within(span(across, false), labels.0, whole), Axis::around(up, labels.1))
}

/// A value and its interval.
type Bar = (f64, Option<(f64, f64)>);

/// Markers that are farther from the middle half of all than this many times its length are left outside of the scale.
const FAR: f64 = 3.0;
/// Fewer markers than this are all shown.
const FEW: usize = 5;

/// The range of all values with their intervals; but of those alone that lie together, where a few lie so far away that
/// these could not be told apart.
fn of_most(bars: &[Bar]) -> (f64, f64) {
    let mut sorted: Vec<f64> = bars.iter().map(|(at, _)| *at).filter(|at| at.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let quarter = |quarters: usize| sorted.get(quarters * sorted.len().saturating_sub(1) / 4).copied();
    let (low, high) = match (quarter(1), quarter(3)) {
        (Some(low), Some(high)) if sorted.len() >= FEW && high > low => {
            (low - FAR * (high - low), high + FAR * (high - low))
        }
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    let near = bars.iter().filter(|(at, _)| (low..=high).contains(at));
    let ends = near.flat_map(|(at, bar)| bar.map_or([*at, *at], |(from, to)| [from.max(low), to.min(high)]));
    span(ends, false)
}

/// 1, 2 or 5 times a power of ten: the least that goes into the length `count` times or less.
fn round_step(length: f64, count: usize, whole: bool) -> f64 {
    let least = (length / count.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|of| of * power).find(|step| *step >= least * (1.0 - 1e-9));
    let step = step.unwrap_or(10.0 * power);
    if whole { step.max(1.0) } else { step }
}

/// A range around the values that is not empty.
fn span(values: impl Iterator<Item = f64>, from_zero: bool) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| value.is_finite()) {
        (low, high) = (low.min(value), high.max(value));
    }
    if low > high {
        return (0.0, 1.0);
    }
    if from_zero {
        low = low.min(0.0);
    }
    if high - low < 1e-9 * high.abs().max(1e-3) {
        let room = 0.05 * high.abs().max(0.02);
        (low, high) = (if from_zero { low } else { low - room }, high + room);
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_the_upright_axis_are_labelled_with_as_many_decimals_as_they_differ_in() {
        let axis = |range| {
            let axis = Axis::around(range, 4);
            let label = |at: &f64| format!("{at:.*}", axis.decimals);
            assert_eq!((axis.ticks.first(), axis.ticks.last()), (Some(&axis.range.0), Some(&axis.range.1)));
            axis.ticks.iter().map(label).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(axis((0.493, 0.951)), "0.4 0.6 0.8 1.0");
        assert_eq!(axis((0.0, 0.693)), "0.0 0.2 0.4 0.6 0.8");
        assert_eq!(axis((0.94, 0.95)), "0.940 0.945 0.950");
        assert_eq!(axis((-0.02, 0.013)), "-0.02 -0.01 0.00 0.01 0.02");
        assert_eq!(axis((0.0, 1.0)), "0.0 0.5 1.0");
        assert_eq!(axis((12.0, 2345.0)), "0 1000 2000 3000");
    }

    #[test]
    fn steps_are_labelled_with_whole_numbers() {
        let ticks = |until| Axis::within((0.0, until), 6, true).ticks;
        assert_eq!(ticks(1.0), [0.0, 1.0]);
        assert_eq!(ticks(3.0), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks(384.0), [0.0, 100.0, 200.0, 300.0]);
    }

    #[test]
    fn values_that_are_equal_or_missing_have_a_range() {
        assert_eq!(span([].into_iter(), false), (0.0, 1.0));
        assert_eq!(span([f64::NAN, 0.0].into_iter(), true), (0.0, 0.001));
        let (low, high) = span([0.5, 0.5].into_iter(), false);
        assert!(low < 0.5 && 0.5 < high);
    }

    #[test]
    fn one_bad_value_does_not_squeeze_the_others() {
        let bars = |values: &[f64]| values.iter().map(|at| (*at, Some((at - 0.01, at + 0.01)))).collect::<Vec<Bar>>();
        let (low, high) = of_most(&bars(&[0.92, 0.93, 0.5, 0.94, 0.95, 0.93]));
        assert!(0.9 < low && low < 0.92 && 0.95 < high && high < 0.97, "{low} to {high}");
        // Few, equal or evenly spread values are all shown.
        assert_eq!(of_most(&bars(&[0.92, 0.5, 0.94])), (0.49, 0.95));
        assert_eq!(of_most(&bars(&[0.5, 0.75, 0.875, 1.0, 0.625])), (0.49, 1.01));
        assert_eq!(of_most(&bars(&[0.5, 0.5, 0.5, 0.5, 0.75])), (0.49, 0.76));
    }
}
