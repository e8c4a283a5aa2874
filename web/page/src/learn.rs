//! What the tour through the method computes: its steps and their addresses (`steps`), heads to guess (`guess`), units
//! above a threshold (`threshold`), the two terms of salience (`terms`), what two examples are answered (`answers`), what was left at a density (`remains`), ranks by layer and site (`rank_map`), when
//! each schedule prunes (`schedules`), what to know about the run that is shown (`about`), and questions (`questions`);
//! `app::learn` shows them.

mod about;
mod answers;
mod guess;
mod questions;
mod rank_map;
mod remains;
mod schedules;
mod steps;
mod terms;
mod threshold;

pub use about::{about, measured, standing};
pub use answers::{Answered, answered};
pub use guess::{Fate, Guess, Head, besides};
pub use questions::{Choice, QUESTIONS, Question};
pub use rank_map::{Cell, RankMap, site_in_words};
pub use remains::{Remains, nearest, remains};
pub use schedules::{Planned, schedules};
pub use steps::{STEPS, Step, WRITES, fragment, place_in};
pub use terms::{Terms, changed};
pub use threshold::{Kind, Left, Threshold};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use apt_experiment::Event;

    /// The run that stands beside the program.
    pub(super) fn recorded() -> History {
        let lines = include_str!("../../static/recorded.jsonl").lines();
        History::of(&lines.map(|line| Event::from_line(line).expect("an event")).collect::<Vec<_>>())
    }

    #[test]
    fn the_recorded_run_has_what_every_step_of_the_tour_shows() {
        let history = recorded();
        assert!(Guess::of(&history).is_some_and(|guess| guess.count() > 0), "no head to guess");
        assert!(Threshold::of(&history, 1).is_some(), "no scores");
        assert!(remains(&history).len() > 2, "no points");
        assert!(RankMap::of(&history, history.frames.len() - 1).is_some(), "no ranks");
        assert_eq!(schedules(&history).len(), 4);
        assert_eq!(about(history.record().expect("a run")), None, "it is the whole method");
    }
}
