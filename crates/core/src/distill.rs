//! Which layer learns from which, how much distillation weighs, and its losses on plain slices
//! (paper §4.4; METHOD §6). The slice forms are the reference the tensor ones are tested against.

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

/// φ: the candidate with the smaller `mse`, the lower one on a tie; `None` if no layer survives.
///
/// `mse` is asked only when there is a choice.
pub fn map_layer(teacher_layer: usize, exists: &[bool], mut mse: impl FnMut(usize) -> f64) -> Option<usize> {
    match candidates(teacher_layer, exists)[..] {
        [lower, upper] => Some(if mse(upper) < mse(lower) { upper } else { lower }),
        [only] => Some(only),
        _ => None,
    }
}

/// T²·KL(softmax(teacher/T) ‖ softmax(student/T)), averaged over rows.
///
/// `student`, `teacher`: `[rows, classes]`. The published classification loss is
/// [`PREDICTION_SCALE`] times this.
pub fn prediction_loss(student: &[f64], teacher: &[f64], classes: usize, temperature: f64) -> f64 {
    let rows = (student.len() / classes.max(1)).max(1) as f64;
    let divergence: f64 = student
        .chunks(classes.max(1))
        .zip(teacher.chunks(classes.max(1)))
        .flat_map(|(student, teacher)| {
            let student = log_softmax(student, temperature);
            let teacher = log_softmax(teacher, temperature);
            teacher.into_iter().zip(student).map(|(t, s)| t.exp() * (t - s))
        })
        .sum();
    temperature * temperature * divergence / rows
}

/// Gradient of [`prediction_loss`] with respect to the student's logits: T·(softmax(student/T) −
/// softmax(teacher/T)) over the number of rows.
pub fn prediction_gradient(student: &[f64], teacher: &[f64], classes: usize, temperature: f64) -> Vec<f64> {
    let rows = (student.len() / classes.max(1)).max(1) as f64;
    student
        .chunks(classes.max(1))
        .zip(teacher.chunks(classes.max(1)))
        .flat_map(|(student, teacher)| {
            let student = log_softmax(student, temperature);
            let teacher = log_softmax(teacher, temperature);
            student.into_iter().zip(teacher)
        })
        .map(|(s, t)| temperature * (s.exp() - t.exp()) / rows)
        .collect()
}

/// Mean squared difference of two layers' outputs; 0 for empty ones.
pub fn layer_mse(student: &[f64], teacher: &[f64]) -> f64 {
    let sum: f64 = student.iter().zip(teacher).map(|(s, t)| (s - t).powi(2)).sum();
    sum / student.len().max(1) as f64
}

/// x·rsqrt(mean(x²) + 1e-6) per row of `width`, before [`layer_mse`] in the published
/// sequence-to-sequence recipe.
pub fn rms_normalised(states: &[f64], width: usize) -> Vec<f64> {
    states
        .chunks(width.max(1))
        .flat_map(|row| {
            let mean_square = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
            let scale = (mean_square + 1e-6).sqrt().recip();
            row.iter().map(move |x| x * scale)
        })
        .collect()
}

/// L_distill: `alpha`·prediction + (1 − `alpha`)·layers (published: 0.1, MNLI 0.5).
pub fn distillation_loss(prediction: f64, layers: f64, alpha: f64) -> f64 {
    alpha * prediction + (1.0 - alpha) * layers
}

/// L = μ·L_distill + (1 − μ)·L_task.
pub fn total_loss(mu: f64, distillation: f64, task: f64) -> f64 {
    mu * distillation + (1.0 - mu) * task
}

fn log_softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shifted = logits.iter().map(|logit| (logit - max) / temperature);
    let log_sum = shifted.clone().map(f64::exp).sum::<f64>().ln();
    shifted.map(|logit| logit - log_sum).collect()
}
