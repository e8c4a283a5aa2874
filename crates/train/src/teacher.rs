//! The teacher: an earlier self of the student (APT §4.4; METHOD §6).

use crate::language::{Expectation, token_divergence};
use crate::learner::Learner;
use crate::losses::PredictionLoss;
use crate::shard::Share;
use apt_core::blocks::Kept;
use apt_core::distill::{candidates, teacher_layers};
use apt_nn::{Batch, Counts, Forward, NnError, Output, Transformer, compact, squared_error};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;

/// A teacher without autodiff. A shared one holds its own adapters and head, and the same frozen weights as the student.
pub struct Teacher {
    /// Frozen weights, adapters and head.
    pub model: Transformer,
    /// The dense model's blocks it has, in its own order.
    pub kept: Kept,
    /// Its hidden dims that the student has, in the student's order.
    pub hidden: Vec<usize>,
    /// Its validation metric.
    pub metric: f64,
    /// Whether the student's frozen weights are part of its own.
    pub shared: bool,
}

impl Teacher {
    /// A copy of `student` as it is, unmasked. Shared, it costs its adapters and head; separate, a whole model.
    pub fn new(student: &Transformer, kept: &Kept, metric: f64, shared: bool) -> Self {
        let model = student.valid();
        let model = if shared { model } else { model.map(&mut DeepCopy) };
        Self { hidden: (0..model.config.hidden).collect(), model, kept: kept.clone(), metric, shared }
    }

    /// Removes blocks from the learner; the teacher keeps all of its own. Returns the compacted learner.
    pub fn compact_student(&mut self, learner: &Learner, kept: &Kept) -> Learner {
        if !self.shared {
            self.hidden = kept.hidden.iter().map(|&i| self.hidden[i]).collect();
            return learner.compact(kept);
        }
        let order = compact::kept_first(kept, &self.model.config.shape());
        let (learner, model) = learner.compact_shared(&self.model, kept);
        self.kept = self.kept.compose(&order);
        self.hidden = (0..learner.student.config.hidden).collect();
        self.model = model;
        learner
    }

    /// The outputs for `batch`, which must be without autodiff, and the states of four layers drawn by `rng`.
    ///
    /// # Errors
    /// When it is no decoder and has no classification head.
    pub fn forward(&self, batch: &Batch, rng: &mut ChaCha8Rng) -> Result<TeacherOutput, NnError> {
        let Output { hidden, states } = self.model.forward(batch, Forward { keep_states: true, ..Forward::default() });
        if self.model.config.decoder.is_none() {
            return Ok(self.sample_layers(&states, self.model.classify(hidden, batch)?, rng));
        }
        let outputs = Outputs::Tokens(Box::new(Expectation::new(&self.model, hidden)));
        Ok(TeacherOutput { states: self.layers(&states, rng), outputs })
    }

    /// The states of four layers drawn by `rng` out of those of all layers, each `[tokens, hidden]`.
    pub fn sample_layers(&self, states: &[Tensor<2>], logits: Tensor<2>, rng: &mut ChaCha8Rng) -> TeacherOutput {
        TeacherOutput { states: self.layers(states, rng), outputs: Outputs::Logits(Box::new(logits)) }
    }

    fn layers(&self, states: &[Tensor<2>], rng: &mut ChaCha8Rng) -> Vec<(usize, Tensor<2>)> {
        let layers = teacher_layers(states.len(), rng);
        layers.into_iter().map(|layer| (layer, self.for_student(states[layer].clone()))).collect()
    }

    /// Its hidden state restricted to the student's dims, `[tokens, student hidden]`.
    fn for_student(&self, state: Tensor<2>) -> Tensor<2> {
        let width = self.hidden.len();
        if self.hidden.iter().enumerate().all(|(i, &h)| i == h) {
            let tokens = state.dims()[0];
            return state.slice([0..tokens, 0..width]);
        }
        let indices: Vec<i32> = self.hidden.iter().map(|&i| i as i32).collect();
        let device = state.device();
        state.select(1, Tensor::from_data(burn::tensor::TensorData::new(indices, [width]), &device))
    }
}

/// What a teacher computes of a batch. It runs before the student, so that its intermediate results and what the student's
/// gradients need are never in memory at once.
pub struct TeacherOutput {
    /// The layers drawn and their hidden states, in the student's dims.
    states: Vec<(usize, Tensor<2>)>,
    outputs: Outputs,
}

/// What student and teacher make of a batch.
pub(crate) enum Outputs {
    /// Of the classification head, `[sequences, outputs]`.
    Logits(Box<Tensor<2>>),
    /// Of a decoder, for every token.
    Tokens(Box<Expectation>),
}

/// Weights of the two parts of the distillation loss.
#[derive(Clone, Copy, Debug)]
pub struct DistillWeights {
    /// The loss of the outputs.
    pub prediction: PredictionLoss,
    /// Its weight.
    pub logits: f64,
    /// On the loss of the hidden states.
    pub layers: f64,
}

/// `w_logits·L_pred + w_layers·L_layer` (METHOD §6.3–6.4): four teacher layers are drawn, each is matched to the nearest
/// student layer that still has heads and neurons, the better one if two are equally near.
pub fn distillation_loss(
    learner: &Learner,
    states: &[Tensor<2>],
    logits: Tensor<2>,
    teacher: TeacherOutput,
    weights: DistillWeights,
) -> Tensor<1> {
    distillation(learner, (states, None), Outputs::Logits(Box::new(logits)), teacher, weights, &[]).loss(None, None)
}

/// The parts of a distillation loss. Which student layer stands for a teacher's that it has no more is still to be chosen.
pub(crate) struct Distilled {
    weights: DistillWeights,
    /// `[1]`.
    prediction: Tensor<1>,
    /// Of every teacher layer drawn, the loss of each student layer that may stand for it, `[1]`.
    layers: Vec<Vec<Tensor<1>>>,
}

impl Distilled {
    /// The losses that are to be chosen between, of the teacher layers that have several, without autodiff.
    pub(crate) fn choices(&self) -> Vec<Tensor<1>> {
        self.layers.iter().filter(|of| of.len() > 1).flatten().map(|loss| loss.clone().without_autodiff()).collect()
    }

    /// Which student layers have the lowest loss, of as many as [`Self::choices`] are, with these losses.
    pub(crate) fn chosen(&self, losses: &[f32]) -> Vec<usize> {
        let mut rest = losses;
        let several = self.layers.iter().map(Vec::len).filter(|several| *several > 1);
        several
            .map(|several| {
                let (these, behind) = rest.split_at(several.min(rest.len()));
                rest = behind;
                (0..these.len()).min_by(|&a, &b| these[a].total_cmp(&these[b])).unwrap_or(0)
            })
            .collect()
    }

    /// The loss: with the layers `chosen`, or with the best of each; of a shard as much of its batch's as `shard` says.
    pub(crate) fn loss(self, chosen: Option<&[usize]>, shard: Option<&Share>) -> Tensor<1> {
        let Self { weights, prediction, layers } = self;
        let (of_outputs, of_tokens) = shard.map_or((1.0, 1.0), |shard| (shard.outputs, shard.weights.tokens));
        let mut loss = prediction * (weights.logits * of_outputs);
        let mut chosen = chosen.map(<[usize]>::iter);
        for losses in layers {
            let best = match &mut chosen {
                Some(chosen) if losses.len() > 1 => chosen.next().and_then(|&place| losses.into_iter().nth(place)),
                _ => losses.into_iter().reduce(Tensor::min_pair),
            };
            if let Some(best) = best {
                loss = loss + best * (weights.layers * of_tokens);
            }
        }
        loss
    }
}

/// As [`distillation_loss`], of a decoder too. Its states are compared by their direction, each divided by its root mean
/// square, as the published code does with those of sequence-to-sequence models. `counts` are the tokens whose states count,
/// `next` those that are predicted.
pub(crate) fn distillation(
    learner: &Learner,
    (states, counts): (&[Tensor<2>], Option<&Counts>),
    outputs: Outputs,
    teacher: TeacherOutput,
    weights: DistillWeights,
    next: &[i32],
) -> Distilled {
    let is_decoder = matches!(outputs, Outputs::Tokens(_));
    let prediction = match (outputs, teacher.outputs) {
        (Outputs::Logits(own), Outputs::Logits(taught)) => weights.prediction.of(*own, Tensor::from_inner(*taught)),
        (Outputs::Tokens(own), Outputs::Tokens(taught)) => {
            token_divergence(&own, &taught, next, weights.prediction.temperature())
        }
        // Both are the same model.
        (Outputs::Logits(own), Outputs::Tokens(_)) => own.sum() * 0.0,
        (Outputs::Tokens(own), Outputs::Logits(_)) => token_divergence(&own, &own, &[], 1.0),
    };
    let compared = |state: Tensor<2>| if is_decoder { of_unit_size(state) } else { state };
    if weights.layers == 0.0 {
        return Distilled { weights, prediction, layers: Vec::new() };
    }
    let exists = whole_layers(&learner.student);
    let layers = teacher.states.into_iter().map(|(layer, target)| {
        let target = Tensor::from_inner(compared(target));
        let of_student = |student_layer: usize| {
            let state = compared(states[student_layer].clone());
            let mapped = learner.transform.as_ref().map_or(state.clone(), |t| t.forward(state));
            squared_error(mapped, target.clone(), counts)
        };
        candidates(layer, &exists).into_iter().map(of_student).collect()
    });
    Distilled { weights, prediction, layers: layers.collect() }
}

/// Which layers still have both heads and neurons.
pub(crate) fn whole_layers(student: &Transformer) -> Vec<bool> {
    student.layers.iter().map(|layer| layer.attention.is_some() && layer.feed_forward.is_some()).collect()
}

/// Each row divided by its root mean square.
fn of_unit_size(state: Tensor<2>) -> Tensor<2> {
    const EPSILON: f64 = 1e-6;
    let size = (state.clone().square().mean_dim(1) + EPSILON).sqrt();
    state / size
}

/// Copies every value to memory of its own.
struct DeepCopy;

impl ModuleMapper for DeepCopy {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trainable = apt_nn::named::is_trainable(&param);
        Param::from_tensor(param.val() * 1.0).set_require_grad(trainable)
    }
}
