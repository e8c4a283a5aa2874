//! Paths: from another folder, with blanks and quotes in them, through links, and two programs at one place.

use crate::program::{Finished, TINY, contents, finished, program, run, tiny, wait_until};
use crate::tiny_model::TinyModel;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What an export of a model has in it.
const EXPORTED: [&str; 5] =
    ["README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

/// A folder with a model and data for it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    TinyModel::new().write(&dir.path().join("model"));
    let rows: String = (0..60).map(|i| format!("the food was good {i},{}\n", ["bad", "fine"][i % 2])).collect();
    fs::write(dir.path().join("own.csv"), format!("text,label\n{rows}")).expect("it can be written");
    dir
}

fn succeeded(finished: &Finished, what: &str) {
    assert_eq!(finished.status, 0, "{what}: {}{}", finished.out, finished.err);
}

/// A run with relative paths into `out`, interrupted; the line it prints of how to go on.
fn interrupted(out: &str, within: &Path) -> String {
    let args = ["run", "--model", "model", "--task", "text", "--data", "own.csv", "--steps", "600", "--density", "1"];
    let args =
        [&args[..], &["--max-length", "16", "--checkpoint-every", "5", "--device", "cpu", "--out", out]].concat();
    let mut command = program(&args, within);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let events = within.join(out).join("events.jsonl");
    wait_until(&mut child, "a step", || fs::read_to_string(&events).is_ok_and(|text| text.contains("\"step\",")));
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    let done = finished(child.wait_with_output().expect("it ends"));
    assert_eq!(done.status, 130, "{}", done.err);
    done.err.lines().last().expect("it prints how to go on").trim().to_owned()
}

/// Whatever can be asked of a run with relative paths can be asked of it from elsewhere, with the command as it was printed.
#[cfg(unix)]
#[test]
fn a_run_is_known_from_any_folder_and_printed_commands_are_quoted() {
    let (dir, elsewhere) = (folder(), tempfile::tempdir().expect("a temporary folder can be made"));
    let printed = interrupted("out/it's x y", dir.path());
    let root = dir.path().join("out/it's x y").display().to_string();
    for args in [["inspect", &root, "--log", "error"], ["export", &root, "--out", "early"]] {
        succeeded(&run(&args, elsewhere.path()), args[0]);
    }
    let line = printed.replacen("apt-lab", &format!("'{}'", env!("CARGO_BIN_EXE_apt-lab")), 1);
    let resumed = Command::new("sh").args(["-c", &line]).current_dir(elsewhere.path()).output().expect("sh is there");
    succeeded(&finished(resumed), &line);
    succeeded(&run(&["eval", &root], elsewhere.path()), "eval from another folder");
    let record = fs::read_to_string(dir.path().join("out/it's x y/record.json")).expect("a record");
    assert!(!record.contains(&dir.path().display().to_string()), "a record names files as they were given");
}

#[test]
fn a_path_that_is_not_there_says_where_it_was_looked_for() {
    let dir = folder();
    let here = dir.path().canonicalize().expect("it is there").display().to_string();
    for args in [["--model", "in/nowhere", "--task", "builtin"], ["--task", "text", "--data", "in/nowhere"]] {
        let refused = tiny(&args, dir.path());
        assert_eq!(refused.status, 2, "{}", refused.err);
        assert!(refused.err.contains("in/nowhere") && refused.err.contains(&format!(" in {here}")), "{}", refused.err);
    }
    // A run whose data have moved goes on once it is told where they are.
    interrupted("r", dir.path());
    fs::rename(dir.path().join("own.csv"), dir.path().join("moved.csv")).expect("it can be moved");
    let refused = run(&["run", "--resume", "r"], dir.path());
    assert!(refused.status == 2 && refused.err.contains("own.csv"), "{}", refused.err);
    edit(&dir.path().join("r/config.toml"), "own.csv", "moved.csv");
    succeeded(&run(&["run", "--resume", "r"], dir.path()), "with the new path");
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("it can be read");
    assert!(text.contains(from), "`{from}` is not in {text}");
    fs::write(file, text.replace(from, to)).expect("it can be written");
}

#[test]
fn a_resumed_run_refuses_every_changed_knob_by_name() {
    let dir = folder();
    interrupted("r", dir.path());
    let config = dir.path().join("r/config.toml");
    let before = fs::read_to_string(&config).expect("it can be read");
    let all = contents(&dir.path().join("r/checkpoints"));
    // Of those the first two may be changed while a run goes on, elsewhere.
    for (from, to) in [
        ("weight_decay = ", "weight_decay = 0.5 #"),
        ("checkpoint_every = 5", "checkpoint_every = 7"),
        ("seed = 1", "seed = 2"),
    ] {
        edit(&config, from, to);
        let refused = run(&["run", "--resume", "r"], dir.path());
        let knob = to.split(' ').next().expect("a word");
        assert_eq!(refused.status, 2, "{knob}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(&format!("{knob} was ")), "{knob}: {}", refused.err);
        fs::write(&config, &before).expect("it can be written");
    }
    assert!(all == contents(&dir.path().join("r/checkpoints")), "nothing was trained");
    succeeded(&run(&["run", "--resume", "r"], dir.path()), "with the settings restored");
}

#[test]
fn eval_of_a_run_that_is_not_finished_names_the_command_that_continues_it() {
    let dir = folder();
    interrupted("r", dir.path());
    let refused = run(&["eval", "r"], dir.path());
    assert_eq!(refused.status, 2, "{}{}", refused.out, refused.err);
    let command = format!("apt-lab run --resume {}", dir.path().join("r").display());
    assert!(refused.err.contains("not finished") && refused.err.contains(&command), "{}", refused.err);
}

#[cfg(unix)]
#[test]
fn an_export_into_a_folder_that_cannot_be_replaced_is_written_into_it() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    for name in ["here", "far"] {
        fs::create_dir(at(name)).expect("a folder can be made");
    }
    std::os::unix::fs::symlink(at("far"), at("link")).expect("a link can be made");
    succeeded(&run(&["export", "../model", "--out", "."], &at("here")), "export into the folder one is in");
    succeeded(&run(&["export", "model", "--out", "link"], dir.path()), "export through a link");
    assert!(at("link").is_symlink(), "the link was replaced");
    succeeded(&run(&["export", "model", "--out", "new/deep"], dir.path()), "export into a new folder");
    for made in ["here", "far", "new/deep"] {
        let names: Vec<String> =
            contents(&at(made)).keys().filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect();
        assert_eq!(names, EXPORTED, "{made}");
    }
    assert_eq!(fs::read_dir(at("new")).expect("it is there").count(), 1, "something was left beside the export");
    std::os::unix::fs::symlink(at("nowhere"), at("lost")).expect("a link can be made");
    let refused = run(&["export", "model", "--out", "lost"], dir.path());
    assert!(refused.status == 2 && refused.err.contains("nowhere, which is not there"), "{}", refused.err);
    // Where an answer goes to a device, that device stays one.
    succeeded(&tiny(&["--model", "nano", "--out", "r"], dir.path()), "a run");
    std::os::unix::fs::symlink("/dev/stdout", at("answers")).expect("a link can be made");
    let printed = run(&["eval", "r", "--predictions", "answers"], dir.path());
    assert!(printed.status == 0 && printed.out.contains("answer\tlabel\n"), "{}{}", printed.out, printed.err);
}

#[test]
fn of_two_exports_to_one_place_one_is_whole_and_the_other_says_why() {
    let dir = folder();
    for round in 0..6 {
        let out = format!("out{round}");
        let start = || {
            let mut command = program(&["export", "model", "--out", &out], dir.path());
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts")
        };
        let ended = [start(), start()].map(|child| finished(child.wait_with_output().expect("it ends")));
        let (done, failed): (Vec<_>, Vec<_>) = ended.iter().partition(|ended| ended.status == 0);
        assert_eq!(done.len(), 1, "{:?}", ended.each_ref().map(|ended| &ended.err));
        let words = &failed[0].err;
        let known = ["another process is writing this folder", "not empty", "put here meanwhile"];
        assert!(words.contains(&out) && known.iter().any(|part| words.contains(part)), "{words}");
        assert_eq!(contents(&dir.path().join(&out)).len(), EXPORTED.len(), "what is there is not whole");
        succeeded(&run(&["inspect", &out], dir.path()), "inspect");
    }
}

#[test]
fn a_studys_name_cannot_lead_out_of_its_folder() {
    let dir = folder();
    let axes = "[[axes]]\nname = \"a\"\narms = [\"tuning-static\"]\n";
    for name in ["../out", "/tmp/out", "..", "a\\\\b", ""] {
        fs::write(dir.path().join("s.toml"), format!("name = \"{name}\"\n{axes}")).expect("it can be written");
        let refused = run(&[&["study", "s.toml", "--list"], &TINY[..]].concat(), dir.path());
        assert!(
            refused.status == 2 && refused.err.contains("name of a folder"),
            "{name}: {}{}",
            refused.out,
            refused.err
        );
    }
    assert!(!dir.path().join("runs").exists());
}
