//! Two arms side by side: what each of them runs with, and what their difference is, in words.

use apt_experiment::{
    ArmFile, AxisFile, KNOBS, Knobs, Preset, Record, Seeds, StudyFile, lower_is_better, preset_entry,
};
use apt_report::FEWEST_SEEDS;
use apt_report::metric::{LANDMARK, landmark};

use crate::address::Settings;
use crate::arms::called;
use crate::figures::share;
use crate::outcome::shown;

/// The knobs of two arms: whatever else is changed in the settings holds for both, so that they start from the same
/// weights and see the same batches.
#[must_use]
pub fn knobs(settings: &Settings, arms: [&'static Preset; 2]) -> [Knobs; 2] {
    arms.map(|arm| {
        let mut settings = settings.clone();
        settings.choose(arm);
        settings.knobs
    })
}

/// `Schedule: all at once · seed 1`, with the density where it is not the default.
#[must_use]
pub fn title(preset: &str, knobs: &Knobs) -> String {
    let title = crate::runs::title(Some(preset), knobs);
    let is_default = !knobs.prunes() || knobs.density == Knobs::default().density;
    if is_default { title } else { format!("{title} · density {}", knobs.density) }
}

/// The study of two arms over several seeds, with whatever else the run of the `baseline` was set to.
#[must_use]
pub fn study(run: &Knobs, [baseline, arm]: [&'static Preset; 2]) -> StudyFile {
    let base = baseline.knobs().unwrap_or_default();
    let changed = KNOBS.iter().filter(|knob| knob.name != "seed" && knob.get(run) != knob.get(&base));
    StudyFile {
        name: Some(format!("{}-and-{}", baseline.name, arm.name)),
        summary: format!("What is the difference between {} and {}?", called(baseline.name), called(arm.name)),
        base: baseline.name.to_owned(),
        reference: None,
        seeds: Seeds::Count(FEWEST_SEEDS as u32),
        densities: Vec::new(),
        knobs: changed.map(|knob| (knob.name.to_owned(), knob.get(run))).collect(),
        required: Vec::new(),
        tune: None,
        axes: vec![AxisFile { name: arm.name.to_owned(), arms: Some(vec![ArmFile::preset(arm.name)]) }],
    }
}

/// A preset by its name; the whole method if there is none of that name.
#[must_use]
pub fn arm(name: &str) -> &'static Preset {
    preset_entry(name).unwrap_or(&apt_experiment::PRESETS[0])
}

/// What the second of two finished runs is beside the first; `None` before both are measured.
#[must_use]
pub fn verdict([first, second]: [(&str, &Record); 2]) -> Option<Vec<String>> {
    let measured = |record: &Record| record.measures.metric.test.or(record.measures.metric.validation);
    let (before, after) = (measured(first.1)?, measured(second.1)?);
    let at_chance: Vec<&str> = [first, second]
        .into_iter()
        .filter(|(_, record)| record.measures.metric.is_at_chance())
        .map(|(name, _)| name)
        .collect();
    if !at_chance.is_empty() {
        let who = at_chance.join(" and ");
        return Some(vec![format!("At chance: {who}. Nothing can be read from the difference.")]);
    }
    let name = &first.1.measures.metric.name;
    let difference = after - before;
    let sign = if difference < 0.0 { "−" } else { "+" };
    let (values, by) = match name.as_str() {
        "accuracy" => {
            (format!("{} and {}", share(before), share(after)), format!("{sign}{:.1} points", 100.0 * difference.abs()))
        }
        name => (
            format!("{} and {}", shown(name, before), shown(name, after)),
            format!("{sign}{}", shown(name, difference.abs())),
        ),
    };
    let data = if first.1.measures.metric.test.is_some() { "unseen examples" } else { "validation examples" };
    let less = if lower_is_better(name) { "; less is better" } else { "" };
    let mut lines = vec![format!("{} minus {}: {by} of {name} on {data} ({values}{less}).", second.0, first.0)];
    if let (Some(a), Some(b)) = (first.1.density(), second.1.density()) {
        lines.push(format!("Weights left: {} and {}.", share(a), share(b)));
    }
    if name == "accuracy" {
        let reached =
            |record: &Record| landmark(record).map_or_else(|| "never".to_owned(), |of| format!("step {}", of.step));
        let (a, b) = (reached(first.1), reached(second.1));
        lines.push(format!("{} on validation data first: {a} and {b}.", share(LANDMARK)));
    }
    lines.push("One seed shows no uncertainty: another may say otherwise.".to_owned());
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::{Chance, Constant, Evaluation, RecordBuilder, Split, Study};

    const ABLATION: &str = "schedule-one-shot";

    fn record(test: f64, at: usize) -> Record {
        let events = crate::history::tests::run(Knobs::default(), 10, true);
        let mut record = RecordBuilder::from_events(&events).expect("a run");
        let of = &mut record.measures.metric;
        of.name = "accuracy".to_owned();
        (of.validation, of.test) = (Some(test), Some(test));
        let half = Constant { metric: 0.5, examples: 1000 };
        of.chance = Chance { validation: Some(half), test: Some(half) };
        record.evaluations = vec![Evaluation {
            step: at,
            split: Split::Validation,
            metric: 0.91,
            metrics: [].into(),
            examples: vec![],
            seconds: 1.0,
        }];
        record
    }

    #[test]
    fn a_pair_differs_in_what_the_arms_set_alone() {
        let mut settings = Settings::default();
        settings.knobs.set("seed", "7").expect("a seed");
        settings.knobs.set("steps", "60").expect("steps");
        let [apt, random] = knobs(&settings, [arm("apt"), arm("salience-random")]);
        let differing: Vec<_> = KNOBS.iter().filter(|knob| knob.get(&apt) != knob.get(&random)).collect();
        assert_eq!(differing.iter().map(|knob| knob.name).collect::<Vec<_>>(), ["salience"]);
        assert_eq!((apt.seed, random.seed, apt.steps), (7, 7, Some(60)));
        assert_eq!(title("salience-random", &random), "Salience: random · seed 7");
        let smaller = Knobs { density: 0.2, ..random.clone() };
        assert_eq!(title("salience-random", &smaller), "Salience: random · seed 7 · density 0.2");
        // It does not matter which arm the settings stood at.
        settings.choose(arm("schedule-one-shot"));
        assert_eq!(knobs(&settings, [arm("apt"), arm("salience-random")]), [apt, random]);
    }

    #[test]
    fn a_pair_becomes_a_study_of_its_two_arms_with_its_settings() {
        let mut settings = Settings::default();
        settings.choose(arm(ABLATION));
        settings.knobs.set("steps", "60").expect("steps");
        let arms = [arm("apt"), arm(ABLATION)];
        let file = study(&knobs(&settings, arms)[0], arms);
        let cells = Study::resolve(&file, "pair").expect("a study").cells();
        assert_eq!(cells.len(), 2 * FEWEST_SEEDS);
        assert!(cells.iter().all(|cell| cell.knobs.steps == Some(60)));
        let schedules: std::collections::BTreeSet<_> =
            cells.iter().map(|cell| cell.knobs.text("schedule").ok()).collect();
        assert_eq!(schedules.len(), 2);
    }

    #[test]
    fn the_difference_is_told_with_what_one_seed_cannot_show() {
        let (apt, random) = (record(0.944, 75), record(0.929, 165));
        let lines = verdict([("apt", &apt), ("random", &random)]).expect("both are measured");
        assert_eq!(lines[0], "random minus apt: −1.5 points of accuracy on unseen examples (94.4 % and 92.9 %).");
        assert!(lines.contains(&"90.0 % on validation data first: step 75 and step 165.".to_owned()), "{lines:?}");
        assert!(lines.last().is_some_and(|line| line.starts_with("One seed shows no uncertainty")));
        let chance = verdict([("apt", &apt), ("random", &record(0.5, 5))]).expect("both are measured");
        assert_eq!(chance, ["At chance: random. Nothing can be read from the difference."]);
    }
}
