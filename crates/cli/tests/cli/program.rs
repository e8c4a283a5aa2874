//! Runs the program, and reads what it leaves behind.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A run of a few seconds.
pub(crate) const TINY: [&str; 8] = ["--steps", "6", "--train-examples", "64", "--num-prunings", "2", "--device", "cpu"];

/// A process that has ended.
pub(crate) struct Finished {
    /// Its exit status; −1 after a signal.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The program, not yet started. It asks no hub and knows nothing of a cache of this machine.
pub(crate) fn program(args: &[&str], within: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apt-lab"));
    command.args(args).current_dir(within).env("HF_HUB_OFFLINE", "1").env("HF_HOME", within.join("no-hub"));
    for variable in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"] {
        command.env_remove(variable);
    }
    command
}

/// Runs the program to its end in the folder `within`.
pub(crate) fn run(args: &[&str], within: &Path) -> Finished {
    finished(program(args, within).output().expect("the program starts"))
}

/// The output of a process as text.
pub(crate) fn finished(output: Output) -> Finished {
    Finished {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A tiny `run` with further arguments.
pub(crate) fn tiny(more: &[&str], within: &Path) -> Finished {
    run(&[&["run"], &TINY[..], more].concat(), within)
}

/// A JSON file.
pub(crate) fn read_json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The events of a run's folder, without times.
pub(crate) fn events_without_times(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("events.jsonl")).expect("a run has events");
    text.lines().map(|l| apt_experiment::without_times(&serde_json::from_str(l).expect("an event is JSON"))).collect()
}

/// Every file below `folder` with its content.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).expect("it can be read"));
        }
    }
    all
}

/// Starts the program with its output thrown away.
pub(crate) fn start_quietly(args: &[&str], within: &Path) -> Child {
    let mut command = program(args, within);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// Waits until `condition` holds. Fails if the program ends before it does.
pub(crate) fn wait_until(child: &mut Child, what: &str, condition: impl Fn() -> bool) {
    while !condition() {
        let status = child.try_wait().expect("it can be waited for");
        // It may have ended just after the condition came true.
        assert!(status.is_none() || condition(), "the program ended ({status:?}) before there was {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
