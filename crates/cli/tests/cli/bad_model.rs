//! Bad models, one case each.

use crate::program::{contents, tiny};
use crate::sandbox::Sandbox;
use crate::tiny_model::QUERY;
use std::fs;

const WEIGHTS: &str = "model/model.safetensors";

#[test]
fn the_sandbox_unchanged_is_accepted() {
    let sandbox = Sandbox::new();
    let done = tiny(&["--model", "model", "--round-hidden", "1", "--out", "r"], sandbox.dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
    let done = tiny(&["--task", "csv", "--data", "data", "--out", "s"], sandbox.dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
}

#[test]
fn a_second_text_for_a_model_with_one_token_type() {
    let sandbox = Sandbox::new();
    sandbox.model(|model| {
        model.config["type_vocab_size"] = 1.into();
        let types = model.tensors.get_mut("embeddings.token_type_embeddings.weight").expect("every model has types");
        let half = types.1.len() / 2;
        types.0[0] = 1;
        types.1.truncate(half);
    });
    let rows: String = (0..40).map(|i| format!("a text\tanother\t{}\n", i % 2)).collect();
    sandbox.write("data/train.tsv", format!("text\ttext2\tlabel\n{rows}").as_bytes());
    let args = ["--model", "model", "--task", "csv", "--data", "data", "--out", "r"];
    sandbox.assert_rejected(&tiny(&args, sandbox.dir.path()), &["token type 1", "type_vocab_size is 1"]);
}

#[test]
fn truncated_safetensors() {
    let sandbox = Sandbox::new();
    let whole = fs::read(sandbox.path(WEIGHTS)).expect("it can be read");
    for length in [0, 7, 200, whole.len() / 2, whole.len() - 1] {
        sandbox.write(WEIGHTS, &whole[..length]);
        sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors"]);
        assert!(!sandbox.path("r").exists(), "a folder was made");
    }
}

#[test]
fn safetensors_header_claiming_three_gigabytes() {
    let sandbox = Sandbox::new();
    let mut bytes = 3_000_000_000u64.to_le_bytes().to_vec();
    bytes.extend(b"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}");
    sandbox.write(WEIGHTS, &bytes);
    sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors"]);
}

#[test]
fn safetensors_tensor_claiming_three_gigabytes() {
    let sandbox = Sandbox::new();
    let header = b"{\"a\":{\"dtype\":\"F32\",\"shape\":[750000000],\"data_offsets\":[0,3000000000]}}";
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend([0; 16]);
    sandbox.write(WEIGHTS, &bytes);
    sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors"]);
}

#[test]
fn wrong_dtype() {
    let sandbox = Sandbox::new();
    let bytes = fs::read(sandbox.path(WEIGHTS)).expect("it can be read");
    // Same size, other meaning: every F32 becomes an I32.
    let length = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let header = String::from_utf8_lossy(&bytes[8..length]).replace("\"F32\"", "\"I32\"");
    let lie = [&bytes[..8], header.as_bytes(), &bytes[length..]].concat();
    sandbox.write(WEIGHTS, &lie);
    sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors", "tensor `", "I32"]);
}

#[test]
fn wrong_shape() {
    let sandbox = Sandbox::new();
    sandbox.model(|m| m.query().0 = vec![8, 32]);
    sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors", QUERY, "shape"]);
}

#[test]
fn missing_tensor() {
    let sandbox = Sandbox::new();
    sandbox.model(|m| drop(m.tensors.remove(QUERY)));
    sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors", QUERY, "missing"]);
}

#[test]
fn extra_tensor() {
    let sandbox = Sandbox::new();
    sandbox.model(|m| drop(m.tensors.insert("encoder.layer.7.extra.weight".into(), (vec![2], vec![0.0; 2]))));
    sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors", "encoder.layer.7.extra.weight"]);
}

#[test]
fn nan_and_infinite_weights() {
    for value in [f32::NAN, f32::INFINITY] {
        let sandbox = Sandbox::new();
        sandbox.model(|m| m.query().1[5] = value);
        sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors", QUERY, "index 5"]);
    }
}

#[test]
fn config_with_impossible_sizes() {
    // A size that is impossible in itself is named; one that is not is found out by the tensor that has another.
    let word_embeddings = "embeddings.word_embeddings.weight";
    let cases: [(&str, serde_json::Value, &[&str]); 10] = [
        ("hidden_size", 0.into(), &["config.json", "`hidden_size` is 0"]),
        ("hidden_size", 1_048_576.into(), &["model.safetensors", word_embeddings, "1048576"]),
        ("vocab_size", (1u64 << 40).into(), &["config.json", "`vocab_size` is 1099511627776"]),
        ("vocab_size", 1_048_576.into(), &["model.safetensors", word_embeddings, "1048576"]),
        ("num_attention_heads", 3.into(), &["config.json", "hidden_size 16", "num_attention_heads 3"]),
        ("num_hidden_layers", 1_000_000.into(), &["config.json", "1000000 layers"]),
        ("intermediate_size", (-4).into(), &["config.json", "`intermediate_size` is -4"]),
        ("intermediate_size", 1_000_000.into(), &["model.safetensors", "intermediate.dense.weight", "1000000"]),
        ("max_position_embeddings", 1.5.into(), &["config.json", "`max_position_embeddings` is 1.5"]),
        ("pad_token_id", 99_999.into(), &["config.json", "pad_token_id 99999"]),
    ];
    for (key, value, words) in cases {
        let sandbox = Sandbox::new();
        sandbox.model(|m| m.config[key] = value);
        sandbox.assert_rejected(&sandbox.on_model(), words);
    }
    let sandbox = Sandbox::new();
    sandbox.model(|m| {
        for key in ["hidden_size", "vocab_size", "intermediate_size"] {
            m.config[key] = 1_048_576.into();
        }
    });
    sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors", word_embeddings, "1048576"]);
}

#[test]
fn config_that_is_something_else() {
    for text in ["", "{", "[]", "<!DOCTYPE html><html>404</html>", "{\"model_type\":\"gpt9\"}", "\u{0}\u{1}"] {
        let sandbox = Sandbox::new();
        sandbox.write("model/config.json", text.as_bytes());
        sandbox.assert_rejected(&sandbox.on_model(), &["config.json"]);
    }
}

#[test]
fn web_pages_instead_of_files() {
    let page = b"<!DOCTYPE html><html><body>Not found</body></html>";
    for file in ["model/tokenizer.json", WEIGHTS] {
        let sandbox = Sandbox::new();
        sandbox.write(file, page);
        sandbox.assert_rejected(&sandbox.on_model(), &[file]);
    }
}

#[test]
fn missing_files_of_a_model() {
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let sandbox = Sandbox::new();
        fs::remove_file(sandbox.path("model").join(file)).expect("it was there");
        sandbox.assert_rejected(&sandbox.on_model(), &[file]);
    }
}

#[test]
fn a_tokenizer_of_another_model() {
    let sandbox = Sandbox::new();
    let mut tokenizer: serde_json::Value = serde_json::from_str(&apt_data::builtin::tokenizer_json()).expect("JSON");
    tokenizer["model"]["vocab"]["zebra"] = 5_000.into();
    sandbox.write("model/tokenizer.json", tokenizer.to_string().as_bytes());
    sandbox.assert_rejected(&sandbox.on_model(), &["tokenizer.json", "5000"]);
}

#[test]
fn a_run_whose_loss_overflows_names_the_tensor() {
    let sandbox = Sandbox::new();
    let huge = 3e38;
    sandbox.model(|m| m.query().1.fill(huge));
    let done = tiny(&["--model", "model", "--round-hidden", "1", "--out", "r", "--json"], sandbox.dir.path());
    sandbox.assert_rejected(&done, &["NaN or infinity appeared"]);
    let last: serde_json::Value =
        serde_json::from_str(done.out.lines().last().expect("it prints something")).expect("JSON");
    assert_eq!(last["event"], "failed", "{last}");
    let events = fs::read_to_string(sandbox.path("r/events.jsonl")).expect("there are events");
    let failed: serde_json::Value = serde_json::from_str(events.lines().last().expect("one at least")).expect("JSON");
    assert_eq!(failed["event"], "failed", "{failed}");
    assert!(failed["where"].as_str().is_some_and(|w| !w.is_empty()), "{failed}");
    assert!(failed["step"].as_u64().is_some(), "{failed}");
}

#[test]
fn earlier_runs_survive_a_later_failure() {
    let sandbox = Sandbox::new();
    let good = tiny(&["--out", "good"], sandbox.dir.path());
    assert_eq!(good.status, 0, "{}", good.err);
    let before = contents(&sandbox.path("good"));
    sandbox.write(WEIGHTS, b"broken");
    sandbox.assert_rejected(&sandbox.on_model(), &["model.safetensors"]);
    assert!(before == contents(&sandbox.path("good")), "the earlier run was changed");
    assert!(sandbox.path("good/record.json").exists());
}
