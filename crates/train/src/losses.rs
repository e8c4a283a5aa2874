//! Task and distillation losses (APT Eq. 8–9; METHOD §6.3).

use apt_core::distill::PREDICTION_SCALE;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

/// Mean cross entropy of `logits: [n, classes]` against one class each.
pub fn cross_entropy(logits: Tensor<2>, targets: &Targets) -> Tensor<1> {
    let [n, _] = logits.dims();
    let picked = activation::log_softmax(logits, 1).gather(1, targets.0.clone());
    picked.sum() * (-1.0 / n as f64)
}

/// Class indices on a device, `[n, 1]`.
#[derive(Clone, Debug)]
pub struct Targets(Tensor<2, Int>);

impl Targets {
    /// Uploads `labels`.
    pub fn new(labels: &[i32], device: &Device) -> Self {
        Self(Tensor::from_data(TensorData::new(labels.to_vec(), [labels.len(), 1]), device))
    }
}

/// `10·T²·KL(teacher ‖ student)` of the softened logits, mean over the batch.
pub fn prediction_loss(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [n, _] = student.dims();
    let student = activation::log_softmax(student / temperature, 1);
    let teacher = activation::log_softmax(teacher / temperature, 1);
    let divergence = (teacher.clone().exp() * (teacher - student)).sum();
    divergence * (PREDICTION_SCALE * temperature * temperature / n as f64)
}

/// Mean squared difference of two hidden states.
pub fn layer_mse(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    (student - teacher).square().mean()
}
