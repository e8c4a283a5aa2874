//! Forward and backward on one batch, or on a shard of it: the task's loss, the teacher's, gradients and what scorers read.

use crate::TrainError;
use crate::language::{Expectation, token_loss};
use crate::learner::Learner;
use crate::losses::{Targets, task_loss};
use crate::shard::Share;
use crate::teacher::{DistillWeights, Distilled, Outputs, Teacher, distillation};
use apt_core::arms::{Padding, Salience};
use apt_core::tokens::TokenBatch;
use apt_nn::{Batch, DeviceMasks, Dropout, Forward, Output, Readings, Taps};
use burn::tensor::{Device, Gradients, Tensor};
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;

/// What a pass computes with.
pub(crate) struct Pass<'a> {
    pub(crate) learner: Cow<'a, Learner>,
    pub(crate) tokens: TokenBatch,
    pub(crate) targets: Targets,
    /// With autodiff.
    pub(crate) device: Device,
    pub(crate) masks: Option<DeviceMasks>,
    /// Who reads what the pass leaves.
    pub(crate) scorer: Option<Salience>,
    pub(crate) teaching: Option<Teaching<'a>>,
    /// What the student drops.
    pub(crate) dropout: Option<Dropout>,
    /// Of a shard, how much of the batch it is.
    pub(crate) share: Option<Share>,
    /// Whether padding counts where activations are read.
    pub(crate) padding: Padding,
}

/// A teacher's part in a pass.
pub(crate) struct Teaching<'a> {
    pub(crate) teacher: &'a Teacher,
    /// Draws its layers.
    pub(crate) rng: ChaCha8Rng,
    pub(crate) weights: DistillWeights,
    /// Share of the distillation loss in the whole, 0..=1.
    pub(crate) mu: f64,
}

/// A pass on the way: forward is done.
pub(crate) struct Forwarded<'p> {
    learner: &'p Learner,
    masks: Option<&'p DeviceMasks>,
    share: Option<Share>,
    taps: Option<Taps>,
    scorer: Option<Salience>,
    task_loss: Tensor<1>,
    distilled: Option<(Distilled, f64)>,
}

/// What a backward pass leaves.
pub(crate) struct Backward<'p> {
    pub(crate) learner: &'p Learner,
    pub(crate) gradients: Gradients,
    /// `[1]`, as are its parts.
    pub(crate) loss: Tensor<1>,
    pub(crate) task_loss: Tensor<1>,
    pub(crate) distill_loss: Option<Tensor<1>>,
    /// What the scorer reads.
    pub(crate) readings: Readings,
}

impl Pass<'_> {
    /// The batch on `device`, without padding where nothing is made of it.
    fn batch(&self, device: &Device) -> Batch {
        let reads_states =
            self.scorer.is_some_and(|scorer| Taps::for_scorer(scorer).is_some()) || self.teaching.is_some();
        let of = match (self.padding, self.dropout.is_some()) {
            (Padding::Counted, _) if reads_states => Batch::new,
            (_, true) => Batch::masked,
            (_, false) => Batch::packed,
        };
        of(&self.tokens, &self.learner.student.config, device)
    }

    /// Runs the teacher, if there is one, and the student.
    ///
    /// # Errors
    /// When the student is no decoder and has no classification head.
    pub(crate) fn forward(&self) -> Result<Forwarded<'_>, TrainError> {
        let student = &self.learner.student;
        // The teacher's intermediate results are gone before there are the student's.
        let taught = match &self.teaching {
            Some(teaching) => {
                let batch = self.batch(&self.device.clone().inner());
                Some(teaching.teacher.forward(&batch, &mut teaching.rng.clone())?)
            }
            None => None,
        };
        let taps = self.scorer.and_then(Taps::for_scorer);
        let batch = self.batch(&self.device);
        let mut taps = if self.share.is_some() { taps.map(Taps::apart) } else { taps };
        let mut dropout = self.dropout.clone();
        let keep_states = taught.is_some();
        let masks = self.masks.as_ref();
        let with = Forward { masks, taps: taps.as_mut(), keep_states, dropout: dropout.as_mut() };
        let logits_alone = with.taps.is_none() && with.dropout.is_none() && !keep_states;
        let mut states = Vec::new();
        let (task_loss, outputs, next) = match &self.targets {
            Targets::Next(next) => {
                let next = batch.own(next.clone());
                let hidden;
                Output { hidden, states } = student.forward(&batch, with);
                let loss = token_loss(student, hidden.clone(), &next)?;
                (loss, Outputs::Tokens(Box::new(Expectation::new(student, hidden))), next)
            }
            Targets::Classes(_) | Targets::Marks(_) | Targets::Values(_) => {
                let logits = if logits_alone {
                    student.logits(&batch, masks)?
                } else {
                    let hidden;
                    Output { hidden, states } = student.forward(&batch, with);
                    student.classify_with(hidden, &batch, dropout.as_mut())?
                };
                (task_loss(logits.clone(), &self.targets), Outputs::Logits(Box::new(logits)), Vec::new())
            }
        };
        let task_loss = match &self.share {
            Some(share) => task_loss * share.outputs,
            None => task_loss,
        };
        let distilled = self.teaching.as_ref().zip(taught).map(|(teaching, taught)| {
            (
                distillation(&self.learner, (&states, batch.counts()), outputs, taught, teaching.weights, &next),
                teaching.mu,
            )
        });
        let (learner, share, scorer) = (&*self.learner, self.share.clone(), self.scorer);
        Ok(Forwarded { learner, masks, share, taps, scorer, task_loss, distilled })
    }
}

impl<'p> Forwarded<'p> {
    /// What is to be chosen between before the loss is known.
    pub(crate) fn distilled(&self) -> Option<&Distilled> {
        self.distilled.as_ref().map(|(distilled, _)| distilled)
    }

    /// Goes back, with the student layers `chosen` to stand for those that are gone, or else with the best.
    pub(crate) fn backward(self, chosen: Option<&[usize]>) -> Backward<'p> {
        let Self { learner, masks, share, taps, scorer, task_loss, distilled } = self;
        let (loss, distill_loss) = match distilled {
            None => (task_loss.clone(), None),
            Some((distilled, mu)) => {
                let distill = distilled.loss(chosen, share.as_ref());
                (distill.clone() * mu + task_loss.clone() * (1.0 - mu), Some(distill))
            }
        };
        let gradients = loss.backward();
        let (student, taps) = (&learner.student, taps.as_ref());
        let masks = masks.filter(|_| scorer.is_some());
        let readings = match &share {
            Some(share) => Readings::of_shard(student, taps, masks, &gradients, share.weights),
            None => Readings::of(student, taps, masks, &gradients),
        };
        Backward { learner, gradients, loss, task_loss, distill_loss, readings }
    }
}
