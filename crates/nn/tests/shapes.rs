//! Growing, merging, and the flat view of trainable parameters.

mod reference;

use apt_core::blocks::LayerShape;
use apt_core::wiring::Site;
use apt_nn::{Activation, Family, Forward, HeadConfig, Init, ModelConfig, Pooling, Transformer, named};
use burn::tensor::{Device, Tensor, TensorData};
use reference::{Tokens, close, shaken, values};

/// The new branch is exactly zero; a matrix kernel may round another width in another order.
const ROUNDING: f64 = 2e-6;

#[test]
fn growth_adds_exactly_nothing_and_keeps_the_output() {
    let (model, mut init) = model();
    let before = logits(&model);
    let mut grown = model.clone();
    for (i, (_, linear)) in grown.linears_mut().into_iter().enumerate() {
        if let Some(adapter) = &mut linear.adapter {
            *adapter = adapter.grow(init.kaiming(adapter.a.dims()[0], 1 + i % 3));
        }
    }
    close("logits after growth", &logits(&grown), &before, ROUNDING);
    for ((name, old), (_, new)) in model.adapters().into_iter().zip(grown.adapters()) {
        let ([d_in, rank], [grown_to, d_out]) = (old.a.dims(), new.b.dims());
        let (a, b) = (new.a.val(), new.b.val());
        assert_eq!(values(&a.slice([0..d_in, 0..rank])), values(&old.a.val()), "{name}: the old part of A");
        assert_eq!(values(&b.clone().slice([0..rank, 0..d_out])), values(&old.b.val()), "{name}: the old part of B");
        let added = values(&b.slice([rank..grown_to, 0..d_out]));
        assert!(added.iter().all(|v| *v == 0.0), "{name}: new rows of B are zero, so nothing is added");
    }
    let ranks: Vec<usize> = grown.adapters().iter().map(|(_, a)| a.rank()).collect();
    assert_eq!(ranks, [3, 5, 4, 3, 5, 4], "2 and 1 + (the layer's place) mod 3 more");
    assert!(grown.adapters().iter().all(|(_, a)| a.scale == 2.0), "s does not change with the rank");
}

#[test]
fn a_new_adapter_keeps_the_output_exactly() {
    let (model, mut init) = model();
    let merged = model.merge();
    let before = logits(&merged);
    assert_eq!(logits(&merged.with_adapters(&[Site::Key, Site::Output, Site::Down], 4, 2.0, &mut init)), before);
}

#[test]
fn merged_and_unmerged_logits_agree() {
    let (model, _) = model();
    let merged = model.clone().merge();
    assert!(merged.adapters().is_empty(), "a merged model has no adapters");
    close("merged logits", &logits(&merged), &logits(&model), 1e-5);
}

#[test]
fn exactly_what_the_predicate_names_is_trainable() {
    let (model, _) = model();
    let model = named::set_trainable(model, &|name| name.contains(".adapter.") || name.starts_with("head."));
    let names: Vec<String> = named::slots(&model).into_iter().map(|slot| slot.name).collect();
    let mut expected = Vec::new();
    for i in 0..2 {
        for linear in ["attention.query", "attention.value", "feed_forward.up"] {
            expected.extend(["a", "b"].map(|m| format!("layers.{i}.{linear}.adapter.{m}")));
        }
    }
    expected.extend(["dense.weight", "dense.bias", "out.weight", "out.bias"].map(|m| format!("head.{m}")));
    assert_eq!(names, expected);
    let none = named::set_trainable(model, &|_| false);
    assert!(named::slots(&none).is_empty() && named::values(&none).is_none(), "nothing is trainable");
}

#[test]
fn trainable_values_survive_a_round_trip_in_a_stable_order() {
    let (model, _) = model();
    let slots = named::slots(&model);
    let flat = named::values(&model).expect("adapters are trainable");
    let n: usize = slots.iter().map(named::Slot::len).sum();
    assert_eq!(flat.dims(), [n], "values are as long as the slots");

    let ramp: Vec<f32> = (0..n).map(|i| i as f32 / n as f32).collect();
    let ramp_tensor = Tensor::from_data(TensorData::new(ramp.clone(), [n]), &flat.device());
    let changed = named::with_values(model.clone(), &ramp_tensor);
    assert_eq!(named::slots(&changed), slots, "names, sizes and order");
    let read = values(&named::values(&changed).expect("still trainable"));
    assert!(read.iter().zip(&ramp).all(|(a, b)| *a == f64::from(*b)), "what was put in comes out");
    let first = &changed.adapters()[0].1.a;
    assert_eq!(values(&first.val()), values(&ramp_tensor)[..first.val().shape().num_elements()], "row by row");
    assert_ne!(logits(&changed), logits(&model), "the values are the model's own");

    let back = named::with_values(changed, &flat);
    assert_eq!(logits(&back), logits(&model), "the old values give the old logits");
}

#[test]
fn flat_gradients_lie_where_the_values_lie() {
    let (model, _) = model();
    // Nothing reaches the second layer's adapters from the first layer's output.
    let tokens = Tokens::sample(&model.config);
    let batch = tokens.batch(&model.config, &Device::flex().autodiff());
    let output = model.forward(&batch, Forward { keep_states: true, ..Forward::default() });
    let mut gradients = output.states[0].clone().square().mul_scalar(0.5).sum().backward();
    let expected: Vec<Option<Vec<f64>>> = model
        .adapters()
        .iter()
        .flat_map(|(_, a)| [a.a.grad(&gradients), a.b.grad(&gradients)])
        .map(|g| g.map(|g| values(&g)))
        .collect();
    let flat = values(&named::gradients(&model, &mut gradients).expect("adapters are trainable"));
    let slots = named::slots(&model);
    let mut at = 0;
    for (slot, expected) in slots.iter().filter(|s| s.name.contains("adapter")).zip(expected) {
        let part = &flat[at..at + slot.len()];
        at += slot.len();
        match expected {
            Some(expected) => {
                assert!(expected.iter().any(|g| *g != 0.0), "{}: a gradient of zero proves nothing", slot.name);
                assert_eq!(part, expected, "{}", slot.name);
            }
            None => assert!(part.iter().all(|g| *g == 0.0), "{}: the loss does not reach it", slot.name),
        }
    }
    assert!(flat[at - 1] == 0.0, "the second layer gets no gradient from the first one's output");
}

fn model() -> (Transformer, Init) {
    let config = ModelConfig {
        family: Family::Bert,
        vocab_size: 15,
        max_positions: 8,
        type_vocab_size: 2,
        embedding: None,
        hidden: 8,
        head_size: 4,
        layers: vec![LayerShape { heads: 2, neurons: 12 }; 2],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id: 0,
        head: Some(HeadConfig::new(Pooling::Pooler, 8, 2)),
        label_names: vec![],
        decoder: None,
    };
    let mut init = Init::new(2, &Device::flex().autodiff());
    let model =
        Transformer::new(&config, &mut init).with_adapters(&[Site::Query, Site::Value, Site::Up], 2, 2.0, &mut init);
    let model = shaken(model, &mut init, 0.3);
    (model, init)
}

fn logits(model: &Transformer) -> Vec<f64> {
    let batch = Tokens::sample(&model.config).batch(&model.config, &Device::flex().autodiff());
    let output = model.forward(&batch, Forward::default());
    values(&model.classify(output.hidden, &batch).expect("there is a head"))
}
