//! What is said is what a study has, and nothing is said of other settings. Words are tested on studies that were shipped
//! once and stay as they are; of those that are shipped it is tested that they are of the method as it is.

use super::*;
use crate::address;
use apt_experiment::{Chance, Constant, Evaluation, RecordBuilder, Split, Study, StudyFile, preset};

/// In the order of [`STEPS`].
const SHIPPED: [&str; 2] = [include_str!("../../../static/study.json"), include_str!("../../../static/study-128.json")];
const STEPS: [Option<usize>; 2] = [None, Some(128)];
const STUDY: &str = include_str!("../../../e2e/fixtures/study.json");
const SHORT: &str = include_str!("../../../e2e/fixtures/study-128.json");

fn study() -> Brief {
    read(STUDY).expect("a study")
}

fn short() -> Brief {
    read(SHORT).expect("a study")
}

fn of(name: &str, density: f64) -> Knobs {
    Knobs { density, ..preset(name).expect("a preset") }
}

/// A finished run of these settings.
fn run(knobs: Knobs, test: f64) -> Record {
    let mut record = RecordBuilder::from_events(&crate::history::tests::run(knobs, 10, true)).expect("a run");
    let of = &mut record.measures.metric;
    of.name = "accuracy".to_owned();
    (of.validation, of.test) = (Some(test), Some(test));
    let half = Constant { metric: 0.5, examples: 1000 };
    of.chance = Chance { validation: Some(half), test: Some(half) };
    let evaluation = Evaluation {
        step: 80,
        split: Split::Validation,
        metric: 0.91,
        metrics: [].into(),
        examples: Vec::new(),
        seconds: 1.0,
    };
    record.evaluations.push(evaluation);
    record
}

fn words(record: &Record) -> Vec<String> {
    let lines = beside(&study(), record).map(|beside| beside.lines).unwrap_or_default();
    lines.into_iter().map(|(name, words)| format!("{name}: {words}")).collect()
}

/// That a study has all runs of these built-in ones, and of the model and data that the recorded run is of.
fn has_all(brief: &Brief, names: &[&str]) {
    let mut asked = 0;
    for name in names {
        let mut file = StudyFile::built_in(name).expect("built in");
        file.knobs.extend(brief.settings.steps.map(|steps| ("steps".to_owned(), steps.into())));
        let study = Study::resolve(&file, name).expect("it can be run");
        for cell in study.cells() {
            let arm = brief.arm(&cell.knobs).unwrap_or_else(|| panic!("{} is not in it: make it anew", cell.name()));
            assert!(
                arm.runs.len() >= study.seeds.len() && brief.origin.seeds.contains(&cell.knobs.seed),
                "{}",
                cell.name()
            );
            asked += 1;
        }
    }
    assert!(asked >= 5 * brief.arms.len(), "{asked}");
    let recorded = crate::recorded::read(include_str!("../../../static/recorded.jsonl")).expect("a run").1;
    let from = &recorded.record().expect("a run").provenance;
    let (model, data) = (from.model_hash.as_ref().expect("known"), from.data_hash.as_ref().expect("known"));
    assert!(brief.origin.models.contains(model) && brief.origin.data.contains(data), "of another model or other data");
}

#[test]
fn they_are_of_the_method_as_it_is_now_and_have_what_built_in_studies_ask_for() {
    for (text, steps) in SHIPPED.into_iter().zip(STEPS) {
        let brief = read(text).expect("a study that stands beside the program");
        // With other defaults it would be of another method: make it anew (CONTRIBUTING).
        assert_eq!(brief.settings, Knobs { steps, ..Knobs::default() });
        has_all(&brief, &["all", "density"]);
        assert_eq!((brief.steps, brief.metric.as_str()), (Some(steps.unwrap_or(384)), "accuracy"));
        assert!(text.len() < 40_000, "visitors fetch it: {} bytes", text.len());
    }
}

#[test]
fn a_run_is_judged_by_the_study_of_runs_about_as_long() {
    let (brief, short) = (study(), short());
    let steps_of = |all: &[&Brief], steps| {
        fitting(all.iter().copied(), &Knobs { steps, ..Knobs::default() }).and_then(|of| of.steps)
    };
    for (asked, found) in [(None, 384), (Some(384), 384), (Some(1000), 384), (Some(128), 128), (Some(60), 128)] {
        assert_eq!(steps_of(&[&brief, &short], asked), Some(found), "{asked:?}");
        assert_eq!(steps_of(&[&short, &brief], asked), Some(found), "{asked:?}, whichever comes first");
    }
    assert_eq!((steps_of(&[&short], None), steps_of(&[], None)), (Some(128), None));
    let run = Knobs { steps: Some(128), ..of("salience-random", 0.2) };
    assert!(expectation(&short, &run).is_some_and(|words| words.contains("against APT over 5 seeds at density 0.2")));
}

#[test]
fn figures_read_as_people_write_them() {
    let brief = study();
    let apt = brief.arm(&Knobs::default()).expect("an arm");
    let of_apt = test(apt).expect("measured");
    let words = level(of_apt);
    assert!(words.starts_with("94.") && words.contains(" ± 0.") && words.ends_with(" %"), "{words}");
    let mut gap_of = *of_apt;
    (gap_of.mean, gap_of.interval) = (-0.0137, None);
    assert_eq!(gap(&gap_of), "−1.4 points");
    assert_eq!([0.0062, 0.0, -0.0003].map(signed), ["+0.6", "0.0", "0.0"]);
    let of = [(0.936, 0.94), (0.9404, 0.94), (0.95, 0.94), (0.9443, 0.9428)].map(|(own, of)| apart(own, of));
    assert_eq!(of, ["0.4 points below", "as good", "1.0 points above", "0.1 points above"], "94.4 % beside 94.3 %");
}

#[test]
fn an_arm_is_told_by_its_difference_and_a_reference_by_its_level() {
    let brief = study();
    let wanda = expectation(&brief, &of("salience-wanda", 0.2)).expect("an arm");
    assert!(wanda.starts_with("−1.4 ± 0.4 points against APT over 5 seeds at density 0.2: worse."), "{wanda}");
    let apt = expectation(&brief, &Knobs::default()).expect("an arm");
    assert!(apt.starts_with("Accuracy 94.") && apt.ends_with(" % over 5 seeds at density 0.4."), "{apt}");
    let lora = expectation(&brief, &preset("lora").expect("a preset")).expect("an arm");
    assert!(lora.ends_with(" % over 5 seeds."), "{lora}");
    let separate = expectation(&brief, &of("distillation-separate", 0.4)).expect("an arm");
    assert!(separate.contains("the same on every seed"), "{separate}");
    let alone = expectation(&brief, &of("schedule-one-shot", 0.4)).expect("an arm");
    assert!(alone.ends_with("not clear among so many arms."), "its interval leaves 0 out: {alone}");
    assert_eq!(short_expectation(&brief, &of("salience-wanda", 0.2)).as_deref(), Some("−1.4 points"));
    assert_eq!(short_expectation(&brief, &of("salience-magnitude", 0.2)), None, "noise has no size");
    assert_eq!(expectation(&brief, &of("salience-wanda", 0.3)), None);
}

#[test]
fn a_run_is_told_beside_dense_runs_beside_the_method_and_beside_its_own_arm() {
    let all = words(&run(of("salience-wanda", 0.2), 0.9));
    assert!(all[0].starts_with("not pruned: LoRA reaches 9"), "{all:?}");
    assert!(all[1].starts_with(
        "beside APT: APT at density 0.2 reaches 94.4 ± 0.5 % over 5 seeds: this run is 4.4 points below."
    ));
    assert!(
        all[2].starts_with("other seeds: −1.4 ± 0.4 points against APT over 5 seeds: worse. Its runs lie between 92."),
        "{all:?}"
    );
    assert!(all[2].ends_with("this one below."), "{all:?}");
    assert!(
        all[3].starts_with("steps to 90 %: this run 80; on average Salience: Wanda ") && all[3].contains(", LoRA "),
        "{all:?}"
    );
    let own = words(&run(Knobs { seed: 3, ..Knobs::default() }, 0.945));
    assert_eq!(own.len(), 3, "not pruned, other seeds, steps: {own:?}");
    assert!(
        own[1].starts_with("other seeds: APT at density 0.4 reaches 94.") && own[1].ends_with("this one within."),
        "{own:?}"
    );
    let dense = words(&run(preset("lora").expect("a preset"), 0.94));
    assert!(dense[0].starts_with("other seeds: LoRA reaches "), "{dense:?}");
    assert!(words(&run(Knobs::default(), 0.5)).is_empty(), "at chance a comparison means nothing");
}

#[test]
fn of_other_settings_it_is_said_why_there_is_no_reference() {
    let why = |knobs: Knobs| {
        let all = words(&run(knobs, 0.9));
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    };
    let short = why(Knobs { steps: Some(128), ..Knobs::default() });
    assert_eq!(short, "reference: No reference beside it: the study that comes with this page is of 384 steps.");
    assert!(why(Knobs { epochs: 6.0, ..Knobs::default() }).ends_with("is of 384 steps."));
    assert!(why(Knobs { model: "nano".to_owned(), ..Knobs::default() }).ends_with("is of the built-in model."));
    assert!(why(Knobs { rank: 4, ..Knobs::default() }).ends_with("has rank = 8."));
    assert!(
        why(Knobs { train_examples: Some(512), ..Knobs::default() }).ends_with("leaves train examples to the program.")
    );
    assert!(
        why(Knobs { train_examples: Some(512), steps: Some(99), ..Knobs::default() }).ends_with("is of 384 steps.")
    );
    let densities = why(Knobs { density: 0.5, ..Knobs::default() });
    assert!(densities.ends_with("has such runs at densities 0.8, 0.6, 0.4, 0.2, 0.1."), "{densities}");
    let mut two = of("salience-wanda", 0.2);
    two.set("schedule", "late").expect("a schedule");
    assert!(why(two).ends_with("has no runs of these settings."));
    // As many steps as the study's runs, said in another way.
    assert!(words(&run(Knobs { steps: Some(384), ..Knobs::default() }, 0.94)).len() > 1);
    let mut other = run(Knobs::default(), 0.94);
    other.provenance.model_hash = Some("another".to_owned());
    assert!(words(&other)[0].contains("another model"));
    let mut turned = run(Knobs::default(), 0.94);
    turned.changes.push(apt_experiment::KnobChange::default());
    assert!(words(&turned)[0].contains("changed while it ran"));
    let source = |record: &Record| beside(&study(), record).and_then(|beside| beside.source);
    assert!(source(&turned).is_none() && source(&run(Knobs::default(), 0.94)).is_some());
}

#[test]
fn two_arms_side_by_side_are_told_what_to_expect() {
    let brief = study();
    let (apt, wanda) = (of("apt", 0.2), of("salience-wanda", 0.2));
    let words = of_pair(&brief, [&apt, &wanda]);
    assert_eq!(words, "What to expect, over 5 seeds: −1.4 ± 0.4 points, worse (94.4 ± 0.5 % and 93.0 ± 0.7 %).");
    let dense = of_pair(&brief, [&preset("fine-tune").expect("a preset"), &wanda]);
    assert!(dense.starts_with("What to expect, over 5 seeds: 93.") && !dense.contains("points"), "{dense}");
    let short = Knobs { steps: Some(60), ..apt };
    assert!(of_pair(&brief, [&short, &wanda]).starts_with("No reference"));
}

#[test]
fn the_arm_that_clearly_loses_most_is_offered_where_it_shows() {
    let (brief, short) = (study(), short());
    let offered = |studies: &[&Brief], query: &str| {
        let Offer { preset, elsewhere, words } = offer(studies, &address::read(query).settings);
        (preset, elsewhere.map(|at| at.to_string()).unwrap_or_default(), words.unwrap_or_default())
    };
    let none = "At density 0.4 no single change makes a difference that so few seeds show.";
    let (preset, place, words) = offered(&[&brief], "");
    assert_eq!((preset, place.as_str()), ("salience-wanda", "at density 0.2"));
    assert!(words.starts_with(&format!("{none} At 0.2 one does: Salience: Wanda, −1.4")), "{words}");
    // Of two studies, where most shows.
    let (preset, place, words) = offered(&[&brief, &short], "");
    assert_eq!((preset, place.as_str()), ("salience-random", "at density 0.1, in 128 steps"));
    assert!(words.starts_with(&format!("{none} At 0.1, in 128 steps one does: Salience: random, −15.0")), "{words}");
    assert_eq!(offered(&[&brief, &short], "?lock=steps").0, "salience-wanda");
    let (preset, place, _) = offered(&[&brief, &short], "?steps=128");
    assert_eq!((preset, place.as_str()), ("salience-magnitude", ""));
    let (preset, place, _) = offered(&[&brief, &short], "?steps=128&density=0.2");
    assert_eq!((preset, place.as_str()), ("salience-random", ""));
    let (preset, place, words) = offered(&[&brief, &short], "?density=0.2");
    assert_eq!((preset, place.as_str()), ("salience-wanda", ""));
    assert_eq!(words, "Loses most over 5 seeds at density 0.2: −1.4 ± 0.4 points.");
    assert_eq!(offered(&[&brief], "?lock=density"), (CONTROL, String::new(), none.to_owned()));
    let without = (CONTROL, String::new(), String::new());
    assert_eq!(offered(&[], ""), without);
    assert_eq!(offered(&[&brief], "?steps=128"), without, "it says nothing of short runs");
    let mut moved = Knobs::default();
    Elsewhere { density: 0.2, steps: Some(128) }.set(&mut moved);
    assert_eq!((moved.density, moved.steps), (0.2, Some(128)));
}

#[test]
fn after_a_run_it_is_offered_what_tells_more() {
    let (brief, short) = (study(), short());
    let next = |query: &str, preset: &str| {
        let settings = address::read(query).settings;
        let run = settings.knobs.clone();
        super::next(&[&brief, &short], settings, preset, &run)
    };
    let whole = next("?seed=4", "apt").expect("an offer");
    assert_eq!((whole.arms, whole.is_ablation), (["apt", "salience-random"], false));
    let knobs = &whole.settings.knobs;
    assert_eq!((knobs.density, knobs.steps, knobs.seed), (0.1, Some(128), 4));
    assert_eq!(whole.label, "Side by side with Salience: random, at density 0.1, in 128 steps");
    let ablation = next("?preset=salience-random&density=0.6", "salience-random").expect("an offer");
    assert_eq!((ablation.arms, ablation.is_ablation), (["apt", "salience-random"], true));
    assert_eq!(ablation.settings.knobs.density, 0.6);
    let dense = next("?preset=lora", "lora").expect("an offer");
    assert_eq!((dense.arms, dense.is_ablation), (["apt", "lora"], false));
    assert_eq!(next("?salience=random", "apt"), None, "both arms would have what was turned by hand");
}

#[test]
fn the_curve_by_density_has_both_arms_with_intervals_and_the_readers_run() {
    let brief = study();
    assert_eq!(densities(&brief), [0.8, 0.6, 0.4, 0.2, 0.1]);
    let plot = curve(&brief, Some(("this run", (0.4, 0.9))));
    let of: Vec<_> = plot.curves.iter().map(|of| (of.name.as_str(), of.points.len())).collect();
    assert_eq!(of, [("APT", 5), ("Salience: random", 5), ("LoRA, nothing pruned", 1), ("this run", 1)]);
    assert_eq!((plot.bands.len(), plot.bands[0].points.len(), plot.bands[1].points.len()), (2, 5, 5));
    assert_eq!(plot.stops().first(), Some(&0.1));
    let near = told(&brief, 0.43).expect("words");
    assert!(
        near.starts_with("Trained to its end at density 0.4, the nearest in the study: 94.") && near.contains("chance"),
        "{near}"
    );
    assert!(told(&brief, 1.0).is_some_and(|words| words.contains("nothing pruned (LoRA): 9")));
}

#[test]
fn each_schedule_has_its_measured_accuracy_and_its_time_where_nothing_disturbed_it() {
    let brief = study();
    let run = Knobs { seed: 7, ..Knobs::default() };
    for name in ["early", "late", "gradual", "one_shot"] {
        let (figures, words) = schedule(&brief, &run, name).expect("it is in the study");
        assert!(figures.starts_with("9") && figures.contains(" ± "), "{figures}");
        assert!(words.contains("of the weights were there on average"), "{words}");
        let mut alone = brief.clone();
        alone.rough_times = false;
        let (timed, _) = schedule(&alone, &run, name).expect("it is in the study");
        assert_eq!((timed.ends_with(" s"), figures.ends_with(" s")), (true, !brief.rough_times), "{timed}, {figures}");
        assert_eq!(words.contains("points against APT"), name != "early", "{words}");
    }
    assert_eq!(schedule(&brief, &Knobs { steps: Some(128), ..run }, "late"), None);
    assert!(source(&brief).contains("runs of 384 steps with seeds 1, 2, 3, 4, 5, version "), "{}", source(&brief));
}

#[test]
fn what_is_no_study_is_refused() {
    assert!(read("<html>").is_err());
    assert!(
        read(&STUDY.replacen("\"accuracy\"", "\"f1\"", 1)).is_err_and(|why| why == "it is judged by f1 on test data")
    );
}
