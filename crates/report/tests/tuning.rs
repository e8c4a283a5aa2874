//! What `[tune]` chose and how small a difference can be seen stand in every output, its trials in no group.

mod runs;

use apt_experiment::{Cell, Study};
use apt_report::{Entry, Report, csv, html, json, markdown};
use runs::{entry, record, record_of, study};

const STUDY: &str = r#"
seeds = 2
[tune]
seeds = [101, 102]
knobs = { learning_rate = [0.0003, 0.001, 0.002] }
[[axes]]
name = "x"
arms = ["salience-random", "lora"]
"#;

fn run(cell: &Cell, metric: f64) -> Entry {
    entry(&format!("{}-0123456789ab", cell.name()), record(cell.knobs.clone(), metric, 5))
}

/// Trials in which higher rates are better for APT, 0.001 for LoRA, and chance fails with 0.002 and on a seed of 0.001.
fn trials(study: &Study) -> Vec<Entry> {
    let trial = |cell: &Cell| {
        let rate = cell.knobs.learning_rate;
        match (cell.arm.split(' ').next(), rate, cell.knobs.seed) {
            (Some("random"), 0.002, _) | (Some("random"), 0.001, 102) => {
                Entry { failure: Some("the loss is NaN".to_owned()), record: None, ..run(cell, 0.0) }
            }
            (Some("lora"), 0.001, _) => run(cell, 0.95),
            (_, _, seed) => run(cell, 0.8 + 10.0 * rate + if seed == 101 { 0.001 } else { 0.0 }),
        }
    };
    study.trials().iter().map(trial).collect()
}

/// The trials and the runs of the arms with these learning rates, in the order of the arms.
fn whole(study: &Study, rates: [f64; 3]) -> Vec<Entry> {
    let mut entries = trials(study);
    for (place, cell) in study.untuned().cells().into_iter().enumerate() {
        let mut cell = cell;
        cell.knobs.learning_rate = rates[place % 3];
        let metric = 0.9 + 0.01 * (place % 3) as f64 + 0.002 * (place * cell.knobs.seed as usize) as f64;
        entries.push(run(&cell, metric));
    }
    entries
}

#[test]
fn trials_decide_the_settings_of_the_groups_and_are_in_none() {
    let study = study(STUDY);
    let report = Report::new(&whole(&study, [0.002, 0.0003, 0.001]), Some(&study));
    assert_eq!((report.given, report.trials, report.compared), (24, 15, 6));
    let section = &report.sections[0];
    for group in &section.groups {
        assert_eq!(group.runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [1, 2], "{}", group.arm);
    }
    let rates: Vec<_> = section.groups.iter().map(|group| (group.arm.as_str(), group.knobs.learning_rate)).collect();
    assert_eq!(rates, [("apt", 0.002), ("random", 0.0003), ("lora", 0.001)]);
    assert_eq!(section.origin.seeds.len(), 2, "trials are no results");
    let failed: Vec<_> = report.left_out.iter().map(|run| run.reason.as_str()).collect();
    assert_eq!(failed, ["the loss is NaN"; 3]);
    assert_eq!(section.target.as_ref().map(|of| (of.of.as_str(), of.reference.n)), Some(("lora", 2)));
}

#[test]
fn every_output_says_what_was_chosen_out_of_what() {
    let study = study(STUDY);
    let report = Report::new(&whole(&study, [0.002, 0.0003, 0.001]), Some(&study));
    let text = markdown(&report);
    assert!(text.contains("Of 24 runs given, 15 are trials of \\[tune\\], 6 are compared, in 3 arms."), "{text}");
    for line in [
        "| arm | density | chosen | learning_rate 0.0003 | learning_rate 0.001 | learning_rate 0.002 |",
        "| apt | 0.4 | learning_rate 0.002 | 0.8035 (N 2) | 0.8105 (N 2) | 0.8205 (N 2) ✓ |",
        "| random | 0.4 | learning_rate 0.0003 | 0.8035 (N 2) ✓ | 0.8110 (N 1), 1 failed | —, 2 failed |",
        "| lora | — | learning_rate 0.001 | 0.8035 (N 2) | 0.9500 (N 2) ✓ | 0.8205 (N 2) |",
        "random at 0.4 with learning_rate 0.002 failed: the loss is NaN",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains("lie outside: the largest learning_rate for apt at 0.4."), "{text}");
    assert!(text.contains("lie outside: the smallest learning_rate for random at 0.4."), "{text}");
    let page = html(&report);
    assert!(page.contains("Chosen by [tune]") && page.contains("0.9500 (N\u{a0}2) ✓"), "the page lacks the table");
    let lines = csv(&report).expect("CSV");
    let trials: Vec<&str> = lines.lines().filter(|line| line.contains(",trials,")).collect();
    assert_eq!(trials.len(), 9, "arms × combinations");
    assert!(trials[2].starts_with(",apt,apt,0.4,,,,validation,,0.82") && trials[2].contains("chosen"), "{}", trials[2]);
    let json: serde_json::Value = serde_json::from_str(&json(&report).expect("JSON")).expect("JSON");
    let choice = &json["sections"][0]["tuning"]["choices"][2];
    assert_eq!((choice["chosen"].as_u64(), choice["tried"][1]["n"].as_u64()), (Some(1), Some(2)), "{choice}");
    assert_eq!(choice["tried"][1]["values"]["learning_rate"], 0.001);
}

#[test]
fn a_run_with_settings_that_were_not_chosen_is_of_no_arm() {
    let study = study(STUDY);
    let report = Report::new(&whole(&study, [0.001, 0.0003, 0.001]), Some(&study));
    assert_eq!((report.compared, report.sections[0].groups[0].count()), (4, "0 of 2".to_owned()));
    assert!(report.left_out.iter().filter(|run| run.name.starts_with("apt-d0.4-s")).count() == 2);
}

#[test]
fn before_the_trials_are_done_nothing_is_chosen_and_nothing_compared() {
    let study = study(STUDY);
    let mut entries = whole(&study, [0.001; 3]);
    entries.retain(|entry| !entry.name.ends_with("s102-0123456789ab"));
    let report = Report::new(&entries, Some(&study));
    assert_eq!((report.trials, report.compared), (8, 0));
    let text = markdown(&report);
    assert!(text.contains("| apt | 0.4 | not yet: 3 trials are missing | 0.8040 (N 1) |"), "{text}");
    // Nothing at all.
    let text = markdown(&Report::new(&[], Some(&study)));
    assert!(text.contains("| lora | — | not yet: 6 trials are missing | — | — | — |"), "{text}");
}

#[test]
fn an_arm_whose_trials_all_fail_has_failed_cells_with_the_reason() {
    let study = study(STUDY);
    let mut entries = whole(&study, [0.002, 0.0003, 0.001]);
    entries.retain(|entry| !entry.name.starts_with("lora-s"));
    for entry in entries.iter_mut().filter(|entry| entry.name.starts_with("lora")) {
        (entry.record, entry.failure) = (None, Some("out of memory".to_owned()));
    }
    let report = Report::new(&entries, Some(&study));
    let lora: Vec<_> = report.left_out.iter().filter(|run| run.name.starts_with("lora-s")).collect();
    assert_eq!(lora.len(), 2, "{:?}", report.left_out);
    assert!(lora.iter().all(|run| run.reason.contains("every combination failed: out of memory")), "{lora:?}");
    assert!(markdown(&report).contains("| lora | — | nothing: all failed | —, 2 failed |"));
}

#[test]
fn trials_of_other_code_choose_for_runs_of_other_code() {
    let study = study(STUDY);
    let mut entries = whole(&study, [0.002, 0.0003, 0.001]);
    let mut others = whole(&study, [0.0003, 0.0003, 0.001]);
    for entry in others.iter_mut().filter(|entry| entry.record.is_some()) {
        let is_apt = entry.name.starts_with("apt");
        let record = record_of(entry);
        record.provenance.code = Some("another".to_owned());
        if is_apt && study.is_trial(record) {
            // Now the lowest rate is the best.
            record.measures.metric.validation = record.measures.metric.validation.map(|metric| 1.0 - metric);
        }
    }
    entries.extend(others);
    let report = Report::new(&entries, Some(&study));
    let chosen: Vec<_> = report.sections.iter().map(|section| section.groups[0].knobs.learning_rate).collect();
    assert_eq!((chosen, report.compared), (vec![0.002, 0.0003], 12));
}

#[test]
fn the_smallest_difference_that_can_be_seen_is_told_from_the_runs_there_are() {
    let study = study("seeds = 5\n[[axes]]\nname = \"x\"\narms = [\"salience-random\", \"lora\"]\n");
    let empty = Report::new(&[], Some(&study)).sensitivity_words().expect("a study");
    assert!(empty.starts_with("How small a difference 5 seeds can show cannot be told yet"), "{empty}");
    // Differences of chance: 0.01, 0.02, 0.03 (standard deviation 0.01); of LoRA: 0.01, 0.03 (0.014142).
    let values = [("apt", [0.8, 0.8, 0.8]), ("random", [0.81, 0.82, 0.83]), ("lora", [0.81, 0.83, f64::NAN])];
    let mut entries = Vec::new();
    for cell in study.cells() {
        let (_, metrics) = values.iter().find(|(arm, _)| *arm == cell.arm).expect("an arm");
        if let Some(metric) = metrics.get(cell.knobs.seed as usize - 1).filter(|metric| metric.is_finite()) {
            entries.push(run(&cell, *metric));
        }
    }
    let report = Report::new(&entries, Some(&study));
    let of = report.sections[0].sensitivity.clone().expect("a study");
    // Pooled: (2 · 0.0001 + 1 · 0.0002) ÷ 3.
    assert_eq!((of.seeds, of.comparisons, of.freedom), (5, 2, 3));
    assert!((of.sd.expect("a spread") - (0.0004f64 / 3.0).sqrt()).abs() < 1e-12, "{of:?}");
    // The effect size for five pairs is that of `power_is_that_of_scipys_noncentral_t`.
    let wanted = 1.681_996_965_955_555 * (0.0004f64 / 3.0).sqrt();
    assert!((of.difference.expect("a size") - wanted).abs() < 1e-8, "{of:?} and not {wanted}");
    let words = "With 5 seeds a difference of 1.94 points in test accuracy can be seen";
    assert!(markdown(&report).contains(words) && html(&report).contains(words), "{}", markdown(&report));
    assert_eq!(Report::new(&entries, None).sensitivity_words(), None);
}
