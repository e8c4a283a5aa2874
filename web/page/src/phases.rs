//! Where a run is, in words: what its present part is for, and what its pruning points took.

use apt_experiment::Phase;

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
    let step = history.step();
    let layout = record.layout.as_ref();
    let points = layout.map(|layout| layout.points.as_slice()).unwrap_or_default();
    let taught = layout.and_then(|layout| layout.distill.as_ref()).is_some_and(|steps| steps.contains(&step));
    let is_over = points.last().is_some_and(|last| step >= last.step);
    let has_begun = points.first().is_some_and(|first| step >= first.window_start);
    match (record.config.prunes(), has_begun, is_over, taught) {
        (false, _, _, true) => "tuning with a teacher",
        (false, ..) => "tuning",
        (true, false, ..) => "tuning before the first cut",
        (true, true, false, true) => "pruning, with a teacher",
        (true, true, false, false) => "pruning",
        (true, true, true, true) => "tuning what is left, with a teacher",
        (true, true, true, false) => "tuning what is left",
    }
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
    let curve = &history.record()?.curve;
    let last = curve.last()?;
    let first = curve.get(curve.len().checked_sub(PACE + 1)?)?;
    let made = last.step.checked_sub(first.step)?;
    apt_experiment::time_left(last.seconds - first.seconds, made, history.steps.saturating_sub(last.step), 1)
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
