//! A study: cells that are done are never run again, one that fails is reported and stops nothing, shards add up.

use crate::program::{Finished, contents, finished, program, read_json, run, start_quietly, wait_until};
use crate::tiny_model::TinyModel;
use apt_experiment::{Device, Knobs};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;

/// Two seeds of three arms beside each other; the arm `broken` starts from weights that overflow.
const STUDY: &str = r#"
summary = "Does a mask that cuts hard cost anything?"
seeds = 2
[knobs]
model = "model"
steps = 12
train_examples = 64
batch_size = 8
max_length = 16
num_prunings = 2
prune_fraction = 0.5
checkpoint_every = 2
device = "cpu"
[[axes]]
name = "masks"
arms = [{ name = "hard", knobs = { mask_step = 1 } }, BROKEN]
"#;
const BROKEN: &str = r#"{ name = "broken", knobs = { model = "huge" } }"#;
const SLOW: &str = r#"{ name = "slow masks", knobs = { mask_step = 0.1 } }"#;

fn prepared(third: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder for the test");
    let mut model = TinyModel::new();
    model.write(&dir.path().join("model"));
    // Finite as they are, and infinite as soon as they are multiplied.
    model.query().1.iter_mut().for_each(|weight| *weight *= 1e38);
    model.write(&dir.path().join("huge"));
    fs::write(dir.path().join("masks.toml"), STUDY.replace("BROKEN", third)).expect("it can be written");
    dir
}

fn study(more: &[&str], within: &Path) -> Finished {
    run(&[&["study", "masks.toml"], more].concat(), within)
}

/// When each record was written, by cell.
fn written(study: &Path) -> BTreeMap<String, SystemTime> {
    let cells = fs::read_dir(study.join("cells")).into_iter().flatten().flatten();
    let record = |cell: fs::DirEntry| {
        let time = fs::metadata(cell.path().join("record.json")).and_then(|m| m.modified()).ok()?;
        Some((cell.file_name().to_string_lossy().into_owned(), time))
    };
    cells.filter_map(record).collect()
}

/// The groups of a report, without what depends on time.
fn groups(study: &Path) -> Vec<Value> {
    let report = read_json(&study.join("report.json"));
    let groups = report["sections"][0]["groups"].as_array().expect("a section with groups").clone();
    let metrics = |group: &Value| {
        let runs = group["runs"].as_array().expect("runs").iter();
        Value::from_iter(runs.map(|run| {
            let of = |metric: &str| run["values"][metric].clone();
            serde_json::json!([run["seed"], of("validation"), of("test"), of("parameters"), of("file_bytes")])
        }))
    };
    groups.iter().map(|group| serde_json::json!([group["arm"], metrics(group)])).collect()
}

/// The names of the study's cells, in the order in which they are run.
fn cell_names(within: &Path) -> Vec<String> {
    let list = study(&["--out", "killed", "--list"], within);
    let names = list.out.lines().filter_map(|line| line.strip_prefix("queued").map(|name| name.trim().to_owned()));
    names.collect()
}

#[test]
fn a_killed_study_resumes_without_repeating_a_finished_cell() {
    let dir = prepared(SLOW);
    let whole = study(&["--out", "whole"], dir.path());
    assert_eq!(whole.status, 0, "{}{}", whole.out, whole.err);
    let (killed, names) = (dir.path().join("killed"), cell_names(dir.path()));
    assert_eq!(names.len(), 6, "{names:?}");
    // The last three cells are locked here, so that the study cannot get beyond the third.
    fs::create_dir_all(killed.join("locks")).expect("a folder can be made");
    let locks: Vec<File> = names[3..].iter().map(|name| locked(&killed.join("locks").join(name))).collect();
    let mut child = start_quietly(&["study", "masks.toml", "--out", "killed"], dir.path());
    let third = killed.join("cells").join(&names[2]).join("events.jsonl");
    wait_until(&mut child, "a third cell", || written(&killed).len() >= 2 && third.exists());
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    drop(locks);
    // The cell that was running saves and ends when its study is gone; until then it is locked.
    while study(&["--out", "killed", "--list"], dir.path()).out.contains("running") {}
    let before = written(&killed);
    let resumed = study(&["--out", "killed"], dir.path());
    assert_eq!(resumed.status, 0, "{}{}", resumed.out, resumed.err);
    let after = written(&killed);
    assert_eq!((before.contains_key(&names[0]), before.contains_key(&names[1]), after.len()), (true, true, 6));
    assert!(before.iter().all(|(cell, time)| after[cell] == *time), "a finished cell was run again");
    assert_eq!(groups(&killed), groups(&dir.path().join("whole")));
}

fn locked(path: &Path) -> File {
    let file = File::create(path).expect("it can be written");
    file.lock().expect("it can be locked");
    file
}

#[test]
fn a_cell_saves_and_ends_when_its_study_is_gone() {
    let dir = tempfile::tempdir().expect("a folder for the test");
    // So many steps that it cannot come to its end by itself.
    let knobs = Knobs { model: "nano".into(), device: Device::Cpu, steps: Some(1_000_000), ..Knobs::default() };
    let request = serde_json::json!({"study": "s", "cell": "c", "preset": "apt", "knobs": knobs, "jobs": 1});
    let mut command = program(&["cell"], dir.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    let mut input = child.stdin.take().expect("it has an input");
    writeln!(input, "{request}").expect("it reads its request");
    let mut lines = BufReader::new(child.stdout.take().expect("it has an output")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("\"event\":\"step\"")), "it ended before its first step");
    drop(input);
    let last = lines.last().unwrap_or_default();
    assert!(last.contains("\"event\":\"checkpoint\""), "its last event is {last}");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(fs::read_dir(dir.path().join("s/cells/c/checkpoints")).expect("it saved").count(), 1);
}

#[test]
fn a_cell_that_fails_is_reported_with_its_reason_and_the_rest_completes() {
    let dir = prepared(BROKEN);
    let done = study(&["--out", "s"], dir.path());
    assert_eq!(done.status, 1, "{}{}", done.out, done.err);
    assert_eq!(written(&dir.path().join("s")).len(), 4, "{}", done.out);
    let failed: Vec<&str> = done.out.lines().filter(|line| line.contains("FAILED")).collect();
    assert!(failed.len() == 2 && failed.iter().all(|line| line.contains("NaN or infinity")), "{}", done.out);
    let report = fs::read_to_string(dir.path().join("s/report.html")).expect("a report");
    assert!(report.contains("broken-d0.4-s1") && report.contains("NaN or infinity"), "the report hides the failure");
    let again = study(&["--out", "s"], dir.path());
    assert!(again.status == 1 && again.out.contains("failed before"), "{}", again.out);
    let retried = study(&["--out", "s", "--retry"], dir.path());
    assert_eq!(retried.out.lines().filter(|line| line.contains("FAILED")).count(), 2, "{}", retried.out);
}

#[test]
fn a_damaged_record_is_reported_and_costs_nothing_but_its_cell() {
    let dir = prepared(SLOW);
    assert_eq!(study(&["--out", "s"], dir.path()).status, 0);
    let cells = written(&dir.path().join("s"));
    let damaged = cells.keys().find(|cell| cell.starts_with("hard")).expect("a cell");
    let path = dir.path().join("s/cells").join(damaged).join("record.json");
    let whole = fs::read(&path).expect("it can be read");
    fs::write(&path, &whole[..whole.len() / 2]).expect("it can be written");
    let report = run(&["report", "s"], dir.path());
    assert!(report.status == 0 && report.out.contains("ends too early"), "{}{}", report.out, report.err);
    let again = study(&["--out", "s"], dir.path());
    assert!(again.status == 1 && again.out.contains("failed before"), "{}", again.out);
    let retried = study(&["--out", "s", "--retry"], dir.path());
    assert!(retried.status == 0 && retried.out.contains("5 of them before"), "{}{}", retried.out, retried.err);
}

#[test]
fn shards_add_up_to_the_study_and_jobs_mark_times() {
    let dir = prepared(SLOW);
    for shard in ["1/2", "2/2"] {
        let done = study(&["--out", shard.split('/').next().expect("i"), "--shard", shard, "--jobs", "2"], dir.path());
        assert_eq!(done.status, 0, "{}{}", done.out, done.err);
    }
    let cells = |study: &str| dir.path().join(study).join("cells");
    for cell in fs::read_dir(cells("2")).expect("cells").flatten() {
        fs::rename(cell.path(), cells("1").join(cell.file_name())).expect("no cell is in both shards");
    }
    let report = run(&["report", "1"], dir.path());
    assert_eq!(report.status, 0, "{}", report.err);
    assert_eq!(written(&dir.path().join("1")).len(), 6);
    assert!(report.out.contains('†'), "times of cells side by side are not marked:\n{}", report.out);
    let whole = study(&["--out", "1"], dir.path());
    assert!(whole.out.contains("6 are already done"), "{}", whole.out);
}

#[test]
fn shards_may_start_in_one_folder_at_the_same_moment() {
    let dir = prepared(SLOW);
    let start = |shard: &str| {
        let mut command = program(&["study", "masks.toml", "--out", "s", "--shard", shard], dir.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    };
    let shards: Vec<_> = ["1/3", "2/3", "3/3", "1/3"].map(start).into_iter().collect();
    for shard in shards {
        let ended = finished(shard.wait_with_output().expect("it ends"));
        assert_eq!(ended.status, 0, "{}{}", ended.out, ended.err);
    }
    assert_eq!(written(&dir.path().join("s")).len(), 6);
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_is_written() {
    let dir = prepared(SLOW);
    for (args, message) in [
        (&["study", "salienc"][..], "did you mean `salience`"),
        (&["study", "masks.toml", "--shard", "3/2"], "1 ≤ i ≤ n"),
        (&["study", "masks.toml", "--rank", "0"], "`rank` cannot be 0"),
        (&["study", "masks.toml", "--model", "nowhere"], "nowhere"),
        (&["study", "masks.toml", "--seeds", "0"], "0 is not in 1..=1000"),
        (&["report", "model"], "no study and no record"),
        (&["report", "nowhere"], "no study and no record"),
    ] {
        let done = run(args, dir.path());
        assert_eq!(done.status, 2, "{args:?}: {}{}", done.out, done.err);
        assert!(done.err.contains(message), "{args:?}: {}", done.err);
    }
    assert!(!dir.path().join("runs").exists());
    let before = contents(&dir.path().join("model"));
    let occupied = study(&["--out", "model"], dir.path());
    assert!(occupied.status == 2 && occupied.err.contains("not empty and holds no study"), "{}", occupied.err);
    assert_eq!(contents(&dir.path().join("model")), before);
    fs::write(dir.path().join("utf16.toml"), [0xff, 0xfe, b'a', 0]).expect("it can be written");
    let text = run(&["study", "utf16.toml"], dir.path());
    assert!(text.status == 2 && text.err.contains("not text in UTF-8"), "{}", text.err);
    let tuning =
        ["study", "tuning", "--seeds", "1", "--model", "nano", "--steps", "4", "--device", "cpu", "--out", "other"];
    let list = run(&[&tuning[..], &["--list"]].concat(), dir.path());
    assert!(
        list.status == 0 && list.out.lines().filter(|line| line.starts_with("queued")).count() == 4,
        "{}",
        list.out
    );
    assert_eq!(study(&["--out", "s", "--list"], dir.path()).status, 0);
    assert!(!dir.path().join("s").exists(), "a list writes nothing");
}

/// It failed: the report left out every run whose model lay at another path than the study's.
#[test]
fn a_model_at_another_path_is_the_same_study() {
    let dir = prepared(SLOW);
    let first = study(&["--out", "out", "--seeds", "1"], dir.path());
    assert_eq!(first.status, 0, "{}{}", first.out, first.err);
    let out = dir.path().join("out");
    let (before, groups_before) = (written(&out), groups(&out));
    fs::rename(dir.path().join("model"), dir.path().join("moved")).expect("it can be moved");
    let moved = study(&["--out", "out", "--seeds", "1", "--model", "moved"], dir.path());
    assert_eq!(moved.status, 0, "{}{}", moved.out, moved.err);
    assert_eq!(written(&out), before, "a run was made again");
    assert_eq!(groups(&out), groups_before);
    let report = read_json(&out.join("report.json"));
    assert_eq!((report["compared"].as_u64(), report["left_out"].as_array().map(Vec::len)), (Some(3), Some(0)));
}
