//! Removing blocks does what masking them did, exactly as many values are left as counted, and a written model reads back.

mod reference;

use apt_core::blocks::{Kept, LayerShape};
use apt_core::masks::Masks;
use apt_core::tokens::TokenBatch;
use apt_core::wiring::{Biases, Site};
use apt_nn::checkpoint::{Checkpoint, Precision, to_safetensors};
use apt_nn::compact::{compact, compact_shared, kept_first};
use apt_nn::{
    Activation, DecoderConfig, DeviceMasks, Family, Forward, HeadConfig, Init, ModelConfig, Pooling, Rotary,
    RotaryScaling, Transformer, inference,
};
use burn::module::Module;
use burn::tensor::Device;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use reference::{Tokens, close, shaken, values};

const DENSITIES: [f64; 5] = [0.95, 0.75, 0.5, 0.3, 0.1];

#[test]
fn masked_and_compacted_logits_agree() {
    for (name, model) in models() {
        for (seed, density) in DENSITIES.into_iter().enumerate() {
            let masks = random_masks(&model.config, density, seed as u64);
            let masked = logits(&model, Some(&masks));
            let compacted = compact(&model, &masks.kept());
            close(&format!("{name} at {density}"), &logits(&compacted, None), &masked, 1e-4);
        }
    }
}

#[test]
fn compaction_under_soft_masks_changes_nothing() {
    for (name, model) in models() {
        for (seed, density) in DENSITIES.into_iter().enumerate() {
            let mut masks = random_masks(&model.config, density, seed as u64);
            let mut value = 0.2;
            for list in masks.heads.iter_mut().chain(&mut masks.neurons).chain([&mut masks.hidden]) {
                for mask in list {
                    value = (value + 0.37) % 0.8;
                    *mask *= 0.2 + value;
                }
            }
            let kept = masks.kept();
            let compacted = logits(&compact(&model, &kept), Some(&masks.select(&kept)));
            close(&format!("{name} at {density}"), &compacted, &logits(&model, Some(&masks)), 1e-4);
        }
    }
}

#[test]
fn inference_without_padding_changes_nothing() {
    for (name, model) in models().into_iter().filter(|(_, model)| model.head.is_some()) {
        let sample = Tokens::sample(&model.config);
        // Twelve times the sample: enough tokens for more than one share.
        let many = |values: &[i32]| values.repeat(12);
        let tokens =
            TokenBatch { ids: many(&sample.ids), type_ids: many(&sample.types), lengths: sample.lengths.repeat(12) };
        let ours = inference::logits(&model.clone().valid(), &tokens, &Device::flex()).expect("there is a head");
        close(&name, &values(&ours), &logits(&model, None).repeat(12), 1e-5);
    }
}

#[test]
fn masks_of_one_change_nothing() {
    for (name, model) in models() {
        let ones = Masks::ones(&model.config.shape());
        close(&name, &logits(&model, Some(&ones)), &logits(&model, None), 1e-5);
    }
}

#[test]
fn reordering_blocks_changes_nothing() {
    for (name, model) in models() {
        let masks = random_masks(&model.config, 0.5, 3);
        let order = kept_first(&masks.kept(), &model.config.shape());
        close(&name, &logits(&compact(&model, &order), None), &logits(&model, None), 1e-4);
    }
}

#[test]
fn two_compactions_in_a_row_are_one() {
    for (name, model) in models() {
        let first = random_masks(&model.config, 0.8, 5).kept();
        let once = compact(&model, &first);
        let second = random_masks(&once.config, 0.6, 6).kept();
        let twice = compact(&once, &second);
        assert_eq!(logits(&twice, None), logits(&compact(&model, &first.compose(&second)), None), "{name}");
    }
}

#[test]
fn a_student_on_its_teachers_weights_computes_what_its_own_would_and_the_teacher_what_it_did() {
    for (name, model) in models() {
        let kept = random_masks(&model.config, 0.6, 4).kept();
        let (student, teacher) = compact_shared(&model, &model, &kept);
        assert_eq!(logits(&student, None), logits(&compact(&model, &kept), None), "{name}: student");
        close(&format!("{name}: teacher"), &logits(&teacher, None), &logits(&model, None), 1e-4);
        let again = random_masks(&student.config, 0.7, 9).kept();
        let (twice, teacher) = compact_shared(&student, &teacher, &again);
        assert_eq!(logits(&twice, None), logits(&compact(&student, &again), None), "{name}: student, again");
        close(&format!("{name}: teacher, again"), &logits(&teacher, None), &logits(&model, None), 1e-4);
    }
}

#[test]
fn counted_parameters_are_the_values_that_compaction_leaves() {
    for (name, model) in models() {
        for (seed, density) in [1.0].into_iter().chain(DENSITIES).enumerate() {
            let kept = random_masks(&model.config, density, seed as u64).kept();
            let left = compact(&model, &kept).merge();
            let counted = left.config.shape().parameters();
            let layers = left.layers.num_params() + left.final_norm.num_params();
            assert_eq!(counted, layers, "{name} at {density}: layers");
            assert_eq!(counted, kept.shape_after(&model.config.shape()).parameters(), "{name} at {density}: predicted");
            assert_eq!(left.config.embedding_parameters(), left.embeddings.num_params(), "{name}: embeddings");
            assert_eq!(
                left.config.head_parameters(),
                left.head.num_params() + left.lm_head.num_params(),
                "{name}: head"
            );
        }
    }
}

#[test]
fn an_exported_model_reloads_with_the_same_logits() {
    for (name, model) in models() {
        for density in [1.0, 0.4] {
            let kept = match density {
                1.0 => Kept::all(&model.config.shape()),
                _ => random_masks(&model.config, density, 8).kept(),
            };
            let model = compact(&model, &kept);
            let expected = logits(&model, None);
            for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::F16, 1e-2)] {
                let what = format!("{name} at {density} as {precision:?}");
                let bytes = export(&model, precision);
                let reloaded = reload(&model.config, &bytes);
                close(&what, &logits(&reloaded, None), &expected, tolerance);
                assert_eq!(reloaded.config, model.config, "{what}: sizes");
                assert!(export(&reloaded, precision) == bytes, "{what}: the second export differs from the first");
            }
        }
    }
}

fn export(model: &Transformer, precision: Precision) -> Vec<u8> {
    pollster::block_on(to_safetensors(model, precision)).expect("the model can be read back")
}

fn reload(config: &ModelConfig, bytes: &[u8]) -> Transformer {
    let json = serde_json::to_vec(&config.to_json()).expect("JSON values serialise");
    let config = ModelConfig::from_json(&json, "config.json").expect("its own configuration reads");
    Checkpoint::parse(bytes, "model.safetensors", config.family)
        .and_then(|c| c.model(&config, &device()))
        .expect("its own export reads")
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// Every family with adapters; ragged layers, a layer that has no heads and one that has no neurons.
fn models() -> Vec<(String, Transformer)> {
    let layer = |heads, neurons| LayerShape { heads, neurons };
    let build = |family: Family, activation, layers: &[LayerShape], pooling| {
        let config = ModelConfig {
            family,
            vocab_size: 21,
            max_positions: 11,
            type_vocab_size: if family.spec().token_types { 2 } else { 0 },
            embedding: (family == Family::Electra).then_some(7),
            hidden: 12,
            head_size: 4,
            layers: layers.to_vec(),
            activation,
            norm_eps: 1e-12,
            pad_id: 1,
            head: Some(HeadConfig::new(pooling, 12, 3)),
            label_names: ["no", "yes", "maybe"].map(String::from).to_vec(),
            decoder: None,
        };
        let mut init = Init::new(11, &device());
        let sites = [Site::Query, Site::Value, Site::Up];
        let model = Transformer::new(&config, &mut init).with_adapters(&sites, 2, 2.0, &mut init);
        shaken(model, &mut init, 0.3)
    };
    let ragged = [layer(3, 10), layer(0, 7), layer(4, 0), layer(2, 16)];
    let all = Family::ENCODERS.map(|family| {
        (family.spec().name.to_owned(), build(family, Activation::Gelu, &[layer(3, 10); 4], Pooling::Pooler))
    });
    let mut models = Vec::from(all);
    models.push(("ragged BERT".into(), build(Family::Bert, Activation::GeluNew, &ragged, Pooling::Pooler)));
    models.push(("ragged RoBERTa".into(), build(Family::Roberta, Activation::Relu, &ragged, Pooling::Pooler)));
    models.push(("BERT by its first token".into(), build(Family::Bert, Activation::Gelu, &ragged, Pooling::Cls)));
    models.push(("RoBERTa by its mean".into(), build(Family::Roberta, Activation::Gelu, &ragged, Pooling::Mean)));
    models.extend(decoders());
    models
}

/// Every family of decoders with adapters on every linear layer: grouped heads where there may be such, scaled positions,
/// biases as the family has them, tied and untied heads, ragged layers.
fn decoders() -> Vec<(String, Transformer)> {
    let layer = |heads, neurons| LayerShape { heads, neurons };
    let even = [layer(3, 10); 4];
    let ragged = [layer(3, 10), layer(0, 7), layer(4, 0), layer(2, 16)];
    let scaled = RotaryScaling::Llama3 { factor: 4.0, low: 1.0, high: 4.0, original: 8.0 };
    let yarn = RotaryScaling::Yarn { factor: 2.0, fast: 32.0, slow: 1.0, original: 6.0, attention: 1.1 };
    let of_queries = Biases { into_attention: true, ..Biases::NONE };
    let all = [
        (Family::Llama, 2, Biases::ALL, Some(scaled), false, &even[..]),
        (Family::Llama, 2, Biases::NONE, Some(RotaryScaling::Default), true, &ragged[..]),
        (Family::Mistral, 3, Biases::NONE, Some(RotaryScaling::Linear { factor: 2.0 }), false, &even[..]),
        (Family::Qwen2, 1, of_queries, Some(RotaryScaling::Default), true, &ragged[..]),
        (Family::Qwen3, 2, Biases::NONE, Some(yarn), true, &ragged[..]),
        (Family::Gpt2, 1, Biases::ALL, None, true, &even[..]),
        (Family::Gpt2, 1, Biases::ALL, None, true, &ragged[..]),
    ];
    let build = |(family, queries_per_key, biases, scaling, tied, layers): (
        Family,
        _,
        _,
        Option<RotaryScaling>,
        _,
        &[LayerShape],
    )| {
        let spec = family.spec().decoder.expect("a decoder");
        let rotary = scaling.map(|scaling| Rotary { theta: 100.0, scaling });
        let eos_ids = vec![2, 3];
        let config = ModelConfig {
            family,
            vocab_size: 21,
            max_positions: 11,
            type_vocab_size: 0,
            embedding: None,
            hidden: 12,
            head_size: 4,
            layers: layers.to_vec(),
            activation: spec.defaults.activation,
            norm_eps: 1e-6,
            pad_id: 0,
            head: None,
            label_names: vec![],
            decoder: Some(DecoderConfig { queries_per_key, biases, rotary, tied, bos_id: Some(1), eos_ids }),
        };
        let mut init = Init::new(11, &device());
        let model = Transformer::new(&config, &mut init).with_adapters(Site::ALL, 2, 2.0, &mut init);
        (format!("{} with {layers:?}", family.spec().name), shaken(model, &mut init, 0.3))
    };
    all.into_iter().map(build).collect()
}

/// Zeros and ones; layer 1 loses all heads, layer 2 all neurons.
fn random_masks(config: &ModelConfig, density: f64, seed: u64) -> Masks {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut masks = Masks::ones(&config.shape());
    for list in masks.heads.iter_mut().chain(&mut masks.neurons).chain([&mut masks.hidden]) {
        list.iter_mut().for_each(|mask| *mask = f64::from(rng.random_range(0.0..1.0) < density));
    }
    if density < 1.0 {
        masks.heads[1].fill(0.0);
        masks.neurons[2].fill(0.0);
    }
    // A norm over a single dim is its bias whatever the input.
    masks.hidden[..3].fill(1.0);
    masks
}

fn logits(model: &Transformer, masks: Option<&Masks>) -> Vec<f64> {
    let tokens = Tokens::sample(&model.config);
    let batch = tokens.batch(&model.config, &device());
    let masks = masks.map(|m| DeviceMasks::new(m, model.config.wiring(), &device(), false));
    let output = model.forward(&batch, Forward { masks: masks.as_ref(), ..Forward::default() });
    if model.config.decoder.is_some() {
        return values(&model.next_token_logits(output.hidden).expect("a decoder"));
    }
    values(&model.classify(output.hidden, &batch).expect("there is a head"))
}
