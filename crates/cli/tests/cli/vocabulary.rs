//! `export --vocabulary`: what is cut, what is said of it, and what the folder then scores.

use crate::program::{Finished, read_json, run, tiny};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A task whose validation texts have words that no training text has.
fn data(within: &Path) {
    let rows = |texts: [&str; 2]| -> String {
        let row = |(i, text): (usize, &str)| format!("{text}\t{}\n", i % 2);
        texts.into_iter().cycle().take(24).enumerate().map(row).collect()
    };
    fs::create_dir(within.join("data")).expect("a folder can be made");
    for (name, texts) in [
        ("train", ["the audience admired the band", "the battery was annoying"]),
        ("validation", ["the audience admired the beautiful balcony", "the battery was annoying"]),
        ("test", ["the angry aunt", "the beautiful bath"]),
    ] {
        let file = within.join("data").join(format!("{name}.tsv"));
        fs::write(file, format!("text\tlabel\n{}", rows(texts))).expect("it can be written");
    }
}

fn finished_run() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    data(dir.path());
    let done = tiny(&["--task", "text", "--data", "data", "--density", "0.6", "--out", "r"], dir.path());
    assert_eq!(done.status, 0, "a tiny run: {}", done.err);
    dir
}

#[track_caller]
fn exported(args: &[&str], within: &Path) -> Finished {
    let done = run(&[&["export"], args].concat(), within);
    assert_eq!(done.status, 0, "export {args:?}: {}{}", done.out, done.err);
    done
}

fn rows(folder: &Path) -> u64 {
    read_json(&folder.join("config.json"))["vocab_size"].as_u64().expect("a number")
}

fn evaluated(folder: &str, within: &Path) -> Value {
    let done = run(&["eval", folder, "--task", "text", "--data", "data", "--json"], within);
    assert_eq!(done.status, 0, "eval {folder}: {}", done.err);
    serde_json::from_str(&done.out).expect("it is JSON")
}

#[test]
fn a_cut_vocabulary_costs_what_is_said_and_the_folder_scores_it_too() {
    let dir = finished_run();
    exported(&["r", "--out", "whole"], dir.path());
    let done = exported(&["r", "--out", "cut", "--vocabulary", "task"], dir.path());
    let [before, after] = ["whole", "cut"].map(|name| evaluated(name, dir.path()));
    let [was, is] = [&before, &after].map(|report| report["metric"]["validation"].as_f64().expect("a number"));
    let (whole, cut) = (rows(&dir.path().join("whole")), rows(&dir.path().join("cut")));
    assert!(cut < whole / 2, "{cut} of {whole} pieces stay");
    for part in [
        format!("{cut} of {whole} pieces stay, those of 24 texts"),
        format!("; {} rows went", whole - cut),
        "of 24 validation texts 12 are split otherwise (50.0 %), 0 with more that is unknown".into(),
        "of 24 test texts 24 are split otherwise (100.0 %), 0 with more".into(),
        format!("accuracy on the validation set {was:.4} before, {is:.4} after"),
        "pruned, density 0.".into(),
    ] {
        assert!(done.out.contains(&part), "`{part}` is not in\n{}", done.out);
        let card = fs::read_to_string(dir.path().join("cut/README.md")).expect("there is a card");
        assert!(card.contains(&part), "`{part}` is not in the card\n{card}");
    }
    let bytes = |folder: &str| fs::metadata(dir.path().join(folder).join("model.safetensors")).expect("weights").len();
    let width = 4 * read_json(&dir.path().join("cut/config.json"))["hidden_size"].as_u64().expect("a number");
    let saved = bytes("whole") - bytes("cut");
    // The header names fewer digits.
    assert!(saved.abs_diff((whole - cut) * width) < 100, "{saved} bytes for {} rows of {width}", whole - cut);
}

#[test]
fn what_is_loaded_of_a_step_is_measured_and_half_precision_loads_too() {
    let dir = finished_run();
    let done = exported(&["r", "--out", "e", "--vocabulary", "task", "--precision", "f16"], dir.path());
    // `step   1,234 (100 %)   1,000 ( 81 %)   …`
    let cells = |step: &str| -> Vec<u64> {
        let row = done.out.lines().find(|line| line.starts_with(step)).unwrap_or_else(|| panic!("{}", done.out));
        let numbers = row.split(" %)").filter_map(|cell| cell.rsplit_once(" (")?.0.split_whitespace().last());
        numbers.map(|number| number.replace(',', "").parse().expect("a number")).collect()
    };
    let (dense, cut, half) = (cells("dense checkpoint "), cells("vocabulary cut "), cells("f16 "));
    assert_eq!([dense.len(), cut.len(), half.len()], [3; 3], "{}", done.out);
    let written = |name: &str| fs::metadata(dir.path().join("e").join(name)).expect("it is written").len();
    let folder: u64 =
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"].into_iter().map(written).sum();
    assert_eq!(half[0], folder, "the last step is what was written");
    assert!(half[0] < cut[0] && cut[0] < dense[0], "{}", done.out);
    // It is computed in 32 bits.
    assert!(half[2].abs_diff(cut[2]) < cut[2] / 10 && cut[2] < dense[2], "{}", done.out);
    assert!(half[1] < cut[1] && half[1] < half[0] + 100, "what does not get smaller is sent as it is: {}", done.out);
    evaluated("e", dir.path());
}

#[test]
fn pieces_of_other_texts_stay_too() {
    let dir = finished_run();
    fs::write(dir.path().join("more.txt"), "the beautiful balcony\nangry aunt\n").expect("it can be written");
    fs::write(dir.path().join("more.csv"), "text,other\nthe bath,unused\n").expect("it can be written");
    let texts = ["--vocabulary-texts", "more.txt", "--vocabulary-texts", "more.csv"];
    let done = exported(&[&["r", "--out", "e", "--vocabulary", "task"], &texts[..]].concat(), dir.path());
    for part in ["of 24 validation texts 0 are split otherwise", "of 24 test texts 0 are split otherwise"] {
        assert!(done.out.contains(part), "{}", done.out);
    }
    let done = exported(&[&["e", "--out", "again"], &texts[..]].concat(), dir.path());
    assert!(done.out.contains("is not known without --task"), "{}", done.out);
    let (once, again) = (rows(&dir.path().join("e")), rows(&dir.path().join("again")));
    assert!(again < once, "{again} of {once} stay without the training texts");
}

#[test]
fn without_texts_or_a_table_nothing_is_cut() {
    let dir = finished_run();
    std::fs::write(dir.path().join("empty.txt"), "\n\n").expect("it can be written");
    for (args, words) in [
        (&["r", "--vocabulary-texts", "empty.txt"][..], "empty.txt: there is no text in it"),
        (&["r/model", "--vocabulary", "task"], "not known of a model without its run"),
        (&["r", "--vocabulary", "task", "--format", "peft"], "adapters have no vocabulary"),
        (&["r", "--vocabulary-texts", "missing.txt"], "missing.txt"),
        (&["r", "--vocabulary", "task", "--task", "trec", "--data", "data"], "data"),
    ] {
        let done = run(&[&["export", "--out", "e"], args].concat(), dir.path());
        assert_eq!(done.status, 2, "{args:?}: {}{}", done.out, done.err);
        assert!(done.err.contains(words), "{args:?}: `{words}` is not in {}", done.err);
        assert!(!dir.path().join("e").exists(), "{args:?} left something");
    }
}
