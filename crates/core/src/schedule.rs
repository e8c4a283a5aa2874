//! When to prune, and to what density.
//!
//! A [`Timeline`] says at which steps blocks are removed, the decay window before each, in which steps salience is
//! gathered and which steps distil (METHOD §4). It is fixed before the first step, or, where the run waits until its
//! training loss has moved, when an [`Opening`] says that it has. A point at step P is applied before training step P
//! runs; its decay window is the steps from `window_start` up to, not including, P.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::arms::{Curve, PruneSchedule};

pub use self::config::{TimelineConfig, TimelineError};
pub use self::opening::{LossOnset, Opening};

mod config;
mod opening;

/// Fewest steps of a decay window, where the pruning window has as many: a run has fewer pruning points rather than
/// shorter windows, in which masks could only jump.
const MIN_WINDOW: usize = 4;

/// Density at `step` of a curve that stays at `start_density` until `warm_end` and reaches
/// `target` at `end` (the paper's γ_t, which its text calls sparsity; METHOD §4).
pub fn density_at(
    step: usize,
    start: usize,
    warm_end: usize,
    end: usize,
    start_density: f64,
    target: f64,
    curve: Curve,
) -> f64 {
    let warm_end = warm_end.max(start);
    if step >= end {
        return target;
    }
    if step <= warm_end {
        return start_density;
    }
    let left = (end - step) as f64 / (end - warm_end) as f64;
    let left = match curve {
        Curve::Cubic => left.powi(3),
        Curve::Linear => left,
    };
    start_density.min(target + (start_density - target) * left)
}

/// `intervals + 1` steps spread evenly from `start` to `end`, both included, rounded down.
pub fn spread_steps(start: usize, end: usize, intervals: usize) -> Vec<usize> {
    let span = end.saturating_sub(start);
    let parts = intervals.max(1);
    // Split so that no product overflows: whole strides and the remainder's share.
    (0..=intervals).map(|k| start + span / parts * k + span % parts * k / parts).collect()
}

/// A point between two training steps at which blocks leave the model, ranks change, or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PruningPoint {
    /// The blocks go before this training step runs.
    pub step: usize,
    /// Density the model has from here on.
    pub density: f64,
    /// First step of the decay window, which ends before `step`.
    pub window_start: usize,
}

impl PruningPoint {
    /// Whether it has a window of training steps before it; a cut before training has none.
    pub fn has_window(&self) -> bool {
        self.window_start < self.step
    }
}

/// Everything that is decided about a run before it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Pruning points, strictly later one after the other. Their windows touch. Each leaves a lower density, or the same
    /// where ranks alone change: at density 1, and behind the cut of `one_shot`. There are fewer than asked for if the
    /// pruning window has too few steps, and none at density 1 if ranks stay.
    pub points: Vec<PruningPoint>,
    /// Steps in which salience of blocks and importance of adapters are gathered. `one_shot` scores blocks before training:
    /// it is empty there where ranks stay.
    pub collect: Range<usize>,
    /// Steps that distil.
    pub distill: Option<Range<usize>>,
    /// Steps made before the first of these.
    pub begins: usize,
    /// Density of the model until its first decay window.
    pub start_density: f64,
    /// Steps made when the last of these is.
    pub ends: usize,
}

impl Timeline {
    /// Lays a run out.
    ///
    /// # Errors
    /// [`TimelineError`] naming the setting that rules every layout out.
    pub fn new(config: &TimelineConfig) -> Result<Self, TimelineError> {
        config.check()?;
        let (begins, mut start_density) = (config.begins, config.start_density);
        let ends = begins + config.total_steps;
        let empty = Self { points: Vec::new(), collect: begins..begins, distill: None, begins, start_density, ends };
        if config.density >= 1.0 && !config.ranks_change {
            return Ok(empty);
        }
        let is_one_shot = config.schedule == PruneSchedule::OneShot;
        let mut points = Vec::new();
        if is_one_shot {
            if config.density < start_density {
                points.push(PruningPoint { step: begins, density: config.density, window_start: begins });
            }
            start_density = config.density;
            if !config.ranks_change || config.total_steps < 2 {
                return Ok(Self { points, ..empty });
            }
        }
        let (start, warm_end, end) = config.window()?;
        let intervals = config.num_prunings.min((end - warm_end) / MIN_WINDOW).max(1);
        let steps = spread_steps(warm_end, end, intervals);
        let density = |step| density_at(step, start, warm_end, end, start_density, config.density, config.curve);
        let point = |pair: &[usize]| PruningPoint {
            step: begins + pair[1],
            density: density(pair[1]),
            window_start: begins + pair[0],
        };
        points.extend(steps.windows(2).map(point));
        let first = if config.learned_masks { steps[0] } else { steps[1] };
        // Before a one-shot cut nothing has been learned: there is no earlier self to learn from.
        let distill = config.distillation(first).filter(|_| !is_one_shot);
        let distill = distill.map(|steps| begins + steps.start..begins + steps.end);
        Ok(Self { points, collect: begins + start..begins + end, distill, ..empty })
    }

    /// Density aimed at while training step `step` runs: that of the start before the first decay window, inside a
    /// window that of its point, afterwards the last.
    pub fn density_target(&self, step: usize) -> f64 {
        let reached = self.points.iter().take_while(|point| point.window_start <= step);
        reached.last().map_or(self.start_density, |point| point.density)
    }

    /// Density that learned masks aim at in `step`: inside a window it falls in a straight line from the density before
    /// it, and from the middle on it is that of the window's point.
    pub fn learned_target(&self, step: usize) -> f64 {
        let Some((index, point)) = self.window_at(step) else { return self.density_target(step) };
        let before = index.checked_sub(1).map_or(self.start_density, |before| self.points[before].density);
        let half = ((point.step - point.window_start) as f64 / 2.0).max(1.0);
        let passed = ((step - point.window_start + 1) as f64 / half).min(1.0);
        before + (point.density - before) * passed
    }

    /// The point whose decay window holds `step`, with its place among the points.
    pub fn window_at(&self, step: usize) -> Option<(usize, &PruningPoint)> {
        let inside = |point: &PruningPoint| (point.window_start..point.step).contains(&step);
        self.points.iter().enumerate().find(|(_, point)| inside(point))
    }

    /// The point applied before training step `step`, with its place among the points.
    pub fn point_at(&self, step: usize) -> Option<(usize, &PruningPoint)> {
        self.points.iter().enumerate().find(|(_, point)| point.step == step)
    }

    /// Whether blocks leave at this point: it lowers the density.
    pub fn prunes(&self, point: usize) -> bool {
        let before = point.checked_sub(1).map_or(self.start_density, |before| self.points[before].density);
        self.points[point].density < before
    }

    /// Whether blocks are still to leave, at a point before training step `step` or later.
    pub fn prunes_from(&self, step: usize) -> bool {
        (0..self.points.len()).any(|point| self.points[point].step >= step && self.prunes(point))
    }

    /// How far growth of the tuning budget has come at a point, 0..=1 (METHOD §4: linear in steps
    /// from the start of the first window to the last point). It is over where steps were made before these.
    pub fn growth_fraction(&self, point: usize) -> f64 {
        if self.begins > 0 {
            return 1.0;
        }
        let first = self.points.iter().find(|point| point.has_window());
        let (Some(first), Some(last)) = (first, self.points.last()) else { return 0.0 };
        let span = last.step - first.window_start;
        let step = self.points.get(point).map_or(last.step, |point| point.step).max(first.window_start);
        if span == 0 { 1.0 } else { (step - first.window_start) as f64 / span as f64 }
    }
}

/// How far masks move per step in a decay window of `window_len` steps: `base` (0.01 in the
/// paper), or as much as lets a block fade within half the window, so that the shorter windows of
/// a short run still decide by decay and not by the final rounding alone. At most 1.
pub fn mask_step(window_len: usize, base: f64) -> f64 {
    base.max(2.0 / window_len.max(1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(schedule: PruneSchedule, total_steps: usize) -> TimelineConfig {
        TimelineConfig {
            total_steps,
            begins: 0,
            start_density: 1.0,
            schedule,
            curve: Curve::Cubic,
            density: 0.4,
            num_prunings: 10,
            opens: 0,
            prune_fraction: 0.075,
            tuning_fraction: 0.25,
            warmup_fraction: 1.0 / 3.0,
            distill_fraction: 0.5,
            ranks_change: false,
            learned_masks: false,
        }
    }

    fn span(schedule: PruneSchedule) -> (usize, usize, usize) {
        let timeline = Timeline::new(&config(schedule, 2000)).expect("2000 steps are enough");
        let last = timeline.points.last().expect("density 0.4 needs a point");
        assert_eq!(timeline.points.len(), if schedule == PruneSchedule::OneShot { 1 } else { 10 });
        (timeline.collect.start, timeline.points[0].window_start, last.step)
    }

    #[test]
    fn each_schedule_prunes_in_its_own_part_of_the_run() {
        assert_eq!(span(PruneSchedule::Early), (0, 50, 150));
        assert_eq!(span(PruneSchedule::Late), (1350, 1400, 1500));
        assert_eq!(span(PruneSchedule::Gradual), (0, 50, 1500));
        assert_eq!(span(PruneSchedule::OneShot), (0, 0, 0));
    }

    #[test]
    fn early_and_gradual_open_where_they_are_told_and_keep_room_for_the_window() {
        let opened = |schedule, opens| {
            let timeline = Timeline::new(&TimelineConfig { opens, ..config(schedule, 2000) }).expect("2000 steps");
            (timeline.collect.start, timeline.points[0].window_start, timeline.points[9].step)
        };
        assert_eq!(opened(PruneSchedule::Early, 400), (400, 450, 550));
        assert_eq!(opened(PruneSchedule::Gradual, 400), (400, 450, 1500));
        assert_eq!(opened(PruneSchedule::Late, 400), (1350, 1400, 1500));
        assert_eq!(opened(PruneSchedule::Early, 1990), (1849, 1899, 1999));
    }

    #[test]
    fn a_short_run_gets_fewer_points() {
        let timeline = Timeline::new(&config(PruneSchedule::Early, 40)).expect("40 steps");
        let steps: Vec<_> = timeline.points.iter().map(|point| point.step).collect();
        assert_eq!(steps, [3]);
        let timeline = Timeline::new(&config(PruneSchedule::Early, 400)).expect("400 steps");
        let steps: Vec<_> = timeline.points.iter().map(|point| point.step).collect();
        assert_eq!(steps, [14, 18, 22, 26, 30], "five windows of four steps");
        let timeline = Timeline::new(&config(PruneSchedule::Late, 2)).expect("2 steps");
        assert_eq!(timeline.points.len(), 1);
        let one = Timeline::new(&config(PruneSchedule::Early, 1));
        assert_eq!(one, Err(TimelineError::TooShort { total_steps: 1 }));
    }

    #[test]
    fn impossible_settings_are_named() {
        let good = config(PruneSchedule::Late, 100);
        let dense = TimelineConfig { density: 1.0, ..good.clone() };
        assert!(Timeline::new(&dense).is_ok_and(|timeline| timeline.points.is_empty()));
        for bad in [
            TimelineConfig { density: f64::NAN, ..good.clone() },
            TimelineConfig { density: 0.0, ..good.clone() },
            TimelineConfig { warmup_fraction: 1.5, ..good.clone() },
            TimelineConfig { num_prunings: 0, ..good.clone() },
            TimelineConfig { prune_fraction: 0.8, ..good },
        ] {
            let error = Timeline::new(&bad).expect_err("it cannot be laid out");
            assert!(error.to_string().contains(';'), "no remedy in: {error}");
        }
    }

    #[test]
    fn ranks_change_at_points_that_remove_nothing() {
        let dense = TimelineConfig { density: 1.0, ranks_change: true, ..config(PruneSchedule::Gradual, 2000) };
        let timeline = Timeline::new(&dense).expect("2000 steps");
        assert_eq!(timeline.points.len(), 10);
        assert!(timeline.points.iter().all(|point| point.density == 1.0), "{:?}", timeline.points);
        assert_eq!(timeline.collect, 0..1500);
        assert_eq!(timeline.growth_fraction(9), 1.0);
    }

    #[test]
    fn ranks_change_behind_a_one_shot_cut_and_nothing_is_removed_there() {
        let one_shot = TimelineConfig { ranks_change: true, opens: 400, ..config(PruneSchedule::OneShot, 2000) };
        let timeline = Timeline::new(&one_shot).expect("2000 steps");
        let early = Timeline::new(&TimelineConfig { schedule: PruneSchedule::Early, ..one_shot }).expect("2000 steps");
        let steps = |points: &[PruningPoint]| points.iter().map(|point| point.step).collect::<Vec<_>>();
        assert_eq!((timeline.points[0].step, timeline.points[0].has_window()), (0, false));
        assert_eq!(steps(&timeline.points[1..]), steps(&early.points), "ranks change where those of early do");
        assert!(timeline.points.iter().all(|point| point.density == 0.4), "{:?}", timeline.points);
        assert_eq!((timeline.collect.clone(), timeline.distill.clone()), (early.collect.clone(), None));
        let prunes = |timeline: &Timeline| (0..timeline.points.len()).filter(|&i| timeline.prunes(i)).count();
        assert_eq!((prunes(&timeline), prunes(&early)), (1, 10));
        assert_eq!((timeline.prunes_from(0), timeline.prunes_from(1)), (true, false));
        assert_eq!((early.prunes_from(550), early.prunes_from(551)), (true, false));
        assert_eq!((timeline.growth_fraction(0), timeline.growth_fraction(10)), (0.0, 1.0));
        assert_eq!(timeline.growth_fraction(1), early.growth_fraction(0));
    }

    #[test]
    fn what_goes_on_from_a_density_is_laid_out_from_there() {
        for schedule in [PruneSchedule::Early, PruneSchedule::Late, PruneSchedule::Gradual] {
            let first = Timeline::new(&config(schedule, 400)).expect("400 steps");
            let more =
                TimelineConfig { begins: 400, start_density: 0.8, distill_fraction: 0.25, ..config(schedule, 400) };
            let more = Timeline::new(&more).expect("400 steps");
            assert_eq!((more.begins, more.ends), (400, 800));
            assert_eq!(more.collect, 400 + first.collect.start..400 + first.collect.end);
            let steps = |timeline: &Timeline, by| timeline.points.iter().map(|p| p.step + by).collect::<Vec<_>>();
            assert_eq!(steps(&more, 0), steps(&first, 400));
            assert!(more.points.iter().all(|point| point.density < 0.8), "{:?}", more.points);
            assert_eq!((more.density_target(400), more.points.last().map(|point| point.density)), (0.8, Some(0.4)));
            assert_eq!(more.distill.as_ref().map(|steps| steps.start), more.points.first().map(|point| point.step));
            assert_eq!((first.growth_fraction(0) < 1.0, more.growth_fraction(0)), (true, 1.0));
        }
        let denser = TimelineConfig { start_density: 0.3, ..config(PruneSchedule::Early, 400) };
        assert_eq!(Timeline::new(&denser), Err(TimelineError::Density(0.4)));
    }

    #[test]
    fn learned_masks_aim_at_a_ramp_and_distil_from_their_first_step() {
        let learned = TimelineConfig { num_prunings: 1, learned_masks: true, ..config(PruneSchedule::Late, 2000) };
        let timeline = Timeline::new(&learned).expect("2000 steps");
        let (start, end) = (timeline.points[0].window_start, timeline.points[0].step);
        assert_eq!(timeline.distill, Some(start..2000.min(start + 1000)));
        assert_eq!(timeline.learned_target(start - 1), 1.0);
        assert!((timeline.learned_target(start + (end - start) / 4 - 1) - 0.7).abs() < 1e-9);
        for step in [start + (end - start) / 2, end - 1, end] {
            assert!((timeline.learned_target(step) - 0.4).abs() < 1e-9, "step {step}");
        }
    }

    #[test]
    fn short_windows_move_masks_faster() {
        assert_eq!(mask_step(200, 0.01), 0.01);
        assert_eq!(mask_step(20, 0.01), 0.1);
        assert_eq!(mask_step(1, 0.01), 1.0);
    }
}
