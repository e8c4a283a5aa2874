//! Task and distillation losses (APT Eq. 7; METHOD §6.3).

use apt_core::distill::PREDICTION_SCALE;
use apt_data::{Objective, Target};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

/// What is to be predicted of a batch, on a device, `[n, 1]`.
#[derive(Clone, Debug)]
pub enum Targets {
    /// Class indices.
    Classes(Tensor<2, Int>),
    /// Real numbers.
    Values(Tensor<2>),
}

impl Targets {
    /// Uploads `targets`, which `objective` admits.
    pub fn new(objective: &Objective, targets: &[Target], device: &Device) -> Self {
        match objective {
            Objective::Classification { .. } => {
                let classes: Vec<i32> = targets.iter().filter_map(|t| t.class()).map(|class| class as i32).collect();
                Self::classes(&classes, device)
            }
            Objective::Regression { .. } => {
                let values: Vec<f32> = targets.iter().filter_map(|target| target.value()).collect();
                let n = values.len();
                Self::Values(Tensor::from_data(TensorData::new(values, [n, 1]), device))
            }
        }
    }

    /// Uploads class indices.
    pub fn classes(classes: &[i32], device: &Device) -> Self {
        Self::Classes(Tensor::from_data(TensorData::new(classes.to_vec(), [classes.len(), 1]), device))
    }
}

/// Mean loss of `outputs: [n, outputs]`: cross entropy against classes, squared error against numbers.
pub fn task_loss(outputs: Tensor<2>, targets: &Targets) -> Tensor<1> {
    match targets {
        Targets::Classes(classes) => {
            let [n, _] = outputs.dims();
            let picked = activation::log_softmax(outputs, 1).gather(1, classes.clone());
            picked.sum() * (-1.0 / n as f64)
        }
        Targets::Values(values) => mean_squared_error(outputs, values.clone()),
    }
}

/// How far a student's outputs are from its teacher's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PredictionLoss {
    /// Of logits: the divergence of the distributions at this temperature T.
    Divergence {
        /// T.
        temperature: f64,
    },
    /// Of numbers: the mean squared difference, as it is.
    SquaredError,
}

impl PredictionLoss {
    /// The loss between two models' outputs `[n, outputs]`.
    pub fn of(self, student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Divergence { temperature } => prediction_loss(student, teacher, temperature),
            Self::SquaredError => mean_squared_error(student, teacher),
        }
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

/// Mean squared difference of two tensors: of outputs and numbers, or of two hidden states.
pub fn mean_squared_error(one: Tensor<2>, other: Tensor<2>) -> Tensor<1> {
    (one - other).square().mean()
}
