//! Which heads a run removed, beside a guess.

use apt_experiment::Record;

use crate::history::{Frame, History};
use crate::stage::{Departures, Reason, Unit};

/// A head: layer and number.
pub type Head = (usize, usize);

/// What became of a head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fate {
    /// Which.
    pub head: Head,
    /// The step at which it went.
    pub went: Option<usize>,
    /// Its salience at the point that decided: where it went, or where the last head went.
    pub salience: Option<f64>,
    /// Its salience at the first point, when all heads were there.
    pub first: Option<f64>,
    /// Whether it stays only because every layer keeps some.
    pub by_floor: bool,
}

/// The heads of a run that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    /// Every head, layer by layer.
    pub fates: Vec<Fate>,
    /// The steps at which heads went.
    pub steps: Vec<usize>,
}

impl Guess {
    /// Of a run; `None` if it is not over or removed no head.
    #[must_use]
    pub fn of(history: &History) -> Option<Self> {
        let record = history.record().filter(|_| history.done)?;
        let frames = &history.frames;
        let departures = Departures::until(frames, frames.len().checked_sub(1)?, &record.shape).heads;
        let mut all: Vec<(Head, Option<usize>)> = Vec::new();
        for (layer, heads) in departures.iter().enumerate() {
            all.extend(heads.iter().enumerate().map(|(head, went)| ((layer, head), went.map(usize::from))));
        }
        let last = all.iter().filter_map(|(_, went)| *went).max()?;
        let place_of = |place: Option<usize>| place.and_then(|place| frames.get(place));
        let fates = all.iter().map(|(head, went)| {
            let unit = Unit::Head(head.0, head.1);
            let decided = place_of(Some(went.unwrap_or(last)));
            let score = |frame: Option<&Frame>| Some(frame?.score(unit)?.0);
            let reason = frames.last().and_then(|frame| frame.reason(unit));
            Fate {
                head: *head,
                went: place_of(*went).map(|frame| frame.step),
                salience: score(decided),
                first: score(frames.get(1)),
                by_floor: went.is_none() && reason == Some(Reason::Floor),
            }
        });
        let fates: Vec<Fate> = fates.collect();
        let mut steps: Vec<usize> = fates.iter().filter_map(|fate| fate.went).collect();
        steps.sort_unstable();
        steps.dedup();
        Some(Self { fates, steps })
    }

    /// How many heads there are to guess.
    #[must_use]
    pub fn count(&self) -> usize {
        self.fates.iter().filter(|fate| fate.went.is_some()).count()
    }

    /// How many of these heads went.
    #[must_use]
    pub fn agreement(&self, chosen: &[Head]) -> usize {
        self.fates.iter().filter(|fate| fate.went.is_some() && chosen.contains(&fate.head)).count()
    }

    /// How many of a blind guess go, on average.
    #[must_use]
    pub fn by_chance(&self) -> f64 {
        let count = self.count() as f64;
        count * count / self.fates.len().max(1) as f64
    }

    /// The answer to a guess, in a sentence or two.
    #[must_use]
    pub fn verdict(&self, chosen: &[Head]) -> String {
        let (count, right) = (self.count(), self.agreement(chosen));
        let agree = match right {
            0 => format!("You and the method agree on none of {count}."),
            right if right == count => format!("You and the method agree on all {count}."),
            right => format!("You and the method agree on {right} of {count}."),
        };
        format!("{agree} A blind guess agrees on {:.2} on average.", self.by_chance())
    }
}

/// What else went besides heads, in a sentence: most of what is removed are neurons.
#[must_use]
pub fn besides(record: &Record, last: &Frame) -> String {
    let all: usize = record.shape.neurons.iter().sum();
    let left: usize = last.neurons.iter().sum();
    let gone = record.shape.hidden.saturating_sub(last.hidden.len());
    let dims = match gone {
        0 => "no hidden dim".to_owned(),
        1 => "1 hidden dim".to_owned(),
        gone => format!("{gone} hidden dims"),
    };
    format!("Besides heads, it removed {} of {all} neurons and {dims}.", all.saturating_sub(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::tests::recorded;
    use apt_experiment::Knobs;

    #[test]
    fn the_recorded_run_removed_the_two_heads_with_the_least_salience_of_its_last_layer() {
        let guess = Guess::of(&recorded()).expect("heads went");
        let gone: Vec<Head> = guess.fates.iter().filter(|fate| fate.went.is_some()).map(|fate| fate.head).collect();
        assert_eq!((gone.as_slice(), guess.steps.as_slice()), (&[(3, 1), (3, 2)][..], &[104][..]));
        let fate = |head| guess.fates.iter().find(|fate| fate.head == head).copied().expect("a head");
        let (went, stayed) = (fate((3, 2)), fate((3, 0)));
        assert!(went.salience < stayed.salience, "{went:?} {stayed:?}");
        assert!(went.first.is_some() && !stayed.by_floor);
        assert_eq!(guess.fates.len(), 16);
    }

    #[test]
    fn a_guess_is_told_how_much_it_agrees() {
        let guess = Guess::of(&recorded()).expect("heads went");
        let blind = "A blind guess agrees on 0.25 on average.";
        assert_eq!(guess.verdict(&[(3, 1), (0, 0)]), format!("You and the method agree on 1 of 2. {blind}"));
        assert_eq!(guess.verdict(&[(3, 1), (3, 2)]), format!("You and the method agree on all 2. {blind}"));
        assert_eq!(guess.verdict(&[(1, 1), (0, 0)]), format!("You and the method agree on none of 2. {blind}"));
    }

    #[test]
    fn what_went_besides_heads_is_counted() {
        let history = recorded();
        let words = besides(history.record().expect("a run"), history.frames.last().expect("points"));
        assert_eq!(words, "Besides heads, it removed 1728 of 2048 neurons and no hidden dim.");
    }

    #[test]
    fn there_is_nothing_to_guess_before_the_end_and_where_no_head_went() {
        let events = crate::history::tests::run(Knobs::default(), 10, true);
        assert_eq!(Guess::of(&History::of(&events[..events.len() - 1])), None);
        let small = Guess::of(&History::of(&events)).expect("a head went");
        assert_eq!((small.count(), small.steps.as_slice()), (1, &[5][..]));
        assert!(small.fates[1].by_floor, "{small:?}");
        let mut history = History::of(&events);
        history.frames.truncate(1);
        assert_eq!(Guess::of(&history), None);
    }
}
