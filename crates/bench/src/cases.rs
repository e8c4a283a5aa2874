//! What the benchmark times on our side: one training step in three forms, one inference in two.
//!
//! A step does the work of a session's step and nothing else: no record, no evaluation, no masks.

use anyhow::{Context, Result};
use apt_core::arms::{OutlierScale, Salience};
use apt_core::blocks::Kept;
use apt_core::wiring::Site;
use apt_nn::checkpoint::read_back;
use apt_nn::inference;
use apt_nn::salience::{self, ScoreInputs};
use apt_nn::{Batch, Forward, HeadConfig, Init, ModelConfig, Taps, Transformer, named};
use apt_train::{AdamW, DistillWeights, Learner, Targets, Teacher, Transform, cross_entropy, distillation_loss};
use burn::tensor::{Device, Tensor};
use pollster::block_on;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::time::{Duration, Instant};

/// Sequences in a batch.
pub const BATCH: usize = 32;
/// Tokens in a sequence; none is padding.
pub const LENGTH: usize = 64;
/// Rank of every adapter.
pub const RANK: usize = 8;
/// Scale of every adapter.
pub const SCALE: f64 = 2.0;
/// Linear layers that carry an adapter.
pub const ADAPTED: [Site; 3] = [Site::Query, Site::Value, Site::Up];
/// Learning rate of the timed steps.
pub const LEARNING_RATE: f64 = 1e-4;
/// Classes of the head.
const LABELS: usize = 2;
/// Share of the encoder's parameters that the compacted model keeps.
const DENSITY: f64 = 0.4;

/// One thing that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Forward, backward, clip, AdamW.
    Train,
    /// The same, collecting outlier-aware salience.
    TrainSalience,
    /// The same, distilling from a teacher that shares the frozen weights.
    TrainDistil,
    /// Logits of the dense model.
    Infer,
    /// Logits of the model compacted to [`DENSITY`].
    InferCompact,
}

impl Case {
    /// In the order of the table.
    pub const ALL: [Self; 5] = [Self::Train, Self::TrainSalience, Self::TrainDistil, Self::Infer, Self::InferCompact];

    /// The name that the reference knows it by.
    pub fn key(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::TrainSalience => "train_salience",
            Self::TrainDistil => "train_distil",
            Self::Infer => "infer",
            Self::InferCompact => "infer_compact",
        }
    }

    /// What the table calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Train => "training step",
            Self::TrainSalience => "training step, salience",
            Self::TrainDistil => "training step, distilling",
            Self::Infer => "inference, dense",
            Self::InferCompact => "inference, density 0.4",
        }
    }

    /// The shapes this case runs on, given the dense ones.
    pub fn config(self, dense: &ModelConfig) -> ModelConfig {
        let mut config = match self {
            Self::InferCompact => compacted(dense),
            _ => dense.clone(),
        };
        // The head's dense layer keeps its width when hidden dims go.
        config.head = Some(HeadConfig { dense: dense.hidden, labels: LABELS });
        config
    }
}

/// A case ready to run on a device.
pub enum Workload {
    /// A training step.
    Train(Box<Training>),
    /// An inference.
    Infer(Box<(Transformer, Device)>),
}

impl Workload {
    /// Random weights of the shapes of `dense`.
    pub fn new(case: Case, dense: &ModelConfig, device: &Device) -> Self {
        let config = case.config(dense);
        match case {
            Case::Infer | Case::InferCompact => {
                let model = Transformer::new(&config, &mut Init::new(1, device));
                Self::Infer(Box::new((model, device.clone())))
            }
            _ => Self::Train(Box::new(Training::new(case, &config, device))),
        }
    }

    /// Runs it `times` times; the mean time of one. Every run ends with its result on the host.
    ///
    /// # Errors
    /// When the device does not give its results.
    pub fn run(&mut self, times: usize) -> Result<Duration> {
        let began = Instant::now();
        for _ in 0..times {
            match self {
                Self::Train(training) => training.step()?,
                Self::Infer(pair) => {
                    let (model, device) = &**pair;
                    let ids = ids(&model.config);
                    let logits = inference::logits(model, &ids, &[0; BATCH * LENGTH], &[LENGTH; BATCH], device)?;
                    block_on(read_back(logits, "logits"))?;
                }
            }
        }
        Ok(began.elapsed() / times.max(1) as u32)
    }
}

/// What a training step needs.
pub struct Training {
    learner: Learner,
    optimizer: AdamW,
    batch: Batch,
    targets: Targets,
    collect: bool,
    teacher: Option<(Teacher, Batch)>,
    rng: ChaCha8Rng,
}

impl Training {
    fn new(case: Case, config: &ModelConfig, plain: &Device) -> Self {
        let device = plain.clone().autodiff();
        let init = &mut Init::new(1, &device);
        let model = Transformer::new(config, init).with_adapters(&ADAPTED, RANK, SCALE, init);
        let student = named::set_trainable(model, &|path| path.contains("adapter") || path.contains("head"));
        let distil = case == Case::TrainDistil;
        let transform = distil.then(|| Transform::new(config.hidden, RANK, SCALE, init));
        let teacher = distil.then(|| {
            let kept = Kept::all(&config.shape());
            (Teacher::new(&student, &kept, 0.0, true), batch(config, plain))
        });
        let learner = Learner { student, transform };
        let labels: Vec<i32> = (0..BATCH).map(|i| (i % LABELS) as i32).collect();
        Self {
            optimizer: AdamW::new(&named::slots(&learner), 0.01, plain),
            learner,
            batch: batch(config, &device),
            targets: Targets::new(&labels, &device),
            collect: case == Case::TrainSalience,
            teacher,
            rng: ChaCha8Rng::seed_from_u64(1),
        }
    }

    fn step(&mut self) -> Result<()> {
        let student = &self.learner.student;
        let mut taps = if self.collect { Taps::for_scorer(Salience::OutlierAware) } else { None };
        let lesson = match &self.teacher {
            Some((teacher, plain)) => Some(teacher.lesson(plain, &mut self.rng)?),
            None => None,
        };
        let with = Forward { masks: None, taps: taps.as_mut(), keep_states: self.teacher.is_some() };
        let output = student.forward(&self.batch, with);
        let logits = student.classify(output.hidden, &self.batch)?;
        let task = cross_entropy(logits.clone(), &self.targets);
        let loss = match lesson {
            None => task,
            Some(lesson) => {
                let weights = DistillWeights { temperature: 4.0, logits: 0.1, layers: 0.9 };
                distillation_loss(&self.learner, &output.states, logits, lesson, weights) * 0.5 + task * 0.5
            }
        };
        let mut gradients = loss.backward();
        let seen = ScoreInputs {
            model: student,
            taps: taps.as_ref(),
            gradients: &gradients,
            masks: None,
            outliers: OutlierScale::Balanced,
        };
        let scores = taps.as_ref().and_then(|_| salience::scores(Salience::OutlierAware, &seen));
        let gradient = named::gradients(&self.learner, &mut gradients).context("nothing is trainable")?;
        let values = named::values(&self.learner).context("nothing is trainable")?;
        let norm = gradient.clone().square().sum().sqrt();
        let clip = (norm.clone() + 1e-6).recip().clamp_max(1.0);
        let updated = self.optimizer.step(values, gradient * clip, LEARNING_RATE);
        self.learner = named::with_values(self.learner.clone(), &updated);
        let read: Vec<Tensor<1>> = [loss.without_autodiff(), norm].into_iter().chain(scores).collect();
        block_on(read_back(Tensor::cat(read, 0), "the step's results"))?;
        Ok(())
    }
}

/// A batch without padding.
fn batch(config: &ModelConfig, device: &Device) -> Batch {
    Batch::new(&ids(config), &[0; BATCH * LENGTH], &[LENGTH; BATCH], config, device)
}

fn ids(config: &ModelConfig) -> Vec<i32> {
    (0..BATCH * LENGTH).map(|i| (i * 7919 % config.vocab_size) as i32).collect()
}

/// The shapes that are left when every layer keeps the same share of its heads and neurons and the model that share of
/// its hidden dims; the share is the one that comes nearest to [`DENSITY`].
fn compacted(dense: &ModelConfig) -> ModelConfig {
    let all = dense.shape().parameters() as f64;
    let keep = |share: f64| {
        let of = |n: usize| ((n as f64 * share).round() as usize).max(1);
        let mut config = dense.clone();
        config.hidden = of(dense.hidden);
        for layer in &mut config.layers {
            (layer.heads, layer.neurons) = (of(layer.heads), of(layer.neurons));
        }
        config
    };
    let miss = |config: &ModelConfig| (config.shape().parameters() as f64 / all - DENSITY).abs();
    let candidates = (30..=90).map(|percent| keep(f64::from(percent) / 100.0));
    candidates.min_by(|a, b| miss(a).total_cmp(&miss(b))).unwrap_or_else(|| dense.clone())
}
