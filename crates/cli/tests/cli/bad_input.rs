//! Bad data, folders, settings and configurations, one case each.

use crate::program::{TINY, contents, finished, program, run, tiny};
use crate::sandbox::Sandbox;
use std::fs;

#[test]
fn data_that_cannot_be_examples() {
    let cases: [(&[u8], &[&str]); 7] = [
        (b"", &["train.tsv", "empty"]),
        (b"text\tlabel\n", &["train.tsv", "example"]),
        (b"text\tlabel\na\t1\nb\n", &["train.tsv", "line 3"]),
        (b"text\tlabel\na\t1\nb\tx\t0\n", &["train.tsv", "line 3"]),
        (b"text\tlabel\na\t1\n\xff\xfe\t0\n", &["train.tsv", "UTF-8"]),
        (b"words\tlabel\na\t1\n", &["train.tsv", "column"]),
        (b"text\tlabel\na\t1\nb\t1\n", &["train.tsv"]),
    ];
    for (bytes, words) in cases {
        let sandbox = Sandbox::new();
        sandbox.write("data/train.tsv", bytes);
        sandbox.assert_rejected(&sandbox.on_data(), words);
    }
}

#[test]
fn an_unknown_label() {
    let sandbox = Sandbox::new();
    sandbox.write("data/dev.tsv", b"text\tlabel\na\t1\nb\tmaybe\n");
    sandbox.assert_rejected(&sandbox.on_data(), &["dev.tsv", "line 3", "maybe"]);
    let sandbox = Sandbox::new();
    sandbox.write("data/train.tsv", b"sentence\tlabel\na\t0\nb\t7\n");
    sandbox.write("data/dev.tsv", b"sentence\tlabel\na\t0\nb\t1\n");
    let finished = tiny(&["--task", "sst2", "--data", "data", "--out", "r"], sandbox.dir.path());
    sandbox.assert_rejected(&finished, &["train.tsv", "line 3", "7"]);
}

#[test]
fn data_that_is_not_there() {
    let sandbox = Sandbox::new();
    sandbox.assert_rejected(
        &tiny(&["--task", "sst2", "--data", "nowhere", "--out", "r"], sandbox.dir.path()),
        &["nowhere"],
    );
    sandbox.assert_rejected(
        &tiny(&["--task", "sst2", "--data", "model", "--out", "r"], sandbox.dir.path()),
        &["model", "train"],
    );
    sandbox.assert_rejected(
        &tiny(&["--task", "chess", "--data", "data", "--out", "r"], sandbox.dir.path()),
        &["chess", "sst2"],
    );
}

#[test]
fn an_existing_run_is_never_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.assert_rejected(&tiny(&["--out", "earlier"], sandbox.dir.path()), &["earlier", "--resume"]);
    sandbox.assert_rejected(&run(&[&TINY[..], &["--out", "earlier"]].concat(), sandbox.dir.path()), &["earlier"]);
    sandbox.assert_rejected(&run(&["export", "model", "--out", "earlier"], sandbox.dir.path()), &["earlier"]);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let sandbox = Sandbox::new();
    sandbox.write("file", b"not a folder");
    sandbox.assert_rejected(&tiny(&["--out", "file"], sandbox.dir.path()), &["file"]);
    sandbox.assert_rejected(&tiny(&["--out", "file/r"], sandbox.dir.path()), &["file/r"]);
    #[cfg(target_os = "linux")]
    sandbox.assert_rejected(&tiny(&["--out", "/proc/apt-lab/r"], sandbox.dir.path()), &["/proc/apt-lab/r"]);
}

#[cfg(unix)]
#[test]
fn a_full_disk() {
    let sandbox = Sandbox::new();
    // A limit on the size of files fails a write in the middle, as a full disk does. 1 KiB blocks in this shell.
    for blocks in ["1", "8", "64", "400"] {
        let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let tiny = [&["run"], &TINY[..], &["--out", "r"]].concat();
        let output = std::process::Command::new("bash")
            .args(["-c", &line])
            .arg(program(&[], sandbox.dir.path()).get_program())
            .args(&tiny)
            .current_dir(sandbox.dir.path())
            .output()
            .expect("bash is there");
        sandbox.assert_rejected(&finished(output), &["writing"]);
        let left: Vec<_> =
            if sandbox.path("r").exists() { contents(&sandbox.path("r")).into_keys().collect() } else { Vec::new() };
        assert!(!left.iter().any(|p| p.to_string_lossy().contains(".unfinished")), "half-written files: {left:?}");
        let _ = fs::remove_dir_all(sandbox.path("r"));
    }
}

#[test]
fn knobs_that_do_not_exist() {
    let sandbox = Sandbox::new();
    sandbox.assert_rejected(&tiny(&["--densty", "0.4", "--out", "r"], sandbox.dir.path()), &["--densty", "--density"]);
    sandbox.write("c.toml", b"seed = 1\ndensty = 0.4\n");
    sandbox.assert_rejected(
        &tiny(&["--config", "c.toml", "--out", "r"], sandbox.dir.path()),
        &["c.toml", "line 2", "densty", "`density`"],
    );
    sandbox.assert_rejected(&tiny(&["--preset", "aptt", "--out", "r"], sandbox.dir.path()), &["aptt", "`apt`"]);
}

#[test]
fn knobs_out_of_range_or_of_another_type() {
    let cases = [
        ("--density", "0"),
        ("--density", "-1"),
        ("--density", "nan"),
        ("--rank", "8.5"),
        ("--steps", "0"),
        ("--salience", "guess"),
        ("--seed", "99999999999999999999"),
    ];
    for (flag, value) in cases {
        let sandbox = Sandbox::new();
        let knob = flag.trim_start_matches("--");
        sandbox.assert_rejected(&tiny(&[flag, value, "--out", "r"], sandbox.dir.path()), &[knob, value]);
    }
}

#[test]
fn knobs_that_contradict_each_other() {
    let cases: [(&[&str], [&str; 2]); 4] = [
        (&["--train-base"], ["train_base", "rank_growth"]),
        (&["--prune-fraction", "0.9", "--tuning-fraction", "0.9"], ["prune_fraction", "tuning_fraction"]),
        (&["--data", "data"], ["task", "data"]),
        (&["--adapters", ""], ["adapters", "train_base"]),
    ];
    for (flags, words) in cases {
        let sandbox = Sandbox::new();
        sandbox.assert_rejected(
            &tiny(&[flags, &["--distillation", "off", "--out", "r"]].concat(), sandbox.dir.path()),
            &words,
        );
    }
}

#[test]
fn files_that_are_no_configuration() {
    let cases: [(&str, &[u8], &str); 4] = [
        ("c.toml", b"density = = 1", "line 1"),
        ("c.json", b"{\"density\": 0.4", "line 1"),
        ("c.toml", b"\xff\xfe", "UTF-8"),
        ("c.toml", b"density = \"much\"", "density"),
    ];
    for (file, bytes, word) in cases {
        let sandbox = Sandbox::new();
        sandbox.write(file, bytes);
        sandbox.assert_rejected(&tiny(&["--config", file, "--out", "r"], sandbox.dir.path()), &[file, word]);
    }
    let sandbox = Sandbox::new();
    sandbox.assert_rejected(&tiny(&["--config", "none.toml", "--out", "r"], sandbox.dir.path()), &["none.toml"]);
}

#[test]
fn nothing_to_resume() {
    let sandbox = Sandbox::new();
    sandbox.assert_rejected(&run(&["run", "--resume", "nowhere"], sandbox.dir.path()), &["nowhere"]);
    sandbox.assert_rejected(&run(&["run", "--resume", "data"], sandbox.dir.path()), &["data"]);
    sandbox.assert_rejected(&run(&["run", "--resume", "earlier"], sandbox.dir.path()), &["earlier/record.json"]);
    sandbox.assert_rejected(
        &run(&["run", "--resume", "earlier", "--density", "0.5"], sandbox.dir.path()),
        &["--resume", "--density"],
    );
}

#[test]
fn nothing_to_inspect() {
    let sandbox = Sandbox::new();
    for path in ["nowhere", "data", "data/train.tsv", "earlier/record.json", "earlier/model"] {
        sandbox.assert_rejected(&run(&["inspect", path], sandbox.dir.path()), &[path]);
    }
    for path in ["nowhere", "data", "earlier"] {
        sandbox.assert_rejected(&run(&["eval", path], sandbox.dir.path()), &[path]);
        sandbox.assert_rejected(&run(&["export", path, "--out", "r"], sandbox.dir.path()), &[path]);
    }
    // A model without a trained head cannot be evaluated.
    sandbox.assert_rejected(&run(&["eval", "model"], sandbox.dir.path()), &["model", "no trained head"]);
}

/// What a decoder cannot be used for is said as such, and not as a head that training would bring.
#[test]
fn a_decoder_is_refused_by_name() {
    let sandbox = Sandbox::new();
    let folder = sandbox.dir.path();
    fs::create_dir(folder.join("decoder")).expect("a folder can be made");
    for file in fs::read_dir(folder.join("model")).expect("the sandbox's model").flatten() {
        fs::copy(file.path(), folder.join("decoder").join(file.file_name())).expect("a file can be copied");
    }
    let config = r#"{"model_type": "llama", "vocab_size": 1000, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 16, "rms_norm_eps": 1e-5}"#;
    fs::write(folder.join("decoder/config.json"), config).expect("it can be written");
    let parts = ["LLaMA is a decoder", "give an encoder"];
    sandbox.assert_rejected(&run(&["eval", "decoder"], folder), &parts);
    sandbox.assert_rejected(&run(&["run", "--model", "decoder", "--steps", "2", "--out", "o"], folder), &parts);
}

#[test]
fn a_folder_or_file_without_a_model_is_called_so_by_whatever_takes_one() {
    let sandbox = Sandbox::new();
    sandbox.write("data/table.csv", b"text,label\na,1\n");
    sandbox.write("parts/0_Transformer/config.json", b"{}");
    for command in [&["predict"][..], &["export", "--out", "new"]] {
        for (place, what) in [
            ("data", "there is no model, run or checkpoint here"),
            ("data/table.csv", "there is no model, run or checkpoint here"),
            ("parts", "parts/0_Transformer"),
        ] {
            let arguments: Vec<&str> = command[..1].iter().chain([&place]).chain(&command[1..]).copied().collect();
            sandbox.assert_rejected(&run(&arguments, sandbox.dir.path()), &[place, what, "config.json"]);
        }
    }
}
