//! Configurations of decoders: what transformers writes is read as it is meant, and what cannot be is a typed error that
//! says where and what to do.

use apt_nn::{ConfigRead, Family, ModelConfig, NnError, Rotary, RotaryScaling};
use serde_json::{Value, json};

fn llama() -> Value {
    json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32, "hidden_size": 16,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 24,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 5e5,
        "bos_token_id": 1, "eos_token_id": [2, 7], "pad_token_id": -1,
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut config = llama();
    for (key, value) in changes {
        config[*key] = value.clone();
    }
    config
}

fn read(config: &Value) -> Result<ConfigRead, NnError> {
    ConfigRead::from_json(config.to_string().as_bytes(), "folder/config.json")
}

#[test]
fn a_llama_is_read_as_it_is_meant() {
    let read = read(&llama()).expect("a LLaMA");
    assert_eq!((read.assumed, read.other_head), (vec![], None), "nothing was assumed");
    let config = read.config;
    let decoder = config.decoder.as_ref().expect("it is a decoder");
    assert_eq!((decoder.queries_per_key, config.head_size, config.layers[0].heads), (2, 4, 2));
    assert_eq!(decoder.rotary, Some(Rotary { theta: 5e5, scaling: RotaryScaling::Default }));
    assert_eq!((decoder.bos_id, decoder.eos_ids.as_slice(), decoder.tied), (Some(1), [2, 7].as_slice(), false));
    assert_eq!(config.pad_id, 0, "a padding token that is none");
}

#[test]
fn both_spellings_of_rotary_positions_mean_the_same() {
    let scaling = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32});
    let mut parameters = scaling.clone();
    parameters["rope_theta"] = json!(1e4);
    let old = read(&with(&[("rope_theta", json!(1e4)), ("rope_scaling", scaling)])).expect("of transformers 4").config;
    let new = read(&with(&[("rope_theta", Value::Null), ("rope_parameters", parameters)])).expect("of 5").config;
    assert_eq!(old.decoder, new.decoder);
    let linear =
        read(&with(&[("rope_scaling", json!({"type": "linear", "factor": 2.0}))])).expect("an old file").config;
    let scaling = linear.decoder.and_then(|decoder| decoder.rotary).map(|rotary| rotary.scaling);
    assert_eq!(scaling, Some(RotaryScaling::Linear { factor: 2.0 }));
}

#[test]
fn a_window_bounds_the_length_in_which_it_changes_nothing() {
    let of = |family: &str, window: Value, switch: Option<bool>| {
        let mut changes = vec![("model_type", json!(family)), ("sliding_window", window)];
        changes.extend(switch.map(|on| ("use_sliding_window", json!(on))));
        read(&with(&changes)).expect("a decoder").config.max_length()
    };
    assert_eq!(of("mistral", json!(16), None), 16);
    assert_eq!(of("mistral", Value::Null, None), 64);
    assert_eq!(of("mistral", json!(4096), None), 64);
    assert_eq!(of("qwen2", json!(16), None), 64, "a window that is switched off");
    assert_eq!(of("qwen2", json!(16), Some(true)), 16);
    let config = read(&with(&[("model_type", json!("mistral")), ("sliding_window", json!(16))])).expect("one").config;
    let error = config.check_length(17).expect_err("17 of 16").to_string();
    assert!(error.contains("17 tokens") && error.contains("16 at most"), "{error}");
}

#[test]
fn every_configuration_reads_back_as_it_was_written() {
    let yarn = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 16.0});
    let changed = [
        vec![],
        vec![("tie_word_embeddings", json!(true)), ("attention_bias", json!(true)), ("head_dim", json!(6))],
        vec![("model_type", json!("mistral")), ("rope_scaling", yarn)],
        vec![("model_type", json!("qwen2")), ("mlp_bias", json!(true))],
        vec![("model_type", json!("qwen3")), ("head_dim", json!(8))],
    ];
    for changes in changed {
        let config = read(&with(&changes)).expect("a decoder").config;
        let again = ModelConfig::from_json(config.to_json().to_string().as_bytes(), "again").expect("its own file");
        assert_eq!(config, again, "{changes:?}");
    }
    let gpt2 =
        json!({"model_type": "gpt2", "vocab_size": 40, "n_embd": 12, "n_layer": 1, "n_head": 3, "n_positions": 9});
    let read = read(&gpt2).expect("a GPT-2");
    assert!(read.config.family == Family::Gpt2 && read.config.layers[0].neurons == 48, "{:?}", read.config);
    assert_eq!(read.assumed, ["`activation_function` gelu_new", "`layer_norm_epsilon` 0.00001"]);
    let again = ModelConfig::from_json(read.config.to_json().to_string().as_bytes(), "again").expect("its own file");
    assert_eq!(read.config, again);
}

#[test]
fn what_cannot_be_is_an_error_that_says_so() {
    let rope = |scaling: Value| vec![("rope_scaling", scaling)];
    /// What it is, the keys that are changed, and what the error must name.
    type Case<'a> = (&'a str, Vec<(&'a str, Value)>, &'a [&'a str]);
    let cases: Vec<Case<'_>> = vec![
        ("heads that do not divide", vec![("num_key_value_heads", json!(3))], &["4 attention heads", "3 key-value"]),
        ("more keys than queries", vec![("num_key_value_heads", json!(8))], &["8 key-value"]),
        ("no keys", vec![("num_key_value_heads", json!(0))], &["num_key_value_heads"]),
        ("hidden dims that do not divide", vec![("hidden_size", json!(18))], &["18 hidden dims", "head_dim"]),
        ("an odd head", vec![("head_dim", json!(5))], &["pairs", "5"]),
        (
            "an odd head of a compacted model",
            vec![("apt_lab", json!({"head_size": 3, "layers": [{"heads": 1, "neurons": 2}], "head": null}))],
            &["pairs", "3"],
        ),
        ("a head of text", vec![("head_dim", json!("4"))], &["head_dim"]),
        ("an unknown scaling", rope(json!({"rope_type": "longrope"})), &["longrope", "llama3", "yarn", "linear"]),
        ("a scaling without factor", rope(json!({"rope_type": "linear"})), &["no `factor`"]),
        ("a factor of nothing", rope(json!({"rope_type": "linear", "factor": 0.0})), &["factor"]),
        ("a scaling that is none", rope(json!("linear")), &["rope_scaling"]),
        ("no theta", vec![("rope_theta", json!(0.0))], &["rope_theta"]),
        ("half-turned heads", vec![("partial_rotary_factor", json!(0.5))], &["partial_rotary_factor"]),
        ("no epsilon", vec![("rms_norm_eps", json!(0.0))], &["rms_norm_eps"]),
        ("an end in words", vec![("eos_token_id", json!("</s>"))], &["eos_token_id"]),
        ("an unknown activation", vec![("hidden_act", json!("mish"))], &["mish", "silu"]),
        ("a mixture of experts", vec![("model_type", json!("mixtral"))], &["experts", "mistral"]),
        (
            "a window of text",
            vec![("model_type", json!("mistral")), ("sliding_window", json!("all"))],
            &["sliding_window"],
        ),
    ];
    for (name, changes, words) in cases {
        let error = read(&with(&changes)).err().unwrap_or_else(|| panic!("{name} was read")).to_string();
        let missing = ["folder/config.json"].iter().chain(words).find(|word| !error.contains(**word));
        assert!(missing.is_none(), "{name}: {missing:?} is not in: {error}");
    }
}
