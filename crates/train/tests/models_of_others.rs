//! Models as hubs have them and as other programs write them: read with the numbers that they mean, or refused with the
//! way to make them readable. What was taken off, left out or assumed is reported.

mod models;

use apt_experiment::PartLeftOut;
use apt_nn::ModelConfig;
use models::{Files, INDEX, Model, TOKENIZER, outputs, read, safetensors};
use safetensors::tensor::Dtype;
use serde_json::json;

#[track_caller]
fn refused(files: &Files, parts: &[&str]) {
    let Err(error) = read(files) else { panic!("it was read") };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "the message does not say {part:?}: {text}");
    }
}

#[test]
fn shards_with_an_index_are_one_model() {
    let model = Model::classifier(2);
    let whole = read(&model.files()).expect("one file");
    for first in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let sharded = read(&model.sharded(first)).unwrap_or_else(|error| panic!("{first:?}: {error}"));
        assert_eq!(outputs(&sharded), outputs(&whole), "{first:?}");
        assert_ne!(sharded.hash, whole.hash, "the files differ");
        let files = ["config.json", "tokenizer.json", INDEX, "model-00001-of-00002.safetensors"];
        assert_eq!(sharded.read.files[..4], files, "{first:?}");
    }
}

#[test]
fn shards_that_are_missing_or_contradict_their_index_are_named() {
    let model = Model::bert();
    let good = model.sharded(Dtype::F32);
    let second = "model-00002-of-00002.safetensors";
    let mut files = good.clone();
    files.remove(second);
    refused(&files, &[second, "is not there", INDEX]);
    let mut files = good.clone();
    files.remove(INDEX);
    refused(&files, &[INDEX, "no index"]);
    for (from, to, part) in [
        ("bert.pooler.dense.bias", "bert.pooler.dense.scale", "`bert.pooler.dense.scale` is not in it"),
        ("\"bert.pooler.dense.bias\":", "\"bert.pooler.dense.bias2\":", "`bert.pooler.dense.bias2` is not in it"),
        (second, "../elsewhere.safetensors", "which is none beside it"),
        ("weight_map", "weights", "no `weight_map`"),
    ] {
        let mut files = good.clone();
        let index = String::from_utf8(files[INDEX].clone()).expect("JSON").replace(from, to);
        files.insert(INDEX.into(), index.into_bytes());
        refused(&files, &[part]);
    }
    // A tensor that the index does not have.
    let mut more = model.clone();
    more.add("bert.pooler.extra", &[2]);
    let mut files = more.sharded(Dtype::F32);
    files.insert(INDEX.into(), good[INDEX].clone());
    let error = read(&files).err().expect("the index lacks a tensor").to_string();
    assert!(error.contains("my/model/model-0000") && error.contains("index.json"), "{error}");
}

#[test]
fn prefixes_of_wrappers_are_taken_off_and_told() {
    let model = Model::classifier(3);
    let plain = outputs(&read(&model.files()).expect("as transformers writes it"));
    for prefix in ["module.", "model.", "_orig_mod.module.", "0.auto_model."] {
        let wrapped = model.clone().renamed(|name| format!("{prefix}{name}"));
        let wrapped = read(&wrapped.files()).unwrap_or_else(|error| panic!("{prefix}: {error}"));
        assert_eq!(outputs(&wrapped), plain, "{prefix}");
        assert_eq!(wrapped.read.prefix.as_deref(), Some(prefix));
        assert!(wrapped.read.line().contains(&format!("the prefix `{prefix}` of its tensors is taken off")));
    }
    // Without the family's own prefix, as an encoder alone is saved.
    let bare = |prefix: &str| {
        Model::bert().renamed(|name| format!("{prefix}{}", name.strip_prefix("bert.").expect("it has the prefix")))
    };
    let [encoder, wrapped] = ["", "0.auto_model."].map(|prefix| read(&bare(prefix).files()).expect("an encoder"));
    assert_eq!(outputs(&encoder), outputs(&wrapped));
    assert_eq!((encoder.read.prefix, wrapped.read.prefix.as_deref()), (None, Some("0.auto_model.")));
}

#[test]
fn a_classifier_outside_the_wrapped_model_is_not_its_head() {
    let model = Model::classifier(2).renamed(|name| match name.strip_prefix("bert.") {
        Some(name) => format!("encoder.{name}"),
        None => name.to_owned(),
    });
    let read = read(&model.files()).expect("an encoder in another program's class");
    assert!(read.source.config.head.is_none(), "what it reads is not known");
    assert!(read.read.line().contains("left out: classifier (2 tensors)"), "{}", read.read.line());
}

#[test]
fn several_models_in_one_file_and_those_of_another_family_are_refused() {
    let mut both = Model::bert();
    both.tensors = ["query.", "passage."]
        .into_iter()
        .flat_map(|side| Model::bert().renamed(|name| format!("{side}{name}")).tensors)
        .collect();
    refused(&both.files(), &["several models", "`passage.bert.`, `query.bert.`", "save_pretrained"]);
    let other = Model::bert().renamed(|name| name.replace("bert.", "roberta."));
    refused(&other.files(), &["RoBERTa", "config.json says `bert`", "model_type"]);
}

#[test]
fn heads_for_other_uses_are_left_out_and_told() {
    let encoder = outputs(&read(&Model::bert().files()).expect("an encoder"));
    for (class, heads, told) in [
        ("BertForQuestionAnswering", vec![("qa_outputs", 2)], "qa_outputs (2 tensors)"),
        (
            "BertForPreTraining",
            vec![("cls.predictions.transform.dense", 16), ("cls.seq_relationship", 2)],
            "cls.predictions (2 tensors), cls.seq_relationship (2 tensors)",
        ),
        // Beside a pooler, as older versions of transformers wrote them, these look like a head for whole texts.
        ("BertForTokenClassification", vec![("classifier", 9)], "classifier (2 tensors)"),
        ("BertForMultipleChoice", vec![("classifier", 1)], "classifier (2 tensors)"),
    ] {
        let mut model = Model::bert();
        model.config["architectures"] = json!([class]);
        model.config["id2label"] = json!({"0": "B-PER", "1": "I-PER"});
        heads.iter().for_each(|(name, outputs)| model.linear(name, *outputs, 16));
        let read = read(&model.files()).unwrap_or_else(|error| panic!("{class}: {error}"));
        assert_eq!(outputs(&read), encoder, "{class}");
        assert!(read.source.config.head.is_none() && read.source.config.label_names.is_empty(), "{class}");
        assert!(read.read.line().contains(told), "{class}: {}", read.read.line());
    }
    let mut model = Model::bert();
    model.add("bert.embeddings.position_ids", &[1, 20]);
    assert_eq!(read(&model.files()).expect("older files have it").read.left_out, [], "a table of numbers is no part");
    let parts = vec![PartLeftOut { name: "classifier".into(), tensors: 2 }];
    let mut ner = Model::classifier(9);
    ner.tensors.retain(|name, _| !name.contains("pooler"));
    assert_eq!(read(&ner.files()).expect("a tagger of today").read.left_out, parts);
}

#[test]
fn a_classifier_is_found_by_its_tensors_with_the_names_of_its_classes() {
    let mut model = Model::classifier(2);
    model.config["id2label"] = json!({"0": "negative", "1": "positive"});
    let read = read(&model.files()).expect("a classifier");
    assert_eq!(read.source.config.head.map(|head| head.labels), Some(2));
    assert_eq!(read.source.config.label_names, ["negative", "positive"]);
    assert_eq!((outputs(&read).len(), read.read.left_out.len()), (4, 0), "two logits of two texts");
    assert_eq!(read.source.config.head.map(|head| head.multi_label), Some(false));
    // What transformers writes of a model whose classes may apply in any number; ours says it again.
    model.config["problem_type"] = json!("multi_label_classification");
    let config = self::read(&model.files()).expect("a classifier").source.config;
    assert_eq!(config.head.map(|head| head.multi_label), Some(true));
    let json = config.to_json();
    assert_eq!(json["problem_type"], "multi_label_classification");
    let again = ModelConfig::from_json(json.to_string().as_bytes(), "config.json").expect("our own");
    assert_eq!(again.head, config.head);
}

#[test]
fn heads_that_transformers_pruned_are_gone_layer_by_layer() {
    let mut model = Model::bert();
    model.config["pruned_heads"] = json!({"0": [1, 3], "1": [0]});
    for (layer, left) in [(0, 8), (1, 12)] {
        for name in ["query", "key", "value"] {
            model.linear(&format!("bert.encoder.layer.{layer}.attention.self.{name}"), left, 16);
        }
        model.linear(&format!("bert.encoder.layer.{layer}.attention.output.dense"), 16, left);
    }
    let read_model = read(&model.files()).expect("heads differ from layer to layer");
    assert_eq!(read_model.source.config.layers.iter().map(|layer| layer.heads).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(outputs(&read_model).len(), 8 * 16);
    for (pruned, part) in [(json!({"2": [0]}), "layer 2 of 2"), (json!({"0": [4]}), "heads [4] of 4")] {
        model.config["pruned_heads"] = pruned;
        refused(&model.files(), &["config.json", "`pruned_heads`", part]);
    }
}

#[test]
fn what_config_json_does_not_say_is_told() {
    let mut model = Model::bert();
    let config = model.config.as_object_mut().expect("an object");
    config.retain(|key, _| !["pad_token_id", "layer_norm_eps", "hidden_act"].contains(&key.as_str()));
    let line = read(&model.files()).expect("transformers has defaults").read.line();
    assert!(line.contains("does not give `hidden_act` gelu, `layer_norm_eps`"), "{line}");
    assert!(line.contains("`pad_token_id` 0: BERT's defaults"), "{line}");
    let mut without = Model::bert();
    without.config.as_object_mut().expect("an object").remove("model_type");
    refused(&without.files(), &["`model_type` is missing", "\"model_type\": \"bert\""]);
    without.config["architectures"] = json!(["XLMRobertaForMaskedLM"]);
    refused(&without.files(), &["\"model_type\": \"xlm-roberta\""]);
    without.config.as_object_mut().expect("an object").remove("architectures");
    refused(&without.files(), &["\"model_type\": \"bert\"", "distilbert"]);
}

#[test]
fn models_of_another_kind_are_refused_by_name() {
    for (key, value, parts) in [
        ("is_decoder", json!(true), ["`is_decoder` is true", "a decoder"]),
        ("add_cross_attention", json!(true), ["`add_cross_attention`", "cross attention"]),
        ("position_embedding_type", json!("relative_key_query"), ["relative_key_query", "absolute position"]),
        ("hidden_act", json!("hardswish"), ["`hardswish` is not known", "gelu, gelu_python, gelu_new"]),
        (
            "quantization_config",
            json!({"load_in_8bit": true, "quant_method": "bitsandbytes"}),
            ["method bitsandbytes", "BertModel as M, AutoTokenizer as T; M.from_pretrained('my/model').dequantize()"],
        ),
        ("quantization_config", json!({"bits": 4, "quant_method": "gptq"}), ["method gptq", "that it was made from"]),
    ] {
        let mut model = Model::bert();
        model.config[key] = value;
        refused(&model.files(), &[&["my/model/config.json"], &parts[..]].concat());
    }
    let mut decoder = Model::bert();
    decoder.linear("bert.encoder.layer.0.crossattention.self.query", 16, 16);
    let read = read(&decoder.files()).expect("it is told when the weights are read");
    let error = read.source.model(&burn::tensor::Device::flex()).expect_err("a decoder").to_string();
    assert!(error.contains("cross attention") && error.contains("crossattention.self.query"), "{error}");
}

#[test]
fn every_name_of_an_activation_of_ours_is_known() {
    let of = |name: &str| {
        let mut model = Model::bert();
        model.config["hidden_act"] = json!(name);
        outputs(&read(&model.files()).unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    let [exact, tanh] = ["gelu", "gelu_new"].map(of);
    assert_ne!(exact, tanh);
    assert_eq!(of("gelu_python"), exact);
    for name in ["gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"] {
        assert_eq!(of(name), tanh, "{name}");
    }
}

/// A folder of BERT with this file in the place of its weights.
fn with(name: &str, bytes: &[u8]) -> Files {
    let mut files = Model::bert().without_weights();
    files.insert(name.into(), bytes.to_vec());
    files
}

#[test]
fn weights_that_have_to_be_converted_are_answered_with_the_command() {
    let convert = "from transformers import BertModel as M; M.from_pretrained('my/model'";
    refused(&with("pytorch_model.bin", b"PK"), &["my/model/pytorch_model.bin", "pickle", convert]);
    refused(&with("pytorch_model.bin.index.json", b"{}"), &["PyTorch", convert]);
    refused(&with("weights.pt", b"PK"), &["weights.pt", "after renaming it to pytorch_model.bin", convert]);
    refused(&with("tf_model.h5", b"\x89HDF"), &["tf_model.h5", "transformers<5", "from_tf=True"]);
    refused(&with("flax_model.msgpack", b""), &["flax_model.msgpack", "from_flax=True"]);
    let convert =
        "M.from_pretrained('my/model', gguf_file='model-q4.gguf').save_pretrained('my/model/model-q4-converted')";
    refused(&with("model-q4.gguf", b"GGUF"), &["my/model/model-q4.gguf", "llama.cpp", "AutoModelForCausalLM", convert]);
    refused(&with("README.md", b""), &["my/model/model.safetensors", "README.md", "fetch"]);
    let mut adapter = with("adapter_model.safetensors", b"");
    adapter.insert("adapter_config.json".into(), b"{}".to_vec());
    for has_config in [true, false] {
        if !has_config {
            adapter.remove("config.json");
        }
        refused(
            &adapter,
            &["my/model/adapter_config.json", "adapter of PEFT", "merge_and_unload()", "my/model-merged"],
        );
    }
}

#[test]
fn a_safetensors_file_of_another_name_is_read_if_it_is_the_only_one() {
    let model = Model::bert();
    let weights = safetensors(&model.tensors, Dtype::F32);
    let read = read(&with("model.fp32.safetensors", &weights)).expect("there is no doubt");
    assert_eq!(outputs(&read), outputs(&models::read(&model.files()).expect("the usual name")));
    assert!(read.read.line().contains("those of model.fp32.safetensors"), "{}", read.read.line());
    let mut two = with("model.fp32.safetensors", &weights);
    two.insert("other.safetensors".into(), weights);
    refused(&two, &["model.safetensors", "model.fp32.safetensors, other.safetensors", "rename"]);
}

#[test]
fn what_lies_under_the_name_of_the_weights_by_mistake_is_recognised() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 34489808\n";
    for (bytes, parts) in [
        (&pointer[..], ["Git LFS pointer", "34489808 bytes"]),
        (b"<!DOCTYPE html><html>", ["web page", "download"]),
        (b"PK\x03\x04rest of a zip", ["PyTorch", "pytorch_model.bin"]),
        (b"\x80\x02}q\x00", ["PyTorch", "pytorch_model.bin"]),
        (b"\x89HDF\r\n\x1a\n", ["TensorFlow", "safetensors"]),
        (b"GGUF\x03\x00\x00\x00", ["GGUF", "rename this one to model.gguf"]),
        (b"\x1f\x8b\x08\x00", ["gzip", "gunzip"]),
        (b"", ["not a complete safetensors file", "fetch"]),
    ] {
        refused(&with("model.safetensors", bytes), &[&["my/model/model.safetensors"], &parts[..]].concat());
    }
    let mut files = Model::bert().files();
    files.insert("config.json".into(), pointer.to_vec());
    refused(&files, &["my/model/config.json", "Git LFS pointer", "git lfs pull --include=config.json"]);
    let mut files = Model::bert().sharded(Dtype::F32);
    files.insert(INDEX.into(), pointer.to_vec());
    refused(&files, &[INDEX, "Git LFS pointer"]);
}

#[test]
fn unmerged_adapters_and_quantised_weights_are_refused_by_their_tensors() {
    let mut lora = Model::bert().renamed(|name| format!("base_model.model.{name}"));
    lora.add("base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.default.weight", &[2, 16]);
    refused(&lora.files(), &["LoRA adapters", "lora_A.default.weight", "merge_and_unload()"]);
    let mut int8 = Model::bert();
    int8.add("bert.encoder.layer.0.attention.self.query.SCB", &[16]);
    refused(&int8.files(), &["quantised", "query.SCB", "F32, F16 or BF16"]);
    let mut gptq = Model::bert();
    gptq.add("bert.encoder.layer.0.attention.self.query.qweight", &[2, 16]);
    refused(&gptq.files(), &["quantised", "qweight"]);
}

#[test]
fn a_vocabulary_stands_in_for_tokenizer_json() {
    let json: serde_json::Value = serde_json::from_slice(TOKENIZER).expect("JSON");
    let vocabulary = json["model"]["vocab"].as_object().expect("pieces");
    let mut pieces: Vec<(&String, u64)> =
        vocabulary.iter().map(|(piece, id)| (piece, id.as_u64().expect("an id"))).collect();
    pieces.sort_by_key(|(_, id)| *id);
    let text = pieces.iter().map(|(piece, _)| format!("{piece}\n")).collect::<String>();
    let mut files = Model::bert().files();
    files.remove("tokenizer.json");
    files.insert("vocab.txt".into(), text.into_bytes());
    files.insert("tokenizer_config.json".into(), br#"{"do_lower_case": true, "model_max_length": 12}"#.to_vec());
    let made = read(&files).expect("BERT's vocabulary");
    let usual = read(&Model::bert().files()).expect("with tokenizer.json");
    for text in ["the food was good", "Terrible SERVICE, slow!"] {
        let ids = |files: &apt_train::ModelFiles| files.tokenizer.encode(text, Some("and cold"), 20).expect("ids");
        assert_eq!(ids(&made), ids(&usual), "{text}");
    }
    assert_eq!((made.max_length, usual.max_length), (Some(12), None));
    assert!(made.read.line().contains("made of vocab.txt (WordPiece): text is lower-cased"), "{}", made.read.line());
    assert_eq!(made.read.files[..3], ["config.json", "tokenizer_config.json", "vocab.txt"]);

    files.remove("vocab.txt");
    refused(&files, &["my/model/tokenizer.json", "vocab.txt"]);
    let mut pieces = files.clone();
    pieces.insert("sentencepiece.bpe.model".into(), vec![]);
    refused(
        &pieces,
        &["sentencepiece.bpe.model", "SentencePiece", "T.from_pretrained('my/model').save_pretrained('my/model')"],
    );
    files.insert("vocab.txt".into(), b"a 1\nb 2\n".to_vec());
    files.insert("bpe.codes".into(), vec![]);
    refused(&files, &["bpe.codes", "fairseq"]);
}

#[test]
fn a_folder_without_config_json_says_what_there_is() {
    let mut files = Model::bert().files();
    files.remove("config.json");
    refused(&files, &["my/model/config.json", "model.safetensors, tokenizer.json"]);
    files.insert("model.gguf".into(), b"GGUF".to_vec());
    refused(&files, &["model.gguf", "llama.cpp", "gguf_file='model.gguf'"]);
}
