//! Which layer learns from which, and how much distillation weighs (paper §4.4; METHOD §6).

use std::ops::Range;

use rand::{Rng, RngExt};

/// Teacher layers compared per step (METHOD §6.4).
pub const TEACHER_BLOCKS: usize = 4;

/// Factor of the prediction loss in the published classification recipe (METHOD §6.3).
pub const PREDICTION_SCALE: f64 = 10.0;

/// Temperature of the published classification recipe (METHOD §6.3).
pub const TEMPERATURE: f64 = 2.0 / 3.0;

/// μ, the weight of the distillation loss: 0 at the first step of `range`, rising in a straight
/// line to 1 at its end, and clamped outside (paper §4.4).
pub fn mu(step: usize, range: &Range<usize>) -> f64 {
    if step >= range.end {
        return 1.0;
    }
    step.saturating_sub(range.start) as f64 / (range.end - range.start).max(1) as f64
}

/// μ as published: it rises over the pruning window, so that it is well above 0 when distillation
/// begins, and is not clamped below (METHOD §6.3).
pub fn published_mu(step: usize, pruning_start: usize, pruning_end: usize) -> f64 {
    let span = pruning_end as f64 - pruning_start as f64;
    if span <= 0.0 {
        return 1.0;
    }
    ((step as f64 - pruning_start as f64) / span).min(1.0)
}

/// The teacher layers of one step: one drawn from each of four blocks of equal length; what does
/// not divide by four makes a fifth, shorter block (METHOD §6.4). With fewer than four layers, all.
pub fn teacher_layers(num_layers: usize, rng: &mut impl Rng) -> Vec<usize> {
    let length = (num_layers / TEACHER_BLOCKS).max(1);
    (0..num_layers).step_by(length).map(|start| rng.random_range(start..(start + length).min(num_layers))).collect()
}

/// Student layers that may stand for a teacher layer: the same one if it survives, else the nearest
/// survivor below and the nearest above.
///
/// `exists[i]` says whether student layer i still has both heads and neurons.
pub fn candidates(teacher_layer: usize, exists: &[bool]) -> Vec<usize> {
    if exists.get(teacher_layer).copied().unwrap_or(false) {
        return vec![teacher_layer];
    }
    let split = teacher_layer.min(exists.len());
    let lower = exists[..split].iter().rposition(|&alive| alive);
    let upper = exists[split..].iter().position(|&alive| alive).map(|offset| split + offset);
    lower.into_iter().chain(upper).collect()
}
