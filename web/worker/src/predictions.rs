//! What two models predict for a text: the open run's, and the dense one that learned the same task.

use crate::clock;
use crate::error::WorkerError;
use crate::run::Run;
use apt_bridge::store::{Store, StoredModel};
use apt_bridge::{Answer, Outcome, Prediction, RunState, StoredRun};
use apt_data::{Encoded, Tokenizer, collate};
use apt_experiment::Knobs;
use apt_nn::checkpoint::{Checkpoint, read_back};
use apt_nn::{ModelConfig, Transformer, inference};
use burn::tensor::Device;

/// Repetitions of a timed pass.
const REPETITIONS: usize = 9;
const WARM_UPS: usize = 2;

/// A model that is ready to predict.
struct LoadedModel {
    model: Transformer,
    labels: Vec<String>,
    step: usize,
}

/// Both models' predictions for `text`, with `pair` as second text.
///
/// # Errors
/// A text without words or too long for the tokenizer's rules, a stored model that is damaged, values that cannot be
/// read back.
pub(crate) async fn answer(
    run: &Run,
    store: Option<&Store>,
    device: &Device,
    text: String,
    pair: Option<String>,
) -> Result<Answer, WorkerError> {
    if text.trim().is_empty() {
        return Err(WorkerError::new("text", "there is nothing to judge", "type a sentence"));
    }
    let tokenizer = Tokenizer::from_bytes(&run.tokenizer, "the run's tokenizer.json")?;
    let open = match &run.session {
        Some(session) => LoadedModel { model: session.compacted(), labels: run.labels.clone(), step: run.entry.step },
        None => stored(&run.entry, store, device).await?,
    };
    let dense = match dense_run(&run.entry, store).await? {
        Some(entry) => Some(stored(&entry, store, device).await?),
        None => None,
    };
    let length = run.entry.knobs.max_length.min(open.model.config.max_length());
    let encoded = tokenizer.encode(&text, pair.as_deref(), length)?;
    let tokens = encoded.ids.iter().map(|&id| tokenizer.token(id).unwrap_or_default()).collect();
    apt_train::check_input(&open.model.config, &encoded)?;
    let pruned = open.predict(&encoded, device).await?;
    let dense = match dense {
        Some(dense) => Some(dense.predict(&encoded, device).await?),
        None => None,
    };
    Ok(Answer { text, pair, tokens, dense, pruned })
}

/// The newest finished run that pruned nothing and learned the same from the same model.
async fn dense_run(entry: &StoredRun, store: Option<&Store>) -> Result<Option<StoredRun>, WorkerError> {
    let Some(store) = store else { return Ok(None) };
    let source = |knobs: &Knobs| (knobs.model.clone(), knobs.task.clone(), knobs.data.clone(), knobs.objective);
    let fits = |run: &StoredRun| {
        run.state == RunState::Done && !run.knobs.prunes() && source(&run.knobs) == source(&entry.knobs)
    };
    Ok(store.runs().await?.into_iter().find(fits))
}

async fn stored(entry: &StoredRun, store: Option<&Store>, device: &Device) -> Result<LoadedModel, WorkerError> {
    let found = match store {
        Some(store) => store.model(&entry.name).await?,
        None => None,
    };
    let Some(StoredModel { config, labels, step, weights, .. }) = found else {
        return Err(WorkerError::new(&entry.name, "this run left no model", "make the run again"));
    };
    let file = |name: &str| format!("{}/{name}", entry.name);
    let config = ModelConfig::from_json(config.as_bytes(), &file("config.json"))?;
    let checkpoint = Checkpoint::parse(&weights, &file("model.safetensors"), config.family)?;
    Ok(LoadedModel { model: checkpoint.model(&config, device)?, labels, step })
}

impl LoadedModel {
    async fn predict(&self, text: &Encoded, device: &Device) -> Result<Prediction, WorkerError> {
        let tokens = collate(&[text], self.model.config.pad_id, 1);
        let mut times = Vec::new();
        let mut outputs = Vec::new();
        for repetition in 0..WARM_UPS + REPETITIONS {
            let began = clock::now();
            let output = inference::logits(&self.model, &tokens, device)?;
            outputs = read_back(output, "logits").await?;
            if repetition >= WARM_UPS {
                times.push(clock::now() - began);
            }
        }
        if outputs.iter().any(|output| !output.is_finite()) {
            return Err(WorkerError::new("the model", "its outputs are not finite", "make the run again"));
        }
        times.sort_by(f64::total_cmp);
        let config = &self.model.config;
        let parameters = config.shape().parameters() + config.embedding_parameters() + config.head_parameters();
        Ok(Prediction {
            outcome: outcome(&self.labels, &outputs),
            parameters: parameters as u64,
            milliseconds: times[times.len() / 2],
            step: self.step,
        })
    }
}

/// What a model's `outputs` say: a probability for each of its classes, or a number where it has none.
fn outcome(labels: &[String], outputs: &[f32]) -> Outcome {
    match labels {
        [] => Outcome::Value(outputs.first().copied().map_or(0.0, f64::from)),
        labels => Outcome::Classes(labels.iter().cloned().zip(softmax(outputs)).collect()),
    }
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}
