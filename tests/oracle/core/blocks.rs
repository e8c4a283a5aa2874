//! What blocks cost.

use apt_core::blocks::{LayerShape, ModelShape};
use apt_core::reference::published::{PublishedFormula, macs_per_cross_head, macs_per_head, macs_per_neuron};
use apt_tests::fixtures::{indices, items, load, number};

use crate::agree;

#[test]
fn oracle_parameter_formulas_match() {
    for row in items(&load("param_formulas")["rows"]) {
        let name = &row["name"];
        let count = |key: &str| number(&row[key]) as usize;
        let formula = PublishedFormula {
            t5: row["is_t5"] == true,
            gated: row["gated"] == true,
            layers: count("num_layers"),
            head_size: count("head_size"),
        };
        let (hidden, heads, neurons) = (count("hidden"), count("total_heads"), count("total_neurons"));
        let size = formula.parameters(heads, neurons, hidden);
        agree(&format!("{name}: parameters"), size, number(&row["compute_param"]));
        let costs = formula.block_costs(heads, neurons, hidden);
        agree(&format!("{name}: per head"), costs.head, number(&row["per_head"]));
        agree(&format!("{name}: per neuron"), costs.neuron, number(&row["per_neuron"]));
        agree(&format!("{name}: per hidden"), costs.hidden, number(&row["per_hidden"]));
        for pruned in items(&row["compute_param_pruned"]) {
            let [heads, neurons, hidden, expected] = indices(pruned)[..] else {
                panic!("{name}: expected heads, neurons, hidden and a count, found {pruned}");
            };
            let size = formula.parameters(heads, neurons, hidden);
            agree(&format!("{name}: {heads} heads left"), size, expected as f64);
        }
        if !formula.t5 && !formula.gated {
            let layers = formula.layers;
            let layer = LayerShape { heads: heads / layers, neurons: neurons / layers };
            let shape = ModelShape::uniform(hidden, formula.head_size, layers, layer);
            agree(&format!("{name}: exact"), shape.parameters() as f64, size);
            agree(&format!("{name}: exact per hidden"), shape.block_costs().hidden, costs.hidden);
        }
    }
}

#[test]
fn oracle_mac_formulas_match() {
    for row in items(&load("mac_formulas")["rows"]) {
        let seq_len = number(&row["seq_len"]);
        let (hidden, head_size) = (number(&row["hidden"]) as usize, number(&row["head_size"]) as usize);
        let head = macs_per_head(seq_len, hidden, head_size);
        agree("per head", head, number(&row["per_head"]));
        let neuron = macs_per_neuron(seq_len, hidden, false);
        agree("per neuron", neuron, number(&row["per_neuron"]));
        let gated = macs_per_neuron(seq_len, hidden, true);
        agree("per gated neuron", gated, number(&row["per_neuron_gated"]));
        let cross = macs_per_cross_head(seq_len, 2.0, hidden, head_size);
        agree("per cross head", cross, number(&row["per_cross_head"]));
        // The published total is of 24 heads and 6144 neurons.
        agree("total", 24.0 * head + 6144.0 * neuron, number(&row["compute"]));
        if seq_len.fract() == 0.0 {
            let layer = LayerShape { heads: 12, neurons: 3072 };
            let shape = ModelShape::uniform(hidden, head_size, 2, layer);
            agree("exact", shape.macs(seq_len as usize) as f64, number(&row["compute"]));
        }
    }
}
