//! What a section says before its numbers: which arms differ, which may not, and what too few seeds cannot show.

mod runs;

use apt_report::{Entry, Report, answer_fragment, html};
use runs::{cells, of, some_metric, study};

/// Runs of these presets: with each seed its own metric.
fn report(runs: &[(&str, &[f64])]) -> Report {
    let seeds = |metrics: &[f64]| (1..).zip(metrics.to_vec()).collect::<Vec<(u64, f64)>>();
    let entries: Vec<Entry> = runs
        .iter()
        .flat_map(|(preset, metrics)| seeds(metrics).into_iter().map(|(seed, metric)| of(preset, seed, metric)))
        .collect();
    Report::new(&entries, None)
}

#[test]
fn arms_are_told_by_what_their_difference_amounts_to() {
    let report = report(&[
        ("apt", &[0.90, 0.91, 0.92]),
        ("salience-random", &[0.80, 0.81, 0.821]),
        ("salience-wanda", &[0.90, 0.92, 0.91]),
    ]);
    let sentences = report.sections[0].sentences();
    let expected = ["Worse than apt: random (−9.97 ± 0.14 points).", "Not distinguishable from apt: wanda."];
    assert_eq!(sentences, expected);
    assert!(html(&report).contains(expected[0]), "the report begins with them");
}

/// It failed: arms of all densities were said to be worse than the baseline of the first.
#[test]
fn at_several_densities_each_arm_is_told_beside_the_baseline_of_its_own() {
    let study = study(
        "seeds = 3\ndensities = [0.4, 0.2]\nreference = \"lora\"\n[[axes]]\nname = \"x\"\narms = [\"salience-random\", \"lora\"]\n",
    );
    let metric = |cell: &apt_experiment::Cell| {
        let noise = 0.001 * cell.knobs.seed.pow(2) as f64;
        match (cell.arm.as_str(), cell.knobs.density) {
            ("random", 0.2) => 0.80 + noise,
            ("lora", _) => 0.90,
            _ => 0.91 + 0.5 * noise,
        }
    };
    let report = Report::new(&cells(&study, 5, metric), Some(&study));
    let sentences = report.sections[0].sentences();
    assert!(sentences[0].starts_with("Worse than apt at the same density: "), "{sentences:?}");
    assert!(sentences[0].contains("random at 0.2 (−10."), "{sentences:?}");
    assert!(
        sentences[0].contains("lora beside apt at 0.4 (") && sentences[0].contains("lora beside apt at 0.2 ("),
        "{sentences:?}"
    );
    assert!(
        sentences[1].starts_with("Not distinguishable from apt at the same density: random at 0.4."),
        "{sentences:?}"
    );
}

/// It said "apt at 0.2 at 0.2" and "at the same density", which it was not.
#[test]
fn arms_of_densities_of_their_own_are_told_beside_the_baseline_of_another() {
    let study = study(
        "seeds = 3\n[[axes]]\nname = \"x\"\narms = [{ name = \"apt at 0.2\", preset = \"apt\", knobs = { density = 0.2 } }]\n",
    );
    let metric = |cell: &apt_experiment::Cell| cell.knobs.density * (0.5 + 0.01 * cell.knobs.seed.pow(2) as f64) + 0.6;
    let report = Report::new(&cells(&study, 5, metric), Some(&study));
    let sentences = report.sections[0].sentences();
    assert!(sentences[0].contains("apt at 0.4: apt at 0.2"), "{sentences:?}");
    assert!(!sentences[0].contains("same density") && !sentences[0].contains("0.2 at 0.2"), "{sentences:?}");
}

#[test]
fn too_few_seeds_are_said_to_be_too_few() {
    let one = report(&[("apt", &[0.9]), ("salience-random", &[0.906])]).sections[0].sentences();
    assert_eq!(one[0], "Beside apt, on one seed: random (+0.60 points).");
    assert_eq!(one[1], "One seed shows no uncertainty; run at least three to compare.");
    let two = report(&[("apt", &[0.9, 0.91]), ("salience-random", &[0.8, 0.82])]).sections[0].sentences();
    assert!(two.last().is_some_and(|last| last.starts_with("Two seeds say little")), "{two:?}");
    let alone = report(&[("apt", &[0.9, 0.91, 0.92])]).sections[0].sentences();
    assert_eq!(alone, ["One arm is finished; it takes a second one to compare."]);
    let apart = Report::new(&[of("apt", 1, 0.9), of("salience-random", 2, 0.8)], None);
    assert_eq!(apart.sections[0].sentences()[0], "No arm shares a seed with the baseline yet.");
}

#[test]
fn of_models_at_chance_nothing_else_is_said() {
    let sentences = report(&[("apt", &[0.5]), ("salience-random", &[0.51])]).sections[0].sentences();
    assert!(sentences.len() == 1 && sentences[0].starts_with("All arms are at chance"), "{sentences:?}");
}

#[test]
fn the_short_table_has_arm_difference_and_verdict_first_and_no_arm_that_nobody_asked_for() {
    let of_runs = report(&[("apt", &[0.9]), ("salience-random", &[0.906])]);
    let table = answer_fragment(&of_runs.sections[0], 1);
    let heads: Vec<&str> = table.split("<th").filter_map(|part| part.split_once('>')).map(|(_, rest)| rest).collect();
    let heads: Vec<&str> = heads.iter().filter_map(|rest| rest.split_once("</th>")).map(|(head, _)| head).collect();
    assert_eq!(&heads[..3], ["arm", "minus apt, points", "verdict"]);
    assert!(table.contains("weights left (no embeddings),\u{a0}%") && !table.contains("wanda"), "{table}");
    assert!(table.contains("<td>+0.60</td><td>one seed</td><td class=\"minor\">"), "{table}");
    // `off` alone would not say what is off.
    let two = report(&[("apt", &[0.9]), ("distillation-off", &[0.89]), ("salience-random", &[0.906])]);
    let sentence = &two.sections[0].sentences()[0];
    assert_eq!(sentence, "Beside apt, on one seed: salience random (+0.60 points), distillation off (−1.00 points).");
    // A study's arms are asked for, whether they have runs or not; its baseline stands there once.
    let study = study("seeds = 3\n[[axes]]\nname = \"salience\"\n[[axes]]\nname = \"tuning\"\n");
    let half: Vec<Entry> = cells(&study, 5, some_metric).into_iter().filter(|of| of.name.starts_with("apt")).collect();
    let table = answer_fragment(&Report::new(&half, Some(&study)).sections[0], 1);
    assert!(table.contains("not finished") && table.contains("0\u{a0}of\u{a0}3"), "{table}");
    assert_eq!(table.matches("class=\"base\"").count(), 1, "{table}");
    assert_eq!(table.matches("scope=\"rowgroup\"").count(), 2, "{table}");
}

#[test]
fn any_arm_can_be_what_the_others_are_compared_with() {
    let entries = [("apt", 0.9), ("salience-random", 0.8), ("salience-wanda", 0.85), ("lora", 0.92)];
    let entries = entries.map(|(preset, metric)| of(preset, 1, metric));
    let random = apt_experiment::preset("salience-random").expect("a preset");
    let report = Report::against(&entries, None, Some(&random));
    let sentences = report.sections[0].sentences();
    let expected = "Beside salience-random, on one seed: apt (+10.00 points), salience-wanda (+5.00 points), lora (+12.00 \
                    points).";
    assert_eq!((report.compared, sentences[0].as_str()), (4, expected));
    // An arm without runs is nothing to compare with.
    let late = apt_experiment::preset("schedule-late").expect("a preset");
    let of = |report: Report| report.sections[0].sentences();
    assert_eq!(of(Report::against(&entries, None, Some(&late))), of(Report::new(&entries, None)));
}
