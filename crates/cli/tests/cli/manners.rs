//! How the program treats what it is started with: signals that are ignored, a standard output that cannot be written,
//! too few threads; and what it logs.

use crate::program::{TINY, program, run, start_quietly, wait_until};
use crate::tiny_model::TinyModel;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
}

/// The program, started as `nohup` starts it.
#[cfg(unix)]
fn without_hangups(args: &[&str], within: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_apt-lab")]).args(args);
    command.current_dir(within).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

#[cfg(unix)]
#[test]
fn a_run_and_a_study_that_ignore_hangups_go_on_after_one() {
    let dir = folder();
    let events = dir.path().join("r/events.jsonl");
    let settings = ["--model", "nano", "--steps", "60", "--train-examples", "64", "--device", "cpu"];
    let mut child = without_hangups(&[&["run"], &settings[..], &["--out", "r"]].concat(), dir.path());
    wait_until(&mut child, "a step", || fs::read_to_string(&events).is_ok_and(|text| text.contains("\"step\",")));
    send("-HUP", &child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "the run");
    assert!(dir.path().join("r/record.json").is_file());

    TinyModel::new().write(&dir.path().join("model"));
    let study = "seeds = 1\n[knobs]\nmodel = \"nano\"\nsteps = 40\ntrain_examples = 64\ndevice = \"cpu\"\n[[axes]]\nname = \"a\"\n\
                 arms = [\"tuning-static\"]\n";
    fs::write(dir.path().join("s.toml"), study).expect("it can be written");
    let mut child = without_hangups(&["study", "s.toml", "--out", "s"], dir.path());
    wait_until(&mut child, "a cell", || fs::read_dir(dir.path().join("s/cells")).is_ok_and(|cells| cells.count() > 0));
    send("-HUP", &child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "the study");
}

#[cfg(unix)]
#[test]
fn a_hangup_that_is_not_ignored_saves_and_stops() {
    let dir = folder();
    let events = dir.path().join("r/events.jsonl");
    let args = ["run", "--model", "nano", "--steps", "4000", "--train-examples", "64", "--device", "cpu", "--out", "r"];
    let mut child = start_quietly(&args, dir.path());
    wait_until(&mut child, "a step", || fs::read_to_string(&events).is_ok_and(|text| text.contains("\"step\",")));
    send("-HUP", &child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(fs::read_dir(dir.path().join("r/checkpoints")).expect("it saved").count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_cannot_be_written_is_an_error_and_one_that_nobody_reads_is_none() {
    let dir = folder();
    let tiny = [&["run"], &TINY[..], &["--model", "nano", "--out", "r"]].concat();
    // The run comes first: others read what it leaves.
    let commands: [&[&str]; 14] = [
        &tiny,
        &["eval", "r"],
        &["eval", "r", "--json"],
        &["inspect", "r"],
        &["inspect", "r/model"],
        &["export", "r", "--out", "model"],
        &["report", "r", "--out", "report"],
        &["knobs"],
        &["presets", "--json"],
        &["schema"],
        &["devices"],
        &["study"],
        &["run", "--help"],
        &["--version"],
    ];
    for args in commands {
        let full = File::create("/dev/full").expect("Linux has it");
        let mut command = program(args, dir.path());
        let failed = command.stdout(full).output().expect("the program starts");
        let words = String::from_utf8_lossy(&failed.stderr);
        assert_eq!(failed.status.code(), Some(2), "{args:?}: {words}");
        assert!(words.contains("standard output: writing failed"), "{args:?}: {words}");
        for made in ["model", "report"] {
            let _ = fs::remove_dir_all(dir.path().join(made));
        }
    }
    assert!(dir.path().join("r/record.json").is_file(), "a run ends well before it says that it could not speak");
    for args in &commands[1..] {
        let mut child = program(args, dir.path());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        drop(child.stdout.take());
        let ended = child.wait_with_output().expect("it ends");
        let words = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{args:?} into a closed pipe: {words}");
        assert!(!words.contains("standard output"), "{args:?}: {words}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_threads_are_a_message() {
    // A stack larger than the memory that may be had: no thread can be started.
    let line = "ulimit -v 8000000; exec \"$0\" knobs";
    let mut command = Command::new("bash");
    command.args(["-c", line, env!("CARGO_BIN_EXE_apt-lab")]).env("RUST_MIN_STACK", "16000000000");
    let failed = command.output().expect("bash is there");
    let words = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(2), "{words}");
    assert!(words.contains("threads") && words.contains("ulimit -u") && !words.contains("panicked"), "{words}");
    let dir = folder();
    for none in [&["knobs", "--threads", "0"][..], &["study", "--jobs", "0"]] {
        let refused = run(none, dir.path());
        assert!(refused.status == 2 && refused.err.contains("0 is not in 1.."), "{none:?}: {}", refused.err);
    }
}

#[test]
fn a_log_tells_files_shapes_phases_and_pruning_points() {
    let dir = folder();
    TinyModel::new().write(&dir.path().join("model"));
    let tiny = [&["run"], &TINY[..], &["--model", "model", "--round-hidden", "1", "--out"]].concat();
    let logged = run(&[&tiny[..], &["r", "--log", "info", "--threads", "1"]].concat(), dir.path());
    assert_eq!(logged.status, 0, "{}", logged.err);
    for part in [
        "1 threads",
        "model.safetensors, ",
        "heads [2, 2]",
        "begins at step",
        "measuring: ",
        "density 0.",
        "checkpoint: ",
    ] {
        assert!(logged.err.contains(part), "`{part}` is not in:\n{}", logged.err);
    }
    assert!(!logged.err.contains("DEBUG"), "{}", logged.err);
    let silent = run(&[&tiny[..], &["s"]].concat(), dir.path());
    assert!(silent.err.is_empty(), "{}", silent.err);
    // Both may stand before the command, and nothing else may.
    let before = run(&["--log", "info", "--threads", "1", "eval", "s"], dir.path());
    assert!(before.status == 0 && before.err.contains("1 threads"), "{}", before.err);
    let stray = run(&["--max-length", "8", "eval", "s"], dir.path());
    assert!(stray.status == 2 && stray.err.contains("--max-length stands before `eval`"), "{}", stray.err);
}
