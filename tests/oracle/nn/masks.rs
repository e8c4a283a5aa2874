//! A whole RoBERTa: unmasked, softly masked, hard masked, and with the masked blocks removed.

use std::collections::BTreeMap;

use apt_core::blocks::LayerShape;
use apt_core::masks::Masks;
use apt_core::tokens::TokenBatch;
use apt_nn::checkpoint::{Checkpoint, Precision, to_safetensors};
use apt_nn::compact::compact;
use apt_nn::{Activation, Batch, DeviceMasks, Family, Forward, HeadConfig, ModelConfig, Pooling, Transformer};
use apt_tests::fixtures::{indices, items, load, number, numbers};
use serde_json::Value;

use super::{agree, agree_to, device, model_of, values};

#[test]
fn oracle_unmasked_logits_match() {
    let fixture = load("roberta_mask_forward");
    agree("logits", &logits(&fixture, &model(&fixture), None), &numbers(&fixture["logits_unmasked"]));
}

#[test]
fn oracle_softly_masked_logits_match() {
    let fixture = load("roberta_mask_forward");
    let ours = logits(&fixture, &model(&fixture), Some(&masks(&fixture, "soft_masks")));
    agree("logits", &ours, &numbers(&fixture["logits_soft"]));
}

#[test]
fn oracle_hard_masked_logits_match() {
    let fixture = load("roberta_mask_forward");
    let ours = logits(&fixture, &model(&fixture), Some(&masks(&fixture, "hard_masks")));
    agree("logits", &ours, &numbers(&fixture["logits_hard_masked"]));
}

#[test]
fn oracle_physically_pruned_logits_and_shapes_match() {
    let fixture = load("roberta_mask_forward");
    let pruned = compact(&model(&fixture), &masks(&fixture, "hard_masks").kept());
    agree("logits", &logits(&fixture, &pruned, None), &numbers(&fixture["logits_physically_pruned"]));

    // The published pruning leaves the norm of an attention block without heads behind at its full width; here the
    // whole block goes. Everything else has the published shape.
    let bytes = pollster::block_on(to_safetensors(&pruned, Precision::F32)).expect("the model can be read back");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("its own export reads");
    let ours: BTreeMap<String, Vec<usize>> = file.tensors().into_iter().map(|(n, t)| (n, t.shape().to_vec())).collect();
    let published = fixture["pruned_shapes"].as_object().expect("shapes by name");
    let mut left_behind = Vec::new();
    for (name, shape) in published {
        match ours.get(name) {
            Some(ours) => assert_eq!(*ours, indices(shape), "{name}"),
            None => left_behind.push(name.as_str()),
        }
    }
    let norms_only = left_behind.iter().all(|name| name.contains(".output.LayerNorm."));
    assert!(norms_only && !left_behind.is_empty(), "missing here: {left_behind:?}");
    assert_eq!(ours.len() + left_behind.len(), published.len(), "tensors");

    let parameters = |model: &Transformer| model.config.shape().parameters();
    assert_eq!(parameters(&model(&fixture)), number(&fixture["params_main_before"]) as usize, "dense parameters");
    let norms: usize = left_behind.iter().map(|name| indices(&published[*name])[0]).sum();
    let left = parameters(&pruned) + norms;
    assert_eq!(left, number(&fixture["params_main_after"]) as usize, "parameters left, with {norms} left behind");
}

#[test]
fn oracle_a_reloaded_model_has_the_same_logits() {
    let fixture = load("roberta_mask_forward");
    let pruned = compact(&model(&fixture), &masks(&fixture, "hard_masks").kept());
    let bytes = pollster::block_on(to_safetensors(&pruned, Precision::F16)).expect("the model can be read back");
    let reloaded =
        Checkpoint::parse(&bytes, "export", Family::Roberta).and_then(|c| c.model(&pruned.config, &device()));
    let ours = logits(&fixture, &reloaded.expect("its own export reads"), None);
    agree_to(2e-2, "logits in f16", &ours, &numbers(&fixture["logits_physically_pruned"]));
}

fn config(fixture: &Value) -> ModelConfig {
    let c = &fixture["config"];
    let n = |key: &str| number(&c[key]) as usize;
    let positions = items(&fixture["weights"]["roberta.embeddings.position_embeddings.weight"]).len();
    ModelConfig {
        family: Family::Roberta,
        vocab_size: n("vocab"),
        max_positions: positions,
        type_vocab_size: 1,
        embedding: None,
        hidden: n("hidden"),
        head_size: n("hidden") / n("heads"),
        layers: vec![LayerShape { heads: n("heads"), neurons: n("ff") }; n("layers")],
        activation: Activation::Gelu,
        norm_eps: number(&c["eps"]),
        pad_id: n("pad"),
        head: Some(HeadConfig::new(Pooling::Pooler, n("hidden"), n("num_labels"))),
        label_names: vec![],
        decoder: None,
    }
}

fn model(fixture: &Value) -> Transformer {
    model_of(fixture, &config(fixture), "roberta_mask_forward.json")
}

fn masks(fixture: &Value, which: &str) -> Masks {
    let config = config(fixture);
    let cut = |key: &str, width: usize| numbers(&fixture[which][key]).chunks(width).map(<[f64]>::to_vec).collect();
    Masks {
        heads: cut("head", config.layers[0].heads),
        neurons: cut("inter", config.layers[0].neurons),
        hidden: numbers(&fixture[which]["hidden"]),
    }
}

fn logits(fixture: &Value, model: &Transformer, masks: Option<&Masks>) -> Vec<f64> {
    let ids: Vec<i32> = indices(&fixture["input_ids"]).into_iter().map(|id| id as i32).collect();
    let real: Vec<usize> = items(&fixture["attention_mask"]).iter().map(|row| indices(row).iter().sum()).collect();
    let batch = Batch::new(&TokenBatch::of_one_type(ids, real), &model.config, &device());
    let masks = masks.map(|m| DeviceMasks::new(m, model.config.wiring(), &device(), false));
    let output = model.forward(&batch, Forward { masks: masks.as_ref(), ..Forward::default() });
    values(&model.classify(output.hidden, &batch).expect("there is a head"))
}
