//! Damaged and lying files give typed errors that say which file, which tensor and what is wrong. They never panic and
//! never allocate what a header or a configuration merely claims.

use apt_core::blocks::LayerShape;
use apt_nn::checkpoint::{Checkpoint, Precision, load_dir, to_safetensors};
use apt_nn::{Activation, Family, HeadConfig, Init, ModelConfig, NnError, Pooling, Transformer};
use burn::tensor::Device;
use serde_json::{Value, json};

const FILE: &str = "some/where/config.json";
const WEIGHTS: &str = "some/where/model.safetensors";

#[test]
fn a_config_that_is_not_one_is_a_config_error() {
    let changed = |key: &str, value: Value| {
        let mut config = hugging_face();
        config[key] = value;
        config.to_string().into_bytes()
    };
    let without = |key: &str| {
        let mut config = hugging_face();
        config.as_object_mut().expect("an object").remove(key);
        config.to_string().into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "not JSON"),
        ("HTML", b"<!DOCTYPE html><html><body>404</body></html>".to_vec(), "not JSON"),
        ("cut off", br#"{"model_type": "bert", "vocab"#.to_vec(), "not JSON"),
        ("binary", vec![0xff, 0xfe, 0x00], "not JSON"),
        ("nested too deep", "[".repeat(100_000).into_bytes(), "not JSON"),
        ("an array", b"[1, 2]".to_vec(), "model_type"),
        ("a number", b"3".to_vec(), "model_type"),
        ("no family", without("model_type"), "model_type"),
        ("unknown family", changed("model_type", json!("rwkv")), "rwkv"),
        ("family of another type", changed("model_type", json!(7)), "model_type"),
        ("unknown activation", changed("hidden_act", json!("hardswish")), "hardswish"),
        ("relative positions", changed("position_embedding_type", json!("relative_key")), "relative_key"),
        ("no width", without("hidden_size"), "hidden_size"),
        ("compact sizes of another type", changed("apt_lab", json!("x")), "apt_lab"),
        ("unknown compact field", changed("apt_lab", compact(json!({"surprise": 1}))), "surprise"),
        ("negative heads", changed("apt_lab", compact(json!({"layers": [{"heads": -1, "neurons": 2}]}))), "apt_lab"),
    ];
    for (name, bytes, word) in cases {
        let error = ModelConfig::from_json(&bytes, FILE).expect_err(name);
        assert!(matches!(error, NnError::Config { .. }), "{name}: {error:?}");
        says(name, &error, &[FILE, word]);
    }
}

#[test]
fn a_config_of_impossible_sizes_is_a_size_error() {
    let cases: Vec<(&str, &str, Value)> = vec![
        ("no width", "hidden_size", json!(0)),
        ("negative width", "hidden_size", json!(-8)),
        ("fractional width", "hidden_size", json!(8.5)),
        ("width as text", "hidden_size", json!("8")),
        ("width beyond reason", "hidden_size", json!(u64::MAX)),
        ("zero heads", "num_attention_heads", json!(0)),
        ("heads that do not divide the width", "num_attention_heads", json!(3)),
        ("no layers", "num_hidden_layers", json!(0)),
        ("a million layers", "num_hidden_layers", json!(1_000_000)),
        ("no neurons", "intermediate_size", json!(0)),
        ("empty vocabulary", "vocab_size", json!(0)),
        ("no positions", "max_position_embeddings", json!(0)),
        ("padding outside the vocabulary", "pad_token_id", json!(16)),
        ("padding at the end of the world", "pad_token_id", json!(u64::MAX)),
        ("negative padding", "pad_token_id", json!(-1)),
        ("no epsilon", "layer_norm_eps", json!(0.0)),
        ("epsilon as text", "layer_norm_eps", json!("1e-12")),
        ("compact heads of no width", "apt_lab", compact(json!({"head_size": 0}))),
        ("compact without layers", "apt_lab", compact(json!({"layers": []}))),
        ("compact with endless heads", "apt_lab", compact(json!({"layers": [{"heads": u64::MAX, "neurons": 2}]}))),
        ("a head of no labels", "apt_lab", compact(json!({"head": {"dense": 8, "labels": 0}}))),
        ("a head of endless width", "apt_lab", compact(json!({"head": {"dense": u64::MAX, "labels": 2}}))),
    ];
    for family in ["bert", "roberta"] {
        for (name, key, value) in &cases {
            let mut config = hugging_face();
            config["model_type"] = json!(family);
            config[*key] = value.clone();
            let error = ModelConfig::from_json(config.to_string().as_bytes(), FILE).expect_err(name);
            assert!(matches!(error, NnError::Size { .. }), "{family}, {name}: {error:?}");
            says(name, &error, &[FILE]);
        }
    }
    let mut config = hugging_face();
    config["model_type"] = json!("roberta");
    config["max_position_embeddings"] = json!(2);
    config["pad_token_id"] = json!(1);
    let error = ModelConfig::from_json(config.to_string().as_bytes(), FILE).expect_err("no position is left");
    says("RoBERTa's first position", &error, &[FILE, "max_position_embeddings"]);
}

#[test]
fn a_file_that_is_no_safetensors_file_is_a_weights_error() {
    let good = weights();
    let header = u64::from_le_bytes(good[..8].try_into().expect("eight bytes"));
    let claiming = |length: u64| [&length.to_le_bytes(), &good[8..]].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("seven bytes", good[..7].to_vec()),
        ("half a header", good[..8 + header as usize / 2].to_vec()),
        ("half the values", good[..good.len() - 100].to_vec()),
        ("one byte short", good[..good.len() - 1].to_vec()),
        ("one byte more", [&good[..], &[0]].concat()),
        ("a header of 3 GB", claiming(3_000_000_000)),
        ("a header of 2^64", claiming(u64::MAX)),
        ("a header shorter than it is", claiming(header - 1)),
        ("a header longer than it is", claiming(header + 8)),
        ("no header", claiming(0)),
        ("HTML", b"<!DOCTYPE html><html><body>Not found</body></html>".to_vec()),
        ("a header that is not JSON", file("{nonsense", &[])),
        ("a header that is a list", file("[1]", &[])),
        ("values past the end", file(r#"{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, &[0; 8])),
        ("offsets backwards", file(r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, &[0; 8])),
        (
            "a shape that overflows",
            file(&format!(r#"{{"x":{{"dtype":"F32","shape":[{0},{0}],"data_offsets":[0,8]}}}}"#, u64::MAX), &[0; 8]),
        ),
        ("an unknown type", file(r#"{"x":{"dtype":"F12","shape":[2],"data_offsets":[0,8]}}"#, &[0; 8])),
    ];
    for (name, bytes) in cases {
        let Err(error) = Checkpoint::parse(&bytes, WEIGHTS, Family::Bert) else { panic!("{name} was read") };
        assert!(matches!(error, NnError::Weights { .. }), "{name}: {error:?}");
        says(name, &error, &[WEIGHTS]);
    }
}

#[test]
fn a_tensor_that_does_not_fit_is_named() {
    let down = "encoder.layer.1.output.dense.weight";
    let nan = |t: &mut Entry, v: f32| t.bytes[4..8].copy_from_slice(&v.to_le_bytes());
    let edit = |name: &str, change: &dyn Fn(&mut Entry)| {
        let mut entries = entries();
        change(entries.iter_mut().find(|e| e.name == name).expect("the tensor is there"));
        join(&entries)
    };
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("missing", edit(down, &|t| t.name = "cls.elsewhere".into()), down, "missing"),
        (
            "missing embedding",
            edit("embeddings.word_embeddings.weight", &|t| t.name = "cls.x".into()),
            "embeddings.word_embeddings.weight",
            "missing",
        ),
        (
            "extra",
            edit("classifier.bias", &|t| t.name = "encoder.layer.2.output.dense.bias".into()),
            "classifier.bias",
            "missing",
        ),
        ("transposed", edit(down, &|t| t.shape.reverse()), down, "shape"),
        ("flat", edit(down, &|t| t.shape = vec![t.shape.iter().product()]), down, "shape"),
        ("whole numbers", edit(down, &|t| t.dtype = "I32"), down, "I32"),
        (
            "doubles",
            edit(down, &|t| {
                t.dtype = "F64";
                t.bytes = [t.bytes.clone(), t.bytes.clone()].concat()
            }),
            down,
            "F64",
        ),
        ("NaN", edit(down, &|t| nan(t, f32::NAN)), down, "NaN at index 1"),
        ("infinity", edit("classifier.bias", &|t| nan(t, f32::INFINITY)), "classifier.bias", "inf at index 1"),
        ("negative infinity", edit(down, &|t| nan(t, f32::NEG_INFINITY)), down, "-inf at index 1"),
        (
            "half infinity",
            edit("classifier.bias", &|t| {
                t.dtype = "F16";
                t.bytes = vec![0, 0, 0, 0x7c]
            }),
            "classifier.bias",
            "inf at index 1",
        ),
    ];
    for (name, bytes, tensor, word) in cases {
        let error = read(&bytes, &config()).expect_err(name);
        assert!(matches!(error, NnError::Tensor { .. }), "{name}: {error:?}");
        says(name, &error, &[WEIGHTS, tensor, word]);
    }
}

#[test]
fn tensors_that_belong_to_no_model_are_named() {
    let mut entries = entries();
    entries.push(Entry {
        name: "encoder.layer.2.output.dense.bias".into(),
        dtype: "F32",
        shape: vec![1],
        bytes: vec![0; 4],
    });
    let error = read(&join(&entries), &config()).expect_err("a third layer's bias");
    says("extra", &error, &[WEIGHTS, "encoder.layer.2.output.dense.bias"]);
}

#[test]
fn a_classifier_with_another_number_of_labels_than_config_json_names_is_refused() {
    let names = ["no", "yes", "maybe"].map(String::from).to_vec();
    for head in [config().head, None] {
        let config = ModelConfig { head, label_names: names.clone(), ..config() };
        let error = read(&weights(), &config).expect_err("two outputs, three names");
        says("names", &error, &[WEIGHTS, "classifier.weight", "2 outputs", "names 3"]);
    }
    let config = ModelConfig { label_names: names[..2].to_vec(), ..config() };
    assert!(read(&weights(), &config).is_ok(), "two outputs, two names");
}

#[test]
fn a_tensor_with_and_without_prefix_is_refused() {
    let mut entries = entries();
    let twice = Entry {
        name: "bert.pooler.dense.bias".into(),
        ..entries.iter().find(|e| e.name == "pooler.dense.bias").expect("BERT has a pooler").clone()
    };
    entries.push(twice);
    let Err(error) = Checkpoint::parse(&join(&entries), WEIGHTS, Family::Bert) else { panic!("twice the same tensor") };
    says("duplicate", &error, &[WEIGHTS, "pooler.dense.bias", "twice"]);
}

#[test]
fn a_prefix_and_old_norm_names_are_read() {
    let mut entries = entries();
    for entry in &mut entries {
        entry.name =
            entry.name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        if !entry.name.starts_with("classifier") {
            entry.name = format!("bert.{}", entry.name);
        }
    }
    read(&join(&entries), &config()).expect("the layout of old checkpoints");
}

#[test]
fn a_config_that_claims_more_than_the_file_holds_costs_no_memory() {
    let huge = 1 << 20;
    let claims: [(&str, ModelConfig); 3] = [
        ("a huge vocabulary", ModelConfig { vocab_size: huge, hidden: huge, ..config() }),
        ("huge layers", ModelConfig { layers: vec![LayerShape { heads: huge / 4, neurons: huge }; 1024], ..config() }),
        ("a huge head", ModelConfig { head: Some(HeadConfig::new(Pooling::Pooler, huge, huge)), ..config() }),
    ];
    let bytes = weights();
    for (name, config) in claims {
        let error = read(&bytes, &config).expect_err(name);
        assert!(matches!(error, NnError::Tensor { .. }), "{name}: {error:?}");
        says(name, &error, &[WEIGHTS, "shape"]);
    }
}

#[test]
fn a_head_that_contradicts_its_pooling_is_refused() {
    for (dense, pooling) in [(Some(8), Pooling::Mean), (Some(8), Pooling::Cls), (None, Pooling::Pooler)] {
        let config =
            ModelConfig { head: Some(HeadConfig { dense, labels: 2, pooling, multi_label: false }), ..config() };
        let json = serde_json::to_vec(&config.to_json()).expect("JSON values serialise");
        let error = ModelConfig::from_json(&json, "config.json").expect_err(pooling.words());
        assert!(matches!(error, NnError::Size { .. }), "{error:?}");
        says(pooling.words(), &error, &["config.json", pooling.words(), "dense layer"]);
    }
}

#[test]
fn every_truncation_and_every_flipped_header_byte_is_an_error_or_a_model() {
    let good = weights();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().expect("eight bytes")) as usize;
    for end in (0..good.len()).step_by(97) {
        assert!(read(&good[..end], &config()).is_err(), "the first {end} bytes were read as a whole model");
    }
    for at in (0..header).step_by(3) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x15;
        // Whatever it says now, it must not panic.
        drop(read(&bytes, &config()));
    }
}

#[test]
fn a_folder_without_files_is_an_io_error() {
    let error = load_dir(std::path::Path::new("/nowhere/at/all"), &Device::flex()).expect_err("nothing is there");
    assert!(matches!(error, NnError::Io { .. }), "{error:?}");
    says("folder", &error, &["/nowhere/at/all", "config.json"]);
}

#[track_caller]
fn says(case: &str, error: &NnError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{case}: the message does not say {word:?}: {text}");
    }
}

fn read(bytes: &[u8], config: &ModelConfig) -> Result<Transformer, NnError> {
    let checkpoint = Checkpoint::parse(bytes, WEIGHTS, config.family)?;
    checkpoint.model(&checkpoint.complete(&config.clone().into())?, &Device::flex())
}

fn hugging_face() -> Value {
    json!({
        "model_type": "bert", "vocab_size": 16, "max_position_embeddings": 12, "type_vocab_size": 2, "hidden_size": 8,
        "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 6, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "pad_token_id": 0,
    })
}

/// `apt_lab` of a small model with `change` put in.
fn compact(change: Value) -> Value {
    let mut sizes = json!({"head_size": 4, "layers": [{"heads": 1, "neurons": 2}], "head": null});
    for (key, value) in change.as_object().expect("an object") {
        sizes[key] = value.clone();
    }
    sizes
}

fn config() -> ModelConfig {
    ModelConfig {
        family: Family::Bert,
        vocab_size: 16,
        max_positions: 12,
        type_vocab_size: 2,
        embedding: None,
        hidden: 8,
        head_size: 4,
        layers: vec![LayerShape { heads: 2, neurons: 6 }; 2],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id: 0,
        head: Some(HeadConfig::new(Pooling::Pooler, 8, 2)),
        label_names: vec![],
        decoder: None,
    }
}

fn weights() -> Vec<u8> {
    let model = Transformer::new(&config(), &mut Init::new(3, &Device::flex()));
    pollster::block_on(to_safetensors(&model, Precision::F32)).expect("the model can be read back")
}

/// One tensor of a safetensors file.
#[derive(Clone)]
struct Entry {
    name: String,
    dtype: &'static str,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// The tensors of a good file, without prefix, as some checkpoints have them.
fn entries() -> Vec<Entry> {
    let bytes = weights();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let json: Value = serde_json::from_slice(&bytes[8..header]).expect("its own header");
    let tensors = json.as_object().expect("an object").iter().filter(|(name, _)| *name != "__metadata__");
    tensors
        .map(|(name, t)| {
            let numbers = |key: &str| -> Vec<usize> {
                t[key].as_array().expect("a list").iter().map(|n| n.as_u64().expect("a number") as usize).collect()
            };
            let at = numbers("data_offsets");
            let bytes = bytes[header + at[0]..header + at[1]].to_vec();
            Entry { name: name.trim_start_matches("bert.").to_owned(), dtype: "F32", shape: numbers("shape"), bytes }
        })
        .collect()
}

fn join(entries: &[Entry]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for e in entries {
        let start = data.len();
        data.extend(&e.bytes);
        header.insert(e.name.clone(), json!({"dtype": e.dtype, "shape": e.shape, "data_offsets": [start, data.len()]}));
    }
    file(&Value::Object(header).to_string(), &data)
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}
