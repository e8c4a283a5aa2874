//! Rank growth.

use std::collections::BTreeMap;

use apt_core::arms::RankGrowth;
use apt_core::ranks::{AdapterState, expand, grow, top_half};
use apt_tests::fixtures::{items, load, number};
use serde_json::Value;

fn table(value: &Value) -> BTreeMap<String, f64> {
    let entries = value.as_object().expect("one number per adapter").iter();
    entries.map(|(name, value)| (name.clone(), number(value))).collect()
}

#[test]
fn oracle_ranks_grow_as_published() {
    let fixture = load("rank_growth");
    let layers = number(&fixture["model"]["layers"]) as usize;
    let hidden = number(&fixture["model"]["hidden"]) as usize;
    let ff = number(&fixture["model"]["ff"]) as usize;
    let adapters: Vec<_> = (0..layers)
        .flat_map(|layer| {
            let widths = [("query", 2 * hidden), ("value", 2 * hidden), ("intermediate", hidden + ff)];
            widths.map(|(name, width)| (format!("{layer}.{name}"), width))
        })
        .collect();

    for case in items(&fixture["cases"]) {
        let mode = case["mode"].as_str().expect("a name");
        let max_rank = number(&case["max_lora_r"]) as usize;
        for round in items(&case["rounds"]) {
            let (before, scores) = (table(&round["ranks_before"]), table(&round["layer_scores"]));
            let states: Vec<_> = adapters
                .iter()
                .map(|(name, width)| AdapterState {
                    rank: before[name] as usize,
                    params_per_rank: *width,
                    importance: scores[name],
                })
                .collect();
            let budget = number(&round["target_tuning_params"]);
            let all: Vec<_> = (0..states.len()).collect();
            let ours = match mode {
                "tophalf_limited" => grow(&states, budget, max_rank, RankGrowth::Adaptive),
                "uniform_limited" | "exponential_limited" => grow(&states, budget, max_rank, RankGrowth::Uniform),
                "tophalf" => expand(&states, &top_half(&states, None), budget, None),
                "uniform" | "exponential" => expand(&states, &all, budget, None),
                other => panic!("the fixture has a strategy {other} that nothing here covers"),
            };
            let after = table(&round["ranks_after"]);
            let after: Vec<_> = adapters.iter().map(|(name, _)| after[name] as usize).collect();
            assert_eq!(ours, after, "{mode} to {max_rank}, round {}", round["round"]);
            let size: usize = ours.iter().zip(&states).map(|(rank, state)| rank * state.params_per_rank).sum();
            assert_eq!(size as f64, number(&round["tuning_params_after"]), "{mode}: parameters");
        }
    }
}
