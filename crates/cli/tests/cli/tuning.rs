//! A study with `[tune]`: trials come first, decide the settings of the runs by their records alone, and are no results.

use crate::program::{Finished, finished, program, read_json, run};
use crate::tiny_model::TinyModel;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Two learning rates for each arm; with the first of them nothing is learned.
const STUDY: &str = r#"
summary = "Does it cost anything to prune?"
seeds = 2
[knobs]
model = "nano"
task = "text"
data = "words.csv"
steps = 40
batch_size = 16
max_length = 16
num_prunings = 1
device = "cpu"
[tune]
seeds = [101]
knobs = { learning_rate = [1e-6, 0.01] }
[[axes]]
name = "pruning"
arms = ["lora"MORE]
"#;

fn prepared(more: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder for the test");
    // One word decides.
    let rows = (0..240).map(|row| format!("{} text {},{}\n", ["bad", "good"][row % 2], row % 7, row % 2));
    let rows: String = std::iter::once("text,label\n".to_owned()).chain(rows).collect();
    fs::write(dir.path().join("words.csv"), rows).expect("it can be written");
    fs::write(dir.path().join("tuned.toml"), STUDY.replace("MORE", more)).expect("it can be written");
    dir
}

fn study(more: &[&str], within: &Path) -> Finished {
    run(&[&["study", "tuned.toml", "--out", "s"], more].concat(), within)
}

/// The records of the cells, with when they were written.
fn records(within: &Path) -> BTreeMap<String, (Value, SystemTime)> {
    let cells = fs::read_dir(within.join("s/cells")).into_iter().flatten().flatten();
    let record = |cell: fs::DirEntry| {
        let path = cell.path().join("record.json");
        let time = fs::metadata(&path).and_then(|of| of.modified()).ok()?;
        Some((cell.file_name().to_string_lossy().into_owned(), (read_json(&path), time)))
    };
    cells.filter_map(record).collect()
}

/// How many cells of a list are in each state.
fn states(list: &str) -> BTreeMap<&str, usize> {
    let mut states = BTreeMap::new();
    let cells = list.lines().filter(|line| !line.starts_with("data ") && !line.starts_with("model "));
    cells.filter_map(|line| line.split_whitespace().next()).for_each(|of| *states.entry(of).or_default() += 1);
    states
}

#[test]
fn arms_run_with_what_their_trials_chose_on_validation_data() {
    let dir = prepared(r#", { name = "broken", knobs = { model = "huge" } }"#);
    let mut model = TinyModel::new();
    // Finite as they are, and infinite as soon as they are multiplied with each other.
    let attention = model.tensors.iter_mut().filter(|(name, _)| name.contains(".self."));
    attention.flat_map(|(_, (_, weights))| weights).for_each(|weight| *weight *= 1e38);
    model.write(&dir.path().join("huge"));
    let list = study(&["--list"], dir.path());
    assert_eq!(states(&list.out), [("queued", 6), ("waiting", 6)].into(), "{}{}", list.out, list.err);
    let done = study(&[], dir.path());
    assert_eq!(done.status, 1, "the broken arm has no run: {}{}", done.out, done.err);
    for said in [
        "How small a difference 2 seeds can show cannot be told yet",
        "6 trials of [tune] over seeds [101]",
        "trials: 6 runs: 4 done, 2 failed",
        "\n6 runs: 4 done, 2 failed",
        "FAILED  broken-d0.4-s2: [tune] chose nothing, for every combination failed: ",
        "\n\nHow small a difference 2 seeds can show cannot be told yet",
        "apt at 0.4: learning_rate 0.01 (",
        "the largest learning_rate tried)",
        "### Chosen by \\[tune\\]",
    ] {
        assert!(done.out.contains(said), "{said}\n{}", done.out);
    }
    let first = records(dir.path());
    assert_eq!(first.len(), 8, "four trials and two seeds of two arms: {:?}", first.keys());
    let (trials, cells): (Vec<_>, Vec<_>) =
        first.values().map(|(record, _)| record).partition(|r| r["config"]["seed"] == 101);
    assert_eq!((trials.len(), cells.len()), (4, 4));
    for cell in cells {
        assert_eq!(cell["config"]["learning_rate"], 0.01, "the word is not learned with the other");
        let is_own = |trial: &&&Value| trial["preset"] == cell["preset"];
        let metric = |trial: &Value| trial["final"]["metric"]["validation"].as_f64().expect("a metric");
        // Of equal ones the first is chosen.
        let best = trials.iter().filter(is_own).rev().max_by(|a, b| metric(a).total_cmp(&metric(b))).expect("trials");
        assert_eq!(cell["config"]["learning_rate"], best["config"]["learning_rate"], "{}", cell["preset"]);
    }
    let report = read_json(&dir.path().join("s/report.json"));
    assert_eq!((report["compared"].as_u64(), report["trials"].as_u64()), (Some(4), Some(4)));
    assert_eq!(report["sections"][0]["tuning"]["choices"].as_array().map(Vec::len), Some(3));
    // Nothing is decided anew, and nothing made again.
    let again = study(&[], dir.path());
    assert!(again.status == 1 && again.out.contains("4 are already done"), "{}{}", again.out, again.err);
    assert_eq!(records(dir.path()), first);
    let list = study(&["--list"], dir.path());
    assert_eq!(states(&list.out), [("done", 8), ("failed", 4)].into(), "{}", list.out);
    let alone = run(&["report", "s"], dir.path());
    assert!(alone.status == 0 && alone.out.contains("Chosen by"), "{}{}", alone.out, alone.err);
    assert_eq!(read_json(&dir.path().join("s/report.json")), report, "a report decides as the study did");
}

#[test]
fn a_shard_runs_its_trials_and_guesses_nothing_while_others_are_missing() {
    let dir = prepared("");
    let first = study(&["--shard", "1/2"], dir.path());
    assert_eq!(first.status, 75, "{}{}", first.out, first.err);
    for said in ["2 of 4 trials of [tune] are missing (", "learning-rate-0-01", "run the other shards"] {
        assert!(first.err.contains(said), "{said}\n{}", first.err);
    }
    assert_eq!(records(dir.path()).len(), 2, "it ran what it could not decide");
    let trials = study(&["--trials", "--shard", "2/2"], dir.path());
    assert!(trials.status == 0 && trials.out.contains("without --trials"), "{}{}", trials.out, trials.err);
    assert_eq!(records(dir.path()).len(), 4, "trials alone");
    for (shard, runs) in [("2/2", 6), ("1/2", 8)] {
        let done = study(&["--shard", shard], dir.path());
        assert_eq!((done.status, records(dir.path()).len()), (0, runs), "{}{}", done.out, done.err);
    }
    let whole = study(&[], dir.path());
    assert!(whole.status == 0 && whole.out.contains("4 runs: 4 done, 4 of them before"), "{}{}", whole.out, whole.err);
}

/// `sbatch` is a script here that accepts every job.
#[cfg(unix)]
#[test]
fn slurm_gets_the_trials_first_and_the_runs_that_they_decide_after() {
    use std::os::unix::fs::PermissionsExt;

    let dir = prepared("");
    let sbatch = dir.path().join("bin/sbatch");
    fs::create_dir(dir.path().join("bin")).expect("a folder can be made");
    fs::write(&sbatch, "#!/bin/sh\necho 7\n").expect("it can be written");
    fs::set_permissions(&sbatch, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let submit = || {
        let mut command = program(&["study", "tuned.toml", "--out", "s", "--slurm", "debug"], dir.path());
        let done = finished(command.env("PATH", dir.path().join("bin")).output().expect("the program starts"));
        assert_eq!(done.status, 0, "{}{}", done.out, done.err);
        (done.out, fs::read_to_string(dir.path().join("s/slurm/job.sh")).expect("a job"))
    };
    let (said, job) = submit();
    assert!(said.contains("4 trials as job 7") && said.contains("the same command again"), "{said}");
    assert!(job.contains("--array=1-4\n") && job.contains(" --trials --shard \"$SLURM_ARRAY_TASK_ID/4\""), "{job}");
    assert_eq!(study(&["--trials"], dir.path()).status, 0);
    let (said, job) = submit();
    assert!(said.contains("4 cells as job 7") && !job.contains("--trials"), "{said}{job}");
}

#[test]
fn a_sweep_that_cannot_be_made_is_refused_before_anything_is_written() {
    let dir = prepared("");
    for (more, said) in [
        (&["--seeds", "101"][..], "seed 101 is both the study's and of its trials"),
        (&["--learning-rate", "0.1"], "`learning_rate` is set for every cell too"),
        (&["--slurm", "debug", "--trials"], "cannot be used with"),
    ] {
        let done = study(more, dir.path());
        assert!(done.status == 2 && done.err.contains(said), "{more:?}: {}{}", done.out, done.err);
    }
    let plain = run(&["study", "tuning", "--trials", "--out", "s"], dir.path());
    assert!(plain.status == 2 && plain.err.contains("it has no [tune]"), "{}{}", plain.out, plain.err);
    assert!(!dir.path().join("s").exists(), "something was written");
}
