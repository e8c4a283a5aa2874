//! Activation × gradient, kurtosis and running means on the tensors the published hooks captured.

use apt_core::blocks::{BlockScores, Kept, LayerShape, ModelShape};
use apt_core::reference::salience::{
    activation_gradient, column_kurtosis, compress, head_kurtosis, mask_salience, mean_input, outlier_term,
    output_proxy, per_head, rank_scores, row_kurtosis,
};
use apt_core::salience::{RunningMean, ScoreSum};
use apt_tests::fixtures::{indices, items, load, number, numbers};
use serde_json::Value;

use crate::agree_all;
use crate::tiny::{Tiny, add_to, agree_scores, scores};

/// Activation × gradient of one step of the RoBERTa fixture.
fn roberta_scores(captured: &Value, tiny: &Tiny) -> BlockScores {
    let product = |module: &str, what: [&str; 2], width: usize| -> Vec<f64> {
        let (value, gradient) = (&captured[module][what[0]], &captured[module][what[1]]);
        if gradient.is_null() {
            return vec![0.0; width];
        }
        activation_gradient(&numbers(value), &numbers(gradient), width)
    };
    let mut scores = BlockScores { hidden: vec![0.0; tiny.hidden], ..BlockScores::default() };
    for layer in 0..tiny.layers {
        let attention = format!("layer{layer}.attn_self");
        let up = format!("layer{layer}.intermediate");
        let context = product(&attention, ["out", "gout"], tiny.heads * tiny.head_size);
        scores.heads.push(per_head(&context, tiny.head_size));
        scores.neurons.push(product(&up, ["out", "gout"], tiny.ff));
        add_to(&mut scores.hidden, &product(&attention, ["in", "gin"], tiny.hidden));
        add_to(&mut scores.hidden, &product(&up, ["in", "gin"], tiny.hidden));
    }
    add_to(&mut scores.hidden, &product("encoder", ["out", "gout"], tiny.hidden));
    scores
}

#[test]
fn oracle_activation_gradient_matches_on_roberta() {
    let fixture = load("salience_roberta_backward_running");
    let tiny = Tiny::read(&fixture["config"]);
    let beta = number(&fixture["config"]["beta"]);
    let plain = load("salience_roberta_static");
    let mut running = RunningMean::new(beta, &tiny.shape());
    let mut sum = ScoreSum::new(&tiny.shape());
    let mut ranks: Vec<Vec<f64>> = vec![Vec::new(); 3 * tiny.layers];
    for (step, expected) in items(&fixture["steps"]).iter().enumerate() {
        let now = roberta_scores(&expected["captured"], &tiny);
        running.update(&now);
        sum.add(&now);
        let published = scores(&expected["scores_after_step"], tiny.heads, tiny.ff);
        agree_scores(&format!("running mean after {step}"), running.uncorrected(), &published);
        let published = scores(&plain["scores_after_step"][step], tiny.heads, tiny.ff);
        agree_scores(&format!("sum after {step}"), sum.value(), &published);
        if step == 0 {
            agree_scores("the first corrected mean is the score", &running.value(), &now);
        }

        for layer in 0..tiny.layers {
            for (place, module) in ["query", "value", "intermediate"].into_iter().enumerate() {
                let key = layer.to_string();
                let lora = &expected["lora"][&key][module];
                let now = rank_scores(&numbers(&lora["A"]), &numbers(&lora["dA"]), tiny.hidden);
                let mean = &mut ranks[3 * layer + place];
                mean.resize(now.len(), 0.0);
                for (mean, now) in mean.iter_mut().zip(now) {
                    *mean = beta * *mean + (1.0 - beta) * now;
                }
                let published = &expected["module_rank_scores_after_step"][&key][module];
                agree_all(&format!("ranks of {module} in {layer}"), mean, &numbers(published));
            }
        }
    }
}

/// The published reshape, which mixes the heads: the flat position modulo the number of heads.
fn mixed_head_kurtosis(proxy: &[f64], width: usize, heads: usize) -> Vec<f64> {
    let head_major = (0..width).flat_map(|unit| proxy.iter().skip(unit).step_by(width));
    let flat: Vec<f64> = head_major.copied().collect();
    column_kurtosis(&flat, heads)
}

#[test]
fn oracle_outlier_aware_salience_matches_on_llama() {
    let fixture = load("salience_llama_backward_running");
    let tiny = Tiny::read(&fixture["config"]);
    let beta = number(&fixture["config"]["beta"]);
    let outliers = |list: Vec<f64>| list.into_iter().map(outlier_term).collect::<Vec<_>>();
    for with_kurtosis in [false, true] {
        let mut running = RunningMean::new(beta, &tiny.shape());
        let mut sum = ScoreSum::new(&tiny.shape());
        for (step, captured) in items(&fixture["captured_steps"]).iter().enumerate() {
            let mut now = BlockScores { hidden: vec![0.0; tiny.hidden], ..BlockScores::default() };
            for layer in 0..tiny.layers {
                for (module, width) in [("o_proj", tiny.heads * tiny.head_size), ("down_proj", tiny.ff)] {
                    let name = format!("layer{layer}.{module}");
                    let tensor = |key: &str| numbers(&captured[&name][key]);
                    let mut units = activation_gradient(&tensor("in"), &tensor("gin"), width);
                    let hidden = activation_gradient(&tensor("out"), &tensor("gout"), tiny.hidden);
                    add_to(&mut now.hidden, &hidden);
                    let weight = numbers(&fixture["weights"][&name]);
                    let proxy = output_proxy(&weight, &mean_input(&tensor("in"), width));
                    if with_kurtosis {
                        add_to(&mut now.hidden, &outliers(row_kurtosis(&proxy, width)));
                    }
                    if module == "o_proj" {
                        let mut heads = per_head(&units, tiny.head_size);
                        if with_kurtosis {
                            let mixed = mixed_head_kurtosis(&proxy, width, tiny.heads);
                            add_to(&mut heads, &outliers(mixed));
                            let own = head_kurtosis(&proxy, width, tiny.head_size);
                            assert_eq!(own.len(), tiny.heads, "one kurtosis per head");
                        }
                        now.heads.push(heads);
                    } else {
                        if with_kurtosis {
                            add_to(&mut units, &outliers(column_kurtosis(&proxy, width)));
                        }
                        now.neurons.push(units);
                    }
                }
            }
            running.update(&now);
            sum.add(&now);
            let flag = if with_kurtosis { "True" } else { "False" };
            let published = |mode: &str| {
                let after = &fixture["scores_after_step"][format!("kurtosis={flag},static={mode}")];
                scores(&after[step], tiny.heads, tiny.ff)
            };
            let what = format!("kurtosis {with_kurtosis}, step {step}");
            agree_scores(&format!("{what}, mean"), running.uncorrected(), &published("False"));
            agree_scores(&format!("{what}, sum"), sum.value(), &published("True"));
        }
    }
}

#[test]
fn oracle_running_mean_follows_virtual_pruning() {
    let fixture = load("salience_ema_virtual_prune");
    let first = &fixture["steps"][0]["grads"];
    let width = |key: &str| numbers(&first[key]).len();
    let (heads, ff) = (width("head_mask"), width("intermediate_mask"));
    let layer = LayerShape { heads, neurons: ff };
    let shape = ModelShape::uniform(width("hidden_mask"), 1, 1, layer);
    let retained = &fixture["retained_from_step3"];
    let kept = Kept {
        heads: vec![indices(&retained["head_mask"])],
        neurons: vec![indices(&retained["intermediate_mask"])],
        hidden: indices(&retained["hidden_mask"]),
    };
    let mut mean = RunningMean::new(0.85, &shape);
    // The published uncertainty is a running mean too: of the distance to the mean before it.
    let mut uncertainty = RunningMean::new(0.85, &shape);
    for (step, expected) in items(&fixture["steps"]).iter().enumerate() {
        let blocks = if step < 3 { Kept::all(&shape) } else { kept.clone() };
        let width = |list: &[Vec<usize>]| list[0].len();
        let mut now = scores(&expected["grads"], width(&blocks.heads), width(&blocks.neurons));
        now.values_mut().for_each(|gradient| *gradient = mask_salience(&[1.0], &[*gradient])[0]);
        let mut distance = now.clone();
        let old = mean.uncorrected().select(&blocks);
        for (distance, old) in distance.values_mut().zip(old.values()) {
            *distance = (*distance - old).abs();
        }
        uncertainty.update_kept(&distance, &blocks);
        mean.update_kept(&now, &blocks);
        let published = |key: &str| scores(&expected[key], heads, ff);
        agree_scores(&format!("mean after {step}"), mean.uncorrected(), &published("s"));
        agree_scores(&format!("uncertainty after {step}"), uncertainty.uncorrected(), &published("u"));
        let mut product = mean.uncorrected().clone();
        for (mean, uncertainty) in product.values_mut().zip(uncertainty.uncorrected().values()) {
            *mean *= uncertainty;
        }
        agree_scores(&format!("both after {step}"), &product, &published("score_with_uncertainty"));
    }
    mean.reindex(&kept);
    let heads = numbers(&fixture["head_s_after_prune_salience"]);
    agree_all("heads after removal", &mean.uncorrected().heads[0], &heads);
}

/// Magnitude of activations: the part of the alternative scorers that captured tensors determine.
#[test]
fn oracle_activation_magnitude_matches_on_roberta() {
    let captured = load("salience_roberta_backward_running");
    let fixture = load("salience_roberta_alt_scorers");
    let tiny = Tiny::read(&captured["config"]);
    let mut mean = RunningMean::new(0.85, &tiny.shape());
    for (step, expected) in items(&fixture["running_hidden_states_magnitude"]).iter().enumerate() {
        let captured = &captured["steps"][step]["captured"];
        let sums = |module: &str, key: &str, width| compress(&numbers(&captured[module][key]), width);
        let mut now = BlockScores { hidden: vec![0.0; tiny.hidden], ..BlockScores::default() };
        for layer in 0..tiny.layers {
            let (attention, up) = (format!("layer{layer}.attn_self"), format!("layer{layer}.intermediate"));
            let context = sums(&attention, "out", tiny.heads * tiny.head_size);
            now.heads.push(per_head(&context, tiny.head_size));
            now.neurons.push(sums(&up, "out", tiny.ff));
            add_to(&mut now.hidden, &sums(&attention, "in", tiny.hidden));
            add_to(&mut now.hidden, &sums(&up, "in", tiny.hidden));
        }
        add_to(&mut now.hidden, &sums("encoder", "out", tiny.hidden));
        mean.update(&now);
        let published = scores(expected, tiny.heads, tiny.ff);
        agree_scores(&format!("step {step}"), mean.uncorrected(), &published);
    }
}

/// Σ|H·∂L/∂H|, multiplied before it is summed, for the blocks whose total gradient was captured
/// (the hidden dimensions' includes the residual path and was not).
#[test]
fn oracle_elementwise_salience_matches_on_roberta() {
    let captured = load("salience_roberta_backward_running");
    let fixture = load("salience_roberta_alt_scorers");
    let tiny = Tiny::read(&captured["config"]);
    let mut mean = RunningMean::new(0.85, &tiny.shape());
    for (step, expected) in items(&fixture["running_hidden_states_salience"]).iter().enumerate() {
        let captured = &captured["steps"][step]["captured"];
        let product = |module: String, width: usize| -> Vec<f64> {
            let (value, gradient) = (numbers(&captured[&module]["out"]), numbers(&captured[&module]["gout"]));
            let product: Vec<f64> = value.iter().zip(&gradient).map(|(h, g)| h * g).collect();
            compress(&product, width)
        };
        let mut now = BlockScores { hidden: vec![0.0; tiny.hidden], ..BlockScores::default() };
        for layer in 0..tiny.layers {
            let context = product(format!("layer{layer}.attn_self"), tiny.heads * tiny.head_size);
            now.heads.push(per_head(&context, tiny.head_size));
            now.neurons.push(product(format!("layer{layer}.intermediate"), tiny.ff));
        }
        mean.update(&now);
        let published = scores(expected, tiny.heads, tiny.ff);
        let ours = mean.uncorrected();
        agree_all(&format!("heads, step {step}"), &ours.heads.concat(), &published.heads.concat());
        let (ours, published) = (ours.neurons.concat(), published.neurons.concat());
        agree_all(&format!("neurons, step {step}"), &ours, &published);
    }
}

/// T5 averages over the sequence before it multiplies, and never lets go of the best head of its
/// last cross-attention.
#[test]
fn oracle_activation_gradient_matches_on_t5() {
    let fixture = load("salience_t5_backward_running");
    let config = &fixture["config"];
    let count = |key: &str| number(&config[key]) as usize;
    let (layers, hidden, d_kv) = (count("layers"), count("d_model"), count("d_kv"));
    let (context, ff) = (count("heads") * d_kv, count("d_ff"));
    let beta = number(&config["beta"]);
    let mut means: [Vec<f64>; 3] = Default::default();
    for (step, captured) in items(&fixture["captured_steps"]).iter().enumerate() {
        let product = |module: &str, what: [&str; 2], width: usize| -> Vec<f64> {
            let [value, gradient] = what.map(|key| &captured[module][key]);
            let tokens = items(&items(value)[0]).len() as f64;
            let product = activation_gradient(&numbers(value), &numbers(gradient), width);
            product.into_iter().map(|score| score / tokens).collect()
        };
        let names = |stack: &str, module: &str| -> Vec<String> {
            (0..layers).map(|layer| format!("{stack}{layer}.{module}")).collect()
        };
        let attentions = [names("enc", "self_o"), names("dec", "self_o"), names("dec", "cross_o")].concat();
        let feed_forwards = [names("enc", "wo"), names("dec", "wo")].concat();

        let head_scores = |name: &String| per_head(&product(name, ["in", "gin"], context), d_kv);
        let mut heads: Vec<Vec<f64>> = attentions.iter().map(head_scores).collect();
        let last = heads.last_mut().expect("a cross-attention");
        let best = (0..last.len()).max_by(|&a, &b| last[a].total_cmp(&last[b])).expect("a head");
        last[best] = 1e10;
        let neurons: Vec<f64> = feed_forwards.iter().flat_map(|name| product(name, ["in", "gin"], ff)).collect();
        let mut stream = vec![0.0; hidden];
        for name in attentions.iter().chain(&feed_forwards) {
            add_to(&mut stream, &product(name, ["out", "gout"], hidden));
        }

        let expected = &fixture["scores_after_step"][step];
        let keys = ["head_mask", "intermediate_mask", "hidden_mask"];
        for ((mean, now), key) in means.iter_mut().zip([heads.concat(), neurons, stream]).zip(keys) {
            mean.resize(now.len(), 0.0);
            for (mean, now) in mean.iter_mut().zip(now) {
                *mean = beta * *mean + (1.0 - beta) * now;
            }
            agree_all(&format!("{key} after {step}"), mean, &numbers(&expected[key]));
        }
    }
}
