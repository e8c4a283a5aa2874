//! What a run starts from: the settings with everything they name, checked to fit together, and the untrained learner.

use crate::TrainError;
use crate::device::OpenDevice;
use crate::files::ModelFiles;
use crate::head::{fit_head, head_words};
use crate::learner::{Learner, Transform};
use crate::simd::vectors;
use crate::source::ModelSource;
use crate::watched::watched;
use apt_core::ranks::first_rank;
use apt_data::{Encoded, Example, Objective, RawTask, Stream, Target, TokenizedTask, generator, tokenize_task};
use apt_experiment::{CheckedKnobs, Knobs, PoolingChoice, Provenance, WatchedExample};
use apt_nn::{Init, ModelConfig, Pooling, named};
use burn::tensor::Device;
use std::collections::BTreeMap;

/// Everything a run starts from.
pub struct Setup {
    /// The settings, checked.
    pub knobs: CheckedKnobs,
    /// The preset they started from, if it had a name.
    pub preset: Option<String>,
    /// The dense model.
    pub source: ModelSource,
    /// The tokenised task.
    pub task: TokenizedTask,
    /// Validation examples that evaluations say the answers to.
    pub watched: Vec<WatchedExample>,
    /// What the run is made on and from; reported as it is.
    pub provenance: Provenance,
    /// Where to compute, without autodiff.
    pub device: Device,
}

/// What only the caller knows about where and when a run is made; reported as it is.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Operating system and architecture, or the browser.
    pub os: String,
    /// Threads of the CPU backend.
    pub threads: Option<usize>,
    /// Now (RFC 3339).
    pub started_at: Option<String>,
    /// The commit that the program was built from, where it was a checkout.
    pub commit: Option<String>,
    /// Runs made side by side on this machine, this one included, where that is known.
    pub jobs: Option<usize>,
}

/// Digest of the code that decides a run's numbers; `build/digest.rs` says what it covers.
pub const CODE: &str = env!("APT_LAB_CODE");

impl Setup {
    /// Puts together what the knobs name, which the caller has fetched: the model's files, the task as text, a device.
    ///
    /// # Errors
    /// Texts that cannot be tokenised, and an objective that is none of the model's.
    pub fn assemble(
        knobs: CheckedKnobs,
        preset: Option<String>,
        model: ModelFiles,
        task: RawTask,
        opened: &OpenDevice,
        machine: Machine,
    ) -> Result<Self, TrainError> {
        // That of the whole data: a sample follows from the settings and the seed.
        let data_hash = task.hash.clone();
        let task = match knobs.train_examples {
            Some(n) => task.limit_train(n, knobs.seed),
            None => task,
        };
        // The model's positions are a limit of their own: texts are cut to the shorter of both.
        let length = knobs.max_length.min(model.source.config.max_length());
        let read = task.read.clone();
        let watched = watched(&task);
        check_objective(&model.source.config, &task.objective)?;
        let task = tokenize_task(&task, &model.tokenizer, length)?;
        let mut model_read = model.read;
        model_read.head = Some(head_words(&model.source.config, &task.objective, pooling_of(&knobs)));
        if let Some(named) = model.max_length.filter(|&named| named < length) {
            model_read.notes.push(format!(
                "tokenizer_config.json says that it reads at most {named} tokens, and up to {length} are read here"
            ));
        }
        let provenance = Provenance {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: machine.commit,
            device: opened.name.clone(),
            backend: opened.backend.into(),
            data_hash: Some(data_hash),
            data: Some(Box::new(task.read_at(length, read))),
            model_hash: Some(model.hash),
            model: Some(Box::new(model_read)),
            seed: knobs.seed,
            os: machine.os,
            threads: machine.threads,
            started_at: machine.started_at,
            code: Some(CODE.to_owned()),
            simd: (opened.backend == "flex").then(|| vectors().to_owned()),
            jobs: machine.jobs,
            step_seconds: BTreeMap::new(),
        };
        Ok(Self { preset, task, watched, source: model.source, provenance, device: opened.device.clone(), knobs })
    }

    /// Whether task, tokenizer and model belong together.
    pub(crate) fn check_fit(&self) -> Result<(), TrainError> {
        check_objective(&self.source.config, &self.task.objective)?;
        if self.task.train.is_empty() || self.task.validation.is_empty() {
            let what = "the task has no training or no validation examples";
            let is_cut = self.task.tokens.iter().any(|read| read.unanswered > 0);
            let remedy = if is_cut {
                "raise --max-length: no answer of a split begins within it"
            } else {
                "check the data files"
            };
            return Err(TrainError::unfit("data", what, remedy));
        }
        let splits = [&self.task.train, &self.task.validation];
        let mut splits = splits.into_iter().chain(self.task.test.as_ref());
        splits.try_for_each(|examples| check_examples(&self.source.config, examples, &self.task.objective))
    }

    /// A learner with untrained adapters and head, as every run and every resume starts.
    pub(crate) fn fresh_learner(&self, device: &Device, distils: bool) -> Result<Learner, TrainError> {
        let knobs = &self.knobs;
        let init = |stream| Init::from_rng(generator(knobs.seed, stream, 0), device);
        let model = self.source.model(device)?;
        let mut student = fit_head(model, &self.task.objective, pooling_of(knobs), &mut init(Stream::Head));
        if !knobs.train_base {
            let rank = first_rank(knobs.rank, knobs.rank_growth);
            student = student.with_adapters(&knobs.adapters.0, rank, knobs.rank_scale, &mut init(Stream::Adapters));
        }
        let hidden = student.config.hidden;
        let transform = (distils && knobs.distill_layer_weight > 0.0)
            .then(|| Transform::new(hidden, knobs.transform_rank, knobs.rank_scale, &mut init(Stream::Transform)));
        let (train_base, freeze_head) = (knobs.train_base, knobs.freeze_head);
        Ok(named::set_trainable(Learner { student, transform }, &|path| {
            let head = path.contains(".head.");
            path.contains("adapter")
                || (head && !freeze_head)
                || (train_base && !head && !path.contains(".embeddings."))
        }))
    }
}

/// The pooling that the settings ask for; `None` leaves it to the model.
pub fn pooling_of(knobs: &Knobs) -> Option<Pooling> {
    match knobs.pooling {
        PoolingChoice::Auto => None,
        PoolingChoice::Pooler => Some(Pooling::Pooler),
        PoolingChoice::Cls => Some(Pooling::Cls),
        PoolingChoice::Mean => Some(Pooling::Mean),
    }
}

/// Whether a model of `config` can learn `objective`: decoders predict tokens, and encoders do not.
///
/// # Errors
/// [`TrainError::Unfit`] saying what each is for.
pub fn check_objective(config: &ModelConfig, objective: &Objective) -> Result<(), TrainError> {
    let (family, kind) = (config.family.spec().name, objective.kind().name());
    match (config.decoder.is_some(), objective.predicts_tokens()) {
        (true, false) => {
            let what =
                format!("{family} is a decoder, which has no classification head, and a {kind} is to be learned");
            let remedy = "set --objective causal_lm or multiple_choice, or give an encoder, such as BERT";
            Err(TrainError::unfit("objective", what, remedy))
        }
        (false, true) => {
            let what = format!("{family} is an encoder, and {kind} predicts what follows a text");
            let remedy = "give a decoder, such as a model of LLaMA's family, or leave out --objective";
            Err(TrainError::unfit("objective", what, remedy))
        }
        (true, true) | (false, false) => Ok(()),
    }
}

/// Whether a model of `config` that learns `objective` can be given `examples`.
///
/// # Errors
/// [`TrainError::Unfit`] saying what it has no place for: a length, a token, a token type or a target.
pub fn check_examples(config: &ModelConfig, examples: &[Example], objective: &Objective) -> Result<(), TrainError> {
    for example in examples {
        check_input(config, &example.tokens)?;
        if let Target::Endings(endings) = &example.target {
            endings.all.iter().try_for_each(|(tokens, _)| check_input(config, tokens))?;
        }
        if !objective.admits(&example.target) {
            let (kind, outputs) = (objective.kind().name(), objective.outputs());
            let what = format!("the target {:?} is none of a {kind} with {outputs} outputs", example.target);
            return Err(TrainError::unfit("data", what, "check the label column"));
        }
    }
    Ok(())
}

/// Whether a model of `config` can read `sequence`.
///
/// # Errors
/// [`TrainError::Unfit`] saying what it has no place for: a length, a token or a token type.
pub fn check_input(config: &ModelConfig, sequence: &Encoded) -> Result<(), TrainError> {
    let (tokens, positions) = (sequence.ids.len(), config.max_length());
    if tokens > positions {
        let what = format!("an input has {tokens} tokens, the model has positions for {positions}");
        return Err(TrainError::unfit("max-length", what, "set max-length to at most that"));
    }
    if let Some(id) = sequence.ids.iter().find(|&&id| id as usize >= config.vocab_size) {
        let what = format!("the tokenizer gives token {id}, the model knows {}", config.vocab_size);
        return Err(TrainError::unfit("tokenizer.json", what, "use the tokenizer.json that belongs to the model"));
    }
    // Families without token types read none.
    let types = config.type_vocab_size;
    if let Some(id) = sequence.type_ids.iter().find(|&&id| types > 0 && id as usize >= types) {
        let what = format!("the tokenizer gives token type {id}, the model's type_vocab_size is {types}");
        let remedy = "use a tokenizer.json that marks pairs as the model was trained on, or a task of single texts";
        return Err(TrainError::unfit("tokenizer.json", what, remedy));
    }
    Ok(())
}
