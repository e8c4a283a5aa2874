//! Metrics of a run so far, and the weights that had the best one.

use crate::evaluate::Scores;
use crate::train_state::TrainState;
use apt_experiment::{Split, is_better};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Evaluations in a run when `eval_every` is 0.
const EVALUATIONS: usize = 25;

/// The plain data of an [`Evaluator`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EvaluatorState {
    validation: Option<f64>,
    test: Option<f64>,
    best: Option<Best>,
}

/// The best validation metric since the last pruning point, and the step after which it was taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Best {
    pub(crate) step: usize,
    pub(crate) metric: f64,
}

/// Remembers what evaluations gave.
pub(crate) struct Evaluator {
    /// Name of the metric that decides.
    decides: &'static str,
    state: EvaluatorState,
    /// The trainable values at [`Best`], `[trainable]`.
    best_values: Option<Tensor<1>>,
}

impl EvaluatorState {
    /// Whether there are best weights.
    pub(crate) fn has_best(&self) -> bool {
        self.best.is_some()
    }
}

impl Evaluator {
    /// Nothing was evaluated yet; `decides` is the name of the metric that decides.
    pub(crate) fn new(decides: &'static str) -> Self {
        Self { decides, state: EvaluatorState::default(), best_values: None }
    }

    pub(crate) fn state(&self) -> &EvaluatorState {
        &self.state
    }

    pub(crate) fn set_state(&mut self, state: EvaluatorState) {
        self.state = state;
    }

    /// From a checkpoint; `values` are those of its best step.
    pub(crate) fn restore(&mut self, state: EvaluatorState, values: Option<Tensor<1>>) {
        (self.state, self.best_values) = (state, values);
    }

    /// Whether `metric` is better than `other`.
    pub(crate) fn is_better(&self, metric: f64, other: f64) -> bool {
        is_better(self.decides, metric, other)
    }

    /// The last validation metric.
    pub(crate) fn validation(&self) -> Option<f64> {
        self.state.validation
    }

    /// The metric of the test examples.
    pub(crate) fn test(&self) -> Option<f64> {
        self.state.test
    }

    /// The step of the best weights.
    pub(crate) fn best_step(&self) -> Option<usize> {
        self.state.best.map(|best| best.step)
    }

    /// The best weights, `[trainable]`.
    pub(crate) fn best_values(&self) -> Option<&Tensor<1>> {
        self.best_values.as_ref()
    }

    /// Keeps the metric of an evaluation.
    pub(crate) fn record(&mut self, split: Split, scores: &Scores) {
        match split {
            Split::Validation => self.state.validation = Some(scores.metric),
            Split::Test => self.state.test = Some(scores.metric),
        }
    }

    /// Keeps the weights after `step` if their validation metric is better than that of the weights kept.
    pub(crate) fn keep_if_best(&mut self, step: usize, trained: &TrainState) {
        let Some(metric) = self.state.validation else { return };
        if self.state.best.is_none_or(|best| self.is_better(metric, best.metric)) {
            self.best_values = trained.values();
            self.state.best = self.best_values.is_some().then_some(Best { step, metric });
        }
    }

    /// Gives `trained` the best weights, if any were kept, and forgets them.
    pub(crate) fn take_best(&mut self, trained: &mut TrainState) {
        self.restore_best(trained);
        (self.state.best, self.best_values) = (None, None);
    }

    /// Gives `trained` the best weights, if any were kept.
    pub(crate) fn restore_best(&mut self, trained: &mut TrainState) {
        if let Some((best, values)) = self.state.best.zip(self.best_values.as_ref()) {
            trained.set_values(values);
            self.state.validation = Some(best.metric);
        }
    }
}

/// Training steps between two evaluations.
pub(crate) fn eval_interval(eval_every: usize, steps: usize) -> usize {
    match eval_every {
        0 => (steps / EVALUATIONS).max(1),
        n => n,
    }
}
