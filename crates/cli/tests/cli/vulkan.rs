//! A nano run on Vulkan does what it does on the CPU: the same losses, the same blocks removed, the same weights left.
//!
//! Any Vulkan driver will do, a software one too. Without a driver the test prints that it did not run, and fails if
//! `APT_REQUIRE_VULKAN` is set, as `cargo xtask test` sets it wherever it found or installed a driver.

use crate::program::{Finished, read_json, run};
use crate::tiny_model::TinyModel;
use safetensors::SafeTensors;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Steps of the nano run.
const STEPS: usize = 20;
/// Largest difference that passes, relative to the CPU's value (losses) or to a tensor's largest value (weights).
const TOLERANCE: f64 = 1e-3;

/// Whether there is a driver to test; fails without one if `APT_REQUIRE_VULKAN` is set.
fn has_vulkan(within: &Path) -> bool {
    let listed = run(&["devices"], within);
    assert_eq!(listed.status, 0, "{}", listed.err);
    let there = listed.out.contains("wgpu/vulkan");
    if there {
        let lines = |verdict: &str| listed.out.lines().filter(|line| line.trim_start().starts_with(verdict)).count();
        assert!(lines("agrees") >= 20 && lines("DIFFERS") == 0, "the self-test printed:\n{}", listed.out);
    }
    assert!(there || std::env::var_os("APT_REQUIRE_VULKAN").is_none(), "no Vulkan device in:\n{}", listed.out);
    if !there {
        eprintln!("NOT RUN: there is no Vulkan driver here");
    }
    there
}

fn nano(device: &str, within: &Path) -> Finished {
    let steps = STEPS.to_string();
    let args = [
        "run",
        "--model",
        "model",
        "--train-examples",
        "64",
        "--steps",
        &steps,
        "--batch-size",
        "8",
        "--prune-fraction",
        "0.6",
        "--num-prunings",
        "2",
        "--density",
        "0.5",
        "--round-neurons",
        "1",
        "--round-hidden",
        "1",
        "--eval-every",
        "20",
        "--checkpoint-every",
        "20",
        "--device",
        device,
        "--out",
        device,
    ];
    run(&args, within)
}

fn record(device: &str, within: &Path) -> Value {
    read_json(&within.join(device).join("record.json"))
}

/// The tensors of the exported model by name.
fn weights(device: &str, within: &Path) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(within.join(device).join("model/model.safetensors")).expect("a run leaves a model");
    let tensors = SafeTensors::deserialize(&bytes).expect("the model is a safetensors file");
    let values = |data: &[u8]| data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let mut all: Vec<_> = tensors.iter().map(|(n, t)| (n.to_owned(), t.shape().to_vec(), values(t.data()))).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn vulkan_and_cpu_agree_on_losses_masks_and_weights() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let dir = dir.path();
    if !has_vulkan(dir) {
        return;
    }
    TinyModel::new().write(&dir.join("model"));
    for device in ["cpu", "vulkan"] {
        let done = nano(device, dir);
        assert_eq!(done.status, 0, "{device}:\n{}{}", done.out, done.err);
    }
    let (cpu, vulkan) = (record("cpu", dir), record("vulkan", dir));
    assert_eq!(vulkan["provenance"]["backend"], "wgpu/vulkan", "the run was not on Vulkan");
    assert_eq!(cpu["provenance"]["backend"], "flex");

    let losses = |record: &Value| -> Vec<f64> {
        record["curve"].as_array().into_iter().flatten().filter_map(|point| point["loss"].as_f64()).collect()
    };
    let (expected, found) = (losses(&cpu), losses(&vulkan));
    assert_eq!((expected.len(), found.len()), (STEPS, STEPS), "a loss per step");
    for (step, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let difference = (expected - found).abs() / expected.abs();
        assert!(difference < TOLERANCE, "step {}: loss {found} on Vulkan, {expected} on the CPU", step + 1);
    }

    let points = |record: &Value| record["pruning_points"].as_array().cloned().unwrap_or_default();
    let (expected, found) = (points(&cpu), points(&vulkan));
    assert_eq!((expected.len(), found.len()), (2, 2), "pruning points");
    for (expected, found) in expected.iter().zip(&found) {
        for field in ["step", "density", "kept_heads", "neurons", "kept_neurons", "kept_hidden", "ranks"] {
            assert_eq!(expected[field], found[field], "{field} of the pruning point at step {}", expected["step"]);
        }
    }
    assert!(expected[1]["density"].as_f64() < Some(0.51), "nothing was removed: {}", expected[1]);

    // Which neurons were kept shows in the weights.
    let (expected, found) = (weights("cpu", dir), weights("vulkan", dir));
    assert_eq!(expected.len(), found.len(), "tensors of the exported model");
    for ((name, dims, expected), (found_name, found_dims, found)) in expected.iter().zip(&found) {
        assert_eq!((name, dims), (found_name, found_dims));
        assert!(found.iter().all(|v| v.is_finite()), "{name} holds a value that is no number");
        let scale = expected.iter().fold(1e-6_f64, |m, v| m.max(f64::from(v.abs())));
        let worst = expected.iter().zip(found).fold(0.0_f64, |m, (a, b)| m.max(f64::from((a - b).abs())));
        assert!(worst / scale < TOLERANCE, "{name} differs by {worst:e} of {scale:e}");
    }
}
