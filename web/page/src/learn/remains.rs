//! What was left of a run's model at each pruning point, and how well it did there.

use apt_experiment::Split;

use crate::history::History;

/// The model at one pruning point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remains {
    /// The place of the frame.
    pub place: usize,
    /// Its step.
    pub step: usize,
    /// The share of the weights that is left.
    pub density: f64,
    /// The first evaluation from there on: step, metric and what was left then.
    pub measured: Option<(usize, f64, f64)>,
}

/// The whole model and every pruning point, in order.
#[must_use]
pub fn remains(history: &History) -> Vec<Remains> {
    let Some(record) = history.record() else { return Vec::new() };
    let left_at = |step: usize| history.frames.iter().rfind(|frame| frame.step <= step).map_or(1.0, |of| of.density);
    let validation = || record.evaluations.iter().filter(|of| of.split == Split::Validation);
    let first_cut = history.frames.get(1).map_or(usize::MAX, |frame| frame.step);
    let of = |(place, frame): (usize, &crate::history::Frame)| {
        // Of the whole model the last measure counts: before, it had not learned yet.
        let measured = match place {
            0 => validation().rfind(|of| of.step < first_cut),
            _ => validation().find(|of| of.step >= frame.step),
        };
        let measured = measured.map(|of| (of.step, of.metric, left_at(of.step)));
        Remains { place, step: frame.step, density: frame.density, measured }
    };
    history.frames.iter().enumerate().map(of).collect()
}

/// The one whose density is nearest.
#[must_use]
pub fn nearest(all: &[Remains], density: f64) -> Option<Remains> {
    let distance = |of: &Remains| (of.density - density).abs();
    // Of points that left the same, the last: nothing more was removed since.
    all.iter().rev().min_by(|a, b| distance(a).total_cmp(&distance(b))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::tests::recorded;

    #[test]
    fn the_nearest_point_is_found_with_its_next_measure() {
        let all = remains(&recorded());
        assert_eq!(all.len(), 11);
        let whole = nearest(&all, 1.0).expect("the whole model");
        assert_eq!((whole.place, whole.measured.map(|of| of.0)), (0, Some(68)));
        let half = nearest(&all, 0.55).expect("a point");
        assert_eq!((half.step, (half.density * 1000.0).round()), (92, 533.0));
        let (step, metric, left) = half.measured.expect("it was evaluated");
        assert_eq!((step, (metric * 1000.0).round()), (105, (metric * 1000.0).round()));
        assert!(left < half.density, "{left}: it was pruned on before it was measured");
        // Two points left the same.
        assert_eq!(nearest(&all, 0.1).map(|of| of.step), Some(129));
        assert_eq!(nearest(&[], 0.5), None);
    }
}
