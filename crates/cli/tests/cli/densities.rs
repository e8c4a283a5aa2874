//! Several densities out of one run.

use crate::program::{TINY, contents, read_json, run};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const FINE: [&str; 6] = ["--model", "nano", "--round-neurons", "1", "--round-hidden", "1"];

fn made(more: &[&str], within: &Path) -> String {
    let done = run(&[&["run"], &TINY[..], &FINE[..], more].concat(), within);
    assert_eq!(done.status, 0, "{more:?}: {}{}", done.out, done.err);
    done.out + &done.err
}

/// A record without times, and without what was made by going on.
fn record(folder: &Path) -> Value {
    apt_experiment::without_times(&read_json(&folder.join("record.json")))
}

#[test]
fn several_densities_out_of_one_run_are_the_runs_that_pass_them() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let at = |name: &str| dir.path().join(name);
    // The newest checkpoint lies before the end of a leg, and some steps are repeated.
    let series = ["--densities", "0.8, 0.60,0.5", "--checkpoint-every", "4", "--out", "series"];
    let said = made(&series, dir.path());
    assert!(said.contains("compare them: apt-lab report "), "{said}");
    for (leg, (folder, via)) in
        [("density-0.8", Value::Null), ("density-0.6", json!("0.8")), ("density-0.5", json!("0.8,0.6"))]
            .into_iter()
            .enumerate()
    {
        let record = record(&at("series").join(folder));
        assert_eq!(record["config"]["via"], via, "{folder}");
        assert_eq!(record["curve"].as_array().map(Vec::len), Some(6 * (leg + 1)), "{folder}");
        assert!(at("series").join(folder).join("model/model.safetensors").is_file());
    }
    made(&["--density", "0.6", "--via", "0.8", "--checkpoint-every", "4", "--out", "alone"], dir.path());
    let (gone_on, alone) = (record(&at("series/density-0.6")), record(&at("alone")));
    for part in ["curve", "evaluations", "pruning_points", "growths", "teachers", "layout"] {
        assert_eq!(gone_on[part], alone[part], "{part}");
    }
    assert_eq!(gone_on["measures"]["metric"], alone["measures"]["metric"]);
    let weights = |folder: &str| fs::read(at(folder).join("model/model.safetensors")).expect("a model");
    assert!(weights("series/density-0.6") == weights("alone"), "the models differ");

    let report =
        run(&["report", "series/density-0.8", "series/density-0.6", "series/density-0.5", "--out", "p"], dir.path());
    assert_eq!(report.status, 0, "{}", report.err);
    // The same command again has nothing to do but what is missing.
    let before = contents(&at("series"));
    let said = made(&series, dir.path());
    assert_eq!(said.matches("already finished").count(), 3, "{said}");
    assert!(contents(&at("series")) == before, "something was written");
    fs::remove_dir_all(at("series/density-0.5")).expect("it can be removed");
    made(&series, dir.path());
    assert_eq!(contents(&at("series")).len(), before.len());
    let other = run(&[&["run"], &TINY[..], &FINE[..], &series, &["--seed", "2"]].concat(), dir.path());
    assert!(other.status == 2 && other.err.contains("seed is 1 and not 2"), "{}", other.err);
}

#[test]
fn densities_that_cannot_be_passed_are_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    for (list, more, words) in [
        ("0.4,0.6", &[][..], "fall"),
        ("0.6,0.6", &[], "fall"),
        ("1,0.6", &[], "below 1"),
        ("0.8,0.01", &[], "0.05 to 1"),
        ("0.8;0.6", &[], "no list of numbers"),
        ("", &[], "no list of numbers"),
        ("0.8,0.6", &["--schedule", "one_shot"], "one_shot"),
        ("0.8,0.6", &["--density", "0.4"], "cannot be used with"),
    ] {
        let refused = run(&[&["run"], &TINY[..], &["--densities", list, "--out", "r"], more].concat(), dir.path());
        assert_eq!(refused.status, 2, "{list}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(words), "{list}: {}", refused.err);
    }
    assert!(!dir.path().join("r").exists());
}
