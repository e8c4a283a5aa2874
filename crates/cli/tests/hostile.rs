//! Bad input, one case each: status 2, a message that names the place, no record, and earlier runs untouched.

mod program;

use program::{Done, QUERY, TINY, TinyModel, contents, done, program as start, run, tiny};
use std::fs;
use std::path::Path;

/// A folder with a tiny model, data of one's own, and something that must not be touched.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().expect("a temporary folder can be made") };
        TinyModel::new().write(&bench.path("model"));
        let rows: String = (0..40).map(|i| format!("a text\t{}\n", i % 2)).collect();
        fs::create_dir(bench.path("data")).expect("a folder can be made");
        fs::write(bench.path("data/train.tsv"), format!("text\tlabel\n{rows}")).expect("it can be written");
        fs::create_dir_all(bench.path("earlier/model")).expect("a folder can be made");
        for file in ["record.json", "events.jsonl", "config.toml", "model/config.json"] {
            fs::write(bench.path("earlier").join(file), "an earlier run").expect("it can be written");
        }
        bench
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("it can be written");
    }

    fn model(&self, change: impl FnOnce(&mut TinyModel)) {
        let mut model = TinyModel::new();
        change(&mut model);
        model.write(&self.path("model"));
    }

    /// A tiny run on the model in the folder.
    fn on_model(&self) -> Done {
        tiny(&["--model", "model", "--out", "r"], self.dir.path())
    }

    /// A tiny run on the data in the folder.
    fn on_data(&self) -> Done {
        tiny(&["--task", "csv", "--data", "data", "--out", "r"], self.dir.path())
    }

    /// Asserts that the command was refused with every one of `words` in its message, and did no harm.
    #[track_caller]
    fn refused(&self, done: &Done, words: &[&str]) {
        assert_eq!(done.status, 2, "status of a command that said:\n{}{}", done.out, done.err);
        for word in words {
            assert!(done.err.contains(word), "`{word}` is not in the message:\n{}", done.err);
        }
        assert!(!done.err.contains("panicked"), "{}", done.err);
        assert!(!self.path("r/record.json").exists(), "there is a record");
        assert!(!self.path("r/model").exists(), "there is a model");
        let earlier = contents(&self.path("earlier"));
        assert_eq!(earlier.len(), 4, "an earlier run has other files now");
        assert!(earlier.values().all(|bytes| bytes == b"an earlier run"), "an earlier run was changed");
    }
}

const WEIGHTS: &str = "model/model.safetensors";

#[test]
fn the_bench_itself_is_sound() {
    let bench = Bench::new();
    let done = tiny(&["--model", "model", "--round-hidden", "1", "--out", "r"], bench.dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
    let done = tiny(&["--task", "csv", "--data", "data", "--out", "s"], bench.dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
}

#[test]
fn a_second_text_for_a_model_with_one_token_type() {
    let bench = Bench::new();
    bench.model(|model| {
        model.config["type_vocab_size"] = 1.into();
        let types = model.tensors.get_mut("embeddings.token_type_embeddings.weight").expect("every model has types");
        let half = types.1.len() / 2;
        types.0[0] = 1;
        types.1.truncate(half);
    });
    let rows: String = (0..40).map(|i| format!("a text\tanother\t{}\n", i % 2)).collect();
    bench.write("data/train.tsv", format!("text\ttext2\tlabel\n{rows}").as_bytes());
    let args = ["--model", "model", "--task", "csv", "--data", "data", "--out", "r"];
    bench.refused(&tiny(&args, bench.dir.path()), &["token type 1", "type_vocab_size is 1"]);
}

#[test]
fn truncated_safetensors() {
    let bench = Bench::new();
    let whole = fs::read(bench.path(WEIGHTS)).expect("it can be read");
    for length in [0, 7, 200, whole.len() / 2, whole.len() - 1] {
        bench.write(WEIGHTS, &whole[..length]);
        bench.refused(&bench.on_model(), &["model.safetensors"]);
        assert!(!bench.path("r").exists(), "a folder was made");
    }
}

#[test]
fn safetensors_header_claiming_three_gigabytes() {
    let bench = Bench::new();
    let mut bytes = 3_000_000_000u64.to_le_bytes().to_vec();
    bytes.extend(b"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}");
    bench.write(WEIGHTS, &bytes);
    bench.refused(&bench.on_model(), &["model.safetensors"]);
}

#[test]
fn safetensors_tensor_claiming_three_gigabytes() {
    let bench = Bench::new();
    let header = b"{\"a\":{\"dtype\":\"F32\",\"shape\":[750000000],\"data_offsets\":[0,3000000000]}}";
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend([0; 16]);
    bench.write(WEIGHTS, &bytes);
    bench.refused(&bench.on_model(), &["model.safetensors"]);
}

#[test]
fn wrong_dtype() {
    let bench = Bench::new();
    let bytes = fs::read(bench.path(WEIGHTS)).expect("it can be read");
    // Same size, other meaning: every F32 becomes an I32.
    let length = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let header = String::from_utf8_lossy(&bytes[8..length]).replace("\"F32\"", "\"I32\"");
    let lie = [&bytes[..8], header.as_bytes(), &bytes[length..]].concat();
    bench.write(WEIGHTS, &lie);
    bench.refused(&bench.on_model(), &["model.safetensors", "tensor `", "I32"]);
}

#[test]
fn wrong_shape() {
    let bench = Bench::new();
    bench.model(|m| m.query().0.reverse());
    bench.model(|m| m.query().0 = vec![8, 32]);
    bench.refused(&bench.on_model(), &["model.safetensors", QUERY, "shape"]);
}

#[test]
fn missing_tensor() {
    let bench = Bench::new();
    bench.model(|m| drop(m.tensors.remove(QUERY)));
    bench.refused(&bench.on_model(), &["model.safetensors", QUERY, "missing"]);
}

#[test]
fn extra_tensor() {
    let bench = Bench::new();
    bench.model(|m| drop(m.tensors.insert("encoder.layer.7.extra.weight".into(), (vec![2], vec![0.0; 2]))));
    bench.refused(&bench.on_model(), &["model.safetensors", "encoder.layer.7.extra.weight"]);
}

#[test]
fn nan_and_infinite_weights() {
    for value in [f32::NAN, f32::INFINITY] {
        let bench = Bench::new();
        bench.model(|m| m.query().1[5] = value);
        bench.refused(&bench.on_model(), &["model.safetensors", QUERY, "index 5"]);
    }
}

#[test]
fn config_with_impossible_sizes() {
    let cases = [
        ("hidden_size", 0.into()),
        ("hidden_size", 1_048_576.into()),
        ("vocab_size", (1u64 << 40).into()),
        ("vocab_size", 1_048_576.into()),
        ("num_attention_heads", 3.into()),
        ("num_hidden_layers", 1_000_000.into()),
        ("intermediate_size", (-4).into()),
        ("intermediate_size", 1_000_000.into()),
        ("max_position_embeddings", 1.5.into()),
        ("pad_token_id", 99_999.into()),
    ];
    for (key, value) in cases {
        let bench = Bench::new();
        let value: serde_json::Value = value;
        bench.model(|m| m.config[key] = value);
        bench.refused(&bench.on_model(), &["model/"]);
    }
    let bench = Bench::new();
    bench.model(|m| {
        for key in ["hidden_size", "vocab_size", "intermediate_size"] {
            m.config[key] = 1_048_576.into();
        }
    });
    bench.refused(&bench.on_model(), &["model/"]);
}

#[test]
fn config_that_is_something_else() {
    for text in ["", "{", "[]", "<!DOCTYPE html><html>404</html>", "{\"model_type\":\"gpt9\"}", "\u{0}\u{1}"] {
        let bench = Bench::new();
        bench.write("model/config.json", text.as_bytes());
        bench.refused(&bench.on_model(), &["config.json"]);
    }
}

#[test]
fn web_pages_instead_of_files() {
    let page = b"<!DOCTYPE html><html><body>Not found</body></html>";
    for file in ["model/tokenizer.json", WEIGHTS] {
        let bench = Bench::new();
        bench.write(file, page);
        bench.refused(&bench.on_model(), &[file]);
    }
}

#[test]
fn missing_files_of_a_model() {
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let bench = Bench::new();
        fs::remove_file(bench.path("model").join(file)).expect("it was there");
        bench.refused(&bench.on_model(), &[file]);
    }
}

#[test]
fn a_tokenizer_of_another_model() {
    let bench = Bench::new();
    let mut tokenizer: serde_json::Value = serde_json::from_str(&apt_data::builtin::tokenizer_json()).expect("JSON");
    tokenizer["model"]["vocab"]["zebra"] = 5_000.into();
    bench.write("model/tokenizer.json", tokenizer.to_string().as_bytes());
    bench.refused(&bench.on_model(), &["tokenizer.json", "5000"]);
}

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
        let bench = Bench::new();
        bench.write("data/train.tsv", bytes);
        bench.refused(&bench.on_data(), words);
    }
}

#[test]
fn an_unknown_label() {
    let bench = Bench::new();
    bench.write("data/dev.tsv", b"text\tlabel\na\t1\nb\tmaybe\n");
    bench.refused(&bench.on_data(), &["dev.tsv", "line 3", "maybe"]);
    let bench = Bench::new();
    bench.write("data/train.tsv", b"sentence\tlabel\na\t0\nb\t7\n");
    bench.write("data/dev.tsv", b"sentence\tlabel\na\t0\nb\t1\n");
    let done = tiny(&["--task", "sst2", "--data", "data", "--out", "r"], bench.dir.path());
    bench.refused(&done, &["train.tsv", "line 3", "7"]);
}

#[test]
fn data_that_is_not_there() {
    let bench = Bench::new();
    bench.refused(&tiny(&["--task", "sst2", "--data", "nowhere", "--out", "r"], bench.dir.path()), &["nowhere"]);
    bench.refused(&tiny(&["--task", "sst2", "--data", "model", "--out", "r"], bench.dir.path()), &["model", "train"]);
    bench.refused(&tiny(&["--task", "chess", "--data", "data", "--out", "r"], bench.dir.path()), &["chess", "sst2"]);
}

#[test]
fn an_existing_run_is_never_overwritten() {
    let bench = Bench::new();
    bench.refused(&tiny(&["--out", "earlier"], bench.dir.path()), &["earlier", "--resume"]);
    bench.refused(&run(&[&TINY[..], &["--out", "earlier"]].concat(), bench.dir.path()), &["earlier"]);
    bench.refused(&run(&["export", "model", "--out", "earlier"], bench.dir.path()), &["earlier"]);
}

#[test]
fn a_place_that_cannot_be_written() {
    let bench = Bench::new();
    bench.write("file", b"not a folder");
    bench.refused(&tiny(&["--out", "file"], bench.dir.path()), &["file"]);
    bench.refused(&tiny(&["--out", "file/r"], bench.dir.path()), &["file/r"]);
    #[cfg(target_os = "linux")]
    bench.refused(&tiny(&["--out", "/proc/apt-lab/r"], bench.dir.path()), &["/proc/apt-lab/r"]);
}

#[cfg(unix)]
#[test]
fn a_full_disk() {
    let bench = Bench::new();
    // A limit on the size of files fails a write in the middle, as a full disk does. 1 KiB blocks in this shell.
    for blocks in ["1", "8", "64", "400"] {
        let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let tiny = [&["run"], &TINY[..], &["--out", "r"]].concat();
        let command = start(&[], bench.dir.path());
        let output = std::process::Command::new("bash")
            .args(["-c", &line])
            .arg(command.get_program())
            .args(&tiny)
            .current_dir(bench.dir.path())
            .output()
            .expect("bash is there");
        bench.refused(&done(output), &["writing"]);
        let left: Vec<_> =
            if bench.path("r").exists() { contents(&bench.path("r")).into_keys().collect() } else { Vec::new() };
        assert!(!left.iter().any(|p| p.to_string_lossy().contains(".unfinished")), "half-written files: {left:?}");
        let _ = fs::remove_dir_all(bench.path("r"));
    }
}

#[test]
fn knobs_that_do_not_exist() {
    let bench = Bench::new();
    bench.refused(&tiny(&["--densty", "0.4", "--out", "r"], bench.dir.path()), &["--densty", "--density"]);
    bench.write("c.toml", b"seed = 1\ndensty = 0.4\n");
    bench.refused(
        &tiny(&["--config", "c.toml", "--out", "r"], bench.dir.path()),
        &["c.toml", "line 2", "densty", "`density`"],
    );
    bench.refused(&tiny(&["--preset", "aptt", "--out", "r"], bench.dir.path()), &["aptt", "`apt`"]);
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
        let bench = Bench::new();
        let knob = flag.trim_start_matches("--");
        bench.refused(&tiny(&[flag, value, "--out", "r"], bench.dir.path()), &[knob, value]);
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
        let bench = Bench::new();
        bench.refused(&tiny(&[flags, &["--distillation", "off", "--out", "r"]].concat(), bench.dir.path()), &words);
    }
}

#[test]
fn configurations_that_are_none() {
    let cases: [(&str, &[u8], &str); 4] = [
        ("c.toml", b"density = = 1", "line 1"),
        ("c.json", b"{\"density\": 0.4", "line 1"),
        ("c.toml", b"\xff\xfe", "UTF-8"),
        ("c.toml", b"density = \"much\"", "density"),
    ];
    for (file, bytes, word) in cases {
        let bench = Bench::new();
        bench.write(file, bytes);
        bench.refused(&tiny(&["--config", file, "--out", "r"], bench.dir.path()), &[file, word]);
    }
    let bench = Bench::new();
    bench.refused(&tiny(&["--config", "none.toml", "--out", "r"], bench.dir.path()), &["none.toml"]);
}

#[test]
fn nothing_to_resume() {
    let bench = Bench::new();
    bench.refused(&run(&["run", "--resume", "nowhere"], bench.dir.path()), &["nowhere"]);
    bench.refused(&run(&["run", "--resume", "data"], bench.dir.path()), &["data"]);
    bench.refused(&run(&["run", "--resume", "earlier"], bench.dir.path()), &["earlier/record.json"]);
    bench.refused(
        &run(&["run", "--resume", "earlier", "--density", "0.5"], bench.dir.path()),
        &["--resume", "--density"],
    );
}

#[test]
fn nothing_to_look_at() {
    let bench = Bench::new();
    for path in ["nowhere", "data", "data/train.tsv", "earlier/record.json", "earlier/model"] {
        bench.refused(&run(&["inspect", path], bench.dir.path()), &[path]);
    }
    for path in ["nowhere", "data", "earlier"] {
        bench.refused(&run(&["eval", path], bench.dir.path()), &[path]);
        bench.refused(&run(&["export", path, "--out", "r"], bench.dir.path()), &[path]);
    }
    // A model without a trained head cannot be evaluated.
    bench.refused(&run(&["eval", "model"], bench.dir.path()), &["model", "no classes"]);
}

#[test]
fn a_run_that_blows_up_says_where() {
    let bench = Bench::new();
    let huge = 3e38;
    bench.model(|m| m.query().1.fill(huge));
    let done = tiny(&["--model", "model", "--round-hidden", "1", "--out", "r", "--json"], bench.dir.path());
    bench.refused(&done, &["no longer finite"]);
    let last: serde_json::Value =
        serde_json::from_str(done.out.lines().last().expect("it says something")).expect("JSON");
    assert_eq!(last["event"], "failed", "{last}");
    let events = fs::read_to_string(bench.path("r/events.jsonl")).expect("there are events");
    let failed: serde_json::Value = serde_json::from_str(events.lines().last().expect("one at least")).expect("JSON");
    assert_eq!(failed["event"], "failed", "{failed}");
    assert!(failed["where"].as_str().is_some_and(|w| !w.is_empty()), "{failed}");
    assert!(failed["step"].as_u64().is_some(), "{failed}");
}

#[test]
fn earlier_runs_survive_a_later_failure() {
    let bench = Bench::new();
    let good = tiny(&["--out", "good"], bench.dir.path());
    assert_eq!(good.status, 0, "{}", good.err);
    let before = contents(&bench.path("good"));
    bench.write(WEIGHTS, b"broken");
    bench.refused(&bench.on_model(), &["model.safetensors"]);
    assert!(before == contents(&bench.path("good")), "the earlier run was changed");
    assert!(Path::new(&bench.path("good/record.json")).exists());
}
