//! Where a run is, in words: what its present part is for, and what its pruning points took.

use std::ops::Range;

use apt_experiment::{Phase, Record, duration};

use crate::history::{Frame, History};

/// What is happening at this step, in a few words; empty before a run has begun.
#[must_use]
pub fn part(history: &History) -> &'static str {
    let (Some(phase), Some(record)) = (history.phase(), history.record()) else { return "" };
    match phase {
        Phase::Scoring => return "scoring blocks before training",
        Phase::Evaluating => return "taking the final metric",
        Phase::Measuring => return "measuring size and speed",
        Phase::Pruning | Phase::Distilling | Phase::Tuning => {}
    }
    part_at(record, history.step()).words()
}

/// What a stretch of training is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It tunes a model that stays whole.
    Whole,
    /// It tunes what is going to be pruned.
    Before,
    /// Masks move and units are removed.
    Pruning,
    /// It tunes what is left.
    After,
}

/// A part of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is for.
    pub purpose: Purpose,
    /// Whether there is a teacher.
    pub taught: bool,
}

impl Part {
    /// Its name.
    #[must_use]
    pub fn words(self) -> &'static str {
        match (self.purpose, self.taught) {
            (Purpose::Whole, true) => "tuning with a teacher",
            (Purpose::Whole, false) => "tuning",
            (Purpose::Before, _) => "tuning before the first cut",
            (Purpose::Pruning, true) => "pruning, with a teacher",
            (Purpose::Pruning, false) => "pruning",
            (Purpose::After, true) => "tuning what is left, with a teacher",
            (Purpose::After, false) => "tuning what is left",
        }
    }
}

/// A part of training with its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// What it is.
    pub part: Part,
    /// After how many steps it begins and ends.
    pub steps: Range<usize>,
}

/// The parts of a run's training in order, as far as is known: a run that waits for its loss to move decides later when
/// it prunes.
#[must_use]
pub fn stretches(history: &History) -> Vec<Stretch> {
    let Some(record) = history.record() else { return Vec::new() };
    let Some(layout) = &record.layout else {
        let known = if record.config.prunes() { history.step() } else { history.steps };
        let part = part_at(record, 0);
        return vec![Stretch { part, steps: 0..known }].into_iter().filter(|of| !of.steps.is_empty()).collect();
    };
    let points = layout.points.first().map(|first| first.window_start).into_iter();
    let points = points.chain(layout.points.last().map(|last| last.step));
    let taught = layout.distill.iter().flat_map(|steps| [steps.start, steps.end]);
    let mut bounds: Vec<usize> = points.chain(taught).chain([0, history.steps]).collect();
    bounds.retain(|step| *step <= history.steps);
    bounds.sort_unstable();
    bounds.dedup();
    let mut stretches: Vec<Stretch> = Vec::new();
    for (begin, end) in bounds.iter().zip(bounds.iter().skip(1)) {
        let part = part_at(record, *begin);
        match stretches.last_mut().filter(|last| last.part.words() == part.words()) {
            Some(last) => last.steps.end = *end,
            None => stretches.push(Stretch { part, steps: *begin..*end }),
        }
    }
    stretches
}

/// The steps in which the run prunes, with a few around them; `None` before they are known and where none are pruned.
#[must_use]
pub fn pruning_steps(history: &History) -> Option<Range<usize>> {
    let points = &history.record()?.layout.as_ref()?.points;
    let (first, last) = (points.first()?, points.last()?);
    let around = ((last.step - first.window_start.min(last.step)) / 8).max(3);
    let end = (last.step + around).min(history.steps.max(last.step));
    Some(first.window_start.saturating_sub(around)..end)
}

fn part_at(record: &Record, step: usize) -> Part {
    let layout = record.layout.as_ref();
    let points = layout.map(|layout| layout.points.as_slice()).unwrap_or_default();
    let taught = layout.and_then(|layout| layout.distill.as_ref()).is_some_and(|steps| steps.contains(&step));
    let is_over = points.last().is_some_and(|last| step >= last.step);
    let has_begun = points.first().is_some_and(|first| step >= first.window_start);
    let purpose = match (record.config.prunes(), has_begun, is_over) {
        (false, ..) => Purpose::Whole,
        (true, false, _) => Purpose::Before,
        (true, true, false) => Purpose::Pruning,
        (true, true, true) => Purpose::After,
    };
    Part { purpose, taught }
}

/// What a pruning point took, and when the next one comes: `Step 130: −2 heads, −144 neurons. Next at 150.` Of the frame at
/// this place of the history; `None` for the whole model and for runs that do not prune.
#[must_use]
pub fn point(history: &History, place: usize) -> Option<String> {
    let record = history.record().filter(|record| record.config.prunes())?;
    let points = record.layout.as_ref().map(|layout| layout.points.as_slice()).unwrap_or_default();
    let (before, at) = (history.frames.get(place.checked_sub(1)?)?, history.frames.get(place)?);
    let next = points.iter().find(|point| point.step > at.step);
    let next = next.map_or_else(|| "It was the last.".to_owned(), |next| format!("Next at {}.", next.step));
    Some(format!("Step {}: {}. {next}", at.step, change(before, at)))
}

/// Steps over which the pace of a run is taken.
const PACE: usize = 24;

/// How long, in words, the training that is left will take at the pace of the last steps, evaluations included; `None`
/// before there is a pace and when nothing is left.
#[must_use]
pub fn time_left(history: &History) -> Option<String> {
    seconds_left(history).map(duration)
}

/// The same in seconds.
#[must_use]
pub fn seconds_left(history: &History) -> Option<f64> {
    let curve = &history.record()?.curve;
    let last = curve.last()?;
    let first = curve.get(curve.len().checked_sub(PACE + 1)?)?;
    let made = last.step.checked_sub(first.step).filter(|made| *made > 0)?;
    let left = history.steps.checked_sub(last.step).filter(|left| *left > 0)?;
    Some((last.seconds - first.seconds) * left as f64 / made as f64)
}

fn change(before: &Frame, after: &Frame) -> String {
    let heads = |frame: &Frame| frame.heads.iter().map(Vec::len).sum::<usize>();
    let neurons = |frame: &Frame| frame.neurons.iter().sum::<usize>();
    let hidden = |frame: &Frame| frame.hidden.len();
    let gone = |count: &dyn Fn(&Frame) -> usize, what: &str| {
        let gone = count(before).saturating_sub(count(after));
        (gone > 0).then(|| format!("−{gone} {what}{}", if gone == 1 { "" } else { "s" }))
    };
    let parts = [gone(&heads, "head"), gone(&neurons, "neuron"), gone(&hidden, "hidden dim")];
    let grown =
        after.ranks.iter().filter(|(name, rank)| before.ranks.get(*name).is_some_and(|was| was < *rank)).count();
    let grown = (grown > 0).then(|| format!("{grown} adapter{} grew", if grown == 1 { "" } else { "s" }));
    let parts: Vec<String> = parts.into_iter().chain([grown]).flatten().collect();
    if parts.is_empty() { "nothing changed".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::{Event, Knobs, Layout, PlannedPoint};

    /// A run of 10 steps with one point at step 5, whose masks move from step 3 on.
    fn after(events: usize) -> History {
        let mut all = crate::history::tests::run(Knobs::default(), 10, true);
        let point = PlannedPoint { step: 5, window_start: 3, ..PlannedPoint::default() };
        let layout = Layout { collect: 0..5, points: vec![point], distill: Some(4..8), ..Layout::default() };
        all.insert(2, Event::Layout(Box::new(layout)));
        History::of(&all[..events])
    }

    #[test]
    fn parts_are_named_for_what_they_are_for() {
        assert_eq!(part(&History::default()), "");
        let mut parts: Vec<_> = (3..=18).map(|events| part(&after(events))).collect();
        parts.dedup();
        let expected = [
            "tuning before the first cut",
            "pruning",
            "pruning, with a teacher",
            "tuning what is left, with a teacher",
            "tuning what is left",
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn the_stretches_of_a_run_join_and_cover_its_steps() {
        let history = after(18);
        let stretches = stretches(&history);
        let seen: Vec<_> = stretches.iter().map(|of| (of.part.words(), of.steps.clone())).collect();
        let expected = [
            ("tuning before the first cut", 0..3),
            ("pruning", 3..4),
            ("pruning, with a teacher", 4..5),
            ("tuning what is left, with a teacher", 5..8),
            ("tuning what is left", 8..10),
        ];
        assert_eq!(seen, expected);
        // What is said of a step is the stretch it is in.
        let part = |step: usize| stretches.iter().find(|of| of.steps.contains(&step)).map(|of| of.part.words());
        assert_eq!([2, 3, 9].map(part), [2, 3, 9].map(|step| Some(part_at(history.record()?, step).words())));
    }

    #[test]
    fn a_run_that_has_not_decided_when_it_prunes_has_one_stretch_up_to_now() {
        let undecided = History::of(&crate::history::tests::run(Knobs::default(), 10, true)[..5]);
        let seen: Vec<_> = stretches(&undecided).into_iter().map(|of| (of.part.purpose, of.steps)).collect();
        assert_eq!(seen, [(Purpose::Before, 0..3)]);
        assert!(stretches(&History::default()).is_empty());
    }

    #[test]
    fn the_pruning_steps_have_a_few_around_them() {
        assert_eq!(pruning_steps(&after(18)), Some(0..8));
        assert_eq!(pruning_steps(&History::default()), None, "nothing is known");
        let undecided = History::of(&crate::history::tests::run(Knobs::default(), 10, true)[..5]);
        assert_eq!(pruning_steps(&undecided), None);
    }

    #[test]
    fn what_is_left_goes_at_the_pace_of_the_last_steps() {
        let events = crate::history::tests::run(Knobs::default(), 100, true);
        let at = |step: usize| {
            let is_up_to = |event: &&Event| !matches!(event, Event::Step(point) if point.step > step);
            let events: Vec<Event> = events.iter().filter(is_up_to).cloned().collect();
            time_left(&History::of(&events))
        };
        // A tenth of a second a step.
        assert_eq!((at(10), at(40).as_deref(), at(99).as_deref(), at(100)), (None, Some("6 s"), Some("0 s"), None));
    }

    #[test]
    fn a_point_says_what_it_took() {
        assert_eq!((point(&after(6), 1), point(&after(18), 0)), (None, None));
        let words = point(&after(18), 1).expect("a point was passed");
        assert_eq!(words, "Step 5: −1 head, −3 neurons, −1 hidden dim, 1 adapter grew. It was the last.");
    }
}
