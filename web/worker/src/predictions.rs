//! What models predict for a text: those that finished runs left, and the open run's as it is now. `writing` has those of
//! them write that do not predict.

use crate::clock;
use crate::error::WorkerError;
use crate::reading::read;
use crate::run::Run;
use apt_bridge::store::{Store, StoredModel};
use apt_bridge::{Answer, ModelAnswer, Outcome, Prediction, RunState, StoredRun};
use apt_data::{Encoded, Tokenizer, TokenizerRead, collate};
use apt_nn::checkpoint::{Checkpoint, read_back};
use apt_nn::{ModelConfig, Transformer, inference};
use burn::tensor::Device;

/// Repetitions of a timed pass; fewer where the passes take long.
const REPETITIONS: usize = 9;
const WARM_UPS: usize = 2;
/// Milliseconds after which no pass is repeated.
const LONG_MS: f64 = 150.0;

/// The models that were asked last, so that answers while typing read none anew.
#[derive(Default)]
pub(crate) struct Asked {
    models: Vec<LoadedModel>,
}

/// A model that is ready to predict, or to write.
pub(crate) struct LoadedModel {
    of: Version,
    device: Device,
    pub(crate) model: Transformer,
    pub(crate) tokenizer: Tokenizer,
    labels: Vec<String>,
    /// Tokens that are read of a text.
    length: usize,
    /// Training steps behind it.
    step: usize,
}

/// The model of a run at one time.
#[derive(Clone, PartialEq)]
struct Version {
    run: String,
    began: f64,
    step: usize,
    state: RunState,
}

impl Version {
    fn of(entry: &StoredRun) -> Self {
        Self { run: entry.name.clone(), began: entry.began, step: entry.step, state: entry.state }
    }
}

impl Asked {
    /// Forgets all models.
    pub(crate) fn clear(&mut self) {
        self.models.clear();
    }

    /// What the models of `runs` predict for `text`, with `pair` as second text; `open` is the run that the worker has.
    ///
    /// # Errors
    /// A text without words or too long for the tokenizer's rules, a run that left no model or a damaged one, values that
    /// cannot be read back.
    pub(crate) async fn answer(
        &mut self,
        runs: &[String],
        (text, pair): (String, Option<String>),
        open: Option<&Run>,
        store: Option<&Store>,
        device: &Device,
    ) -> Result<Answer, WorkerError> {
        if text.trim().is_empty() {
            return Err(WorkerError::new("text", "there is nothing to judge", "type a sentence"));
        }
        self.keep(runs);
        let mut models = Vec::new();
        for run in runs {
            let loaded = self.loaded(run, open, store, device).await?;
            let (encoded, reading) = read(&loaded.tokenizer, &text, pair.as_deref(), loaded.length)?;
            apt_train::check_input(&loaded.model.config, &encoded)?;
            let prediction = loaded.predict(&encoded).await?;
            models.push(ModelAnswer { run: run.clone(), reading, prediction });
        }
        Ok(Answer { text, pair, models })
    }

    /// Forgets the models of all but these runs.
    pub(crate) fn keep(&mut self, runs: &[String]) {
        self.models.retain(|loaded| runs.contains(&loaded.of.run));
    }

    /// The model of the run `name`, read if it is not at hand.
    ///
    /// # Errors
    /// A run that left no model, or a damaged one.
    pub(crate) async fn loaded(
        &mut self,
        name: &str,
        open: Option<&Run>,
        store: Option<&Store>,
        device: &Device,
    ) -> Result<&LoadedModel, WorkerError> {
        let open = open.filter(|run| run.entry.name == name);
        let entry = match (open, store) {
            (Some(run), _) => Some(run.entry.clone()),
            (None, Some(store)) => store.run(name).await?,
            (None, None) => None,
        };
        let entry = entry.ok_or_else(|| WorkerError::new(name, "this run is not here any more", "choose another"))?;
        let of = Version::of(&entry);
        let known = self.models.iter().position(|loaded| loaded.of == of && loaded.device == *device);
        if let Some(known) = known {
            return Ok(&self.models[known]);
        }
        self.models.retain(|loaded| loaded.of.run != name);
        let loaded = match open.and_then(|run| Some((run, run.session.as_ref()?))) {
            Some((run, session)) => {
                let model = session.compacted();
                let tokenizer = tokenizer_of(name, &run.tokenizer, &model.config)?;
                let length = entry.knobs.max_length.min(model.config.max_length());
                let (device, labels) = (device.clone(), run.labels.clone());
                LoadedModel { of, device, model, tokenizer, labels, length, step: entry.step }
            }
            None => LoadedModel::stored(of, &entry, store, device).await?,
        };
        self.models.push(loaded);
        Ok(&self.models[self.models.len() - 1])
    }
}

/// The tokenizer of a run's model; a decoder's configuration says which tokens begin and end texts.
fn tokenizer_of(run: &str, json: &[u8], config: &ModelConfig) -> Result<Tokenizer, WorkerError> {
    Ok(match config.decoder {
        Some(_) => TokenizerRead::of_run(json, &config.to_json().to_string())?.tokenizer,
        None => Tokenizer::from_bytes(json, &format!("{run}/tokenizer.json"))?,
    })
}

impl LoadedModel {
    /// The model that a finished run left.
    async fn stored(
        of: Version,
        entry: &StoredRun,
        store: Option<&Store>,
        device: &Device,
    ) -> Result<Self, WorkerError> {
        let found = match store {
            Some(store) => store.model(&entry.name).await?,
            None => None,
        };
        let Some(StoredModel { config, labels, step, tokenizer, weights }) = found else {
            return Err(WorkerError::new(&entry.name, "this run left no model", "make the run again"));
        };
        let file = |name: &str| format!("{}/{name}", entry.name);
        let config = ModelConfig::from_json(config.as_bytes(), &file("config.json"))?;
        let model = Checkpoint::parse(&weights, &file("model.safetensors"), config.family)?.model(&config, device)?;
        let tokenizer = tokenizer_of(&entry.name, &tokenizer, &config)?;
        let length = entry.knobs.max_length.min(model.config.max_length());
        Ok(Self { of, device: device.clone(), model, tokenizer, labels, length, step })
    }

    async fn predict(&self, text: &Encoded) -> Result<Prediction, WorkerError> {
        let config = &self.model.config;
        let tokens = collate(&[text], config.pad_id, 1);
        let mut times = Vec::new();
        let mut outputs = Vec::new();
        let start = clock::now();
        for repetition in 0..WARM_UPS + REPETITIONS {
            let began = clock::now();
            let output = inference::logits(&self.model, &tokens, &self.device)?;
            outputs = read_back(output, "logits").await?;
            if repetition >= WARM_UPS {
                times.push(clock::now() - began);
                if clock::now() - start > LONG_MS {
                    break;
                }
            }
        }
        if outputs.iter().any(|output| !output.is_finite()) {
            return Err(WorkerError::new("the model", "its outputs are not finite", "make the run again"));
        }
        times.sort_by(f64::total_cmp);
        Ok(Prediction {
            outcome: outcome(&self.labels, &outputs),
            parameters: config.shape().parameters() as u64,
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
