//! Decoders in every form that has a place for them, read back here.

use apt_core::blocks::{Kept, LayerShape};
use apt_core::tokens::TokenBatch;
use apt_core::wiring::{Biases, Site};
use apt_export::{File, Model, Stored, TextSettings, Weights, peft};
use apt_nn::checkpoint::Checkpoint;
use apt_nn::{
    Activation, Batch, DecoderConfig, Family, Forward, Init, ModelConfig, Rotary, RotaryScaling, Transformer, compact,
};
use burn::tensor::Device;
use pollster::block_on;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const VOCABULARY: usize = 13;

/// SentencePiece's kind of tokenizer: two merges, and bytes for what they do not spell.
fn tokenizer() -> Vec<u8> {
    let pieces = ["<unk>", "<s>", "</s>", "<0x0A>", "<0x41>", "▁", "a", "b", "▁a", "ab"];
    let vocabulary: Value =
        pieces.iter().enumerate().map(|(id, piece)| ((*piece).to_owned(), Value::from(id))).collect();
    let special = |id: usize| {
        json!({"id": id, "content": pieces[id], "special": true, "normalized": false,
                                     "single_word": false, "lstrip": false, "rstrip": false})
    };
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [special(0), special(1), special(2)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": vocabulary,
                  "merges": [["a", "b"], ["▁", "a"]]},
    });
    json.to_string().into_bytes()
}

fn config(family: Family) -> ModelConfig {
    let is_gpt = family == Family::Gpt2;
    let biases = match family {
        Family::Gpt2 => Biases::ALL,
        Family::Qwen2 => Biases { into_attention: true, ..Biases::NONE },
        _ => Biases::NONE,
    };
    let queries_per_key = if is_gpt { 1 } else { 2 };
    ModelConfig {
        family,
        vocab_size: VOCABULARY,
        max_positions: 12,
        type_vocab_size: 0,
        embedding: None,
        hidden: 16,
        head_size: 4,
        layers: vec![LayerShape { heads: 4 / queries_per_key, neurons: 10 }; 3],
        activation: if is_gpt { Activation::GeluNew } else { Activation::Silu },
        norm_eps: 1e-5,
        pad_id: 0,
        head: None,
        label_names: vec![],
        decoder: Some(DecoderConfig {
            queries_per_key,
            biases,
            rotary: (!is_gpt).then_some(Rotary { theta: 1e4, scaling: RotaryScaling::Default }),
            tied: family != Family::Llama,
            bos_id: Some(1),
            eos_ids: vec![2],
        }),
    }
}

fn whole(family: Family) -> Transformer {
    Transformer::new(&config(family), &mut Init::new(5, &Device::flex()))
}

/// Without attention in the first layer, without feed-forward in the last; `hidden` dims are left.
fn cut(model: &Transformer, hidden: usize) -> Transformer {
    let mut kept = Kept::all(&model.config.shape());
    kept.heads[0].clear();
    kept.heads[1] = vec![1];
    kept.neurons[1] = vec![1, 2, 4, 9];
    kept.neurons[2].clear();
    kept.hidden.truncate(hidden);
    compact::compact(model, &kept)
}

fn exported(model: &Transformer) -> Model {
    let weights = block_on(Weights::read(model)).expect("it can be read back");
    Model { weights, tokenizer: tokenizer(), max_length: None, settings: TextSettings::default() }
}

fn file<'a>(files: &'a [File], name: &str) -> &'a [u8] {
    let found = files.iter().find(|file| file.name == name);
    &found.unwrap_or_else(|| panic!("{name} is not among the files")).bytes
}

fn json_of(files: &[File], name: &str) -> Value {
    serde_json::from_slice(file(files, name)).expect("it is JSON")
}

fn logits(model: &Transformer) -> Vec<f32> {
    let tokens = TokenBatch::of_one_type(vec![5, 6, 7, 8, 9, 10, 11, 12], vec![4, 4]);
    let batch = Batch::new(&tokens, &model.config, &Device::flex());
    let hidden = model.forward(&batch, Forward::default()).hidden;
    let logits = model.next_token_logits(hidden).expect("it is a decoder");
    logits.to_data().convert::<f32>().try_into_vec::<f32>().expect("just converted")
}

fn read(files: &[File]) -> Transformer {
    let config = ModelConfig::from_json(file(files, "config.json"), "config.json").expect("its own configuration");
    let checkpoint = Checkpoint::parse(file(files, "model.safetensors"), "model.safetensors", config.family);
    checkpoint.and_then(|c| c.model(&config, &Device::flex())).expect("its own weights")
}

#[test]
fn a_folder_reads_back_as_the_same_model_in_either_layout() {
    for family in Family::DECODERS {
        for model in [whole(family), cut(&whole(family), 13)] {
            let form = exported(&model);
            for files in [form.safetensors(Stored::F32), form.transformers(Stored::F32)] {
                let files = files.unwrap_or_else(|e| panic!("{family:?}: {e}"));
                assert_eq!(logits(&read(&files)), logits(&model), "{family:?}");
                let tokens = json_of(&files, "tokenizer_config.json");
                assert_eq!((&tokens["bos_token"], &tokens["eos_token"]), (&"<s>".into(), &"</s>".into()), "{family:?}");
            }
        }
    }
}

#[test]
fn what_begins_texts_is_put_before_them_by_the_exported_tokenizer() {
    let files = exported(&whole(Family::Llama)).safetensors(Stored::F32).expect("it can be written");
    let read = apt_data::Tokenizer::from_bytes(file(&files, "tokenizer.json"), "tokenizer.json").expect("it is one");
    assert_eq!(read.encode("ab", None, 8).expect("it can be encoded").ids, [1, 5, 9], "<s> ▁ ab");
    assert_eq!(json_of(&files, "tokenizer_config.json")["clean_up_tokenization_spaces"], false);
}

#[test]
fn zeros_make_a_pruned_decoder_uniform_again_and_change_nothing() {
    for family in Family::DECODERS {
        let pruned = cut(&whole(family), 16);
        assert!(!Model::is_plain(&pruned.config), "{family:?}");
        let files = exported(&pruned).padded(Stored::F32).unwrap_or_else(|e| panic!("{family:?}: {e}"));
        let padded = read(&files);
        assert!(Model::is_plain(&padded.config), "{family:?}: {:?}", padded.config.layers);
        for (a, b) in logits(&pruned).iter().zip(logits(&padded)) {
            assert!((a - b).abs() < 1e-6, "{family:?}: {a} became {b}");
        }
    }
}

#[test]
fn the_code_is_told_what_differs_between_layers_and_what_a_family_computes() {
    let files = exported(&cut(&whole(Family::Mistral), 13)).transformers(Stored::F32).expect("it can be written");
    let config = json_of(&files, "config.json");
    let expected = json!({
        "0": {"skip": ["attention"]},
        "1": {"intermediate_size": 4, "num_attention_heads": 2, "num_key_value_heads": 1},
        "2": {"skip": ["mlp"]},
    });
    assert_eq!(config["per_layer_config"], expected);
    assert_eq!(config["auto_map"]["AutoModelForCausalLM"], "modeling_apt.AptForCausalLM");
    assert_eq!(config["wiring"]["queries_per_key"], 2);
    assert_eq!(config["wiring"]["frequencies"].as_array().map(Vec::len), Some(2));
    let code = String::from_utf8(file(&files, "modeling_apt.py").to_vec()).expect("it is text");
    assert!(code.contains("class AptForCausalLM("));
}

#[test]
fn a_file_for_llama_cpp_names_the_units_of_every_layer() {
    let files = exported(&cut(&whole(Family::Llama), 13)).gguf(Stored::F32).expect("it can be written");
    let gguf = Gguf::read(file(&files, "model.gguf"));
    assert_eq!(gguf.text("general.architecture"), "deci");
    // The first layer's attention is of zeros, for llama.cpp looks there for whether there is any; so is the last layer's
    // only neuron, behind which attention is added.
    for (key, expected) in [
        ("deci.attention.head_count", [2, 2, 4]),
        ("deci.attention.head_count_kv", [1, 1, 2]),
        ("deci.feed_forward_length", [10, 4, 1]),
    ] {
        assert_eq!(gguf.integers(key), expected, "{key}");
    }
    assert_eq!(gguf.number("deci.embedding_length"), 13);
    assert_eq!(gguf.number("deci.rope.dimension_count"), 4);
    assert_eq!(gguf.dims["blk.1.attn_q.weight"], [13, 8]);
    assert_eq!(gguf.dims["blk.2.ffn_down.weight"], [1, 13]);
    assert_eq!(gguf.dims["output.weight"], [13, VOCABULARY]);
    assert_eq!(gguf.text("tokenizer.ggml.model"), "llama");
    assert_eq!(gguf.integers("tokenizer.ggml.token_type")[..6], [2, 3, 3, 6, 6, 1]);
    assert_eq!(gguf.number("tokenizer.ggml.bos_token_id"), 1);
}

#[test]
fn equal_layers_go_out_under_the_familys_own_architecture() {
    for (family, name) in [
        (Family::Llama, "llama"),
        (Family::Mistral, "llama"),
        (Family::Qwen2, "qwen2"),
        (Family::Qwen3, "qwen3"),
        (Family::Gpt2, "gpt2"),
    ] {
        let files = exported(&whole(family)).gguf(Stored::F16).unwrap_or_else(|e| panic!("{family:?}: {e}"));
        let gguf = Gguf::read(file(&files, "model.gguf"));
        assert_eq!(gguf.text("general.architecture"), name, "{family:?}");
        assert_eq!(gguf.number(&format!("{name}.block_count")), 3);
    }
}

#[test]
fn what_a_form_has_no_place_for_is_refused_with_those_that_have() {
    let refused = |files: Result<Vec<File>, apt_export::ExportError>| files.expect_err("it has no place").to_string();
    let error = refused(exported(&whole(Family::Llama)).onnx(&[Stored::F32]));
    assert!(["LLaMA is a decoder", "gguf", "transformers", "safetensors"].iter().all(|w| error.contains(w)), "{error}");
    let error = refused(exported(&cut(&whole(Family::Gpt2), 13)).gguf(Stored::F32));
    assert!(error.contains("heads of 4") && error.contains("13"), "{error}");
    let error = refused(exported(&whole(Family::Llama)).gguf(Stored::Int8));
    assert!(error.contains("8-bit") && error.contains("f16"), "{error}");
    let mut words = exported(&whole(Family::Llama));
    words.tokenizer = br#"{"model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[UNK]": 0}}}"#.to_vec();
    let error = refused(words.gguf(Stored::F32));
    assert!(error.contains("WordLevel") && error.contains("safetensors"), "{error}");
}

#[test]
fn adapters_of_a_decoder_are_for_what_writes() {
    let dense = whole(Family::Qwen2);
    let student = dense.clone().with_adapters(&[Site::Query, Site::Gate], 3, 2.0, &mut Init::new(2, &Device::flex()));
    let files = block_on(peft(&student, &dense.config, "base")).expect("nothing was removed");
    let config = json_of(&files, "adapter_config.json");
    assert_eq!((&config["task_type"], &config["modules_to_save"]), (&"CAUSAL_LM".into(), &Value::Null));
    assert_eq!(config["alpha_pattern"]["model.layers.0.mlp.gate_proj"], 6.0);
    let gpt = whole(Family::Gpt2).with_adapters(&[Site::Query], 3, 2.0, &mut Init::new(2, &Device::flex()));
    let error = block_on(peft(&gpt, &gpt.config, "base")).expect_err("it has one layer for three").to_string();
    assert!(error.contains("one layer for all three") && error.contains("gguf"), "{error}");
}

/// What a GGUF file holds, without the values of tensors.
struct Gguf {
    values: BTreeMap<String, Value>,
    dims: BTreeMap<String, Vec<usize>>,
}

impl Gguf {
    fn read(bytes: &[u8]) -> Self {
        let mut rest = Bytes(bytes);
        assert_eq!(rest.take(4), b"GGUF");
        assert_eq!(rest.int(4), 3, "its version");
        let (tensors, keys) = (rest.int(8), rest.int(8));
        let values = (0..keys).map(|_| {
            let (key, kind) = (rest.text(), rest.int(4));
            (key, rest.value(kind))
        });
        let values = values.collect();
        let mut dims = BTreeMap::new();
        let mut end = 0;
        for _ in 0..tensors {
            let name = rest.text();
            let count = rest.int(4);
            let of: Vec<usize> = (0..count).map(|_| rest.int(8) as usize).collect();
            let width = if rest.int(4) == 1 { 2 } else { 4 };
            assert_eq!(rest.int(8) as usize, end, "{name} begins where the one before it ends");
            end += (of.iter().product::<usize>() * width).next_multiple_of(32);
            dims.insert(name, of);
        }
        let header = (bytes.len() - rest.0.len()).next_multiple_of(32);
        assert_eq!(bytes.len(), header + end, "values fill the file");
        Self { values, dims }
    }

    fn text(&self, key: &str) -> &str {
        self.values[key].as_str().expect("it is a text")
    }

    fn number(&self, key: &str) -> i64 {
        self.values[key].as_i64().expect("it is a number")
    }

    fn integers(&self, key: &str) -> Vec<i64> {
        self.values[key].as_array().expect("it is a list").iter().filter_map(Value::as_i64).collect()
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken
    }

    fn int(&mut self, width: usize) -> i64 {
        let mut all = [0; 8];
        all[..width].copy_from_slice(self.take(width));
        let value = i64::from_le_bytes(all);
        if width == 4 { i64::from(value as i32) } else { value }
    }

    fn text(&mut self) -> String {
        let length = self.int(8) as usize;
        String::from_utf8(self.take(length).to_vec()).expect("it is UTF-8")
    }

    fn value(&mut self, kind: i64) -> Value {
        match kind {
            4 | 5 => self.int(4).into(),
            6 => f32::from_bits(self.int(4) as u32).into(),
            7 => (self.take(1)[0] != 0).into(),
            8 => self.text().into(),
            9 => {
                let (kind, count) = (self.int(4), self.int(8));
                (0..count).map(|_| self.value(kind)).collect()
            }
            other => panic!("a value of type {other}"),
        }
    }
}
