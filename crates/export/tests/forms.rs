//! The forms, read back here: what other programs get to see.

use apt_core::blocks::{Kept, LayerShape};
use apt_core::tokens::TokenBatch;
use apt_core::wiring::Site;
use apt_export::{File, Model, Stored, TextSettings, Weights, peft};
use apt_nn::checkpoint::Checkpoint;
use apt_nn::{Activation, Family, HeadConfig, Init, ModelConfig, Pooling, Transformer, compact, inference};
use burn::tensor::Device;
use pollster::block_on;
use safetensors::SafeTensors;
use serde_json::Value;

const TOKENIZER: &str = r#"{"model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[PAD]": 0, "[UNK]": 1}}}"#;

fn config(family: Family, pooling: Pooling) -> ModelConfig {
    ModelConfig {
        family,
        vocab_size: 13,
        max_positions: 12,
        type_vocab_size: usize::from(family.spec().token_types),
        embedding: None,
        hidden: 16,
        head_size: 4,
        layers: vec![LayerShape { heads: 4, neurons: 10 }; 2],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id: 0,
        head: Some(HeadConfig::new(pooling, 16, 3)),
        label_names: vec![],
        decoder: None,
    }
}

fn whole(family: Family, pooling: Pooling) -> Transformer {
    Transformer::new(&config(family, pooling), &mut Init::new(5, &Device::flex()))
}

/// Without a head and half of the neurons of the second layer; `hidden` dims are left.
fn cut(model: &Transformer, hidden: usize) -> Transformer {
    let mut kept = Kept::all(&model.config.shape());
    kept.heads[1] = vec![0, 3];
    kept.neurons[1] = vec![1, 2, 4, 9];
    kept.hidden.truncate(hidden);
    compact::compact(model, &kept)
}

fn exported(model: &Transformer) -> Model {
    let weights = block_on(Weights::read(model)).expect("it can be read back");
    Model { weights, tokenizer: TOKENIZER.into(), max_length: None, settings: TextSettings::default() }
}

fn file<'a>(files: &'a [File], name: &str) -> &'a [u8] {
    let found = files.iter().find(|file| file.name == name);
    &found.unwrap_or_else(|| panic!("{name} is not among the files")).bytes
}

fn json(files: &[File], name: &str) -> Value {
    serde_json::from_slice(file(files, name)).expect("it is JSON")
}

fn logits(model: &Transformer) -> Vec<f32> {
    let tokens = TokenBatch::of_one_type(vec![5, 6, 7, 8, 9, 10, 11, 12], vec![4, 3]);
    let logits = inference::logits(model, &tokens, &Device::flex()).expect("it has a classifier");
    logits.to_data().convert::<f32>().try_into_vec::<f32>().expect("just converted")
}

fn read(files: &[File]) -> Transformer {
    let config = ModelConfig::from_json(file(files, "config.json"), "config.json").expect("its own configuration");
    let checkpoint = Checkpoint::parse(file(files, "model.safetensors"), "model.safetensors", config.family);
    checkpoint.and_then(|c| c.model(&config, &Device::flex())).expect("its own weights")
}

#[test]
fn names_are_the_published_ones_and_the_layout_is_marked() {
    for family in Family::ENCODERS {
        let files = exported(&whole(family, Pooling::Pooler)).safetensors(Stored::F32).expect("it can be written");
        let bytes = file(&files, "model.safetensors");
        let (_, header) = SafeTensors::read_metadata(bytes).expect("it is one");
        let metadata = header.metadata().clone().expect("transformers 4 wants metadata");
        assert_eq!(metadata.get("format").map(String::as_str), Some("pt"), "{family:?}");
        let prefix = family.spec().prefix;
        for name in SafeTensors::deserialize(bytes).expect("it is one").names() {
            let of_head = name.starts_with("classifier.") || name.starts_with("pre_classifier.");
            assert!(name.starts_with(prefix) != of_head, "{family:?}: {name}");
        }
        assert_eq!(json(&files, "tokenizer_config.json")["pad_token"], "[PAD]");
    }
}

#[test]
fn padded_and_pruned_models_give_the_same_logits_and_the_padded_one_is_uniform() {
    for family in Family::ENCODERS {
        let pruned = cut(&whole(family, Pooling::Pooler), 16);
        let files = exported(&pruned).padded(Stored::F32).expect("nothing was removed that zeros do not replace");
        let padded = read(&files);
        assert_eq!(padded.config.layers, vec![LayerShape { heads: 4, neurons: 10 }; 2], "{family:?}");
        for (a, b) in logits(&pruned).iter().zip(logits(&padded)) {
            assert!((a - b).abs() < 1e-6, "{family:?}: {a} became {b}");
        }
    }
}

#[test]
fn what_zeros_cannot_replace_is_refused_by_name() {
    let refused =
        |model: &Transformer| exported(model).padded(Stored::F32).expect_err("it cannot be padded").to_string();
    let error = refused(&cut(&whole(Family::Bert, Pooling::Pooler), 13));
    assert!(error.contains("13 hidden dims") && error.contains("onnx"), "{error}");
    let error = refused(&whole(Family::Bert, Pooling::Mean));
    assert!(error.contains("the mean of the tokens"), "{error}");
    let bert = whole(Family::Bert, Pooling::Pooler);
    let mut kept = Kept::all(&bert.config.shape());
    kept.heads[0].clear();
    let error = refused(&compact::compact(&bert, &kept));
    assert!(error.contains("layer 0") && error.contains("attention"), "{error}");
}

#[test]
fn a_folder_with_code_says_what_differs_from_the_widest_layer_and_loads_here_too() {
    let bert = cut(&whole(Family::Bert, Pooling::Mean), 13);
    let files = exported(&bert).transformers(Stored::F32).expect("it has a classifier");
    let config = json(&files, "config.json");
    let layers = serde_json::json!({"1": {"num_attention_heads": 2, "intermediate_size": 4}});
    assert_eq!(config["per_layer_config"], layers);
    assert_eq!(config["pooling"], "mean");
    assert_eq!(config["modules"]["linears"]["query"], "attention.self.query");
    let code = String::from_utf8(file(&files, "modeling_apt.py").to_vec()).expect("it is text");
    for class in config["auto_map"].as_object().expect("classes").values() {
        let class = class.as_str().and_then(|class| class.strip_prefix("modeling_apt.")).expect("in that file");
        assert!(code.contains(&format!("class {class}(")), "{class} is not in the code");
    }
    assert_eq!(logits(&read(&files)), logits(&bert));
}

#[test]
fn every_adapter_has_its_own_rank_and_alpha() {
    let dense = whole(Family::Bert, Pooling::Pooler);
    let mut init = Init::new(2, &Device::flex());
    let mut student = dense.clone().with_adapters(&[Site::Query, Site::Down], 3, 1.5, &mut init);
    let grown = student.layers[1].feed_forward.as_mut().and_then(|block| block.down.adapter.as_mut());
    let grown = grown.expect("it has an adapter");
    *grown = grown.grow(init.normal([10, 2], 0.1));
    let files = block_on(peft(&student, &dense.config, "base")).expect("nothing was removed");
    let config = json(&files, "adapter_config.json");
    let name = "bert.encoder.layer.1.output.dense";
    assert_eq!((&config["rank_pattern"][name], &config["alpha_pattern"][name]), (&5.into(), &7.5.into()));
    let name = "bert.encoder.layer.0.attention.self.query";
    assert_eq!((&config["rank_pattern"][name], &config["alpha_pattern"][name]), (&3.into(), &4.5.into()));
    assert_eq!(config["target_modules"].as_array().map(Vec::len), Some(4));
    let tensors = SafeTensors::deserialize(file(&files, "adapter_model.safetensors")).expect("it is one");
    let shape = |name: &str| tensors.tensor(name).map(|t| t.shape().to_vec()).unwrap_or_default();
    assert_eq!(shape("base_model.model.bert.encoder.layer.1.output.dense.lora_A.weight"), [5, 10]);
    assert_eq!(shape("base_model.model.bert.encoder.layer.1.output.dense.lora_B.weight"), [16, 5]);
    assert_eq!(shape("base_model.model.bert.pooler.dense.weight"), [16, 16]);
    assert_eq!(shape("base_model.model.classifier.bias"), [3]);
}

#[test]
fn adapters_of_a_pruned_model_are_refused_with_what_holds_it() {
    let dense = whole(Family::Bert, Pooling::Pooler);
    let error = block_on(peft(&cut(&dense, 16), &dense.config, "base")).expect_err("it was pruned").to_string();
    assert!(error.contains("lost units") && error.contains("onnx"), "{error}");
    let error = block_on(peft(&dense, &dense.config, "base")).expect_err("it has none").to_string();
    assert!(error.contains("no adapters"), "{error}");
}
