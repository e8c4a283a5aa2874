//! Forward and backward on one batch: the task's loss, the teacher's, gradients and the scores of blocks.

use crate::TrainError;
use crate::language::{Expectation, token_loss};
use crate::learner::Learner;
use crate::losses::{Targets, task_loss};
use crate::teacher::{DistillWeights, Outputs, TeacherOutput, distillation};
use apt_core::arms::{HeadKurtosis, OutlierScale, Salience};
use apt_core::tokens::TokenBatch;
use apt_nn::salience::{self, ScoreInputs, StepScores};
use apt_nn::{Batch, DeviceMasks, Dropout, Forward, Output, Taps};
use burn::tensor::{Device, Gradients, Tensor};

/// What a pass computes with.
pub(crate) struct Pass<'a> {
    pub(crate) learner: &'a Learner,
    pub(crate) tokens: &'a TokenBatch,
    pub(crate) targets: &'a Targets,
    /// With autodiff.
    pub(crate) device: &'a Device,
    pub(crate) masks: Option<&'a DeviceMasks>,
    /// Whose scores are computed.
    pub(crate) scorer: Option<Salience>,
    /// Units of √kurtosis in them.
    pub(crate) outliers: OutlierScale,
    /// Over what a head's kurtosis is taken.
    pub(crate) head_kurtosis: HeadKurtosis,
    pub(crate) distillation: Option<Distillation>,
    /// What the student drops.
    pub(crate) dropout: Option<Dropout>,
}

/// A teacher's part in a pass.
pub(crate) struct Distillation {
    pub(crate) output: TeacherOutput,
    pub(crate) weights: DistillWeights,
    /// Share of the distillation loss in the whole, 0..=1.
    pub(crate) mu: f64,
}

/// What a backward pass leaves.
pub(crate) struct Backward {
    pub(crate) gradients: Gradients,
    /// `[1]`, as are its parts.
    pub(crate) loss: Tensor<1>,
    pub(crate) task_loss: Tensor<1>,
    pub(crate) distill_loss: Option<Tensor<1>>,
    /// Share of the distillation loss.
    pub(crate) mu: Option<f64>,
    /// Of the blocks, where they were asked for.
    pub(crate) scores: Option<StepScores>,
}

impl Pass<'_> {
    /// Runs the pass.
    ///
    /// # Errors
    /// When the student is no decoder and has no classification head.
    pub(crate) fn backward(self) -> Result<Backward, TrainError> {
        let student = &self.learner.student;
        let batch = Batch::new(self.tokens, &student.config, self.device);
        let mut taps = self.scorer.and_then(Taps::for_scorer);
        let mut dropout = self.dropout;
        let keep_states = self.distillation.is_some();
        let with = Forward { masks: self.masks, taps: taps.as_mut(), keep_states, dropout: dropout.as_mut() };
        let Output { hidden, states } = student.forward(&batch, with);
        let (task_loss, outputs, next) = match self.targets {
            Targets::Next(next) => {
                let loss = token_loss(student, hidden.clone(), next)?;
                (loss, Outputs::Tokens(Box::new(Expectation::new(student, hidden))), next.as_slice())
            }
            Targets::Classes(_) | Targets::Marks(_) | Targets::Values(_) => {
                let logits = student.classify_with(hidden, &batch, dropout.as_mut())?;
                (task_loss(logits.clone(), self.targets), Outputs::Logits(Box::new(logits)), &[][..])
            }
        };
        let (loss, distill_loss, mu) = match self.distillation {
            None => (task_loss.clone(), None, None),
            Some(Distillation { output, weights, mu }) => {
                let distill = distillation(self.learner, &states, outputs, output, weights, next);
                (distill.clone() * mu + task_loss.clone() * (1.0 - mu), Some(distill), Some(mu))
            }
        };
        let gradients = loss.backward();
        let scores = self.scorer.and_then(|scorer| {
            let inputs = ScoreInputs {
                model: student,
                taps: taps.as_ref(),
                gradients: &gradients,
                masks: self.masks,
                outliers: self.outliers,
                head_kurtosis: self.head_kurtosis,
            };
            salience::scores(scorer, &inputs)
        });
        Ok(Backward { gradients, loss, task_loss, distill_loss, mu, scores })
    }
}
