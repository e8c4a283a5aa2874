//! `predict`: the answers that `eval` judges, in the order of the texts, as they come.

use crate::program::{Finished, TINY, finished, program, run};
use crate::tiny_model::TinyModel;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

fn succeeded(finished: &Finished, what: &str) {
    assert_eq!(finished.status, 0, "{what}: {}{}", finished.out, finished.err);
}

/// A folder with a run `r` on `own.csv`, whose texts are of different lengths.
fn trained() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    TinyModel::new().write(&dir.path().join("model"));
    let text = |i: usize| "the food was good and the room was bad ".repeat(1 + i % 5) + &i.to_string();
    let rows: String = (0..60).map(|i| format!("{i},\"{}\",{}\n", text(i), ["bad", "fine"][i % 2])).collect();
    fs::write(dir.path().join("own.csv"), format!("id,review,verdict\n{rows}")).expect("it can be written");
    let columns = ["--task", "text", "--data", "own.csv", "--text", "review", "--label", "verdict"];
    let args = [&["run", "--model", "model"], &TINY[..], &columns, &["--round-hidden", "1", "--out", "r"]].concat();
    succeeded(&run(&args, dir.path()), "a run");
    dir
}

fn piped(args: &[&str], input: &[u8], within: &Path) -> Finished {
    let mut child = started(args, within);
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // It may end before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let ended = finished(child.wait_with_output().expect("it ends"));
    writer.join().expect("it ends");
    ended
}

fn started(args: &[&str], within: &Path) -> Child {
    let mut command = program(args, within);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn answers_are_those_that_eval_judges_in_the_order_of_the_texts() {
    let dir = trained();
    let judged = run(&["eval", "r", "--data", "own.csv", "--predictions", "judged.tsv"], dir.path());
    succeeded(&judged, "eval");
    let judged = fs::read_to_string(dir.path().join("judged.tsv")).expect("it is there");
    let expected: Vec<&str> = judged.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(expected.len(), 60);
    // Batches of a size that leaves a rest, and of texts that are not in order of their lengths.
    let told = run(&["predict", "r", "own.csv", "--json", "--batch", "7"], dir.path());
    succeeded(&told, "predict");
    let answers = lines(&told.out);
    let labels: Vec<&str> = answers.iter().filter_map(|answer| answer["label"].as_str()).collect();
    assert_eq!(labels, expected);
    for (i, answer) in answers.iter().enumerate() {
        assert_eq!(answer["line"], i + 2, "{answer}");
        assert!(answer["text"].as_str().is_some_and(|text| text.ends_with(&format!(" {i}"))), "{answer}");
        let (fine, bad) = (&answer["probabilities"]["fine"], &answer["probabilities"]["bad"]);
        let sum = fine.as_f64().zip(bad.as_f64()).map_or(0.0, |(fine, bad)| fine + bad);
        assert!((sum - 1.0).abs() < 1e-6, "{answer}");
        assert_eq!(answer["probability"], answer["probabilities"][answer["label"].as_str().unwrap_or_default()]);
    }
    let all: std::collections::BTreeSet<String> =
        answers.iter().map(|answer| answer["probability"].to_string()).collect();
    assert!(all.len() > 10, "texts are told apart: {all:?}");
    assert!(told.err.contains("own.csv: text 'review'; unused: id, verdict"), "{}", told.err);
    assert!(told.err.contains("of 60 texts were cut to"), "{}", told.err);
    // As lines, one at a time, out of an exported folder on one thread: the same answers.
    succeeded(&run(&["export", "r", "--out", "alone"], dir.path()), "export");
    let texts: String =
        answers.iter().filter_map(|answer| answer["text"].as_str()).map(|text| format!("{text}\n")).collect();
    let alone = piped(&["predict", "alone", "--batch", "1", "--threads", "1"], texts.as_bytes(), dir.path());
    succeeded(&alone, "predict of lines");
    let rows: Vec<Vec<&str>> = alone.out.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["line", "label", "bad", "fine"]);
    let labels: Vec<&str> = rows[1..].iter().map(|row| row[1]).collect();
    assert_eq!(labels, expected);
    for (row, answer) in rows[1..].iter().zip(&answers) {
        let (found, expected) = (row[2].parse::<f64>().unwrap_or(-1.0), answer["probabilities"]["bad"].as_f64());
        assert!((found - expected.unwrap_or(-2.0)).abs() < 1e-4, "{row:?} {answer}");
    }
}

#[test]
fn whoever_types_has_an_answer_after_every_line() {
    let dir = trained();
    let mut child = started(&["predict", "r", "--json"], dir.path());
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for (line, text) in (1..).zip(["the food was good", "it was bad", "fine"]) {
        writeln!(stdin, "{text}").expect("it reads");
        let answer = answers.next().expect("it answers").expect("in text");
        let answer: Value = serde_json::from_str(&answer).expect("in JSON");
        assert_eq!((&answer["line"], &answer["text"]), (&Value::from(line), &Value::from(text)));
    }
    drop(stdin);
    assert!(answers.next().is_none());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn what_is_without_end_can_be_cut_off_and_a_bad_line_is_named_after_the_answers_before_it() {
    let dir = trained();
    let mut child = started(&["predict", "r"], dir.path());
    let mut stdin = child.stdin.take().expect("a pipe");
    let endless = std::thread::spawn(move || while stdin.write_all(b"the food was good\n").is_ok() {});
    let mut answers = BufReader::new(child.stdout.take().expect("a pipe"));
    for _ in 0..100 {
        assert!(answers.read_line(&mut String::new()).expect("in text") > 0, "it answers");
    }
    drop(answers);
    let ended = finished(child.wait_with_output().expect("it ends"));
    assert!(ended.status == 0 && ended.err.is_empty(), "nobody reads any more: {} {}", ended.status, ended.err);
    endless.join().expect("it ends");

    let bad = piped(&["predict", "r", "-"], b"fine\n\nbad\n\xFF\nmore\n", dir.path());
    let rows: Vec<&str> = bad.out.lines().map(|line| line.split('\t').next().unwrap_or_default()).collect();
    assert_eq!((bad.status, rows), (2, vec!["line", "1", "3"]), "{}", bad.err);
    for part in ["standard input, line 4", "UTF-8", "1 lines without a text were left out"] {
        assert!(bad.err.contains(part), "`{part}` is not in:\n{}", bad.err);
    }
}

#[test]
fn a_regression_gives_numbers_and_a_pair_is_read_from_its_columns() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    TinyModel::new().write(&dir.path().join("model"));
    let rows: String = (0..60).map(|i| format!("the food {i}\tthe room {i}\t{}\n", f64::from(i) / 20.0)).collect();
    fs::write(dir.path().join("own.tsv"), format!("sentence1\tsentence2\tscore\n{rows}")).expect("it can be written");
    let columns = ["--task", "text", "--data", "own.tsv", "--objective", "regression"];
    let args = [&["run", "--model", "model"], &TINY[..], &columns, &["--round-hidden", "1", "--out", "r"]].concat();
    succeeded(&run(&args, dir.path()), "a run");
    let told = run(&["predict", "r", "own.tsv", "--json"], dir.path());
    succeeded(&told, "predict");
    let answers = lines(&told.out);
    assert_eq!(answers.len(), 60);
    assert!(answers.iter().all(|answer| answer["value"].is_f64() && answer.get("label").is_none()), "{}", answers[0]);
    assert_eq!(answers[7]["text_pair"], "the room 7");
    assert!(told.err.contains("text 'sentence1', second text 'sentence2'"), "{}", told.err);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let dir = trained();
    fs::write(dir.path().join("a.txt"), "one\n").expect("it can be written");
    let cases: [(&[&str], &[&str]); 5] = [
        (&["r", "nowhere.csv"], &["nowhere.csv", "no such file"]),
        (&["nowhere", "own.csv"], &["nowhere", "no such file or folder"]),
        (&["model", "own.csv"], &["model", "no trained head"]),
        (&["r", "a.txt", "--text", "review"], &["a.txt", "--text", "--format"]),
        (&["r", "own.csv", "--text", "words"], &["own.csv", "no column called 'words'"]),
    ];
    for (args, parts) in cases {
        let refused = run(&[&["predict"], args].concat(), dir.path());
        assert_eq!(refused.status, 2, "{args:?}: {}", refused.err);
        for part in parts {
            assert!(refused.err.contains(part), "{args:?}: `{part}` is not in:\n{}", refused.err);
        }
        assert!(refused.out.is_empty(), "{}", refused.out);
    }
}
