//! Layer mapping and losses of distillation (METHOD §6).

use crate::distill::candidates;

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
/// [`PREDICTION_SCALE`](crate::distill::PREDICTION_SCALE) times this.
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
