//! A run: its files, its events, the same numbers from the same seed, and that nothing is lost when it is killed.

use crate::program::{
    Finished, TINY, contents, events_without_times, finished, program, read_json, run, start_quietly, tiny, wait_until,
};
use crate::tiny_model::TinyModel;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn succeeded(finished: &Finished, what: &str) {
    assert_eq!(finished.status, 0, "{what}: {}{}", finished.out, finished.err);
}

#[test]
fn a_record_names_the_commit_of_the_checkout() {
    let git = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let checkout = git.ok().filter(|answer| answer.status.success());
    let commit = checkout.map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned());
    let dir = folder();
    succeeded(&tiny(&["--out", "r"], dir.path()), "a tiny run");
    let record = read_json(&dir.path().join("r/record.json"));
    assert_eq!(record["provenance"]["commit"].as_str().map(str::to_owned), commit);
}

#[test]
fn a_decoder_of_the_program_learns_the_built_in_texts_with_nothing_named() {
    let dir = folder();
    succeeded(&tiny(&["--model", "nano-decoder", "--max-length", "16", "--out", "r"], dir.path()), "a tiny run");
    let record = read_json(&dir.path().join("r/record.json"));
    let metric = at(&record, "final.metric");
    assert_eq!((&record["config"]["objective"], &metric["name"]), (&"causal_lm".into(), &"perplexity".into()));
    let others: Vec<&str> =
        metric["others"].as_array().expect("others").iter().filter_map(|m| m["name"].as_str()).collect();
    assert_eq!(others, ["bits_per_byte", "token_accuracy"]);
    assert!(record["curve"][0]["task_loss"].as_f64().is_some_and(|loss| loss > 6.0 && loss < 8.0), "ln 1024 is 6.9");
    assert_eq!(record["shape"]["wiring"]["queries_per_key"], 2);
    assert!(dir.path().join("r/model/model.safetensors").is_file(), "no model was written");
}

/// A path of keys, such as `final.params.kept`.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |v, key| &v[key])
}

#[test]
fn a_run_leaves_the_files_and_fields_that_others_build_on() {
    let dir = folder();
    let done = tiny(&["--preset", "apt", "--density", "0.4", "--seed", "3", "--out", "r", "--json"], dir.path());
    succeeded(&done, "a tiny run");
    let last: Value =
        serde_json::from_str(done.out.lines().last().expect("it prints something")).expect("the last line is JSON");
    assert_eq!(last["event"], "done", "the last line is {last}");
    assert_eq!(last["record"], "r/record.json");
    for line in done.out.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"));
        assert!(event["event"].is_string(), "no event: {line}");
    }
    for file in [
        "config.toml",
        "events.jsonl",
        "record.json",
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
    ] {
        assert!(dir.path().join("r").join(file).is_file(), "{file} is not there");
    }
    let record = read_json(&dir.path().join("r/record.json"));
    let numbers = [
        "metric.validation",
        "metric.test",
        "params.dense",
        "params.kept",
        "params.with_embeddings.dense",
        "params.with_embeddings.kept",
        "macs.dense",
        "macs.kept",
        "file_bytes.dense",
        "file_bytes.kept",
        "train.seconds",
        "train.warmup_seconds",
        "train.steps",
        "train.peak_device_bytes",
        "train.peak_process_bytes",
        "train.mean_density",
        "inference.batch_1.dense_ms",
        "inference.batch_1.compact_ms",
        "inference.batch_32.dense_ms",
        "inference.batch_32.compact_ms",
    ];
    for field in numbers {
        assert!(at(&record["final"], field).is_number(), "final.{field} is {}", at(&record["final"], field));
    }
    for field in ["steps_to_target", "seconds_to_target"] {
        assert!(record["final"]["train"].get(field).is_some(), "final.train.{field} is not there");
    }
    assert_eq!(record["final"]["metric"]["name"], "accuracy");
    assert_eq!(record["final"]["train"]["steps"], 6);
    assert_eq!(record["curve"].as_array().map(Vec::len), Some(6), "one point per step");
    let point = record["pruning_points"].as_array().and_then(|p| p.last()).expect("something was pruned");
    for field in ["step", "target_density", "density", "kept_heads", "neurons", "kept_neurons", "kept_hidden", "ranks"]
    {
        assert!(point.get(field).is_some(), "a pruning point lacks {field}");
    }
    assert!(point["density"].as_f64() <= Some(0.4), "density {} is above its target", point["density"]);
    for field in ["schema", "config", "provenance"] {
        assert!(record.get(field).is_some(), "the record lacks {field}");
    }
    let size = fs::metadata(dir.path().join("r/model/model.safetensors")).expect("it is there").len();
    assert_eq!(record["final"]["file_bytes"]["kept"], size, "the record's file size is not the file's");
}

#[test]
fn the_exported_model_evaluates_to_what_the_record_says() {
    let dir = folder();
    succeeded(&tiny(&["--out", "r"], dir.path()), "a tiny run");
    let record = read_json(&dir.path().join("r/record.json"));
    let evaluated = run(&["eval", "r", "--json"], dir.path());
    succeeded(&evaluated, "eval");
    let figures: Value = serde_json::from_str(&evaluated.out).expect("eval --json prints JSON");
    assert_eq!(figures["metric"]["validation"], record["final"]["metric"]["validation"]);
    succeeded(&run(&["export", "r", "--out", "half", "--precision", "f16"], dir.path()), "export");
    let size = |path: &str| fs::metadata(dir.path().join(path)).expect("it is there").len() as f64;
    let ratio = size("half/model.safetensors") / size("r/model/model.safetensors");
    assert!((0.45..0.6).contains(&ratio), "f16 is {ratio} of f32");
    let half = run(&["eval", "half", "--task", "builtin", "--split", "test", "--json"], dir.path());
    succeeded(&half, "eval of the f16 export");
    succeeded(&run(&["export", "half", "--out", "again"], dir.path()), "export of an export");
    for path in ["r", "r/record.json", "half"] {
        let picture = run(&["inspect", path], dir.path());
        succeeded(&picture, path);
        assert!(picture.out.contains("layer") && picture.out.contains("neurons"), "{path}:\n{}", picture.out);
    }
}

#[test]
fn a_records_salience_is_searched_again_at_any_density() {
    let dir = folder();
    succeeded(&tiny(&["--out", "r", "--density", "0.5"], dir.path()), "a tiny run");
    let record = read_json(&dir.path().join("r/record.json"));
    let last = record["pruning_points"].as_array().and_then(|points| points.last()).expect("something was pruned");
    let again = |density: &str| {
        let found = run(&["inspect", "r", "--density", density, "--json"], dir.path());
        succeeded(&found, density);
        serde_json::from_str::<Value>(&found.out).expect("it is JSON")
    };
    let same = again("0.5");
    for (kept, units) in [("heads", "kept_heads"), ("hidden", "kept_hidden")] {
        assert_eq!(same["kept"][kept], last[units], "{kept}");
    }
    let count = |value: &Value| {
        value["kept"]["neurons"]
            .as_array()
            .map(|layers| layers.iter().filter_map(Value::as_array).map(Vec::len).collect::<Vec<_>>())
    };
    let neurons: Option<Vec<usize>> = serde_json::from_value(last["neurons"].clone()).ok();
    assert_eq!(count(&same), neurons);
    let (more, fewer) = (again("0.8"), again("0.2"));
    assert!(more["density"].as_f64() > same["density"].as_f64() && fewer["density"].as_f64() <= Some(0.2), "{fewer}");
    let shown = run(&["inspect", "r", "--density", "0.2"], dir.path());
    assert!(shown.out.contains("by what units scored at step") && shown.out.contains("layer"), "{}", shown.out);
    let refused = run(&["inspect", "r/model", "--density", "0.2"], dir.path());
    assert!(refused.status == 2 && refused.err.contains("no record here"), "{}", refused.err);
}

#[test]
fn one_seed_gives_one_stream_of_events() {
    let dir = folder();
    for out in ["a", "b"] {
        succeeded(&tiny(&["--seed", "7", "--out", out], dir.path()), out);
    }
    let (a, b) = (events_without_times(&dir.path().join("a")), events_without_times(&dir.path().join("b")));
    assert_eq!(a.len(), b.len(), "number of events");
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert_eq!(a, b, "event {i}");
    }
    succeeded(&tiny(&["--seed", "8", "--out", "c"], dir.path()), "another seed");
    assert_ne!(a, events_without_times(&dir.path().join("c")), "the seed changes nothing");
}

/// The checkpoints in a run's folder, oldest first.
fn checkpoints(root: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(root.join("checkpoints")).into_iter().flatten().flatten().map(|e| e.path());
    let mut all: Vec<_> = all.filter(|p| p.extension().is_some_and(|e| e == "ckpt")).collect();
    all.sort();
    all
}

/// Starts a run in the folder `r`, and kills it with SIGKILL as soon as it has a checkpoint of this step or a later one.
fn killed_after(step: usize, args: &[&str], dir: &Path) {
    let root = dir.join("r");
    let first = root.join(format!("checkpoints/step-{step:06}.ckpt"));
    let mut child = start_quietly(args, dir);
    wait_until(&mut child, "a checkpoint", || checkpoints(&root).iter().any(|path| *path >= first));
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

#[test]
fn a_killed_run_resumes_to_the_same_final_numbers() {
    let dir = folder();
    let args = |out: &'static str| {
        let settings = ["--steps", "24", "--train-examples", "256", "--num-prunings", "3", "--checkpoint-every", "3"];
        [&["run"], &settings[..], &["--device", "cpu", "--out", out]].concat()
    };
    succeeded(&run(&args("whole"), dir.path()), "the run left alone");
    // Before the last pruning point and after it; the second time it has been resumed already.
    killed_after(3, &args("r"), dir.path());
    killed_after(12, &["run", "--resume", "r"], dir.path());
    succeeded(&run(&["run", "--resume", "r"], dir.path()), "resume");
    let record = |name: &str| {
        let mut record = apt_experiment::without_times(&read_json(&dir.path().join(name).join("record.json")));
        record["provenance"].take();
        record
    };
    let (whole, resumed) = (record("whole"), record("r"));
    assert_eq!(whole["final"], resumed["final"]);
    assert_eq!(whole["curve"], resumed["curve"]);
    assert_eq!(whole["pruning_points"], resumed["pruning_points"]);
    let weights =
        |name: &str| fs::read(dir.path().join(name).join("model/model.safetensors")).expect("a model is there");
    assert!(weights("whole") == weights("r"), "the weights differ");
    let kept = checkpoints(&dir.path().join("r"));
    assert_eq!(kept.len(), 2, "checkpoints kept: {kept:?}");
    let again = run(&["run", "--resume", "r"], dir.path());
    succeeded(&again, "resuming a finished run");
    assert!(again.out.contains("already finished"), "{}", again.out);
}

#[test]
fn a_damaged_checkpoint_is_skipped_and_without_another_refused() {
    let dir = folder();
    let settings = ["--steps", "400", "--train-examples", "128", "--checkpoint-every", "2"];
    killed_after(4, &[&["run"], &settings[..], &["--device", "cpu", "--out", "r"]].concat(), dir.path());
    let root = dir.path().join("r");
    let files = checkpoints(&root);
    assert!(files.len() >= 2, "checkpoints: {files:?}");
    let picture = run(&["inspect", "r"], dir.path());
    succeeded(&picture, "inspect of a checkpoint");
    succeeded(&run(&["export", "r", "--out", "early"], dir.path()), "export of an unfinished run");
    let damage = |path: &Path| {
        let mut bytes = fs::read(path).expect("it can be read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        fs::write(path, bytes).expect("it can be written");
    };
    let newest = files.last().expect("two at least");
    damage(newest);
    let refused = run(&["inspect", &newest.display().to_string()], dir.path());
    assert_eq!(refused.status, 2, "{}", refused.err);
    succeeded(&run(&["export", "r", "--out", "earlier"], dir.path()), "export with the newest damaged");
    for file in &files {
        let whole = fs::read(file).expect("it can be read");
        fs::write(file, &whole[..whole.len() / 3]).expect("it can be written");
    }
    let before = contents(&root);
    let refused = run(&["run", "--resume", "r"], dir.path());
    assert_eq!(refused.status, 2, "{}", refused.err);
    assert!(refused.err.contains(".ckpt") && refused.err.contains("damaged"), "{}", refused.err);
    assert!(!root.join("record.json").exists());
    assert!(before == contents(&root), "the folder was changed");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_names_the_command_that_continues() {
    let dir = folder();
    let args = ["run", "--steps", "4000", "--train-examples", "128", "--device", "cpu", "--out", "r", "--json"];
    let mut command = program(&args, dir.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let events = dir.path().join("r/events.jsonl");
    wait_until(&mut child, "a step", || fs::read_to_string(&events).is_ok_and(|t| t.contains("\"step\",")));
    // Whoever started the tests in the background may have them ignore SIGINT, and so the program does.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let signal = if ignored.unwrap_or(0) >> 1 & 1 == 1 { "-TERM" } else { "-INT" };
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    let done = finished(child.wait_with_output().expect("it ends"));
    assert_eq!(done.status, 130, "{}", done.err);
    // The same from any folder.
    let folder = dir.path().join("r").display().to_string();
    assert!(done.err.contains(&format!("apt-lab run --resume {folder}")), "{}", done.err);
    assert_eq!(fs::read_dir(dir.path().join("r/checkpoints")).expect("it saved").count(), 1);
}

#[test]
fn both_arms_of_the_default_run_are_recorded_and_compared() {
    let dir = folder();
    let done = run(&[&TINY[..], &["--out", "both"]].concat(), dir.path());
    succeeded(&done, "the run without a command");
    let summary = read_json(&dir.path().join("both/summary.json"));
    for arm in ["lora", "apt"] {
        let path = summary[arm].as_str().unwrap_or_else(|| panic!("no {arm} in {summary}"));
        let record = read_json(&dir.path().join(path));
        assert_eq!(record["preset"], arm);
    }
    let reference = |arm: &str| read_json(&dir.path().join(format!("both/{arm}/record.json")));
    let (lora, apt) = (reference("lora"), reference("apt"));
    assert_eq!(apt["config"]["reference_metric"], lora["final"]["metric"]["validation"]);
    assert_eq!(apt["final"]["train"]["target"], lora["final"]["train"]["target"]);
    for word in ["lora", "parameters", "latency, batch 32", "hidden dims", "summary.json"] {
        assert!(done.out.contains(word), "`{word}` is not in:\n{}", done.out);
    }
}

#[test]
fn a_model_on_disk_and_a_file_of_ones_own_can_be_used() {
    let dir = folder();
    TinyModel::new().write(&dir.path().join("model"));
    let rows: String = (0..60)
        .map(|i| format!("{},{}\n", if i % 2 == 0 { "the food was good" } else { "the food was bad" }, i % 2))
        .collect();
    fs::write(dir.path().join("own.csv"), format!("text,label\n{rows}")).expect("it can be written");
    let args = [
        "run",
        "--model",
        "model",
        "--task",
        "csv",
        "--data",
        "own.csv",
        "--steps",
        "4",
        "--num-prunings",
        "1",
        "--round-hidden",
        "1",
        "--device",
        "cpu",
        "--out",
        "r",
    ];
    succeeded(&run(&args, dir.path()), "a run on one's own data");
    let evaluated = run(&["eval", "r"], dir.path());
    succeeded(&evaluated, "eval");
    assert!(evaluated.out.contains("accuracy"), "{}", evaluated.out);
}
