//! Final measures, each taken on the model it is about: sizes, files and speed of the compacted model beside the dense.

use crate::TrainError;
use crate::costs::Costs;
use crate::evaluate::PAD_MULTIPLE;
use crate::evaluator::Evaluator;
use crate::head::fit_head;
use crate::language;
use crate::setup::{Setup, pooling_of};
use apt_core::averages::median;
use apt_core::tokens::TokenBatch;
use apt_data::{Encoded, Example, Target, collate};
use apt_experiment::{BatchTimes, Chance, Constant, DenseKept, Inference, Measures, MetricMeasure, Params};
use apt_nn::checkpoint::{Precision, read_back, to_safetensors};
use apt_nn::{Init, ModelConfig, Transformer, inference};
use burn::module::Module;

/// Repetitions of a timed inference, and seconds after which no more are started.
const REPETITIONS: usize = 30;
const REPETITION_SECONDS: f64 = 6.0;
const WARM_UPS: usize = 3;
/// Multiply-accumulates are counted for one example of the length to which so many validation examples are padded.
const MACS_EXAMPLES: usize = 32;

/// Measures the run's result: `compact` is the compacted student after `steps` training steps.
///
/// # Errors
/// A dense model that cannot be built again, or values that cannot be read back.
pub(crate) async fn measure(
    setup: &Setup,
    compact: &Transformer,
    evaluator: &Evaluator,
    costs: &Costs,
    steps: usize,
) -> Result<Measures, TrainError> {
    let dense = dense_model(setup)?;
    let sequence = sample(setup, MACS_EXAMPLES).length();
    let (dense_params, dense_all) = parameters(&dense.config);
    let (kept_params, kept_all) = parameters(&compact.config);
    Ok(Measures {
        metric: MetricMeasure {
            name: setup.task.objective.deciding_metric().into(),
            validation: evaluator.validation(),
            test: evaluator.test(),
            chance: chance(setup),
            step: Some(evaluator.best_step().unwrap_or(steps)),
            // The record takes them from the evaluations.
            others: Vec::new(),
        },
        params: Params {
            dense: Some(dense_params),
            kept: Some(kept_params),
            with_embeddings: DenseKept { dense: Some(dense_all), kept: Some(kept_all) },
        },
        macs: DenseKept {
            dense: Some(dense.config.shape().macs(sequence)),
            kept: Some(compact.config.shape().macs(sequence)),
        },
        file_bytes: DenseKept { dense: Some(file_bytes(&dense).await?), kept: Some(file_bytes(compact).await?) },
        train: costs.measure(steps),
        inference: Inference {
            batch_1: time_inference(setup, costs, &dense, compact, 1).await?,
            batch_32: time_inference(setup, costs, &dense, compact, 32).await?,
        },
    })
}

/// What a model that has learned nothing scores.
fn chance(setup: &Setup) -> Chance {
    let targets = |examples: &[Example]| -> Vec<Target> { examples.iter().map(|of| of.target.clone()).collect() };
    let seen = if setup.task.objective.predicts_tokens() { targets(&setup.task.train) } else { Vec::new() };
    let constant = |examples: &[Example]| {
        let targets = targets(examples);
        let metric = setup.task.objective.metrics().first()?.of_learned_constant(&seen, &targets);
        (!targets.is_empty()).then_some(Constant { metric, examples: targets.len() })
    };
    Chance { validation: constant(&setup.task.validation), test: setup.task.test.as_deref().and_then(constant) }
}

/// Parameters that can be pruned, and all.
fn parameters(config: &ModelConfig) -> (u64, u64) {
    let prunable = config.shape().parameters() as u64;
    (prunable, prunable + (config.embedding_parameters() + config.head_parameters()) as u64)
}

async fn file_bytes(model: &Transformer) -> Result<u64, TrainError> {
    Ok(to_safetensors(model, Precision::F32).await?.len() as u64)
}

/// The dense model with an untrained head of the same size: what the compacted one is compared with.
fn dense_model(setup: &Setup) -> Result<Transformer, TrainError> {
    let (device, pooling) = (&setup.device, pooling_of(&setup.knobs));
    let model = fit_head(setup.source.model(device)?, &setup.task.objective, pooling, &mut Init::new(0, device));
    Ok(model.valid())
}

/// A batch of the first `n` validation examples, padded to the longest of them.
fn sample(setup: &Setup, n: usize) -> TokenBatch {
    let examples = setup.task.validation.iter().cycle().take(n);
    let sequences: Vec<&Encoded> = examples.map(|example| &example.tokens).collect();
    collate(&sequences, setup.source.config.pad_id, PAD_MULTIPLE)
}

/// Median time of one batch (of a decoder, until it says what follows each sequence), dense and compacted in turn so that a
/// busy machine hurts both alike.
async fn time_inference(
    setup: &Setup,
    costs: &Costs,
    dense: &Transformer,
    compact: &Transformer,
    size: usize,
) -> Result<BatchTimes, TrainError> {
    let sample = sample(setup, size);
    let mut times = [Vec::new(), Vec::new()];
    let began = costs.now();
    for repetition in 0..WARM_UPS + REPETITIONS {
        for (model, times) in [dense, compact].into_iter().zip(&mut times) {
            let start = costs.now();
            let logits = match model.config.decoder.is_some() {
                true => language::last_logits(model, &sample, &setup.device)?,
                false => inference::logits(model, &sample, &setup.device)?,
            };
            read_back(logits, "logits").await?;
            if repetition >= WARM_UPS {
                times.push(costs.now() - start);
            }
        }
        if repetition > WARM_UPS && costs.now() - began > REPETITION_SECONDS {
            break;
        }
    }
    let [dense, compact] = times.map(|times| median(times).unwrap_or_default());
    let per_second = |seconds: f64| (seconds > 0.0).then(|| size as f64 / seconds);
    Ok(BatchTimes {
        dense_ms: Some(dense * 1e3),
        compact_ms: Some(compact * 1e3),
        dense_per_second: per_second(dense),
        compact_per_second: per_second(compact),
    })
}
