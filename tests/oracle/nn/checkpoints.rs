//! Real checkpoints: hidden states of two MiniLM models against another implementation's.

use std::path::{Path, PathBuf};

use apt_core::tokens::TokenBatch;
use apt_nn::checkpoint::load_dir;
use apt_nn::{Batch, Forward, Transformer};
use apt_tests::fixtures::{indices, items, load, numbers};
use burn::tensor::Tensor;
use serde_json::Value;

use super::{agree, device, values};

#[test]
fn oracle_minilm_l6_hidden_states_match() {
    compare("minilm-l6-bert");
}

#[test]
fn oracle_minilm_l3_hidden_states_match() {
    compare("minilm-l3-bert");
}

fn compare(name: &str) {
    let folder = assets().join(name);
    if !folder.is_dir() {
        let why = format!(
            "{} is not there; APT_ASSETS names the folder of the checkpoints, APT_REQUIRE_ASSETS makes their absence \
             a failure",
            folder.display()
        );
        assert!(std::env::var_os("APT_REQUIRE_ASSETS").is_none(), "{why}");
        eprintln!("NOT RUN: hidden states of {name}: {why}");
        return;
    }
    let model = load_dir(&folder, &device()).expect("a published checkpoint");
    let fixture = &load("minilm_hidden_states")["models"][name];
    // As published: the batch is padded to its longest text.
    let texts: Vec<Vec<usize>> = items(&fixture["cases"]).iter().map(|case| indices(&case["input_ids"])).collect();
    let states = states(&model, &texts);
    for (row, case) in items(&fixture["cases"]).iter().enumerate() {
        let real = texts[row].len();
        let width = model.config.hidden;
        let of_row: Vec<Vec<f64>> = states.iter().map(|s| s[row][..real * width].to_vec()).collect();
        let text = &case["text"];
        let last = of_row.last().expect("there are layers");
        agree(&format!("{name}, {text}: first token"), &last[..16], &numbers(&case["last_hidden_cls_first16"]));
        let mean: Vec<f64> =
            (0..width).map(|c| last.iter().skip(c).step_by(width).sum::<f64>() / real as f64).collect();
        agree(&format!("{name}, {text}: mean"), &mean, &numbers(&case["last_hidden_mean"]));
        let norms: Vec<f64> = of_row.iter().map(|s| s.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
        agree(&format!("{name}, {text}: norms of the layers"), &norms, &numbers(&case["layer_norms"]));
    }
    pair(&model, &fixture["pair"]);
}

/// The fixture has ids and types of a pair but no states of it: padding must not matter, types must.
fn pair(model: &Transformer, pair: &Value) {
    let (ids, types) = (indices(&pair["input_ids"]), indices(&pair["token_type_ids"]));
    let run = |types: &[usize], pad: usize| {
        let padded = |v: &[usize]| v.iter().copied().chain(vec![0; pad]).map(|v| v as i32).collect::<Vec<i32>>();
        let tokens = TokenBatch { ids: padded(&ids), type_ids: padded(types), lengths: vec![ids.len()] };
        let batch = Batch::new(&tokens, &model.config, &device());
        let hidden = model.forward(&batch, Forward::default()).hidden;
        values(&hidden.slice([0..ids.len(), 0..model.config.hidden]))
    };
    agree("a padded pair", &run(&types, 5), &run(&types, 0));
    let one_text = run(&vec![0; ids.len()], 0);
    let moved = run(&types, 0).iter().zip(&one_text).fold(0.0_f64, |max, (a, b)| max.max((a - b).abs()));
    assert!(moved > 1e-2, "the second text's token type moves the states by {moved} only");
}

/// Embeddings and every layer, per text: `[padded length · hidden]`.
fn states(model: &Transformer, texts: &[Vec<usize>]) -> Vec<Vec<Vec<f64>>> {
    let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
    let mut ids = Vec::new();
    for text in texts {
        ids.extend(text.iter().map(|&id| id as i32));
        ids.extend(vec![model.config.pad_id as i32; longest - text.len()]);
    }
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    let batch = Batch::new(&TokenBatch::of_one_type(ids, lengths), &model.config, &device());
    let output = model.forward(&batch, Forward { keep_states: true, ..Forward::default() });
    let by_text = |state: &Tensor<2>| {
        values(state).chunks(longest * model.config.hidden).map(<[f64]>::to_vec).collect::<Vec<_>>()
    };
    [model.embeddings.forward(&batch, None, &mut None)].iter().chain(&output.states).map(by_text).collect()
}

pub(crate) fn assets() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/assets");
    std::env::var_os("APT_ASSETS").map_or(beside, PathBuf::from)
}
