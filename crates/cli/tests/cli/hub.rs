//! Models named and not found: fetched from a stand-in for the hub, told in the record, and read again from the cache.

use crate::program::{Finished, TINY, finished, program, read_json};
use crate::stand_in::{Behaviour, COMMIT, StandIn};
use crate::tiny_model::TinyModel;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TOKENIZER: &str = "tokenizer.json";
const WEIGHTS: &str = "model.safetensors";

/// A hub with a tiny model among files that are not read, and a folder with a cache.
struct Sandbox {
    hub: StandIn,
    dir: tempfile::TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let model = TinyModel::new();
        let (config, weights) = (model.config.to_string(), model.safetensors());
        Self::with(&[
            ("config.json", config.as_bytes()),
            (TOKENIZER, apt_data::builtin::tokenizer_json().as_bytes()),
            (WEIGHTS, &weights),
            ("README.md", b"a card"),
            ("pytorch_model.bin", b"PK"),
            ("tf_model.h5", b"HDF"),
            ("vocab.txt", b"[PAD]"),
        ])
    }

    fn with(files: &[(&str, &[u8])]) -> Self {
        Self { hub: StandIn::new(files), dir: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program(args, self.dir.path());
        command.env("HF_ENDPOINT", self.hub.endpoint()).env("HF_HOME", self.dir.path().join("hf"));
        command.env_remove("HF_HUB_OFFLINE").env_remove("TRANSFORMERS_OFFLINE");
        command
    }

    fn run(&self, args: &[&str]) -> Finished {
        finished(self.command(args).output().expect("the program starts"))
    }

    fn offline(&self, args: &[&str]) -> Finished {
        finished(self.command(args).env("HF_HUB_OFFLINE", "1").output().expect("the program starts"))
    }

    fn tiny(&self, model: &str, out: &str) -> Finished {
        self.run(&[&["run", "--model", model, "--density", "1", "--out", out], &TINY[..]].concat())
    }

    #[track_caller]
    fn assert_fails(&self, done: &Finished, words: &[&str]) {
        assert_eq!(done.status, 2, "{}{}", done.out, done.err);
        for word in words {
            assert!(done.err.contains(word), "`{word}` is not in:\n{}", done.err);
        }
    }
}

fn origin() -> String {
    format!("hf:org/tiny@{COMMIT}")
}

#[test]
fn a_model_of_the_hub_is_fetched_once_and_its_commit_is_recorded() {
    let sandbox = Sandbox::new();
    let done = sandbox.tiny("org/tiny", "r");
    assert_eq!(done.status, 0, "{}{}", done.out, done.err);
    let line = done.out.lines().find(|line| line.starts_with("  model   ")).expect("the model is told");
    assert!(line.contains(&format!("from config.json, tokenizer.json, model.safetensors of {}", origin())), "{line}");
    assert_eq!(sandbox.hub.served_files(), ["config.json", WEIGHTS, TOKENIZER], "only what is read is fetched");
    let record = read_json(&sandbox.dir.path().join("r/record.json"));
    assert_eq!(record["provenance"]["model"]["origin"], json!(origin()));
    assert_eq!(record["config"]["model"], json!(origin()), "the model is named with its commit");

    // What names a commit, as the settings of the run do, needs the hub no more.
    sandbox.hub.behave(Behaviour { is_down: true, ..Behaviour::default() });
    let again = sandbox.tiny(&origin(), "again");
    assert_eq!(again.status, 0, "{}", again.err);
    assert!(!again.err.contains("note:"), "{}", again.err);
    let resumed = sandbox.run(&["run", "--resume", "r"]);
    assert_eq!(resumed.status, 0, "{}", resumed.err);
    let card = sandbox.run(&["export", "r", "--format", "onnx", "--out", "card"]);
    assert_eq!(card.status, 0, "{}", card.err);
    let card = fs::read_to_string(sandbox.dir.path().join("card/README.md")).expect("it is written");
    assert!(card.contains("\nbase_model: org/tiny\n"), "{card}");
    // A branch may have moved, which is told.
    let branch = sandbox.run(&["inspect", "org/tiny"]);
    assert_eq!(branch.status, 0, "{}", branch.err);
    assert!(branch.err.contains(&format!("commit {COMMIT} is read from the cache")), "{}", branch.err);
    let offline = sandbox.offline(&["export", "hf:org/tiny@main", "--out", "o"]);
    assert_eq!(offline.status, 0, "{}", offline.err);
    assert!(sandbox.dir.path().join("o/model.safetensors").is_file());
}

#[test]
fn a_folder_goes_before_a_model_of_its_name_and_that_is_told() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.dir.path().join("org")).expect("a folder can be made");
    TinyModel::new().write(&sandbox.dir.path().join("org/tiny"));
    let folder = sandbox.run(&["inspect", "org/tiny"]);
    assert!(folder.status == 0 && sandbox.hub.requests().is_empty(), "a path asks no hub: {}", folder.err);
    let hub = sandbox.run(&["inspect", "hf:org/tiny"]);
    assert!(hub.status == 0 && hub.out.contains(&origin()), "{}{}", hub.out, hub.err);
    TinyModel::new().write(&sandbox.dir.path().join("all-MiniLM-L6-v2"));
    for (name, whole) in
        [("org/tiny", "hf:org/tiny"), ("all-MiniLM-L6-v2", "hf:sentence-transformers/all-MiniLM-L6-v2")]
    {
        let both = sandbox.run(&["inspect", name]);
        let told = format!("note: the folder {name} is read; {whole} is the model of the hub");
        assert!(both.err.contains(&told) && !both.out.contains("hf:"), "{}{}", both.out, both.err);
    }
    // Where there is a folder of the first part, a path is meant.
    let before = sandbox.hub.requests().len();
    sandbox.assert_fails(&sandbox.tiny("org/mine", "r"), &["org/mine: there is no such folder"]);
    sandbox.assert_fails(&sandbox.tiny("mine", "r"), &["mine: there is no such folder", "`apt-lab models`"]);
    assert_eq!(sandbox.hub.requests().len(), before, "the hub was asked");
}

#[test]
fn a_model_that_the_hub_does_not_give_is_told_in_words() {
    let sandbox = Sandbox::new();
    sandbox.assert_fails(
        &sandbox.tiny("me/mine", "r"),
        &["hf:me/mine: there is no such folder in /", "no model of this name"],
    );
    sandbox.assert_fails(&sandbox.run(&["eval", "hf:a/b/c"]), &["hf:a/b/c: this is no name of a model"]);
    sandbox.hub.behave(Behaviour { refuses_files: Some((401, "GatedRepo")), ..Behaviour::default() });
    sandbox.assert_fails(&sandbox.tiny("org/tiny", "r"), &["hf:org/tiny/config.json", "has to be granted", "HF_TOKEN"]);
    sandbox.hub.behave(Behaviour { is_down: true, ..Behaviour::default() });
    sandbox.assert_fails(&sandbox.tiny("org/tiny", "r"), &["cannot be reached", "the cache has nothing of it"]);
    let offline = sandbox.offline(&["inspect", "hf:org/tiny"]);
    sandbox.assert_fails(&offline, &["HF_HUB_OFFLINE is set", "the cache has nothing of it", "hf download org/tiny"]);
    assert!(!sandbox.dir.path().join("r").exists(), "a folder was made for a run that did not start");
}

#[test]
fn what_the_cache_has_of_a_model_is_told_where_it_is_not_all() {
    let sandbox = Sandbox::new();
    sandbox.hub.behave(Behaviour { cut_after: Some(10), goes_down: true, ..Behaviour::default() });
    sandbox.assert_fails(&sandbox.tiny("org/tiny", "r"), &["the connection broke", "goes on from where it stopped"]);
    let snapshot = sandbox.dir.path().join("hf/hub/models--org--tiny/snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).expect("a folder can be made");
    fs::write(snapshot.join("config.json"), TinyModel::new().config.to_string()).expect("it can be written");
    let named = format!("hf:org/tiny@{COMMIT}");
    sandbox.assert_fails(&sandbox.offline(&["inspect", &named]), &["of its files the cache has only config.json"]);
    sandbox.hub.behave(Behaviour::default());
    assert_eq!(sandbox.run(&["inspect", &named]).status, 0, "the rest is fetched");
}

#[test]
fn a_model_without_safetensors_is_answered_with_the_command_that_converts_it() {
    let config = json!({"model_type": "bert", "architectures": ["BertForSequenceClassification"]}).to_string();
    let mut config: serde_json::Value = serde_json::from_str(&config).expect("it is JSON");
    for (key, value) in TinyModel::new().config.as_object().expect("an object") {
        config[key] = value.clone();
    }
    let config = config.to_string();
    let tokenizer = apt_data::builtin::tokenizer_json();
    let sandbox = Sandbox::with(&[
        ("config.json", config.as_bytes()),
        (TOKENIZER, tokenizer.as_bytes()),
        ("pytorch_model.bin", b"PK"),
    ]);
    let command = format!(
        "from transformers import BertForSequenceClassification as M, AutoTokenizer as T; \
         M.from_pretrained('org/tiny', revision='{COMMIT}').save_pretrained('org/tiny-converted')"
    );
    let words = ["org/tiny/pytorch_model.bin", "a file of PyTorch (pickle)", &command, "and name org/tiny-converted"];
    sandbox.assert_fails(&sandbox.tiny("org/tiny", "r"), &words);
    assert_eq!(sandbox.hub.served("pytorch_model.bin"), 0, "what cannot be read is not fetched");
}

#[test]
fn two_processes_that_want_the_same_model_fetch_it_once() {
    let sandbox = Sandbox::new();
    sandbox.hub.behave(Behaviour { pause: Some(Duration::from_millis(3)), ..Behaviour::default() });
    let start = || sandbox.command(&["inspect", "org/tiny"]).output().expect("the program starts");
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(start);
        (finished(start()), finished(other.join().expect("it does not panic")))
    });
    assert_eq!((one.status, two.status), (0, 0), "{}{}", one.err, two.err);
    let weights = TinyModel::new().safetensors().len();
    assert_eq!(sandbox.hub.served(WEIGHTS), weights, "it was sent more than once");
}

#[test]
fn a_study_names_its_models_with_the_commit() {
    let sandbox = Sandbox::new();
    let study = "seeds = 1\n[knobs]\nmodel = \"org/tiny\"\nsteps = 2\ntrain_examples = 16\ndevice = \"cpu\"\ndensity = 1\n\
                 [[axes]]\nname = \"rate\"\narms = [{ name = \"own\", knobs = { model = \"hf:org/tiny\", rank = 4 } }]\n";
    fs::write(sandbox.dir.path().join("own.toml"), study).expect("it can be written");
    let done = sandbox.run(&["study", "own.toml", "--out", "s"]);
    assert_eq!(done.status, 0, "{}{}", done.out, done.err);
    let kept = fs::read_to_string(sandbox.dir.path().join("s/study.toml")).expect("it is written");
    assert_eq!(kept.matches(&format!("\"{}\"", origin())).count(), 2, "{kept}");
    // The cells, which are processes of their own, asked nothing.
    let listings = sandbox.hub.requests().into_iter().filter(|request| request.path.starts_with("/api/")).count();
    assert_eq!(listings, 2, "one for each place that names it");
}

#[test]
fn adapters_name_the_model_they_belong_to_as_peft_looks_for_it() {
    let sandbox = Sandbox::new();
    let args = ["run", "--preset", "lora", "--model", "org/tiny", "--pooling", "pooler", "--out", "r"];
    let done = sandbox.run(&[&args[..], &TINY[..]].concat());
    assert_eq!(done.status, 0, "{}{}", done.out, done.err);
    let config = read_json(&sandbox.dir.path().join("r/adapter/adapter_config.json"));
    assert_eq!((&config["base_model_name_or_path"], &config["revision"]), (&json!("org/tiny"), &json!(COMMIT)));
}

#[cfg(unix)]
#[test]
fn a_stopped_download_keeps_what_was_fetched() {
    let sandbox = Sandbox::new();
    // Slow enough that it is stopped long before its end.
    sandbox.hub.behave(Behaviour { pause: Some(Duration::from_millis(200)), ..Behaviour::default() });
    let args = [&["run", "--model", "org/tiny", "--density", "1", "--out", "r"], &TINY[..]].concat();
    let mut command = sandbox.command(&args);
    let child = command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn();
    let child = child.expect("the program starts");
    while sandbox.hub.served(WEIGHTS) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // As Ctrl-C does, which a program that was started in the background ignores.
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    let done = finished(child.wait_with_output().expect("it ends"));
    assert_eq!(done.status, 130, "{}", done.err);
    assert!(done.err.contains("the same command goes on from it"), "{}", done.err);
    let blobs = sandbox.dir.path().join("hf/hub/models--org--tiny/blobs");
    let is_part = |path: &Path| path.extension().is_some_and(|ending| ending == "incomplete");
    let parts = fs::read_dir(blobs).expect("it is there").flatten().filter(|entry| is_part(&entry.path())).count();
    assert_eq!(parts, 1, "the part is not kept");
    sandbox.hub.behave(Behaviour::default());
    assert_eq!(sandbox.tiny("org/tiny", "r").status, 0);
}
