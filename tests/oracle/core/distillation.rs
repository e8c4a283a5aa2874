//! Losses of distillation and which layer learns from which.

use apt_core::distill::{PREDICTION_SCALE, TEMPERATURE, candidates, teacher_layers};
use apt_core::reference::distill::{
    distillation_loss, layer_mse, map_layer, prediction_gradient, prediction_loss, rms_normalised,
};
use apt_tests::fixtures::{indices, items, load, number, numbers};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;

use crate::{agree, agree_all};

/// The student's states after the learnt square map, which is the identity plus s·B·A.
fn transformed(states: &Value, map: &Value) -> Vec<f64> {
    let states_flat = numbers(states);
    if map.is_null() {
        return states_flat;
    }
    assert_eq!(map["W"], "identity", "the map's frozen weight");
    let (a, b) = (numbers(&map["A"]), numbers(&map["B"]));
    let rank = items(&map["A"]).len();
    let width = b.len() / rank;
    let scaling = number(&map["scaling"]);
    let map_row = |x: &[f64]| -> Vec<f64> {
        let low: Vec<f64> = a.chunks(width).map(|a| a.iter().zip(x).map(|(a, x)| a * x).sum()).collect();
        let rise = |b: &[f64]| -> f64 { b.iter().zip(&low).map(|(b, low)| b * low).sum() };
        x.iter().zip(b.chunks(rank)).map(|(x, b)| x + scaling * rise(b)).collect()
    };
    states_flat.chunks(width).flat_map(map_row).collect()
}

fn alive(layers: &Value, count: usize) -> Vec<bool> {
    if layers.is_null() {
        return vec![true; count];
    }
    numbers(layers).into_iter().map(|alive| alive != 0.0).collect()
}

#[test]
fn oracle_classification_losses_and_layer_mapping_match() {
    for (place, case) in items(&load("distill_loss_classification")["cases"]).iter().enumerate() {
        let name = format!("case {place}, {}", case["strategy"]);
        let classes = items(&items(&case["student_logits"])[0]).len();
        let (student, teacher) = (numbers(&case["student_logits"]), numbers(&case["teacher_logits"]));
        let temperature = number(&case["temp"]);
        let prediction = PREDICTION_SCALE * prediction_loss(&student, &teacher, classes, temperature);
        agree(&format!("{name}: prediction"), prediction, number(&case["ce_distill_loss_x10"]));

        let alpha = number(&case["ce_alpha"]);
        let weight = if case["strategy"] == "none" { 1.0 } else { alpha };
        let gradient: Vec<_> = prediction_gradient(&student, &teacher, classes, temperature)
            .into_iter()
            .map(|gradient| weight * PREDICTION_SCALE * gradient)
            .collect();
        let expected = numbers(&case["d_student_logits"]);
        agree_all(&format!("{name}: gradient"), &gradient, &expected);

        if case["layer_loss"].is_null() {
            agree(&format!("{name}: loss"), prediction, number(&case["loss"]));
            continue;
        }
        let count = number(&case["num_layers"]) as usize;
        let exists = alive(&case["layer_z"], count);
        // The 'static' strategy compares every layer with its own and lists none.
        let selected = match &case["selected_teacher_layers"] {
            Value::Null => (0..count).collect(),
            listed => indices(listed),
        };
        // The first entry is the embeddings' output.
        let teacher = |layer: usize| numbers(&case["teacher_hidden"][layer + 1]);
        let student = |layer: usize| transformed(&case["student_hidden"][layer + 1], &case["Tr"]);
        let losses = selected.iter().map(|&layer| {
            let mse = |candidate| layer_mse(&student(candidate), &teacher(layer));
            let mapped = map_layer(layer, &exists, mse).expect("a survivor");
            if let Value::Array(published) = &case["mapping"][layer.to_string()] {
                let published: Vec<_> = published.iter().map(number).collect();
                assert_eq!(vec![mapped as f64], published, "{name}: student of {layer}");
            }
            mse(mapped)
        });
        let layers: f64 = losses.sum();
        agree(&format!("{name}: layers"), layers, number(&case["layer_loss"]));
        let loss = distillation_loss(prediction, layers, alpha);
        agree(&format!("{name}: loss"), loss, number(&case["loss"]));
    }
}

#[test]
fn oracle_sequence_losses_match() {
    for (place, case) in items(&load("distill_loss_seq2seq")["cases"]).iter().enumerate() {
        let name = format!("case {place}");
        let logits = items(&case["student_logits"]);
        let (targets, classes) = (items(&logits[0]).len(), items(&items(&logits[0])[0]).len());
        let (student, teacher) = (numbers(&case["student_logits"]), numbers(&case["teacher_logits"]));
        // The mean over the batch divided by the target length is the mean over rows.
        assert_eq!(student.len(), logits.len() * targets * classes, "{name}: logits");
        let prediction = prediction_loss(&student, &teacher, classes, TEMPERATURE);
        agree(&format!("{name}: prediction"), prediction, number(&case["ce"]));

        let count = number(&case["num_layers"]) as usize;
        let exists = alive(&case["layer_z_enc_then_dec"], 2 * count);
        let side = |prefix: &str, exists: &[bool], check: bool| -> f64 {
            let states = |who: &str, layer: usize| {
                let states = &case[format!("{prefix}_{who}")][layer + 1];
                rms_normalised(&numbers(states), items(&items(&items(states)[0])[0]).len())
            };
            (0..count)
                .map(|layer| {
                    let teacher = states("teacher", layer);
                    let mse = |candidate| layer_mse(&states("student", candidate), &teacher);
                    let mapped = map_layer(layer, exists, mse).expect("a survivor");
                    if check {
                        let published = indices(&case["last_mapping"][layer.to_string()]);
                        assert_eq!(vec![mapped], published, "{name}: teacher layer {layer}");
                    }
                    mse(mapped)
                })
                .sum()
        };
        let (encoder, decoder) = exists.split_at(count);
        let layers = (side("enc", encoder, true) + side("dec", decoder, false)) / 2.0;
        agree(&format!("{name}: layers"), layers, number(&case["layer_loss"]));
        let loss = distillation_loss(prediction, layers, 0.1);
        agree(&format!("{name}: loss"), loss, number(&case["loss"]));
    }
}

/// The published draw uses another generator, so that only its blocks can be compared.
#[test]
fn oracle_teacher_layers_come_from_the_published_blocks() {
    for case in items(&load("distill_loss_classification")["cases"]) {
        let Value::Array(_) = case["selected_teacher_layers"] else {
            continue;
        };
        let count = number(&case["num_layers"]) as usize;
        let published = indices(&case["selected_teacher_layers"]);
        for seed in 0..50 {
            let ours = teacher_layers(count, &mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(ours.len(), published.len(), "{count} layers, seed {seed}");
            for (ours, published) in ours.iter().zip(&published) {
                assert_eq!(ours / (count / 4), published / (count / 4), "{count} layers, seed {seed}");
                assert_eq!(candidates(*ours, &vec![true; count]), vec![*ours]);
            }
        }
    }
}
