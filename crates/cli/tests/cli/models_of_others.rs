//! Models that other programs have trained: what is read of them is reported, and their heads go on.

use crate::program::{read_json, run, tiny};
use crate::sandbox::Sandbox;
use crate::tiny_model::HIDDEN;
use serde_json::json;
use std::fs;

/// A classifier as transformers saves it, whose classes are not in the order of the alphabet; and data, three of whose four
/// rows are of the second one.
fn fine_tuned() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.model(|model| {
        model.linear("pooler.dense", HIDDEN, HIDDEN);
        model.linear("classifier", 2, HIDDEN);
        // Whatever is read, it answers with its first class.
        model.tensors.insert("classifier.bias".into(), (vec![2], vec![9.0, -9.0]));
        model.config["architectures"] = json!(["BertForSequenceClassification"]);
        model.config["id2label"] = json!({"0": "good", "1": "bad"});
    });
    let rows = |n: usize| -> String {
        (0..n).map(|i| format!("the food was a {i}\t{}\n", if i % 4 == 0 { "good" } else { "bad" })).collect()
    };
    for (file, n) in [("train.tsv", 40), ("validation.tsv", 20)] {
        sandbox.write(&format!("data/{file}"), format!("text\tlabel\n{}", rows(n)).as_bytes());
    }
    sandbox
}

#[test]
fn a_fine_tuned_classifier_keeps_its_head_and_the_names_of_its_classes() {
    let sandbox = fine_tuned();
    let within = sandbox.dir.path();
    let data = ["--task", "csv", "--data", "data"];
    let evaluated = run(&[&["eval", "model", "--json", "--device", "cpu"], &data[..]].concat(), within);
    assert_eq!(evaluated.status, 0, "{}", evaluated.err);
    let report: serde_json::Value = serde_json::from_str(&evaluated.out).expect("eval --json prints JSON");
    assert_eq!(report["metric"]["validation"], 0.25, "it says `good` of everything, and a quarter is: {report}");
    let inspected = run(&["inspect", "model"], within);
    assert!(inspected.out.contains("a head for the labels good, bad"), "{}", inspected.out);

    let trained = ["--model", "model", "--density", "1", "--learning-rate", "1e-6", "--eval-every", "1", "--out", "r"];
    let done = tiny(&[&trained[..], &data[..]].concat(), within);
    assert_eq!(done.status, 0, "{}", done.err);
    assert!(done.out.contains("its head for the labels good, bad is kept"), "{}", done.out);
    let record = read_json(&sandbox.path("r/record.json"));
    assert_eq!(record["evaluations"][0]["metric"], 0.25, "the head is not the model's own");
    assert_eq!(record["labels"], json!(["bad", "good"]), "the data's order");
    assert_eq!(read_json(&sandbox.path("r/model/config.json"))["id2label"], json!({"0": "bad", "1": "good"}));
    let again = run(&["eval", "r", "--json"], within);
    let again: serde_json::Value = serde_json::from_str(&again.out).expect("eval --json prints JSON");
    assert_eq!(again["metric"]["validation"], 0.25, "{again}");
}

#[test]
fn a_head_that_does_not_fit_is_new_and_that_is_told() {
    let sandbox = fine_tuned();
    sandbox.model(|model| {
        model.linear("pooler.dense", HIDDEN, HIDDEN);
        model.linear("classifier", 3, HIDDEN);
        model.config["id2label"] = json!({"0": "a", "1": "b", "2": "c"});
    });
    let args = ["--model", "model", "--task", "csv", "--data", "data", "--density", "1", "--out", "r"];
    let done = tiny(&args, sandbox.dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
    let line = done.out.lines().find(|line| line.starts_with("  model   ")).expect("the model is told");
    assert!(line.contains("the labels a, b, c") && line.contains("a new head is trained"), "{line}");
    assert_eq!(read_json(&sandbox.path("r/model/config.json"))["id2label"], json!({"0": "bad", "1": "good"}));
}

#[test]
fn what_was_read_of_a_model_is_told_and_recorded() {
    let sandbox = Sandbox::new();
    sandbox.model(|model| {
        model.linear("qa_outputs", 2, HIDDEN);
        model.config.as_object_mut().expect("an object").remove("pad_token_id");
        let tensors = std::mem::take(&mut model.tensors);
        model.tensors = tensors.into_iter().map(|(name, tensor)| (format!("module.{name}"), tensor)).collect();
    });
    sandbox.write("model/tokenizer_config.json", br#"{"do_lower_case": true, "model_max_length": 8}"#);
    let done = tiny(&["--model", "model", "--density", "1", "--max-length", "16", "--out", "r"], sandbox.dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
    let line = done.out.lines().find(|line| line.starts_with("  model   ")).expect("the model is told");
    for part in [
        "BERT from config.json, tokenizer.json, tokenizer_config.json, model.safetensors",
        "the prefix `module.`",
        "left out: qa_outputs (2 tensors)",
        "a new one with 2 outputs is trained",
        "`pad_token_id` 0: BERT's defaults",
        "reads at most 8 tokens, and up to 16 are read here",
    ] {
        assert!(line.contains(part), "`{part}` is not in {line}");
    }
    let read = &read_json(&sandbox.path("r/record.json"))["provenance"]["model"];
    assert_eq!((&read["prefix"], &read["left_out"][0]["name"]), (&json!("module."), &json!("qa_outputs")), "{read}");
}

#[test]
fn a_folder_that_is_not_the_models_own_names_the_one_that_is() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("models--me--mine/snapshots")).expect("a folder can be made");
    fs::rename(sandbox.path("model"), sandbox.path("models--me--mine/snapshots/0123")).expect("it can be moved");
    let on = |model: &str| tiny(&["--model", model, "--out", "r"], sandbox.dir.path());
    let below = "models--me--mine/snapshots/0123";
    sandbox.assert_rejected(&on("models--me--mine"), &["no config.json here", below, "name that folder"]);
    let file = format!("{below}/model.safetensors");
    sandbox.assert_rejected(&on(&file), &["this is a file", "name the folder"]);
    sandbox.assert_rejected(&on("./me/mine"), &["there is no such folder", "org/name"]);
    sandbox.assert_rejected(&on("me/mine"), &["there is no such folder in ", "HF_HUB_OFFLINE is set", "hf:me/mine"]);
}

#[cfg(unix)]
#[test]
fn a_link_into_a_cache_that_was_cleared_is_named() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.path("model/model.safetensors")).expect("it was there");
    std::os::unix::fs::symlink("../blobs/gone", sandbox.path("model/model.safetensors")).expect("a link can be made");
    sandbox.assert_rejected(
        &sandbox.on_model(),
        &["model.safetensors", "a link to ../blobs/gone", "fetch the model again"],
    );
}
