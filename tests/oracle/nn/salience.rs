//! Scorers: the published hooks' captured tensors through the tensor formulas.

use apt_core::arms::{HeadKurtosis, OutlierScale, Salience};
use apt_core::blocks::LayerShape;
use apt_nn::salience::{
    ScoreInputs, compressed, kurtosis_across, kurtosis_of, rank_mean_importance, scores, unflatten,
};
use apt_nn::{Activation, AptLinear, Family, Init, ModelConfig, Readings, Transformer};
use apt_tests::fixtures::{items, load, number, numbers};
use burn::tensor::Tensor;
use serde_json::Value;

use super::{agree, device, matrix, values, vector};

/// Share of the past in the published running mean, which starts at zero.
const BETA: f64 = 0.85;

#[test]
fn oracle_kurtosis_of_tensors_matches() {
    for (place, case) in items(&load("kurtosis")["cases"]).iter().enumerate() {
        if !items(&case["a"])[0].is_array() {
            continue;
        }
        let a = matrix(&case["a"]).inner();
        let axis = number(&case["axis"]) as usize;
        let along = |axis| values(&kurtosis_of(a.clone(), axis));
        agree(&format!("case {place}"), &along(axis), &numbers(&case["official"]));
        if !case["official_axis1"].is_null() {
            agree(&format!("case {place}, rows"), &along(1), &numbers(&case["official_axis1"]));
        }
        let terms: Vec<f64> = along(axis).into_iter().map(|k| k.max(0.0).sqrt()).collect();
        agree(&format!("case {place}, clamped"), &terms, &numbers(&case["clamp_sqrt"]));
    }
}

#[test]
fn oracle_activation_gradient_products_match_the_running_scores() {
    let fixture = load("salience_roberta_backward_running");
    let mut running = [vec![0.0; 4], vec![0.0; 24], vec![0.0; 8]];
    for (step, expected) in items(&fixture["steps"]).iter().enumerate() {
        let now = products(&fixture, expected);
        for (part, name) in ["head_mask", "intermediate_mask", "hidden_mask"].into_iter().enumerate() {
            for (mean, now) in running[part].iter_mut().zip(&now[part]) {
                *mean = BETA * *mean + (1.0 - BETA) * now;
            }
            agree(&format!("step {step}, {name}"), &running[part], &numbers(&expected["scores_after_step"][name]));
        }
    }
}

#[test]
fn oracle_activation_gradient_products_match_the_summed_scores() {
    let captured = load("salience_roberta_backward_running");
    let fixture = load("salience_roberta_static");
    let mut sum = [vec![0.0; 4], vec![0.0; 24], vec![0.0; 8]];
    for (step, expected) in items(&fixture["scores_after_step"]).iter().enumerate() {
        let now = products(&captured, &captured["steps"][step]);
        for (part, name) in ["head_mask", "intermediate_mask", "hidden_mask"].into_iter().enumerate() {
            sum[part].iter_mut().zip(&now[part]).for_each(|(sum, now)| *sum += now);
            agree(&format!("step {step}, {name}"), &sum[part], &numbers(&expected[name]));
        }
    }
}

/// The published scorer of LLaMA in all four settings, with the kurtosis of heads as it computes it; and as it is meant,
/// which differs.
#[test]
fn oracle_llama_scores_match_with_and_without_kurtosis() {
    let fixture = load("salience_llama_backward_running");
    for (kurtosis, summed) in [(false, false), (false, true), (true, false), (true, true)] {
        let word = |on: bool| if on { "True" } else { "False" };
        let name = format!("kurtosis={},static={}", word(kurtosis), word(summed));
        let published = items(&fixture["scores_after_step"][&name]);
        let mut running = [vec![0.0; 4], vec![0.0; 24], vec![0.0; 8]];
        for (step, expected) in published.iter().enumerate() {
            let now = llama_scores(&fixture, &fixture["captured_steps"][step], kurtosis);
            for (part, name) in ["head_mask", "intermediate_mask", "hidden_mask"].into_iter().enumerate() {
                for (score, now) in running[part].iter_mut().zip(&now[part]) {
                    *score = if summed { *score + now } else { BETA * *score + (1.0 - BETA) * now };
                }
                agree(&format!("step {step}, {name}"), &running[part], &numbers(&expected[name]));
            }
        }
    }
    let o = matrix(&fixture["weights"]["layer0.o_proj"]).transpose().inner();
    let (meant, published) = (kurtosis_of(o.clone().reshape([2, 32]), 1), kurtosis_across(o, 2));
    let apart = values(&(meant - published).abs());
    assert!(apart.iter().all(|by| *by > 1e-3), "the two kurtoses of heads are told apart: {apart:?}");
}

/// Heads, neurons and hidden dims of one captured step; masked activations, as published.
fn llama_scores(fixture: &Value, step: &Value, with_kurtosis: bool) -> [Vec<f64>; 3] {
    let (layers, heads) = (number(&fixture["config"]["layers"]) as usize, number(&fixture["config"]["heads"]) as usize);
    let clamped = |k: Tensor<1>| values(&k).into_iter().map(|k| k.max(0.0).sqrt()).collect::<Vec<f64>>();
    let add = |to: &mut Vec<f64>, what: Vec<f64>| to.iter_mut().zip(what).for_each(|(to, what)| *to += what);
    let (mut of_heads, mut neurons, mut hidden) = (Vec::new(), Vec::new(), vec![0.0; 8]);
    for layer in 0..layers {
        for (site, is_attention) in [("o_proj", true), ("down_proj", false)] {
            let site = format!("layer{layer}.{site}");
            let at = |key: &str| matrix(&step[&site][key]).inner();
            let product = |h: &str, g: &str| values(&(compressed(&at(h)) * compressed(&at(g))));
            add(&mut hidden, product("out", "gout"));
            let units = product("in", "gin");
            let mut scores = match is_attention {
                true => units.chunks(units.len() / heads).map(|head| head.iter().sum()).collect(),
                false => units,
            };
            if with_kurtosis {
                let mean = at("in").mean_dim(0).transpose();
                let o = matrix(&fixture["weights"][&site]).transpose().inner() * mean;
                add(&mut hidden, clamped(kurtosis_of(o.clone(), 0)));
                add(&mut scores, clamped(if is_attention { kurtosis_across(o, heads) } else { kurtosis_of(o, 1) }));
            }
            if is_attention { &mut of_heads } else { &mut neurons }.extend(scores);
        }
    }
    [of_heads, neurons, hidden]
}

#[test]
fn oracle_adapter_importance_by_rank_matches_the_running_scores() {
    let fixture = load("salience_roberta_backward_running");
    let mut running = std::collections::BTreeMap::new();
    for (step, expected) in items(&fixture["steps"]).iter().enumerate() {
        for layer in ["0", "1"] {
            for name in ["query", "value", "intermediate"] {
                let lora = &expected["lora"][layer][name];
                let a = matrix(&lora["A"]).transpose().inner();
                let gradient = matrix(&lora["dA"]).transpose().inner();
                let mean: &mut f64 = running.entry((layer, name)).or_default();
                *mean = BETA * *mean + (1.0 - BETA) * values(&rank_mean_importance(a, gradient))[0];
                let ranks = numbers(&expected["module_rank_scores_after_step"][layer][name]);
                let published = ranks.iter().sum::<f64>() / ranks.len() as f64;
                agree(&format!("step {step}, layer {layer}, {name}"), &[*mean], &[published]);
            }
        }
    }
}

#[test]
fn oracle_magnitude_scores_of_a_model_match() {
    let fixture = load("salience_magnitude_wanda");
    let n = |key: &str| number(&fixture["config"][key]) as usize;
    let config = ModelConfig {
        family: Family::Roberta,
        vocab_size: 8,
        max_positions: 8,
        type_vocab_size: 1,
        embedding: None,
        hidden: n("hidden"),
        head_size: n("head_size"),
        layers: vec![LayerShape { heads: n("heads"), neurons: n("ff") }; n("layers")],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id: 1,
        head: None,
        label_names: vec![],
        decoder: None,
    };
    let mut model = Transformer::new(&config, &mut Init::new(0, &device()));
    for (name, linear) in model.linears_mut() {
        let mut path = name.split('.').skip(1);
        let (layer, last) = (path.next().expect("a layer"), path.next().expect("a linear"));
        let theirs = match last {
            "output" => "attn_out",
            "up" => "inter",
            "down" => "out",
            other => other,
        };
        let w = &fixture["weights"][layer][theirs];
        *linear = AptLinear::new(matrix(&w["w"]).transpose().detach(), Some(vector(&w["b"])));
    }
    let seen = ScoreInputs {
        model: &model,
        readings: &Readings::default(),
        outliers: OutlierScale::Raw,
        head_kurtosis: HeadKurtosis::PerHead,
    };
    let flat = scores(Salience::Magnitude, &seen).expect("magnitude needs only weights").flat();
    let flat: Vec<f32> = values(&flat).into_iter().map(|v| v as f32).collect();
    let ours = unflatten(&flat, &config.shape());
    let published = &fixture["magnitude"];
    agree("heads", &ours.heads.concat(), &numbers(&published["head_mask"]));
    agree("neurons", &ours.neurons.concat(), &numbers(&published["intermediate_mask"]));
    agree("hidden", &ours.hidden, &numbers(&published["hidden_mask"]));
}

/// c(H)·c(∂L/∂H) of heads, neurons and hidden dims from what the published hooks captured in one step.
fn products(fixture: &Value, step: &Value) -> [Vec<f64>; 3] {
    let layers = number(&fixture["config"]["layers"]) as usize;
    let head_size = number(&fixture["config"]["head_size"]) as usize;
    let captured = &step["captured"];
    let product = |site: &Value, h: &str, g: &str| {
        let h = compressed(&matrix(&site[h]));
        // The frozen embeddings cut the gradient of the first layer's input; what is cut counts nothing.
        let gradient = &site[g];
        values(&if gradient.is_null() { h.zeros_like() } else { h * compressed(&matrix(gradient)) })
    };
    let (mut heads, mut neurons) = (Vec::new(), Vec::new());
    let mut hidden = product(&captured["encoder"], "out", "gout");
    for layer in 0..layers {
        let attention = &captured[format!("layer{layer}.attn_self")];
        let intermediate = &captured[format!("layer{layer}.intermediate")];
        let units = product(attention, "out", "gout");
        heads.extend(units.chunks(head_size).map(|head| head.iter().sum::<f64>()));
        neurons.extend(product(intermediate, "out", "gout"));
        for input in [product(attention, "in", "gin"), product(intermediate, "in", "gin")] {
            hidden.iter_mut().zip(input).for_each(|(sum, input)| *sum += input);
        }
    }
    [heads, neurons, hidden]
}
