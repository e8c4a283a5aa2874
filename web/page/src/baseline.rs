//! What runs are compared with: the whole method, unless another run is pinned.

use apt_bridge::{RunState, StoredRun};
use apt_experiment::{Knobs, compared};

use crate::arms::APT;
use crate::runs::{Row, title, told_apart};

/// The name under which the recorded run can be pinned.
pub const RECORDED: &str = "recorded";

/// Milliseconds of a day.
const DAY: f64 = 86_400_000.0;

/// What was chosen to compare with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pin {
    /// Nothing: it is the whole method, where there is a run of it.
    #[default]
    Default,
    /// That no other run is shown beside one.
    Nothing,
    /// A run by its name.
    Run(String),
}

impl Pin {
    /// The name of the run that is pinned.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        match self {
            Self::Run(name) => Some(name),
            Self::Default | Self::Nothing => None,
        }
    }

    /// The row that is pinned, if it is among these.
    #[must_use]
    pub fn row<'a>(&self, rows: &'a [Row]) -> Option<&'a Row> {
        self.run().and_then(|name| rows.iter().find(|row| row.name == name))
    }
}

/// A run that can be shown behind another.
#[derive(Clone, Debug, PartialEq)]
pub struct Behind {
    /// Its name.
    pub run: String,
    /// What it is called beside the other.
    pub title: String,
    /// The same with the day it was made.
    pub label: String,
    preset: Option<String>,
    knobs: Knobs,
}

/// The runs that can be shown behind `shown`: finished ones of the same task, model and length, the newest first, then the
/// recorded one. `now` is in milliseconds since 1970, `zone` those by which the clock here is behind.
#[must_use]
pub fn offered(
    shown: &StoredRun,
    runs: &[StoredRun],
    recorded: Option<&StoredRun>,
    (now, zone): (f64, f64),
) -> Vec<Behind> {
    let fits = |run: &&StoredRun| {
        run.name != shown.name && run.state == RunState::Done && shared(&run.knobs) == shared(&shown.knobs)
    };
    let fitting: Vec<&StoredRun> = runs.iter().chain(recorded).filter(fits).collect();
    let label = |run: &StoredRun| {
        let when = if run.name == RECORDED { RECORDED.to_owned() } else { day(run.began - zone, now - zone) };
        format!("{}, {when}", title(run.preset.as_deref(), &run.knobs))
    };
    let labels = told_apart(&fitting.iter().map(|run| (label(run), run.name.as_str())).collect::<Vec<_>>());
    let behind = |(run, label): (&StoredRun, String)| Behind {
        run: run.name.clone(),
        title: title(run.preset.as_deref(), &run.knobs),
        label,
        preset: run.preset.clone(),
        knobs: run.knobs.clone(),
    };
    fitting.into_iter().zip(labels).map(behind).collect()
}

/// The one of these that is shown behind a run with these settings.
#[must_use]
pub fn chosen<'a>(pin: &Pin, shown: &Knobs, offered: &'a [Behind]) -> Option<&'a Behind> {
    let pinned = pin.run().and_then(|name| offered.iter().find(|of| of.run == name));
    if pinned.is_some() || *pin == Pin::Nothing {
        return pinned;
    }
    // The same arm once more would only show what chance does.
    let is_whole = |of: &&Behind| of.preset.as_deref() == Some(APT) && compared(&of.knobs) != compared(shown);
    let whole = || offered.iter().filter(is_whole);
    whole().find(|of| of.knobs.seed == shown.seed).or(whole().next())
}

/// What two runs must share for their curves to be comparable: what is learned from, and how long.
fn shared(of: &Knobs) -> impl PartialEq + '_ {
    let data = (&of.model, &of.task, &of.data, of.train_examples, of.max_length);
    (data, of.batch_size, of.epochs, of.steps)
}

/// The day of a time in words.
fn day(then: f64, now: f64) -> String {
    match (now / DAY).floor() - (then / DAY).floor() {
        days if days < 1.0 => "today".to_owned(),
        1.0 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, preset: &str, seed: u64, began: f64) -> StoredRun {
        let knobs = Knobs { seed, ..apt_experiment::preset(preset).expect("a preset") };
        let new = StoredRun::new(name.to_owned(), Some(preset.to_owned()), knobs, began);
        StoredRun { state: RunState::Done, ..new }
    }

    #[test]
    fn a_run_is_shown_before_the_whole_method_of_its_seed_unless_another_is_pinned() {
        let shown = run("shown", "schedule-one-shot", 1, 9.5 * DAY);
        let mut short = run("short", "apt", 1, 0.0);
        short.knobs.steps = Some(40);
        let open = StoredRun { state: RunState::Paused, ..run("open", "apt", 1, 0.0) };
        let runs = [
            shown.clone(),
            short,
            open,
            run("a", "apt", 2, 9.1 * DAY),
            run("b", "apt", 1, 8.9 * DAY),
            run("c", "salience-random", 1, 0.5 * DAY),
        ];
        let recorded = run(RECORDED, "apt", 1, 0.0);
        let all = offered(&shown, &runs, Some(&recorded), (9.9 * DAY, 0.0));
        let labels: Vec<&str> = all.iter().map(|of| of.label.as_str()).collect();
        let expected = [
            "APT · seed 2, today",
            "APT · seed 1, yesterday",
            "Salience: random · seed 1, 9 days ago",
            "APT · seed 1, recorded",
        ];
        assert_eq!(labels, expected);
        let behind = |pin: &Pin, knobs: &Knobs| chosen(pin, knobs, &all).map(|of| of.run.as_str());
        assert_eq!(behind(&Pin::Default, &shown.knobs), Some("b"));
        assert_eq!(behind(&Pin::Default, &Knobs::default()), None, "it is the whole method itself");
        assert_eq!(behind(&Pin::Nothing, &shown.knobs), None);
        assert_eq!(behind(&Pin::Run("c".to_owned()), &Knobs::default()), Some("c"));
        assert_eq!(behind(&Pin::Run("short".to_owned()), &shown.knobs), Some("b"), "it was shorter");
        // A visitor's first run has the recorded one behind it.
        let first = offered(&shown, &[], Some(&recorded), (0.0, 0.0));
        assert_eq!(chosen(&Pin::Default, &shown.knobs, &first).map(|of| of.run.as_str()), Some(RECORDED));
    }

    #[test]
    fn days_change_at_midnight_here() {
        assert_eq!([day(1.9 * DAY, 2.1 * DAY), day(1.1 * DAY, 1.9 * DAY)], ["yesterday", "today"]);
        let shown = run("shown", "lora", 1, 0.0);
        // An hour before midnight in Greenwich it is the next day in Paris.
        let late = run("late", "apt", 1, DAY * 23.0 / 24.0);
        let label = |zone: f64| {
            let all = offered(&shown, std::slice::from_ref(&late), None, (1.1 * DAY, zone));
            all.first().map(|of| of.label.clone()).unwrap_or_default()
        };
        assert_eq!([label(0.0), label(-DAY / 24.0)], ["APT · seed 1, yesterday", "APT · seed 1, today"]);
    }
}
