//! The pass of a step: of the whole batch at once, or of its shards, here and by the other members of a team.

use super::trainer::Trainer;
use crate::TrainError;
use crate::distiller::distill_weights;
use crate::evaluate::{self, PAD_MULTIPLE, Part, Scores};
use crate::losses::Targets;
use crate::rank_allocator::importances;
use crate::shard::{self, Share, Workers};
use crate::teacher::whole_layers;
use crate::team::{Exchanged, Team};
use crate::train_state::nothing_trainable;
use crate::training::{Backward, Pass, Teaching};
use apt_core::arms::{Padding, Salience};
use apt_core::masks::Masks;
use apt_core::tokens::TokenBatch;
use apt_data::{Encoded, Stream, Target, collate, generator};
use apt_experiment::Split;
use apt_nn::checkpoint::read_back;
use apt_nn::salience::{self, ScoreInputs, StepScores};
use apt_nn::{Dropout, Readings, named};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Losses at the beginning of what a shard gives: the whole, the task's, the teacher's.
const LOSSES: usize = 3;

/// What a pass is to be made with, and to leave.
#[derive(Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    pub(super) step: usize,
    /// Whose scores are computed.
    pub(super) scorer: Option<Salience>,
    /// Drawn for this step; else masks are those of the decay window.
    pub(super) drawn: Option<&'a Masks>,
    /// Whether the student drops what the knobs say.
    pub(super) drops: bool,
    /// Whether importances of adapters are computed.
    pub(super) importances: bool,
}

/// What a pass leaves, on the device and without autodiff.
pub(super) struct StepPass {
    /// Of the trainable values, `[trainable]`.
    pub(super) gradient: Tensor<1>,
    /// `[1]`, as are its parts.
    pub(super) loss: Tensor<1>,
    pub(super) task_loss: Tensor<1>,
    pub(super) distill_loss: Option<Tensor<1>>,
    /// Share of the distillation loss.
    pub(super) mu: Option<f64>,
    /// Of the blocks, where they were asked for.
    pub(super) scores: Option<StepScores>,
    /// Of every adapter, one or one per component.
    pub(super) importances: Vec<Tensor<1>>,
}

/// Which shards of a batch are computed here, and how.
pub(super) struct Shards {
    /// In a batch.
    count: usize,
    /// Those computed here, in their order.
    own: Vec<usize>,
    workers: Workers,
    pub(super) team: Option<Team>,
    /// How many of those that members were to compute are computed here, where that is still to be told.
    taken: usize,
}

/// The examples of a batch.
struct Examples {
    tokens: TokenBatch,
    targets: Vec<Target>,
}

impl Default for Shards {
    fn default() -> Self {
        Self { count: 1, own: vec![0], workers: Workers::default(), team: None, taken: 0 }
    }
}

impl Shards {
    /// All of `count`; on the CPU at the same time.
    pub(super) fn new(count: usize, on_cpu: bool) -> Self {
        let workers = if on_cpu { Workers::new(count) } else { Workers::default() };
        Self { count, own: (0..count).collect(), workers, ..Self::default() }
    }

    /// Those of a team, of which `own` are computed here.
    pub(super) fn join(&mut self, own: Vec<usize>, team: Team) {
        (self.own, self.team) = (own, Some(team));
    }

    /// What is to be told of shards that were taken over.
    pub(super) fn take_news(&mut self) -> Option<String> {
        let (taken, count) = (std::mem::take(&mut self.taken), self.count);
        (taken > 0).then(|| {
            format!(
                "a worker of this run is gone: its share ({taken} of {count} shards of every batch) is computed by the worker \
                 that leads; numbers stay the same, steps take longer"
            )
        })
    }

    /// The sums over all shards of what was found of `own`; `None` when more are to be computed here.
    async fn add_up(&mut self, own: Vec<(usize, Vec<f32>)>, state: u64) -> Result<Option<Vec<f32>>, TrainError> {
        let Some(team) = &mut self.team else {
            return Ok(Some(shard::sum(own.into_iter().map(|(_, values)| values))));
        };
        match team.add_up(own, state).await? {
            Exchanged::Sums(sums) => Ok(Some(sums)),
            Exchanged::Missing(shards) => {
                self.taken += shards.len();
                self.own.extend(shards);
                self.own.sort_unstable();
                Ok(None)
            }
        }
    }
}

impl Trainer {
    /// Forward and backward on the batch of a step.
    ///
    /// # Errors
    /// Nothing to train, values that cannot be read back, a team that has lost its leader.
    pub(super) async fn pass(&mut self, wanted: Wanted<'_>) -> Result<StepPass, TrainError> {
        let examples = self.examples(wanted.step);
        if self.shards.count == 1 {
            return self.whole_pass(&wanted, &examples);
        }
        let mut shards = std::mem::take(&mut self.shards);
        let pass = self.sharded_pass(&mut shards, &wanted, &examples).await;
        self.shards = shards;
        pass
    }

    /// Makes the passes of [`Self::pass`] that are made here, and forgets what they give.
    ///
    /// # Errors
    /// As [`Self::pass`].
    pub(super) async fn try_pass(&mut self) -> Result<(), TrainError> {
        let examples = self.examples(0);
        let wanted = Wanted { drops: true, ..Wanted::default() };
        let Shards { count, own, .. } = &self.shards;
        let shares = if *count == 1 { vec![None] } else { own.iter().map(|&shard| Some((shard, *count))).collect() };
        let passes = shares.into_iter().map(|share| self.prepare(&wanted, &examples, share)).collect();
        let losses = self.shards.workers.map(passes, |pass: Pass<'_>| {
            pass.forward().map(|forwarded| forwarded.backward(None).loss.without_autodiff())
        });
        for loss in losses {
            read_back(loss?, "the warm-up loss").await?;
        }
        Ok(())
    }

    fn examples(&mut self, step: usize) -> Examples {
        let indices = self.plan.batch(step);
        let train = &self.setup.task.train;
        let sequences: Vec<&Encoded> = indices.iter().map(|&i| &train[i].tokens).collect();
        Examples {
            tokens: collate(&sequences, self.trained.student().config.pad_id, PAD_MULTIPLE),
            targets: indices.iter().map(|&i| train[i].target.clone()).collect(),
        }
    }

    /// The pass of the whole batch, or of a shard of so many.
    fn prepare(&self, wanted: &Wanted<'_>, examples: &Examples, shard: Option<(usize, usize)>) -> Pass<'_> {
        let (knobs, objective) = (&self.setup.knobs, &self.setup.task.objective);
        let Examples { tokens, targets } = examples;
        let counted = |&n: &usize| match knobs.padding {
            Padding::LeftOut => n.max(1),
            Padding::Counted => tokens.length(),
        };
        let counted: Vec<usize> = tokens.lengths.iter().map(counted).collect();
        let share = shard.map(|(shard, of)| Share::new(shard, of, targets, objective.predicts_tokens(), &counted));
        let rows = share.as_ref().map_or(0..targets.len(), |share| share.rows.clone());
        let (tokens, targets) = (tokens.rows(rows.clone()), &targets[rows.clone()]);
        let targets = match objective.predicts_tokens() {
            true => Targets::next(targets, tokens.length()),
            false => Targets::new(objective, targets, &self.device),
        };
        let tracked = wanted.scorer.is_some_and(salience::needs_mask_gradients);
        let masks = wanted.drawn.or(self.pruner.masks());
        let ones = (tracked && masks.is_none()).then(|| Masks::ones(&self.trained.shape()));
        let masks = masks.or(ones.as_ref()).map(|m| self.pruner.device_masks(m, knobs, &self.device, tracked));
        let dropout = wanted.drops.then(|| self.dropout(wanted.step)).flatten();
        let (learner, dropout) = match &share {
            // Passes of shards are made side by side.
            Some(share) => {
                let untied = named::untied(self.trained.learner().clone());
                (Cow::Owned(untied), dropout.map(|dropout| dropout.of_rows(share.rows.clone(), share.of)))
            }
            None => (Cow::Borrowed(self.trained.learner()), dropout),
        };
        let device = self.device.clone();
        let teaching = self.teaching(wanted.step);
        let (scorer, padding) = (wanted.scorer, knobs.padding);
        Pass { learner, tokens, targets, device, masks, scorer, teaching, dropout, share, padding }
    }

    /// The teacher's part in a step.
    fn teaching(&self, step: usize) -> Option<Teaching<'_>> {
        let knobs = &self.setup.knobs;
        let (teacher, mu) = self.distiller.active(step, &self.timeline, knobs)?;
        let rng = generator(knobs.seed, Stream::Teacher, step as u64);
        Some(Teaching { teacher, rng, weights: distill_weights(knobs, &self.setup.task.objective), mu })
    }

    /// What the training step `step` drops, if anything.
    fn dropout(&self, step: usize) -> Option<Dropout> {
        let knobs = &self.setup.knobs;
        Dropout::new(knobs.dropout, || generator(knobs.seed, Stream::Dropout, step as u64))
    }

    fn whole_pass(&self, wanted: &Wanted<'_>, examples: &Examples) -> Result<StepPass, TrainError> {
        let pass = self.prepare(wanted, examples, None);
        let Backward { mut gradients, loss, task_loss, distill_loss, readings, .. } = pass.forward()?.backward(None);
        let scores = self.scores(wanted, &readings);
        let of_adapter =
            |_: usize, adapter: &apt_nn::Adapter| [&adapter.a, &adapter.b].map(|param| param.val().grad(&gradients));
        let importances = match wanted.importances {
            true => importances(&self.trained, of_adapter, &self.setup.knobs, &self.setup.device),
            false => Vec::new(),
        };
        let gradient = named::gradients(self.trained.learner(), &mut gradients).ok_or_else(nothing_trainable)?;
        Ok(StepPass {
            gradient,
            loss: loss.without_autodiff(),
            task_loss: task_loss.without_autodiff(),
            distill_loss: distill_loss.map(Tensor::without_autodiff),
            mu: pass.teaching.map(|teaching| teaching.mu),
            scores,
            importances,
        })
    }

    async fn sharded_pass(
        &self,
        shards: &mut Shards,
        wanted: &Wanted<'_>,
        examples: &Examples,
    ) -> Result<StepPass, TrainError> {
        let mu = self.teaching(wanted.step).map(|teaching| teaching.mu);
        // Which student layer stands for one that is gone follows from the losses of the whole batch.
        let chooses = mu.is_some() && whole_layers(self.trained.student()).contains(&false);
        let mut chosen: Option<Vec<usize>> = None;
        let device = &self.setup.device;
        let (sums, readings) = loop {
            let own = shards.own.clone();
            let prepare = |&shard: &usize| self.prepare(wanted, examples, Some((shard, shards.count)));
            let passes: Vec<Pass<'_>> = own.iter().map(prepare).collect();
            let parts = if chooses && chosen.is_none() {
                let forwarded = shards.workers.map(passes.iter().collect(), |pass: &Pass<'_>| pass.forward());
                let forwarded = forwarded.into_iter().collect::<Result<Vec<_>, _>>()?;
                let mut losses = Vec::new();
                for (&shard, (forwarded, pass)) in own.iter().zip(forwarded.iter().zip(&passes)) {
                    let choices = forwarded.distilled().map(|of| of.choices()).unwrap_or_default();
                    let weight = pass.share.as_ref().map_or(1.0, |share| share.weights.tokens) as f32;
                    let read = match choices.is_empty() {
                        true => Vec::new(),
                        false => read_back(named::concat(choices), "losses of hidden states").await?,
                    };
                    losses.push((shard, read.into_iter().map(|loss| loss * weight).collect()));
                }
                let Some(sums) = shards.add_up(losses, 0).await? else { continue };
                let first = forwarded.first().and_then(|forwarded| forwarded.distilled());
                let these = first.map(|of| of.chosen(&sums)).unwrap_or_default();
                let parts = shards.workers.map(forwarded, |forwarded| part(forwarded.backward(Some(&these)), device));
                chosen = Some(these);
                parts
            } else {
                let chosen = chosen.as_deref();
                let made = shards.workers.map(passes.iter().collect(), |pass: &Pass<'_>| {
                    Ok::<_, TrainError>(part(pass.forward()?.backward(chosen), device))
                });
                made.into_iter().collect::<Result<Vec<_>, _>>()?
            };
            let mut found = Vec::new();
            let mut readings = Readings::default();
            for (&shard, (flat, of_shard)) in own.iter().zip(parts) {
                found.push((shard, read_back(flat, "gradients of a shard").await?));
                readings = of_shard;
            }
            if let Some(sums) = shards.add_up(found, 0).await? {
                break (sums, readings);
            }
        };
        let tensor = |values: &[f32]| Tensor::<1>::from_data(TensorData::from(values), &self.setup.device);
        let (losses, rest) = sums.split_at(LOSSES.min(sums.len()));
        let (gradient, read) = rest.split_at(self.trained.trainable().min(rest.len()));
        let gradient = tensor(gradient);
        let readings = if read.is_empty() { readings } else { readings.with_values(&tensor(read)) };
        let of_gradient = self.trained.learner().holding(&gradient);
        let slopes = of_gradient.student.adapters();
        let of_adapter = |index: usize, _: &apt_nn::Adapter| match slopes.get(index) {
            Some((_, slope)) => [&slope.a, &slope.b].map(|slope| Some(slope.val().without_autodiff())),
            None => [None, None],
        };
        let importances = match wanted.importances {
            true => importances(&self.trained, of_adapter, &self.setup.knobs, &self.setup.device),
            false => Vec::new(),
        };
        let loss = |place: usize| tensor(losses.get(place).map_or(&[f32::NAN], std::slice::from_ref));
        Ok(StepPass {
            loss: loss(0),
            task_loss: loss(1),
            distill_loss: mu.map(|_| loss(2)),
            mu,
            scores: self.scores(wanted, &readings),
            gradient,
            importances,
        })
    }

    fn scores(&self, wanted: &Wanted<'_>, readings: &Readings) -> Option<StepScores> {
        let (knobs, model) = (&self.setup.knobs, self.trained.student());
        let (outliers, head_kurtosis) = (knobs.outlier_scale, knobs.head_kurtosis);
        let inputs = ScoreInputs { model, readings, outliers, head_kurtosis };
        wanted.scorer.and_then(|scorer| salience::scores(scorer, &inputs))
    }

    /// The student, under its masks, on the examples of `split`; by all members of the team if `together`.
    ///
    /// # Errors
    /// As [`evaluate::predict`]; a team that has lost its leader.
    pub(super) async fn evaluate(&mut self, split: Split, together: bool) -> Result<Scores, TrainError> {
        let mut shards = std::mem::take(&mut self.shards);
        let scores = self.evaluate_shards(&mut shards, split, together).await;
        self.shards = shards;
        scores
    }

    /// A number that follows from what is trained and what is left of the model.
    async fn state(&self) -> Result<u64, TrainError> {
        let mut hasher = DefaultHasher::new();
        if let Some(values) = self.trained.values() {
            let values = read_back(values, "trained values").await?;
            values.iter().for_each(|value| value.to_bits().hash(&mut hasher));
        }
        (self.step as u64).hash(&mut hasher);
        Ok(hasher.finish())
    }

    async fn evaluate_shards(&self, shards: &mut Shards, split: Split, together: bool) -> Result<Scores, TrainError> {
        let (setup, model) = (&self.setup, self.trained.student().valid());
        let device = &setup.device;
        let masks = self.pruner.masks().map(|m| self.pruner.device_masks(m, &setup.knobs, device, false));
        let (examples, objective) = (evaluate::examples(setup, split), &setup.task.objective);
        let found = |part| evaluate::found(&model, masks.as_ref(), examples, objective, part);
        let found = if together && shards.team.is_some() {
            let state = self.state().await?;
            loop {
                let mut parts = Vec::new();
                for index in shards.own.clone() {
                    let found = found(Part { index, of: shards.count }).await?;
                    parts.push((index, found.into_iter().map(|value| value as f32).collect()));
                }
                if let Some(sums) = shards.add_up(parts, state).await? {
                    break sums.into_iter().map(f64::from).collect();
                }
            }
        } else {
            found(Part::WHOLE).await?
        };
        Ok(evaluate::scores(setup, evaluate::predictions(&found, examples, objective), split))
    }
}

/// What a shard gives behind one another: losses, gradient, what the scorer reads.
fn part(back: Backward<'_>, device: &Device) -> (Tensor<1>, Readings) {
    let Backward { learner, mut gradients, loss, task_loss, distill_loss, readings } = back;
    let distill = distill_loss.map_or_else(|| Tensor::zeros([1], device), Tensor::without_autodiff);
    let losses = [loss.without_autodiff(), task_loss.without_autodiff(), distill];
    let parts = losses.into_iter().chain(named::gradients(learner, &mut gradients)).chain(readings.flat());
    (named::concat(parts.collect()), readings)
}
