//! The training steps that are timed: those of [`Session::step`] itself, with everything they do in a run (the batch is
//! put together, losses and scores are read back), as settings of three kinds of run.

use crate::cases::{Case, LABELS, Size, tokens};
use anyhow::{Context, Result, bail, ensure};
use apt_data::{Encoded, Example, Metric, NextTokens, Objective, Target, TokenizedTask};
use apt_experiment::{CheckedKnobs, Event, Provenance, Share, preset_entry};
use apt_nn::ModelConfig;
use apt_train::{ModelSource, NoProbe, Session, Setup};
use burn::tensor::Device;
use pollster::block_on;

/// More steps than a benchmark makes.
const STEPS: usize = 100_000_000;

/// Steps of the run that distils: the shortest pruning window is a thousandth, and the teacher comes behind its end.
const STEPS_DISTILLING: usize = 4_000;

/// A run that is advanced step by step.
pub struct Training {
    session: Session,
    distils: bool,
}

impl Training {
    /// The run of a training case on a model with random weights of the shapes of `config`.
    ///
    /// # Errors
    /// Settings that the session refuses.
    pub fn new(case: Case, config: &ModelConfig, size: Size, device: &Device) -> Result<Self> {
        let examples = |n: usize| -> Vec<Example> {
            let Size { batch, length, .. } = size;
            let (ids, lengths) = (tokens(config, size).ids, size.lengths());
            let example = |i: usize| {
                let (ids, length) = (&ids[i % batch * length..], lengths[i % batch]);
                let ids = &ids[..length];
                let target = match config.decoder {
                    // Every token is followed by the next, the last by the first.
                    Some(_) => Target::Tokens(NextTokens {
                        ids: ids[1..].iter().chain(&ids[..1]).copied().collect(),
                        bytes: length,
                    }),
                    None => Target::Class((i % LABELS) as u32),
                };
                let ids = ids.iter().map(|&id| id as u32).collect();
                Example { tokens: Encoded { ids, type_ids: vec![0; length] }, target }
            };
            (0..n).map(example).collect()
        };
        let labels = (0..LABELS).map(|label| label.to_string()).collect();
        let objective = match config.decoder {
            Some(_) => Objective::causal_lm(),
            None => Objective::Classification { labels, metrics: &[Metric::Accuracy] },
        };
        let setup = Setup {
            knobs: knobs(case, config, size)?,
            preset: None,
            source: ModelSource::random(ModelConfig { head: None, ..config.clone() }, 1),
            task: TokenizedTask {
                tokens: Vec::new(),
                notes: Vec::new(),
                objective,
                train: examples(size.batch),
                validation: examples(size.batch),
                test: None,
                cut: Share::default(),
            },
            watched: Vec::new(),
            provenance: Provenance::default(),
            device: device.clone(),
        };
        let mut training = Self { session: Session::new(setup, Box::new(NoProbe))?, distils: false };
        if case == Case::TrainDistil {
            for _ in 0..=STEPS_DISTILLING / 1000 {
                training.step()?;
            }
            training.distils = true;
        }
        Ok(training)
    }

    /// Makes one training step; its losses (and scores, if it collects them) are on the host afterwards.
    ///
    /// # Errors
    /// Whatever ends the run; a step that does not distil where that is what is timed.
    pub fn step(&mut self) -> Result<()> {
        loop {
            match block_on(self.session.step())? {
                Some(Event::Step(step)) => {
                    ensure!(!self.distils || step.distill_loss.is_some(), "step {} has no teacher", step.step);
                    return Ok(());
                }
                Some(_) => {}
                None => bail!("the run has ended"),
            }
        }
    }
}

/// The settings whose steps a case times of a model of these shapes, with adapters on all its linear layers.
///
/// # Errors
/// A case that trains nothing.
pub fn knobs(case: Case, config: &ModelConfig, size: Size) -> Result<CheckedKnobs> {
    let (preset, more): (&str, &[(&str, &str)]) = match case {
        Case::Train => ("lora", &[]),
        // The first fifth of the pruning window only collects scores: of blocks, and of adapters, whose ranks are to grow.
        Case::TrainSalience => {
            ("apt", &[("distillation", "off"), ("tune_first", "0"), ("prune_fraction", "1"), ("tuning_fraction", "0")])
        }
        // Distillation behind a pruning point that removes nothing and lets no rank grow, so that shapes stay those of
        // PyTorch.
        Case::TrainDistil => (
            "apt",
            &[
                ("density", "1"),
                ("tune_first", "0"),
                ("prune_fraction", "0.001"),
                ("expand", "1"),
                ("distill_fraction", "1"),
                ("tuning_fraction", "0"),
            ],
        ),
        Case::Infer | Case::InferCompact | Case::Decode | Case::DecodeCompact => {
            bail!("`{}` trains nothing", case.key())
        }
    };
    let mut knobs = preset_entry(preset)?.knobs()?;
    let never = if case == Case::TrainDistil { STEPS_DISTILLING } else { STEPS }.to_string();
    let (batch, length, shards) = (size.batch.to_string(), size.length.to_string(), size.shards.to_string());
    let adapters = config.wiring().linears().map(|linear| linear.site.name()).collect::<Vec<_>>().join(",");
    let common: [(&str, &str); 6] = [
        ("steps", &never),
        ("eval_every", &never),
        ("batch_size", &batch),
        ("max_length", &length),
        ("shards", &shards),
        ("adapters", &adapters),
    ];
    for (name, value) in common.iter().chain(more) {
        knobs.set(name, value).with_context(|| format!("setting {name} = {value}"))?;
    }
    Ok(knobs.check()?)
}
