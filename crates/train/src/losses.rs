//! Task and distillation losses (APT Eq. 7; METHOD §6.3).
//!
//! Where any number of classes may apply, each output decides on its own between its class and none: the losses are those of
//! two classes with the logits 0 and the output, averaged over outputs and examples. So binary cross entropy is that of
//! `BCEWithLogitsLoss` of PyTorch.

use apt_core::distill::PREDICTION_SCALE;
use apt_data::mlm::IGNORED;
use apt_data::{ClassSet, NextTokens, Objective, Target, collate_next};
use apt_nn::{cross_entropy, divergence};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// What is to be predicted of a batch, on a device, `[n, 1]`; marks are `[n · outputs, 1]`. Next tokens stay on the host.
#[derive(Clone, Debug)]
pub enum Targets {
    /// Class indices.
    Classes(Tensor<2, Int>),
    /// For each output 1 where its class applies, else 0.
    Marks(Tensor<2, Int>),
    /// Real numbers.
    Values(Tensor<2>),
    /// The token that is to follow each, `[sequences · length]`; [`IGNORED`] where none is to be predicted.
    Next(Vec<i32>),
}

impl Targets {
    /// Uploads `targets`, which `objective` admits.
    pub fn new(objective: &Objective, targets: &[Target], device: &Device) -> Self {
        match objective {
            Objective::Classification { .. } => {
                let classes: Vec<i32> = targets.iter().filter_map(Target::class).map(|class| class as i32).collect();
                Self::classes(&classes, device)
            }
            Objective::MultiLabel { .. } => {
                let marks = targets.iter().filter_map(Target::set).flat_map(ClassSet::marks);
                let marks: Vec<i32> = marks.map(i32::from).collect();
                let n = marks.len();
                Self::Marks(Tensor::from_data(TensorData::new(marks, [n, 1]), device))
            }
            Objective::Regression { .. } => {
                let values: Vec<f32> = targets.iter().filter_map(Target::value).collect();
                let n = values.len();
                Self::Values(Tensor::from_data(TensorData::new(values, [n, 1]), device))
            }
            Objective::CausalLm { .. } | Objective::MultipleChoice { .. } => {
                let longest = targets.iter().filter_map(Target::tokens).map(|next| next.ids.len()).max();
                Self::next(targets, longest.unwrap_or(0))
            }
        }
    }

    /// The tokens that follow those of a batch whose sequences have so many, padding included.
    pub fn next(targets: &[Target], length: usize) -> Self {
        let next: Vec<&NextTokens> = targets.iter().filter_map(Target::tokens).collect();
        Self::Next(collate_next(&next, length))
    }

    /// Uploads class indices.
    pub fn classes(classes: &[i32], device: &Device) -> Self {
        Self::Classes(column(classes.to_vec(), device))
    }
}

/// `[n, 1]`.
fn column(values: Vec<i32>, device: &Device) -> Tensor<2, Int> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n, 1]), device)
}

/// Mean loss of `outputs: [n, outputs]`: cross entropy against classes, binary cross entropy against marks, squared error
/// against numbers; against next tokens, where outputs are the logits of every token, the mean over those that are predicted.
pub fn task_loss(outputs: Tensor<2>, targets: &Targets) -> Tensor<1> {
    match targets {
        Targets::Classes(classes) => cross_entropy(outputs, classes.clone()),
        Targets::Marks(marks) => cross_entropy(two_classes(outputs), marks.clone()),
        Targets::Values(values) => mean_squared_error(outputs, values.clone()),
        Targets::Next(next) => {
            let (rows, classes) = predicted(next);
            let rows = Tensor::from_data(TensorData::new(rows, [classes.len()]), &outputs.device());
            let classes = column(classes, &outputs.device());
            cross_entropy(outputs.select(0, rows), classes)
        }
    }
}

/// Which tokens of a batch have one to be predicted after them, and which one.
pub(crate) fn predicted(next: &[i32]) -> (Vec<i32>, Vec<i32>) {
    (0..).zip(next).filter(|(_, id)| **id != IGNORED).map(|(row, id): (i32, &i32)| (row, *id)).unzip()
}

/// The logits of "does not apply" and "applies" for each output: `[n · outputs, 2]` of `[n, outputs]`.
fn two_classes(outputs: Tensor<2>) -> Tensor<2> {
    let [n, count] = outputs.dims();
    let outputs = outputs.reshape([n * count, 1]);
    Tensor::cat(vec![outputs.zeros_like(), outputs], 1)
}

/// How far a student's outputs are from its teacher's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PredictionLoss {
    /// Of logits: the divergence of the distributions at this temperature T.
    Divergence {
        /// T.
        temperature: f64,
    },
    /// Of logits of which each decides on its own: the mean of the divergences of two classes each, at this temperature T.
    BinaryDivergence {
        /// T.
        temperature: f64,
    },
    /// Of numbers: the mean squared difference, as it is.
    SquaredError,
    /// Of the logits of tokens that are to be predicted: the divergence of the distributions at this temperature T.
    TokenDivergence {
        /// T.
        temperature: f64,
    },
}

impl PredictionLoss {
    /// At which logits are compared; 1 of numbers.
    pub(crate) fn temperature(self) -> f64 {
        match self {
            Self::Divergence { temperature }
            | Self::BinaryDivergence { temperature }
            | Self::TokenDivergence { temperature } => temperature,
            Self::SquaredError => 1.0,
        }
    }

    /// The loss between two models' outputs `[n, outputs]`.
    pub fn of(self, student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Divergence { temperature } => prediction_loss(student, teacher, temperature),
            Self::BinaryDivergence { temperature } => {
                prediction_loss(two_classes(student), two_classes(teacher), temperature)
            }
            Self::SquaredError => mean_squared_error(student, teacher),
            // The mean over all tokens that are predicted, as the published code divides it for LLaMA.
            Self::TokenDivergence { temperature } => divergence(student, teacher, temperature, 1.0),
        }
    }
}

/// `10·T²·KL(teacher ‖ student)` of the softened logits, mean over the batch.
pub fn prediction_loss(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    divergence(student, teacher, temperature, PREDICTION_SCALE)
}

/// Mean squared difference of two tensors: of outputs and numbers, or of two hidden states.
pub fn mean_squared_error(one: Tensor<2>, other: Tensor<2>) -> Tensor<1> {
    (one - other).square().mean()
}
