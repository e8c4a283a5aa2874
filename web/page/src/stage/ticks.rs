//! Pruning points as a timeline: every point takes the same room, whatever lies between, and several runs share one.

use crate::history::{Frame, History};

/// The steps at which a model of these runs changed, ascending, after the tick of the whole models: what is removed before
/// training has a tick of its own at step 0.
#[must_use]
pub fn ticks(histories: &[&History]) -> Vec<usize> {
    let points = histories.iter().flat_map(|history| history.frames.iter().skip(1));
    let mut steps: Vec<usize> = points.map(|frame| frame.step).collect();
    steps.sort_unstable();
    steps.dedup();
    steps.insert(0, 0);
    steps
}

/// A run between two of its frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// The frame that it comes from, by its place.
    pub from: usize,
    /// The frame that it goes to.
    pub to: usize,
    /// How far it has gone, from 0 to 1.
    pub share: f64,
}

/// Of the way from one tick to the next, what the change takes; the rest shows what has become.
const CHANGING: f64 = 0.7;

/// Where a run is at this position of a timeline: 2.5 is half-way from its third tick to its fourth.
#[must_use]
pub fn moment(frames: &[Frame], ticks: &[usize], position: f64) -> Moment {
    let last = ticks.len().saturating_sub(1);
    let position = position.clamp(0.0, last as f64);
    let before = (position as usize).min(last);
    let frame_at = |tick: usize| match (tick, ticks.get(tick)) {
        (0, _) | (_, None) => 0,
        (_, Some(step)) => frames.partition_point(|frame| frame.step <= *step).saturating_sub(1),
    };
    let way = ((position - before as f64) / CHANGING).min(1.0);
    let (from, to) = (frame_at(before), frame_at((before + 1).min(last)));
    // Slow at both ends.
    Moment { from, to, share: way * way * (3.0 - 2.0 * way) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::Knobs;

    #[test]
    fn runs_with_other_points_share_a_timeline() {
        let of = |steps| History::of(&crate::history::tests::run(Knobs::default(), steps, true));
        let (long, short) = (of(20), of(10));
        let ticks = ticks(&[&long, &short]);
        assert_eq!(ticks, [0, 5, 10]);
        let still = |frame| Moment { from: frame, to: frame, share: 0.0 };
        // At step 5 the short run has been pruned, the long one has not.
        assert_eq!(moment(&short.frames, &ticks, 1.0), still(1));
        assert_eq!(moment(&long.frames, &ticks, 1.0), Moment { from: 0, to: 1, share: 0.0 });
        assert_eq!(moment(&long.frames, &ticks, 9.0), still(1));
        let half = moment(&long.frames, &ticks, 1.35);
        assert!((half.from, half.to) == (0, 1) && (half.share - 0.5).abs() < 1e-9, "{half:?}");
        assert!((moment(&long.frames, &ticks, 1.9).share - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_goes_before_training_goes_from_the_whole_model() {
        let mut history = History::of(&crate::history::tests::run(Knobs::default(), 10, true));
        history.frames[1].step = 0;
        let ticks = ticks(&[&history]);
        assert_eq!(ticks, [0, 0]);
        let at = |position| moment(&history.frames, &ticks, position);
        assert_eq!((at(0.0).from, at(0.0).to, at(1.0).from), (0, 1, 1));
    }
}
