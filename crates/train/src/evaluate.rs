//! Predictions of a model on examples.

use crate::TrainError;
use crate::language;
use crate::setup::Setup;
use apt_data::batch::lengths;
use apt_data::{Encoded, Example, Metric, Objective, Target, TokenScore, collate, eval_batches};
use apt_experiment::Split;
use apt_nn::{Batch, DeviceMasks, Transformer, checkpoint::read_back, inference};
use burn::tensor::Tensor;
use std::collections::BTreeMap;

/// Examples in one evaluation batch.
const EVAL_BATCH: usize = 64;
/// Padded lengths are multiples of this, so that shapes recur.
pub(crate) const PAD_MULTIPLE: usize = 8;

/// A model's answers to examples.
pub struct Predictions {
    /// The answer to each example.
    pub answers: Vec<Target>,
    /// The outputs that it was read from, `[outputs]` for each example.
    pub outputs: Vec<Vec<f32>>,
    /// Mean loss of the objective: over the examples, or over the tokens that are predicted.
    pub loss: f64,
    /// Where tokens are predicted, one score for each example, or one for each of its endings; answers and outputs are
    /// then none.
    pub tokens: Vec<Vec<TokenScore>>,
}

impl Predictions {
    /// The metrics of `objective`, the deciding one first, on the examples with these `targets`.
    pub fn judged(&self, objective: &Objective, targets: &[Target]) -> Vec<(Metric, Option<f64>)> {
        match objective.predicts_tokens() {
            true => objective.judge_tokens(&self.tokens, targets),
            false => objective.judge(&self.answers, targets),
        }
    }
}

/// Answers to `examples` by `model`, which must be without autodiff.
///
/// # Errors
/// When logits cannot be read back or are not finite.
pub async fn predict(
    model: &Transformer,
    masks: Option<&DeviceMasks>,
    examples: &[Example],
    objective: &Objective,
) -> Result<Predictions, TrainError> {
    let found = found(model, masks, examples, objective, Part::WHOLE).await?;
    Ok(predictions(&found, examples, objective))
}

/// Which of the batches of an evaluation are gone through: every `of`-th from `index` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) index: usize,
    pub(crate) of: usize,
}

impl Part {
    pub(crate) const WHOLE: Self = Self { index: 0, of: 1 };

    /// Its batches.
    pub(crate) fn batches(self, all: Vec<Vec<usize>>) -> impl Iterator<Item = Vec<usize>> {
        all.into_iter().skip(self.index).step_by(self.of)
    }
}

/// What is computed of a part of `examples`: the outputs of each example, or of each sequence the loss in nats and how many
/// tokens are right. Zeros in the place of the others, so that parts add up to the whole.
///
/// # Errors
/// As [`predict`].
pub(crate) async fn found(
    model: &Transformer,
    masks: Option<&DeviceMasks>,
    examples: &[Example],
    objective: &Objective,
    part: Part,
) -> Result<Vec<f64>, TrainError> {
    if objective.predicts_tokens() {
        return language::found(model, masks, examples, part).await;
    }
    let device = model.device();
    let outputs = objective.outputs();
    let mut found = vec![0.0; examples.len() * outputs];
    for indices in part.batches(eval_batches(&lengths(examples), EVAL_BATCH)) {
        let sequences: Vec<&Encoded> = indices.iter().map(|&i| &examples[i].tokens).collect();
        let tokens = collate(&sequences, model.config.pad_id, PAD_MULTIPLE);
        let logits: Tensor<2> = match masks {
            None => inference::logits(model, &tokens, &device)?,
            Some(_) => {
                let inputs = Batch::packed(&tokens, &model.config, &device);
                model.logits(&inputs, masks)?
            }
        };
        let values = read_back(logits, "logits").await?;
        for (row, &index) in values.chunks_exact(outputs).zip(&indices) {
            if row.iter().any(|v| !v.is_finite()) {
                return Err(TrainError::NotFinite { step: 0, tensor: "logits of an evaluation".into() });
            }
            let place = &mut found[index * outputs..(index + 1) * outputs];
            place.iter_mut().zip(row).for_each(|(place, &value)| *place = f64::from(value));
        }
    }
    Ok(found)
}

/// What was [`found`] of all `examples`, as answers.
pub(crate) fn predictions(found: &[f64], examples: &[Example], objective: &Objective) -> Predictions {
    if objective.predicts_tokens() {
        let tokens = language::scores(found, examples);
        let loss = language::mean_loss(&tokens, examples);
        return Predictions { answers: Vec::new(), outputs: Vec::new(), loss, tokens };
    }
    let rows = found.chunks_exact(objective.outputs().max(1));
    let outputs: Vec<Vec<f32>> = rows.map(|row| row.iter().map(|&value| value as f32).collect()).collect();
    let answers = outputs.iter().map(|row| objective.decode(row)).collect();
    // In the order of the batches.
    let order = eval_batches(&lengths(examples), EVAL_BATCH).concat();
    let loss: f64 = order.iter().map(|&index| objective.loss(&outputs[index], &examples[index].target)).sum();
    Predictions { answers, outputs, loss: loss / examples.len().max(1) as f64, tokens: Vec::new() }
}

/// Metrics of a model on the examples of a split.
pub(crate) struct Scores {
    /// The metric that decides, 0 where it is not defined.
    pub(crate) metric: f64,
    /// All metrics that are defined by name, the loss with them.
    pub(crate) all: BTreeMap<String, f64>,
    /// Names of those that are not.
    pub(crate) undefined: Vec<&'static str>,
    /// The model's outputs for each example.
    pub(crate) outputs: Vec<Vec<f32>>,
}

/// The examples of `split`; none where there is no such split.
pub(crate) fn examples(setup: &Setup, split: Split) -> &[Example] {
    match split {
        Split::Validation => &setup.task.validation,
        Split::Test => setup.task.test.as_deref().unwrap_or_default(),
    }
}

/// Scores of `predictions` for `split` of the task.
pub(crate) fn scores(setup: &Setup, predictions: Predictions, split: Split) -> Scores {
    let (examples, objective) = (examples(setup, split), &setup.task.objective);
    let targets: Vec<Target> = examples.iter().map(|e| e.target.clone()).collect();
    let judged = predictions.judged(objective, &targets);
    let metric = judged.first().and_then(|(_, value)| *value).unwrap_or(0.0);
    let mut all = BTreeMap::from([("loss".to_owned(), predictions.loss)]);
    let mut undefined = Vec::new();
    for (metric, value) in judged {
        match value {
            Some(value) => drop(all.insert(metric.name().to_owned(), value)),
            None => undefined.push(metric.name()),
        }
    }
    Scores { metric, all, undefined, outputs: predictions.outputs }
}
