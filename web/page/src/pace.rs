//! How long runs take on this computer, told from runs that it has finished.

use apt_bridge::{FirstSteps, RunState, StoredRun};
use apt_experiment::{Knobs, Record, SettingsId, duration};

use crate::runs::Row;

/// Steps at the beginning that hold what is made once.
const MADE_ONCE: usize = 2;

/// What a run of this computer took.
#[derive(Clone, Debug, PartialEq)]
struct Timed {
    knobs: Knobs,
    steps: f64,
    seconds: f64,
}

impl Timed {
    fn of(record: &Record) -> Option<Self> {
        let train = &record.measures.train;
        let parts: f64 = train.phases.values().sum();
        let seconds = parts.max(train.seconds.unwrap_or(0.0)) + train.warmup_seconds.unwrap_or(0.0);
        let timed = Self { knobs: record.config.clone(), steps: train.steps? as f64, seconds };
        (timed.steps > 0.0 && timed.seconds > 0.0).then_some(timed)
    }
}

/// The finished run among these, newest first, that says most about how long one with these settings will take: one of
/// the same arm, else one of the same model and task.
#[must_use]
pub fn likest<'a>(knobs: &Knobs, runs: &'a [StoredRun]) -> Option<&'a StoredRun> {
    let arm = SettingsId::of(knobs);
    let alike = runs.iter().filter(|run| run.state == RunState::Done && are_alike(&run.knobs, knobs));
    alike.min_by_key(|run| SettingsId::of(&run.knobs) != arm)
}

/// What runs of this computer took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    runs: Vec<Timed>,
}

impl Pace {
    /// Of the finished runs among `rows` that were made in this browser.
    #[must_use]
    pub fn of(rows: &[Row]) -> Self {
        let own = rows.iter().filter(|row| row.state.is_some());
        Self { runs: own.filter_map(|row| Timed::of(row.record.as_ref()?)).collect() }
    }

    /// Of one finished run.
    #[must_use]
    pub fn of_run(record: &Record) -> Self {
        Self { runs: Timed::of(record).into_iter().collect() }
    }

    /// Of a run that was made elsewhere, and the first steps of one like it here: the whole takes as much longer as they
    /// do. `None` if they are of another model or task, or too few.
    #[must_use]
    pub fn of_first_steps(first: &FirstSteps, known: &Record) -> Option<Self> {
        let knobs = Knobs { device: first.knobs.device, ..known.config.clone() };
        let last = first.seconds.len();
        let there = |step: usize| known.curve.iter().find(|of| of.step == step).map(|of| of.seconds);
        let elsewhere = there(last)? - there(MADE_ONCE)?;
        let here = first.seconds.last()? - first.seconds.get(MADE_ONCE - 1)?;
        let is_measured = last > MADE_ONCE && here > 0.0 && elsewhere > 0.0 && can_try(&first.knobs, known);
        let Timed { steps, seconds, .. } = Timed::of(known).filter(|_| is_measured)?;
        Some(Self { runs: vec![Timed { knobs, steps, seconds: seconds * here / elsewhere }] })
    }

    /// With a run that is under way, as far as it has come; `steps` is how many it will make.
    #[must_use]
    pub fn and_present(mut self, record: &Record, steps: usize) -> Self {
        if let Some(last) = record.curve.last().filter(|last| last.step > 0 && last.seconds > 0.0) {
            let steps = steps.max(last.step) as f64;
            let seconds = last.seconds * steps / last.step as f64;
            self.runs.push(Timed { knobs: record.config.clone(), steps, seconds });
        }
        self
    }

    /// Seconds that a run with these settings will take; `None` if no run of the same model and task is finished here.
    /// Runs of the same arm say it best; others of the model say it roughly.
    #[must_use]
    pub fn seconds(&self, knobs: &Knobs) -> Option<f64> {
        let alike: Vec<&Timed> = self.runs.iter().filter(|run| are_alike(&run.knobs, knobs)).collect();
        let arm = SettingsId::of(knobs);
        let same: Vec<&Timed> = alike.iter().filter(|run| SettingsId::of(&run.knobs) == arm).copied().collect();
        let of = if same.is_empty() { alike } else { same };
        let known: Vec<f64> = of.iter().filter_map(|run| Some(run.seconds * steps(knobs, run)? / run.steps)).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// Seconds that runs with these settings will take one after the other; `None` if one of them is unknown.
    #[must_use]
    pub fn all<'a>(&self, runs: impl IntoIterator<Item = &'a Knobs>) -> Option<f64> {
        runs.into_iter().map(|knobs| self.seconds(knobs)).sum()
    }
}

/// Whether the first steps of a run with these settings say how long it takes, beside a known one: only of the same model,
/// data and batches, on whatever device.
#[must_use]
pub fn can_try(knobs: &Knobs, known: &Record) -> bool {
    are_alike(knobs, &Knobs { device: knobs.device, ..known.config.clone() })
}

/// Whether a step of both is about as much work: what prunes, teaches or trains less is not looked at.
fn are_alike(a: &Knobs, b: &Knobs) -> bool {
    let work = |of: &Knobs| {
        let files = (of.model.clone(), of.data.clone(), of.task.clone());
        (files, of.device, of.batch_size, of.max_length)
    };
    work(a) == work(b)
}

/// Steps of a run with these settings, beside one whose steps are known.
fn steps(knobs: &Knobs, beside: &Timed) -> Option<f64> {
    if let Some(steps) = knobs.steps {
        return Some(steps as f64);
    }
    let of = &beside.knobs;
    let is_by_epochs = of.steps.is_none() && of.train_examples == knobs.train_examples && of.epochs > 0.0;
    is_by_epochs.then(|| beside.steps * knobs.epochs / of.epochs)
}

/// `14 runs, about 12 min on this computer`, where all take so many seconds one after the other and `jobs` are made at the
/// same time.
#[must_use]
pub fn runs_in_words(runs: usize, seconds: Option<f64>, jobs: usize) -> String {
    let rounds = runs.div_ceil(jobs.max(1)) as f64 / runs.max(1) as f64;
    let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
    match seconds.map(|seconds| seconds * rounds) {
        Some(seconds) => format!("{runs}, about {} on this computer", duration(seconds)),
        None => format!("{runs}, time unknown until the first run is done"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::RecordBuilder;
    use std::sync::Arc;

    /// A finished run of ten steps that took this long.
    fn row(knobs: Knobs, seconds: f64) -> Row {
        let events = crate::history::tests::run(knobs.clone(), 10, true);
        let mut record = RecordBuilder::from_events(&events).expect("a run");
        let train = &mut record.measures.train;
        (train.steps, train.seconds, train.warmup_seconds) = (Some(10), Some(seconds - 1.0), Some(0.5));
        train.phases = [("tuning".to_owned(), seconds - 1.0), ("evaluating".to_owned(), 0.5)].into();
        Row {
            name: "run".to_owned(),
            title: String::new(),
            preset: None,
            knobs,
            state: Some(RunState::Done),
            progress: None,
            device: String::new(),
            record: Some(Arc::new(record)),
        }
    }

    fn near(found: Option<f64>, expected: f64) -> bool {
        found.is_some_and(|found| (found - expected).abs() < 1e-9)
    }

    #[test]
    fn a_run_takes_what_its_arm_took_else_what_others_of_its_model_took() {
        let apt = Knobs::default();
        let lora = Knobs { density: 1.0, ..Knobs::default() };
        let pace = Pace::of(&[row(apt.clone(), 20.0), row(lora.clone(), 40.0)]);
        assert!(near(pace.seconds(&Knobs { seed: 7, ..apt.clone() }), 20.0), "{pace:?}");
        assert!(near(pace.seconds(&lora), 40.0));
        let other = Knobs { density: 0.5, ..Knobs::default() };
        assert!(near(pace.seconds(&other), 30.0), "the mean of both");
        assert!(near(pace.seconds(&Knobs { steps: Some(100), ..other.clone() }), 300.0), "ten times the steps");
        let twice = Knobs { epochs: 2.0 * apt.epochs, ..other };
        assert!(near(pace.seconds(&twice), 60.0), "twice the epochs");
        assert!(near(pace.all([&apt, &lora]), 60.0));
    }

    #[test]
    fn of_another_model_task_device_or_computer_nothing_is_known() {
        let apt = Knobs::default();
        let pace = Pace::of(&[row(apt.clone(), 20.0)]);
        for (name, value) in [("model", "nano"), ("data", "mine.csv"), ("device", "cpu"), ("train_examples", "64")] {
            let mut knobs = apt.clone();
            knobs.set(name, value).expect("a knob");
            assert_eq!(pace.seconds(&knobs), None, "{name}");
            assert_eq!(pace.all([&apt, &knobs]), None, "{name}");
        }
        let imported = Row { state: None, ..row(apt.clone(), 20.0) };
        assert_eq!(Pace::of(&[imported]).seconds(&apt), None);
    }

    #[test]
    fn a_run_under_way_says_how_long_its_like_will_take() {
        let knobs = Knobs { steps: Some(50), ..Knobs::default() };
        let events = crate::history::tests::run(knobs.clone(), 10, false);
        let history = crate::history::History::of(&events);
        let record = history.record().expect("begun");
        let pace = Pace::default().and_present(record, 50);
        let second = record.curve.last().expect("a step").seconds / record.curve.len() as f64;
        assert!(near(pace.seconds(&knobs), 50.0 * second), "{pace:?}");
    }

    #[test]
    fn the_first_steps_here_tell_how_long_a_run_made_elsewhere_takes_here() {
        let (_, history) = crate::recorded::read(include_str!("../../static/recorded.jsonl")).expect("a run");
        let known = history.record().cloned().expect("a run");
        let there = |step: usize| known.curve[step - 1].seconds;
        let whole = Pace::of_run(&known).seconds(&known.config).expect("it is finished");
        // Steps as long as there, of a computer that takes three times as long after the first two.
        let seconds = (1..=8).map(|step| if step <= 2 { there(step) } else { 3.0 * there(step) - 2.0 * there(2) });
        let first = FirstSteps { knobs: Knobs::default(), seconds: seconds.collect() };
        let pace = Pace::of_first_steps(&first, &known).expect("they are alike");
        assert!(near(pace.seconds(&Knobs::default()), 3.0 * whole), "{pace:?} beside {whole}");
        assert!(near(pace.seconds(&Knobs { steps: Some(192), ..Knobs::default() }), 1.5 * whole));
        assert!(can_try(&Knobs { density: 0.2, ..Knobs::default() }, &known));
        for model in ["nano", "https://models.invalid/mine"] {
            assert!(!can_try(&Knobs { model: model.to_owned(), ..Knobs::default() }, &known), "{model}");
        }
        let nano = Knobs { model: "nano".to_owned(), ..Knobs::default() };
        assert_eq!(Pace::of_first_steps(&FirstSteps { knobs: nano, ..first.clone() }, &known), None);
        assert_eq!(Pace::of_first_steps(&FirstSteps { seconds: vec![0.1, 0.2], ..first }, &known), None);
    }

    #[test]
    fn times_are_told_in_words() {
        assert_eq!(runs_in_words(14, Some(720.0), 1), "14 runs, about 12 min on this computer");
        assert_eq!(runs_in_words(15, Some(720.0), 2), "15 runs, about 6 min on this computer", "eight rounds of 48 s");
        assert_eq!(runs_in_words(1, None, 4), "1 run, time unknown until the first run is done");
    }

    #[test]
    fn the_newest_run_of_the_arm_tells_before_others_of_the_model() {
        let run =
            |name: &str, knobs: Knobs, state| StoredRun { state, ..StoredRun::new(name.to_owned(), None, knobs, 0.0) };
        let other = Knobs { density: 0.2, ..Knobs::default() };
        let runs = [
            run("closed", Knobs::default(), RunState::Closed),
            run("nano", Knobs { model: "nano".to_owned(), ..Knobs::default() }, RunState::Done),
            run("other", other.clone(), RunState::Done),
            run("same", Knobs { seed: 5, ..Knobs::default() }, RunState::Done),
        ];
        let told = |knobs: &Knobs| likest(knobs, &runs).map(|run| run.name.as_str());
        assert_eq!((told(&Knobs::default()), told(&other)), (Some("same"), Some("other")));
        assert_eq!(told(&Knobs { batch_size: 3, ..Knobs::default() }), None);
    }
}
