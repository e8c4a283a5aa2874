//! What is learned: numbers where they are asked for, and classes whose names go with the model.

use crate::program::{Finished, read_json, run, tiny};
use crate::tiny_model::TinyModel;
use serde_json::json;
use std::fs;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn succeeded(finished: &Finished, what: &str) {
    assert_eq!(finished.status, 0, "{what}: {}{}", finished.out, finished.err);
}

#[test]
fn numbers_in_a_file_of_ones_own_are_learned_when_asked_for() {
    let dir = folder();
    TinyModel::new().write(&dir.path().join("model"));
    let rows: String =
        (0..60).map(|i| format!("the food was {},{}.5\n", ["good", "bad", "fine"][i % 3], i % 3)).collect();
    fs::write(dir.path().join("own.csv"), format!("text,label\n{rows}")).expect("it can be written");
    let args = ["run", "--model", "model", "--task", "text", "--data", "own.csv", "--steps", "4", "--density", "1"];
    let args = [&args[..], &["--device", "cpu", "--out", "r"]].concat();
    let unasked = run(&args, dir.path());
    assert!(unasked.status != 0 && unasked.err.contains("--objective regression"), "{}", unasked.err);
    let learned = run(&[&args[..], &["--objective", "regression"]].concat(), dir.path());
    succeeded(&learned, "a regression");
    assert!(learned.out.contains("6 of 60 training rows are held out"), "{}", learned.out);
    let record = read_json(&dir.path().join("r/record.json"));
    assert_eq!(record["final"]["metric"]["name"], "pearson");
    assert_eq!(record["final"]["metric"]["others"][0]["name"], "spearman");
    let evaluated = run(&["eval", "r", "--predictions", "answers.tsv"], dir.path());
    succeeded(&evaluated, "eval");
    for word in ["pearson", "spearman", "loss"] {
        assert!(evaluated.out.contains(word), "`{word}` is not in:\n{}", evaluated.out);
    }
    let answers = fs::read_to_string(dir.path().join("answers.tsv")).expect("eval wrote it");
    let rows: Vec<Vec<&str>> = answers.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!((rows.len(), rows[0].as_slice()), (7, ["answer", "label"].as_slice()), "a tenth of sixty, and a header");
    let numbers = rows[1..].iter().flatten().filter(|cell| cell.parse::<f32>().is_ok()).count();
    assert_eq!(numbers, 12, "{answers}");
}

#[test]
fn any_number_of_labels_is_learned_evaluated_answered_and_exported() {
    let dir = folder();
    TinyModel::new().write(&dir.path().join("model"));
    let row = |i: usize| {
        let labels = [("food", 2), ("room", 3)].into_iter().filter(|(_, every)| i.is_multiple_of(*every));
        let labels: Vec<&str> = labels.map(|(name, _)| name).collect();
        format!("{}\n", json!({"text": format!("the {} was good {i}", labels.join(" and the ")), "label": labels}))
    };
    let rows: String = (0..60).map(row).collect();
    fs::write(dir.path().join("own.jsonl"), &rows).expect("it can be written");
    let args = ["run", "--model", "model", "--task", "text", "--data", "own.jsonl", "--steps", "4", "--density", "0.6"];
    let args = [&args[..], &["--round-hidden", "1", "--device", "cpu", "--out", "r"]].concat();
    let unasked = run(&args, dir.path());
    assert!(unasked.status != 0 && unasked.err.contains("--objective multi_label"), "{}", unasked.err);
    let learned = run(&[&args[..], &["--objective", "multi_label"]].concat(), dir.path());
    succeeded(&learned, "a run");
    for part in ["2 classes: food ", "classes apply to a training text on average"] {
        assert!(learned.out.contains(part), "`{part}` is not in:\n{}", learned.out);
    }
    let record = read_json(&dir.path().join("r/record.json"));
    assert_eq!((&record["final"]["metric"]["name"], &record["labels"]), (&json!("micro_f1"), &json!(["food", "room"])));
    let config = read_json(&dir.path().join("r/model/config.json"));
    assert_eq!(config["problem_type"], "multi_label_classification");
    // The model says what it answers, whoever asks.
    let evaluated = run(&["eval", "r/model", "--task", "text", "--data", "own.jsonl", "--json"], dir.path());
    succeeded(&evaluated, "eval");
    let figures: serde_json::Value = serde_json::from_str(&evaluated.out).expect("eval --json prints JSON");
    assert_eq!((&figures["examples"], &figures["metric"]["name"]), (&json!(60), &json!("micro_f1")));
    for name in ["micro_f1", "macro_f1", "exact_match", "loss"] {
        assert!(figures["metrics"][name].is_number(), "{name}: {figures}");
    }
    fs::write(dir.path().join("other.csv"), "text,label\nthe food,food;bed\n").expect("it can be written");
    let other = ["eval", "r", "--data", "other.csv", "--label-separator", ";"];
    let other = run(&other, dir.path());
    assert!(other.status != 0 && other.err.contains("unknown label 'bed'"), "{}", other.err);
    let answered = run(&["predict", "r", "own.jsonl", "--json"], dir.path());
    succeeded(&answered, "predict");
    let first: serde_json::Value = serde_json::from_str(answered.out.lines().next().unwrap_or("")).expect("JSON lines");
    assert!(first["labels"].is_array() && first["probabilities"]["room"].is_number(), "{first}");
    succeeded(&run(&["export", "r", "--format", "onnx", "--out", "e"], dir.path()), "export");
    assert_eq!(read_json(&dir.path().join("e/config.json"))["problem_type"], "multi_label_classification");
}

#[test]
fn labels_keep_their_names_in_record_model_and_answers() {
    let dir = folder();
    let trained = tiny(&["--out", "r"], dir.path());
    succeeded(&trained, "a tiny run");
    assert!(trained.out.contains("2 classes: negative "), "{}", trained.out);
    assert_eq!(read_json(&dir.path().join("r/record.json"))["labels"], json!(["negative", "positive"]));
    let config = read_json(&dir.path().join("r/model/config.json"));
    assert_eq!(config["id2label"], json!({"0": "negative", "1": "positive"}));
    succeeded(&run(&["eval", "r", "--predictions", "answers.tsv"], dir.path()), "eval");
    let answers = fs::read_to_string(dir.path().join("answers.tsv")).expect("eval wrote it");
    assert!(answers.lines().skip(1).all(|line| line.ends_with("\tnegative") || line.ends_with("\tpositive")));
    // Another task's labels are none of the model's.
    let rows: String = (0..60).map(|i| format!("the food was good,{}\n", ["bad", "fine"][i % 2])).collect();
    fs::write(dir.path().join("own.csv"), format!("text,label\n{rows}")).expect("it can be written");
    let other = run(&["eval", "r/model", "--task", "text", "--data", "own.csv"], dir.path());
    for part in ["unknown label 'bad'", "the model has the labels 'negative', 'positive'"] {
        assert!(other.status != 0 && other.err.contains(part), "`{part}` is not in:\n{}", other.err);
    }
}

#[test]
fn a_pooling_goes_with_the_model_and_another_gets_a_new_head() {
    let dir = folder();
    let (mean, new_head) = ("the mean of the tokens", "a new head is trained");
    let trained = tiny(&["--pooling", "mean", "--out", "r"], dir.path());
    succeeded(&trained, "a run");
    assert!(trained.out.contains(mean), "nothing is said of transformers:\n{}", trained.out);
    let head = &read_json(&dir.path().join("r/model/config.json"))["apt_lab"]["head"];
    assert_eq!((&head["pooling"], &head["labels"]), (&json!("mean"), &json!(2)), "{head}");
    let evaluated = run(&["eval", "r", "--json"], dir.path());
    succeeded(&evaluated, "eval");
    let figures: serde_json::Value = serde_json::from_str(&evaluated.out).expect("eval --json prints JSON");
    let record = read_json(&dir.path().join("r/record.json"));
    assert_eq!(figures["metric"]["validation"], record["final"]["metric"]["validation"]);
    let exported = run(&["export", "r", "--out", "e"], dir.path());
    succeeded(&exported, "export");
    assert!(exported.err.contains(mean), "nothing is said of transformers:\n{}", exported.err);

    let on = |pooling, out| {
        let finished = tiny(&["--model", "e", "--pooling", pooling, "--out", out], dir.path());
        succeeded(&finished, pooling);
        let head = read_json(&dir.path().join(out).join("model/config.json"))["apt_lab"]["head"].clone();
        (finished.out.contains(new_head), head["pooling"].clone())
    };
    assert_eq!(on("auto", "a"), (false, json!("mean")), "the head that fits is kept");
    assert_eq!(on("pooler", "p"), (true, json!(null)), "a head for another pooling is not");
}
