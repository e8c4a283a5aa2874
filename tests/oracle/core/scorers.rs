//! The other scorers: mask gradients, kurtosis by itself, magnitude and Wanda.

use apt_core::blocks::{BlockScores, LayerShape, ModelShape};
use apt_core::reference::salience::{
    add_fisher, column_kurtosis, column_magnitude, compress, kurtosis, mask_salience, outlier_term, per_head,
    row_kurtosis, row_magnitude, squared_inputs, wanda,
};
use apt_core::salience::RunningMean;
use apt_tests::fixtures::{items, load, numbers};
use serde_json::Value;

use crate::agree_all;
use crate::tiny::{Tiny, add_to, agree_scores, scores};

#[test]
fn oracle_mask_gradients_and_fisher_sums_match() {
    let fixture = load("salience_mask_gradient");
    let masks = numbers(&fixture["masks"]["hidden_mask"]);
    let shape = ModelShape::uniform(masks.len(), 1, 0, LayerShape { heads: 0, neurons: 0 });
    let mut mean = RunningMean::new(0.85, &shape);
    for (step, expected) in items(&fixture["steps"]).iter().enumerate() {
        let gradient = numbers(&expected["mask_grad"]["hidden_mask"]);
        let hidden = mask_salience(&masks, &gradient);
        mean.update(&BlockScores { hidden, ..BlockScores::default() });
        let published = numbers(&expected["score"]["hidden_mask"]);
        agree_all(&format!("step {step}"), &mean.uncorrected().hidden, &published);
    }

    let fixture = load("fisher_scores");
    let published = numbers(&fixture["l2"]);
    let mut sum = vec![0.0; published.len()];
    for batch in items(&fixture["grads"]) {
        add_fisher(&mut sum, &numbers(batch));
    }
    agree_all("Fisher", &sum, &published);
}

#[test]
fn oracle_kurtosis_matches() {
    for (place, case) in items(&load("kurtosis")["cases"]).iter().enumerate() {
        let Value::Array(rows) = &case["a"] else { panic!("case {place}: expected numbers") };
        let values = numbers(&case["a"]);
        let published = numbers(&case["official"]);
        let ours = if rows[0].is_array() && case["axis"] == 0 {
            column_kurtosis(&values, items(&rows[0]).len())
        } else if rows[0].is_array() {
            row_kurtosis(&values, items(&rows[0]).len())
        } else {
            vec![kurtosis(&values)]
        };
        agree_all(&format!("case {place}"), &ours, &published);
        let terms: Vec<_> = ours.into_iter().map(outlier_term).collect();
        agree_all(&format!("case {place}, clamped"), &terms, &numbers(&case["clamp_sqrt"]));
        if let (Value::Array(_), true) = (&case["official_axis1"], rows[0].is_array()) {
            let ours = row_kurtosis(&values, items(&rows[0]).len());
            agree_all(&format!("case {place}, rows"), &ours, &numbers(&case["official_axis1"]));
        }
    }
}

#[test]
fn oracle_magnitude_matches() {
    let fixture = load("salience_magnitude_wanda");
    let tiny = Tiny::read(&fixture["config"]);
    for (key, square) in [("magnitude", false), ("magnitude_pow2", true)] {
        let mut ours = BlockScores { hidden: vec![0.0; tiny.hidden], ..BlockScores::default() };
        for layer in 0..tiny.layers {
            let matrix = |name: &str, part: &str| -> Vec<f64> {
                let values = numbers(&fixture["weights"][layer.to_string()][name][part]);
                values.into_iter().map(|w| if square { w * w } else { w }).collect()
            };
            let rows = |name: &str, width: usize| row_magnitude(&matrix(name, "w"), Some(&matrix(name, "b")), width);
            let columns = |name: &str, width: usize| column_magnitude(&matrix(name, "w"), width);
            let context = tiny.heads * tiny.head_size;
            let mut units = columns("attn_out", context);
            for name in ["query", "key", "value"] {
                add_to(&mut units, &rows(name, tiny.hidden));
                add_to(&mut ours.hidden, &columns(name, tiny.hidden));
            }
            ours.heads.push(per_head(&units, tiny.head_size));
            let mut neurons = rows("inter", tiny.hidden);
            add_to(&mut neurons, &columns("out", tiny.ff));
            ours.neurons.push(neurons);
            add_to(&mut ours.hidden, &columns("inter", tiny.hidden));
            add_to(&mut ours.hidden, &rows("attn_out", context));
            add_to(&mut ours.hidden, &rows("out", tiny.ff));
        }
        agree_scores(key, &ours, &scores(&fixture[key], tiny.heads, tiny.ff));
    }
}

#[test]
fn oracle_wanda_matches() {
    let fixture = load("wanda_formula");
    let width = items(&items(&items(&fixture["X"])[0])[0]).len();
    let inputs = squared_inputs(&numbers(&fixture["X"]), width);
    let ours = wanda(&numbers(&fixture["W"]), &inputs);
    agree_all("wanda", &ours, &numbers(&fixture["wanda"]));
    agree_all("rows", &row_magnitude(&ours, None, width), &numbers(&fixture["row_score"]));
    agree_all("columns", &compress(&ours, width), &numbers(&fixture["col_score"]));
}
