//! `export`: a folder for each program that loads it, with a card; what cannot be is refused before anything is written.

use crate::program::{read_json, run, tiny};
use crate::sandbox::Sandbox;
use serde_json::json;
use std::fs;
use std::path::Path;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

#[track_caller]
fn exported(args: &[&str], within: &Path) -> String {
    let done = run(&[&["export"], args].concat(), within);
    assert_eq!(done.status, 0, "export {args:?}: {}{}", done.out, done.err);
    done.out
}

#[test]
fn a_pruned_run_becomes_a_folder_for_onnx_and_one_for_transformers() {
    let dir = folder();
    assert_eq!(tiny(&["--density", "0.5", "--out", "r"], dir.path()).status, 0, "a tiny run");
    let said = exported(&["r", "--out", "onnx", "--format", "onnx", "--precision", "f32,f16,int8"], dir.path());
    let mut sizes = Vec::new();
    for name in ["onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_quantized.onnx"] {
        let size = fs::metadata(dir.path().join("onnx").join(name)).unwrap_or_else(|e| panic!("{name}: {e}")).len();
        assert!(said.contains(&format!("{name} {size} bytes")), "nothing is said of {name}: {said}");
        sizes.push(size);
    }
    assert_eq!(said.matches("onnx: ").count(), 1, "the folder is named more than once: {said}");
    for step in ["dense checkpoint ", "pruned, density 0.", "f16 ", "int8 "] {
        assert_eq!(said.lines().filter(|line| line.starts_with(step)).count(), 1, "`{step}` in the table of {said}");
    }
    assert!(sizes[1] * 10 < sizes[0] * 6 && sizes[2] < sizes[1], "sizes are {sizes:?}");
    let twice = exported(&["r", "--out", "twice", "--format", "onnx", "--precision", "f32,f32"], dir.path());
    assert!(twice.contains("; 5 files, "), "a file that is named twice is one: {twice}");
    let config = read_json(&dir.path().join("onnx/config.json"));
    assert_eq!(config["id2label"], json!({"0": "negative", "1": "positive"}));
    assert_eq!(config["architectures"], json!(["BertForSequenceClassification"]));
    let tokenizer = read_json(&dir.path().join("onnx/tokenizer_config.json"));
    assert_eq!(tokenizer["model_max_length"], config["max_position_embeddings"]);
    let card = fs::read_to_string(dir.path().join("onnx/README.md")).expect("there is a card");
    for part in ["pipeline_tag: text-classification", "accuracy", "apt-lab run --preset apt", "--density 0.5", "seed"] {
        assert!(card.contains(part), "the card lacks {part}:\n{card}");
    }
    exported(&["r", "--out", "code", "--format", "transformers"], dir.path());
    assert!(dir.path().join("code/modeling_apt.py").is_file());
    let evaluated = run(&["eval", "code", "--task", "builtin", "--json"], dir.path());
    assert_eq!(evaluated.status, 0, "this program loads it too: {}", evaluated.err);
}

#[test]
fn adapters_of_a_dense_run_are_kept_and_exported_as_they_ended() {
    let dir = folder();
    assert_eq!(tiny(&["--preset", "lora", "--out", "r"], dir.path()).status, 0, "a tiny run");
    let kept =
        fs::read(dir.path().join("r/adapter/adapter_model.safetensors")).expect("a dense run keeps its adapters");
    exported(&["r", "--out", "peft", "--format", "peft"], dir.path());
    assert_eq!(fs::read(dir.path().join("peft/adapter_model.safetensors")).expect("written"), kept);
    let config = read_json(&dir.path().join("peft/adapter_config.json"));
    assert_eq!(config["peft_type"], "LORA");
    assert!(fs::read_to_string(dir.path().join("peft/README.md")).expect("a card").contains("PeftModel"));
    exported(&["r", "--out", "plain", "--format", "transformers", "--padded"], dir.path());
    assert!(!dir.path().join("plain/modeling_apt.py").exists(), "it needs no code");
}

#[test]
fn a_cased_model_keeps_its_case_and_length() {
    let sandbox = Sandbox::new();
    sandbox.write("model/tokenizer_config.json", br#"{"do_lower_case": false, "model_max_length": 20}"#);
    assert_eq!(sandbox.on_model().status, 0, "a tiny run");
    let config = read_json(&sandbox.path("r/model/tokenizer_config.json"));
    assert_eq!(config["model_max_length"], 20);
    let done = run(&["export", "r", "--out", "e"], sandbox.dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
    assert_eq!(read_json(&sandbox.path("e/tokenizer_config.json")), config);
}

#[test]
fn a_run_whose_checkpoint_is_gone_is_exported_all_the_same() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.on_model().status, 0, "a tiny run");
    fs::remove_dir_all(sandbox.path("model")).expect("it is there");
    let done = run(&["export", "r", "--out", "e"], sandbox.dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
    assert!(done.err.contains("what it was pruned from is not in the table"), "{}", done.err);
    assert!(done.out.contains("the model ") && !done.out.contains("dense checkpoint"), "{}", done.out);
}

#[test]
fn what_a_form_cannot_hold_is_refused_and_nothing_is_written() {
    let dir = folder();
    // Magnitude removes hidden dims, too.
    let settings = ["--density", "0.4", "--salience", "magnitude", "--out", "r"];
    assert_eq!(tiny(&settings, dir.path()).status, 0, "a tiny run");
    for (args, words) in [
        (&["--format", "peft"][..], "no adapters"),
        (&["--format", "transformers", "--padded"], "hidden dims are left"),
        (&["--padded"], "--format transformers"),
        (&["--precision", "int8"], "only ONNX graphs hold 8-bit weights"),
        (&["--precision", "f32,f16"], "name one --precision"),
    ] {
        let done = run(&[&["export", "r", "--out", "e"], args].concat(), dir.path());
        assert_eq!(done.status, 2, "{args:?}: {}{}", done.out, done.err);
        assert!(done.err.contains(words), "{args:?}: `{words}` is not in {}", done.err);
        assert!(!dir.path().join("e").exists(), "{args:?} left something");
    }
}
