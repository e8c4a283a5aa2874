//! The learner and its optimiser. Whatever changes the shapes of weights changes those of the moments with them.

use crate::TrainError;
use crate::learner::Learner;
use crate::optimizer::AdamW;
use apt_core::blocks::ModelShape;
use apt_experiment::{Knobs, OptimizerState};
use apt_nn::named::{self, Slot};
use apt_nn::{Adapter, Transformer};
use burn::tensor::{Device, Tensor};
use std::collections::BTreeMap;

/// Trainable values, their names and the moments of AdamW.
pub(crate) struct TrainState {
    learner: Learner,
    slots: Vec<Slot>,
    optimizer: AdamW,
    /// What [`Self::values`] gives, as long as it is known without putting it together.
    values: Option<Tensor<1>>,
}

impl TrainState {
    /// With zero moments on `device` (without autodiff).
    ///
    /// # Errors
    /// [`TrainError::Unfit`] when no value of `learner` is trainable.
    pub(crate) fn new(learner: Learner, weight_decay: f64, device: &Device) -> Result<Self, TrainError> {
        let slots = named::slots(&learner);
        if slots.is_empty() {
            return Err(nothing_trainable());
        }
        let optimizer = AdamW::new(&slots, weight_decay, device);
        Ok(Self { learner, slots, optimizer, values: None })
    }

    /// From a checkpoint: `moments` are laid out as the trainable values of `learner`.
    pub(crate) fn restore(&mut self, learner: Learner, moments: [Tensor<1>; 2], updates: u64, weight_decay: f64) {
        let [first, second] = moments;
        self.slots = named::slots(&learner);
        self.optimizer = self.optimizer.clone().carried(first, second, &self.slots, weight_decay);
        self.optimizer.updates = updates;
        self.learner = learner;
        self.values = None;
    }

    pub(crate) fn learner(&self) -> &Learner {
        &self.learner
    }

    pub(crate) fn student(&self) -> &Transformer {
        &self.learner.student
    }

    pub(crate) fn optimizer(&self) -> &AdamW {
        &self.optimizer
    }

    /// The student's blocks.
    pub(crate) fn shape(&self) -> ModelShape {
        self.learner.student.config.shape()
    }

    /// The student's adapters with their names.
    pub(crate) fn adapters(&self) -> Vec<(String, &Adapter)> {
        self.learner.student.adapters()
    }

    /// Rank of every adapter, by name.
    pub(crate) fn ranks(&self) -> BTreeMap<String, usize> {
        ranks_of(self.student())
    }

    /// Parameters of all adapters.
    pub(crate) fn adapter_parameters(&self) -> usize {
        self.adapters().iter().map(|(_, adapter)| adapter.parameters()).sum()
    }

    /// Number of trainable values.
    pub(crate) fn trainable(&self) -> usize {
        self.slots.iter().map(Slot::len).sum()
    }

    /// The trainable values, `[trainable]`.
    pub(crate) fn values(&self) -> Option<Tensor<1>> {
        self.values.clone().or_else(|| named::values(&self.learner))
    }

    /// Replaces the trainable values, `[trainable]`.
    pub(crate) fn set_values(&mut self, values: &Tensor<1>) {
        self.learner = named::with_values(self.learner.clone(), values);
        self.values = Some(values.clone());
    }

    /// Replaces the student by one with the same values and shapes.
    pub(crate) fn set_student(&mut self, student: Transformer) {
        self.learner.student = student;
    }

    /// One update of the trainable `values` by `gradient`, both `[trainable]`; the gradient's norm before clipping, `[1]`.
    pub(crate) fn update(
        &mut self,
        values: Tensor<1>,
        gradient: Tensor<1>,
        clip_norm: f64,
        learning_rate: f64,
    ) -> Tensor<1> {
        let (updated, norm) = self.optimizer.clipped_step(values, gradient, clip_norm, learning_rate);
        self.set_values(&updated);
        norm
    }

    /// Puts `learner`, of other shapes, in the place of the present one. `change` makes the same change to a learner
    /// that holds moments instead of values.
    pub(crate) fn reshape(&mut self, learner: Learner, knobs: &Knobs, change: &dyn Fn(&Learner) -> Learner) {
        let old = std::mem::replace(&mut self.learner, learner);
        self.values = None;
        self.slots = named::slots(&self.learner);
        if knobs.optimizer_state == OptimizerState::Reset {
            self.optimizer = AdamW::new(&self.slots, knobs.weight_decay, &self.optimizer.first.device());
            return;
        }
        let carry = |moment: &Tensor<1>| named::values(&change(&old.holding(moment)));
        if let (Some(first), Some(second)) = (carry(&self.optimizer.first), carry(&self.optimizer.second)) {
            self.optimizer = self.optimizer.clone().carried(first, second, &self.slots, knobs.weight_decay);
        }
    }

    /// Matrices decay by `weight_decay` from now on.
    pub(crate) fn set_weight_decay(&mut self, weight_decay: f64) {
        self.optimizer.set_weight_decay(&self.slots, weight_decay);
    }

    /// Name of the first parameter with a NaN or infinity in `flat`, which is laid out as the trainable values.
    pub(crate) fn first_not_finite(&self, flat: &[f32]) -> Option<String> {
        let mut rest = flat;
        for slot in &self.slots {
            let (values, behind) = rest.split_at_checked(slot.len())?;
            if values.iter().any(|v| !v.is_finite()) {
                return Some(slot.name.clone());
            }
            rest = behind;
        }
        None
    }
}

/// The error of a run whose knobs freeze everything.
pub(crate) fn nothing_trainable() -> TrainError {
    let what = "nothing is trainable: no linear layer carries an adapter and the head is frozen";
    TrainError::unfit("settings", what, "set adapters, train-base or freeze-head")
}

/// Rank of every adapter of `model`, by name.
pub(crate) fn ranks_of(model: &Transformer) -> BTreeMap<String, usize> {
    model.adapters().into_iter().map(|(name, adapter)| (name, adapter.rank())).collect()
}
