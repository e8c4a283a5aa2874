//! Tensors against the published code's own numbers (the families' against transformers), to 1e-4 of each tensor's largest, in `f32` with autodiff.
//!
//! Every test name holds `oracle`, so that `cargo test --release oracle` finds it. Rules that only the published code
//! has (adapter masks on the low-rank branch alone) live here and nowhere in the method.

#[path = "nn/adapter.rs"]
mod adapter;
#[path = "nn/checkpoints.rs"]
mod checkpoints;
#[path = "nn/decoders.rs"]
mod decoders;
#[path = "nn/distillation.rs"]
mod distillation;
#[path = "nn/families.rs"]
mod families;
#[path = "nn/masks.rs"]
mod masks;
#[path = "nn/salience.rs"]
mod salience;

use apt_nn::checkpoint::Checkpoint;
use apt_nn::{Adapter, AptLinear, ModelConfig, Transformer};
use apt_tests::fixtures::{items, numbers};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::{Value, json};

const TOLERANCE: f64 = 1e-4;

fn device() -> Device {
    Device::flex().autodiff()
}

/// The numbers below `value` as a vector.
fn vector(value: &Value) -> Tensor<1> {
    let values: Vec<f32> = numbers(value).into_iter().map(|v| v as f32).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), &device())
}

/// The numbers below `value` as a matrix; leading dimensions (batch, sequence) become rows.
fn matrix(value: &Value) -> Tensor<2> {
    let mut row = value;
    while items(row)[0].is_array() {
        row = &items(row)[0];
    }
    let columns = items(row).len();
    let flat = vector(value);
    let rows = flat.dims()[0] / columns;
    flat.reshape([rows, columns])
}

/// A leaf that gradients reach.
fn leaf(value: &Value) -> Tensor<2> {
    matrix(value).detach().require_grad()
}

/// The fixture's weights, through a checkpoint file as a user's would come.
fn model_of(fixture: &Value, config: &ModelConfig, file: &str) -> Transformer {
    let mut header = serde_json::Map::new();
    let mut data: Vec<u8> = Vec::new();
    for (name, value) in fixture["weights"].as_object().expect("weights by name") {
        let rows = items(value);
        let shape = if rows[0].is_array() { vec![rows.len(), items(&rows[0]).len()] } else { vec![rows.len()] };
        let start = data.len();
        data.extend(numbers(value).into_iter().flat_map(|v| (v as f32).to_le_bytes()));
        header.insert(name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}));
    }
    let header = Value::Object(header).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    let checkpoint = Checkpoint::parse(&bytes, file, config.family);
    checkpoint.and_then(|c| c.model(config, &device())).expect("the fixture is a whole model")
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    let values = tensor.to_data().convert::<f32>().try_into_vec::<f32>();
    values.expect("just converted").into_iter().map(f64::from).collect()
}

/// A layer whose matrices the published code holds as `[out, in]`, `[rank, in]` and `[out, rank]`.
fn linear(weight: &Value, bias: &Value, a: &Value, b: &Value, scale: f64) -> AptLinear {
    let bias = (!bias.is_null()).then(|| vector(bias));
    let mut linear = AptLinear::new(matrix(weight).transpose().detach(), bias);
    let leaf = |value| Param::from_tensor(matrix(value).transpose().detach());
    linear.adapter = Some(Adapter { a: leaf(a), b: leaf(b), scale });
    linear
}

/// Asserts agreement relative to the largest published magnitude.
#[track_caller]
fn agree(what: &str, ours: &[f64], published: &[f64]) {
    agree_to(TOLERANCE, what, ours, published);
}

#[track_caller]
fn agree_to(tolerance: f64, what: &str, ours: &[f64], published: &[f64]) {
    assert_eq!(ours.len(), published.len(), "{what}: how many numbers");
    let largest = published.iter().fold(1e-12_f64, |max, v| max.max(v.abs()));
    for (place, (ours, published)) in ours.iter().zip(published).enumerate() {
        let off = (ours - published).abs() / largest;
        assert!(off <= tolerance, "{what} [{place}]: {ours} here, {published} published, {off:.1e} of the largest");
    }
}
