//! Decoders: a run of one, what it writes, and how it leaves.

use crate::program::{program, read_json, run};
use apt_export::{Model, Stored, TextSettings, Weights};
use apt_nn::{Init, ModelConfig, Transformer};
use burn::tensor::Device;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// A LLaMA of two layers that reads bytes as GPT-2 does, as a folder of the Hugging Face layout.
fn write_model(folder: &Path) {
    let printable = |byte: &u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let others = (0..256_u32).filter(|byte| !printable(byte)).count() as u32;
    let alphabet = (0..256_u32).filter(printable).chain(256..256 + others).filter_map(char::from_u32);
    let mut vocabulary: serde_json::Map<String, Value> =
        alphabet.map(String::from).zip((0..).map(Value::from)).collect();
    vocabulary.insert("<|endoftext|>".into(), 256.into());
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{"id": 256, "content": "<|endoftext|>", "special": true, "normalized": false,
                          "single_word": false, "lstrip": false, "rstrip": false}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    });
    let config = json!({
        "model_type": "llama", "vocab_size": 257, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
        "hidden_act": "silu", "tie_word_embeddings": false, "eos_token_id": 256,
    });
    let config = ModelConfig::from_json(config.to_string().as_bytes(), "config.json").expect("a configuration");
    let model = Transformer::new(&config, &mut Init::new(3, &Device::flex()));
    let weights = pollster::block_on(Weights::read(&model)).expect("it can be read back");
    let tokenizer = tokenizer.to_string().into_bytes();
    let model = Model { weights, tokenizer, max_length: None, settings: TextSettings::default() };
    fs::create_dir_all(folder).expect("a folder can be made");
    for file in model.safetensors(Stored::F32).expect("it can be written") {
        fs::write(folder.join(file.name), file.bytes).expect("it can be written");
    }
}

#[test]
fn a_pruned_decoder_writes_and_leaves_in_every_form_that_takes_it() {
    let dir = folder();
    write_model(&dir.path().join("model"));
    let story =
        |n: usize| format!("The {} cat {}.\n", ["red", "old"][n % 2], ["ran home", "sat down", "was glad"][n % 3]);
    fs::write(dir.path().join("stories.txt"), (0..200).map(story).collect::<String>()).expect("it can be written");
    let trained = run(
        &[
            "run",
            "--model",
            "model",
            "--objective",
            "causal_lm",
            "--data",
            "stories.txt",
            "--density",
            "0.6",
            "--steps",
            "12",
            "--num-prunings",
            "2",
            "--max-length",
            "24",
            "--round-hidden",
            "1",
            "--device",
            "cpu",
            "--out",
            "r",
        ],
        dir.path(),
    );
    assert_eq!(trained.status, 0, "the run: {}{}", trained.out, trained.err);

    let wrote = run(&["generate", "r", "The red", "--tokens", "12", "--json"], dir.path());
    assert_eq!(wrote.status, 0, "{}", wrote.err);
    let first: Value = serde_json::from_str(&wrote.out).expect("one JSON object");
    assert_eq!(first["prompt_ids"].as_array().map(Vec::len), Some(7), "a byte each");
    assert!(wrote.err.contains("7 tokens read") && wrote.err.contains("a second"), "{}", wrote.err);

    for (format, file) in
        [("safetensors", "model.safetensors"), ("transformers", "modeling_apt.py"), ("gguf", "model.gguf")]
    {
        let done = run(&["export", "r", "--out", format, "--format", format], dir.path());
        assert_eq!(done.status, 0, "{format}: {}{}", done.out, done.err);
        assert!(dir.path().join(format).join(file).is_file(), "{format} has no {file}: {}", done.out);
        let card = fs::read_to_string(dir.path().join(format).join("README.md")).expect("there is a card");
        assert!(card.contains("pipeline_tag: text-generation") && card.contains("language model"), "{format}: {card}");
        if format != "gguf" {
            let again = run(&["generate", format, "The red", "--tokens", "12", "--json"], dir.path());
            let again: Value = serde_json::from_str(&again.out).expect("one JSON object");
            assert_eq!(again["ids"], first["ids"], "{format} writes something else");
            let evaluated =
                run(&["eval", format, "--data", "stories.txt", "--objective", "causal_lm", "--json"], dir.path());
            assert_eq!(evaluated.status, 0, "{format}: {}", evaluated.err);
        }
    }
    let refused = run(&["export", "r", "--out", "x", "--format", "onnx"], dir.path());
    assert!(refused.status != 0 && refused.err.contains("gguf"), "{}", refused.err);
    let refused = run(&["export", "r", "--out", "x", "--vocabulary", "task"], dir.path());
    assert!(refused.status != 0 && refused.err.contains("decoder may write"), "{}", refused.err);
}

#[test]
fn a_dense_decoder_leaves_as_others_know_it() {
    let dir = folder();
    write_model(&dir.path().join("model"));
    let done = run(&["export", "model", "--out", "plain"], dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
    assert!(!done.err.contains("this program alone"), "{}", done.err);
    assert_eq!(read_json(&dir.path().join("plain/config.json"))["architectures"], json!(["LlamaForCausalLM"]));
}

#[test]
fn drawn_text_is_the_same_for_a_seed_and_comes_from_a_pipe_too() {
    let dir = folder();
    write_model(&dir.path().join("model"));
    let drawn = |seed: &str, more: &[&str]| {
        let args = ["generate", "model", "To be", "--temperature", "1.5", "--tokens", "20", "--seed", seed];
        let done = run(&[&args[..], more].concat(), dir.path());
        assert_eq!(done.status, 0, "{}", done.err);
        done.out
    };
    assert_eq!(drawn("4", &[]), drawn("4", &[]));
    assert_ne!(drawn("4", &[]), drawn("5", &[]));
    assert_eq!(drawn("4", &["--top-k", "1"]), drawn("5", &["--top-k", "1"]), "one token is all that is left");
    let piped = |text: &[u8]| {
        let mut child = program(&["generate", "model", "-", "--tokens", "3", "--json"], dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        child.stdin.take().expect("it is piped").write_all(text).expect("it is read");
        child.wait_with_output().expect("it ends")
    };
    let refused = piped(b"caf\xe9");
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && why.contains("no UTF-8 text at byte 3"), "{why}");
    let output = piped(b"To be\n");
    let piped: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&piped["prompt"], piped["ids"].as_array().map(Vec::len)), (&"To be".into(), Some(3)));
    let one = run(&["generate", "model", "To be", "--tokens", "1", "--json"], dir.path());
    let told: Value = serde_json::from_str(&one.out).expect("one JSON object");
    assert_eq!(told["tokens_per_second"], Value::Null, "reading the prompt is no speed of writing");
    assert!(!one.err.contains("a second"), "{}", one.err);
}

/// A corpus is written in batches, and none of its texts depends on the others.
#[test]
fn texts_for_a_corpus_are_lines_that_a_run_reads() {
    let dir = folder();
    write_model(&dir.path().join("model"));
    let written = |texts: &str, more: &[&str]| {
        let args = ["generate", "model", "To be", "--temperature", "1.5", "--tokens", "20", "--seed", "4"];
        let done = run(&[&args[..], &["--texts", texts], more].concat(), dir.path());
        assert_eq!(done.status, 0, "{}", done.err);
        done
    };
    let done = written("40", &[]);
    let lines: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let texts: Vec<&str> = lines.iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(texts.len(), 40);
    assert!(texts.iter().all(|text| text.starts_with("To be")), "the prompt is part of the text: {texts:?}");
    assert!(texts.iter().any(|text| *text != texts[0]), "every text has draws of its own");
    assert!(done.err.contains("40 texts of") && done.err.contains("--tokens 20"), "{}", done.err);
    let few = written("3", &[]);
    assert_eq!(few.out.lines().collect::<Vec<_>>(), done.out.lines().take(3).collect::<Vec<_>>());
    let alone =
        run(&["generate", "model", "To be", "--temperature", "1.5", "--tokens", "20", "--seed", "4"], dir.path());
    assert_eq!(format!("To be{}", alone.out).trim(), texts[0], "the first is what is written without --texts");

    fs::write(dir.path().join("corpus.jsonl"), &done.out).expect("it can be written");
    let read = run(&["eval", "model", "--data", "corpus.jsonl", "--objective", "causal_lm", "--json"], dir.path());
    assert_eq!(read.status, 0, "{}", read.err);
    assert!(read.err.contains("40 examples"), "{}", read.err);
    for likeliest in [&[][..], &["--temperature", "1", "--top-k", "1"]] {
        let same = run(&[&["generate", "model", "a", "--texts", "2"], likeliest].concat(), dir.path());
        assert_eq!((same.status, same.out.as_str()), (2, ""), "{}", same.err);
        assert!(same.err.contains("would be the same") && same.err.contains("--temperature"), "{}", same.err);
    }
    let both = run(&["generate", "model", "a", "--texts", "2", "--json"], dir.path());
    assert!(both.status == 2 && both.err.contains("--texts"), "{}", both.err);
}

#[test]
fn the_decoder_in_the_program_writes_with_nothing_but_its_name() {
    let dir = folder();
    let done = run(&["generate", "builtin-decoder", "The soup", "--tokens", "8", "--json"], dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
    let written: Value = serde_json::from_str(&done.out).expect("one JSON object");
    assert!(written["text"].as_str().is_some_and(|text| text.starts_with(" was")), "{}", done.out);
    let done = run(&["export", "builtin-decoder", "--format", "gguf", "--out", "e"], dir.path());
    assert_eq!(done.status, 0, "{}", done.err);
    assert!(dir.path().join("e/model.gguf").is_file() && !done.out.contains("dense checkpoint"), "{}", done.out);
}

#[test]
fn more_than_the_model_has_positions_for_is_refused_before_anything_is_written() {
    let dir = folder();
    write_model(&dir.path().join("model"));
    let long = "a".repeat(60);
    for (args, words) in [
        (&["generate", "model", &long, "--tokens", "5"][..], &["64 positions", "60 tokens", "--tokens 4"][..]),
        (&["generate", "model", &"a".repeat(64)][..], &["64 positions", "shorter text"]),
        (&["generate", "model", "a", "--top-p", "0"][..], &["top-p", "more than 0"]),
        (&["generate", "model", "a", "--temperature", "-1"][..], &["temperature"]),
        (&["generate", "nowhere", "a"][..], &["nowhere"]),
    ] {
        let done = run(args, dir.path());
        assert_eq!((done.status, done.out.as_str()), (2, ""), "{args:?}: {}", done.err);
        assert!(words.iter().all(|word| done.err.contains(word)), "{args:?}: {}", done.err);
    }
    let done = run(&["generate", "model", &long], dir.path());
    assert_eq!(done.status, 0, "without a number, what has room is written: {}", done.err);
    let encoder = run(&["run", "--steps", "2", "--train-examples", "64", "--device", "cpu", "--out", "e"], dir.path());
    assert_eq!(encoder.status, 0, "{}", encoder.err);
    let done = run(&["generate", "e", "a"], dir.path());
    assert!(done.status == 2 && done.err.contains("is an encoder") && done.err.contains("predict"), "{}", done.err);
    fs::write(dir.path().join("x.gguf"), b"GGUF").expect("it can be written");
    let done = run(&["generate", "x.gguf", "a"], dir.path());
    assert!(done.status == 2 && done.err.contains("x.gguf"), "{}", done.err);
    let done = run(&["run", "--model", "x.gguf", "--out", "o"], dir.path());
    assert!(done.err.contains("llama.cpp") && done.err.contains("gguf_file='x.gguf'"), "{}", done.err);
}
