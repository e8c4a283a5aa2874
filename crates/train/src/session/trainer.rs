//! What a run trains and with what: the parts of a [`Session`](super::Session) that a training step touches.

use super::pass::{Shards, Wanted};
use super::window::PruningWindow;
use crate::TrainError;
use crate::costs::Costs;
use crate::distiller::Distiller;
use crate::evaluate::predict;
use crate::pruner::Pruner;
use crate::rank_allocator::{RankAllocator, RankPoint};
use crate::readout::StepReadout;
use crate::setup::Setup;
use crate::train_state::{TrainState, nothing_trainable};
use crate::watched;
use apt_core::blocks::Kept;
use apt_core::l0::Draw;
use apt_core::lr::LrSchedule;
use apt_core::outliers::OutlierMean;
use apt_core::salience::ScoreSum;
use apt_core::schedule::{PruningPoint, Timeline};
use apt_data::batch::lengths;
use apt_data::{BatchPlan, Example};
use apt_experiment::{
    CheckedKnobs, CurvePoint, Event, ExampleAnswers, Knobs, Phase, PruningPoint as Pruned, UnitOutliers, UnitSalience,
    UnitSet,
};
use apt_nn::checkpoint::read_back;
use apt_nn::salience::StepScores;
use apt_nn::{named, salience};
use burn::tensor::{Device, Tensor};

/// The student with everything that changes it.
pub(super) struct Trainer {
    pub(super) setup: Setup,
    /// With autodiff.
    pub(super) device: Device,
    /// Of the present leg.
    pub(super) timeline: Timeline,
    /// Which of the run's densities the steps lead to.
    pub(super) leg: usize,
    /// Steps of each leg.
    pub(super) leg_steps: usize,
    pub(super) window: PruningWindow,
    /// Training steps made.
    pub(super) step: usize,
    pub(super) trained: TrainState,
    pub(super) pruner: Pruner,
    pub(super) ranks: RankAllocator,
    pub(super) distiller: Distiller,
    lr: LrSchedule,
    pub(super) plan: BatchPlan,
    pub(super) shards: Shards,
}

impl Trainer {
    /// An untrained learner and the run's timeline.
    pub(super) fn new(setup: Setup) -> Result<Self, TrainError> {
        let knobs = &setup.knobs;
        let device = setup.device.clone().autodiff();
        let plan = BatchPlan::new(lengths(&setup.task.train), knobs.batch_size, knobs.seed);
        let steps =
            knobs.steps.unwrap_or_else(|| (knobs.epochs * plan.steps_per_epoch() as f64).ceil().max(1.0) as usize);
        // All legs are laid out beforehand: none may be refused once the first is trained.
        for leg in 1..knobs.densities().len() {
            PruningWindow::new(knobs, leg, steps)?;
        }
        let (window, timeline) = PruningWindow::new(knobs, 0, steps)?;
        let learner = setup.fresh_learner(&device, timeline.distill.is_some())?;
        let trained = TrainState::new(learner, knobs.weight_decay, &setup.device)?;
        Ok(Self {
            pruner: Pruner::new(knobs, setup.source.config.shape()),
            ranks: RankAllocator::new(knobs, &trained),
            lr: lr_schedule(knobs, steps),
            leg: 0,
            leg_steps: steps,
            distiller: Distiller::default(),
            step: 0,
            device,
            timeline,
            window,
            plan,
            shards: Shards::new(knobs.shards.max(1), setup.device == Device::flex()),
            trained,
            setup,
        })
    }

    /// Takes over knobs that differ from the present ones in what may change during a run.
    pub(super) fn set_knobs(&mut self, knobs: CheckedKnobs) {
        self.lr = lr_schedule(&knobs, self.leg_steps);
        if knobs.weight_decay != self.setup.knobs.weight_decay {
            self.trained.set_weight_decay(knobs.weight_decay);
        }
        self.setup.knobs = knobs;
    }

    /// Training steps of all legs.
    pub(super) fn steps_planned(&self) -> usize {
        self.leg_steps * self.setup.knobs.densities().len()
    }

    /// Begins the next leg: what was learned stays, and how it was chosen and taught is forgotten.
    ///
    /// # Errors
    /// As [`PruningWindow::new`], which has already laid every leg out.
    pub(super) fn begin_leg(&mut self) -> Result<(), TrainError> {
        self.leg += 1;
        (self.window, self.timeline) = PruningWindow::new(&self.setup.knobs, self.leg, self.leg_steps)?;
        self.distiller.drop_teacher(&mut self.trained);
        self.pruner.forget_scores(&self.setup.knobs, &self.trained.shape());
        Ok(())
    }

    /// The part of the run that the present step belongs to.
    pub(super) fn phase(&self) -> Phase {
        if self.distiller.active(self.step, &self.timeline, &self.setup.knobs).is_some() {
            Phase::Distilling
        } else if self.timeline.prunes_from(self.step + 1) {
            Phase::Pruning
        } else {
            Phase::Tuning
        }
    }

    /// Exact share of the prunable parameters that masks and removals have left.
    pub(super) fn density(&self) -> f64 {
        self.pruner.density(self.trained.shape())
    }

    /// Whether no pruning point is still to come.
    pub(super) fn has_final_shape(&self) -> bool {
        self.timeline.points.last().is_none_or(|point| point.step < self.step)
    }

    /// Runs a pass whose results are thrown away, so that kernels are built and memory pools are filled before time is
    /// taken.
    pub(super) async fn warm_up(&mut self) -> Result<(), TrainError> {
        self.try_pass().await
    }

    /// Sums scores over the calibration batches before training (`one_shot`; METHOD §3.5).
    pub(super) async fn score_before_training(&mut self) -> Result<(), TrainError> {
        let shape = self.trained.shape();
        let scorer = self.setup.knobs.salience;
        let mut sum = ScoreSum::new(&shape);
        let mut outliers = OutlierMean::sum(&shape);
        let flat = salience::flat_len(&shape);
        for step in 0..self.setup.knobs.calibration_batches {
            let wanted = Wanted { step, scorer: Some(scorer), ..Wanted::default() };
            match self.pass(wanted).await?.scores {
                Some(scores) => {
                    let parts = [Some(scores.flat()), scores.outliers()].into_iter().flatten().collect();
                    let read = read_back(named::concat(parts), "salience scores").await?;
                    let mut parts = read.chunks_exact(flat).map(|part| salience::unflatten(part, &shape));
                    let (scored, roots) = (parts.next(), parts.next());
                    if let Some((scored, roots)) = scored.as_ref().zip(roots.as_ref()) {
                        outliers.update(scored, roots, self.setup.knobs.outlier_scale);
                    }
                    scored.iter().for_each(|scored| sum.add(scored));
                }
                None => sum.add(&self.pruner.random_scores(self.setup.knobs.seed)),
            }
        }
        self.pruner.set_scores(&sum, outliers);
        Ok(())
    }

    /// One training step: forward, backward, clip, update, and one read of everything the host needs.
    pub(super) async fn train_step(&mut self, costs: &mut Costs) -> Result<CurvePoint, TrainError> {
        let step = self.step;
        let knobs = &self.setup.knobs;
        let (clip_norm, seed) = (knobs.clip_norm, knobs.seed);
        let collect = self.timeline.collect.contains(&step);
        let drawn = self.pruner.draw_gates(step, &self.timeline, seed);
        let scored =
            drawn.is_some() || collect && self.timeline.prunes_from(step + 1) && self.pruner.needs_scores(knobs);
        let scorer = scored.then_some(knobs.salience);
        let masks = drawn.as_ref().map(|draw| &draw.masks);
        let pass = self.pass(Wanted { step, scorer, drawn: masks, drops: true, importances: collect }).await?;
        // Invariant: `TrainState::new` refuses a learner without trainable parameters.
        let values = self.trained.values().ok_or_else(nothing_trainable)?;
        let gradient = pass.gradient;
        let learning_rate = self.lr.at(step - self.timeline.begins);
        let grad_norm = self.trained.update(values, gradient.clone(), clip_norm, learning_rate);
        let sent = StepReadout {
            loss: pass.loss,
            task_loss: pass.task_loss,
            grad_norm,
            distill_loss: pass.distill_loss,
            scores: pass.scores.as_ref().map(StepScores::flat),
            outliers: pass.scores.filter(|_| self.pruner.watches_outliers()).and_then(|scores| scores.outliers()),
            importances: pass.importances,
        };
        let read = sent.read().await?;
        let [loss, task_loss, grad_norm] = [&read.loss, &read.task_loss, &read.grad_norm].map(|part| scalar(part));
        if !(loss.is_finite() && grad_norm.is_finite()) {
            let tensor = self.not_finite(gradient, loss).await?;
            return Err(TrainError::NotFinite { step: step + 1, tensor });
        }
        let distill_loss = read.distill_loss.as_deref().map(scalar);
        self.apply(&read, drawn.as_ref());
        self.pruner.move_masks(step, &self.timeline, &self.setup.knobs, &self.trained.shape())?;
        self.step = step + 1;
        let density = self.density();
        let peak_device_bytes = costs.add_step(density);
        Ok(CurvePoint {
            step: step + 1,
            epoch: (step + 1) as f64 / self.plan.steps_per_epoch() as f64,
            loss,
            task_loss,
            distill_loss,
            learning_rate,
            mu: pass.mu,
            density,
            grad_norm: Some(grad_norm),
            peak_device_bytes,
            seconds: costs.elapsed(),
        })
    }

    /// Updates scores or gates, and importances, by what a step read.
    fn apply(&mut self, read: &StepReadout<Vec<f32>>, drawn: Option<&Draw>) {
        let shape = self.trained.shape();
        if let Some(scores) = &read.scores {
            let scores = salience::unflatten(scores, &shape);
            match drawn {
                Some(draw) => {
                    let target = self.timeline.learned_target(self.step);
                    self.pruner.update_gates(draw, &scores, &shape, target);
                }
                None => {
                    let outliers = read.outliers.as_ref().map(|roots| salience::unflatten(roots, &shape));
                    self.pruner.add_scores(&scores, outliers.as_ref(), self.setup.knobs.outlier_scale);
                }
            }
        } else if self.timeline.collect.contains(&self.step) {
            self.pruner.update_data_free_scores(&self.setup.knobs);
        }
        self.ranks.update(&read.importances, self.setup.knobs.beta);
    }

    /// Names what stopped being finite.
    async fn not_finite(&self, gradient: Tensor<1>, loss: f64) -> Result<String, TrainError> {
        if loss.is_finite() {
            let gradient = read_back(gradient, "gradients").await?;
            let slot = self.trained.first_not_finite(&gradient);
            return Ok(slot.map_or("gradient norm".into(), |slot| format!("gradient of {slot}")));
        }
        let slot = match self.trained.values() {
            Some(values) => self.trained.first_not_finite(&read_back(values, "parameters").await?),
            None => None,
        };
        Ok(slot.unwrap_or("loss".into()))
    }

    /// A pruning point: blocks are removed and ranks change. What is to be reported of it, in order.
    pub(super) fn prune(&mut self, index: usize, point: &PruningPoint, seconds: f64) -> Result<Vec<Event>, TrainError> {
        let mut events = Vec::new();
        let prunes = self.timeline.prunes(index);
        let (mut kind_weights, mut salience, mut outliers, mut exceptions) = (None, None, None, None);
        if prunes {
            let (knobs, shape) = (&self.setup.knobs, self.trained.shape());
            kind_weights = self.pruner.kind_weights(knobs, &shape);
            salience = Some(UnitSalience::from(&self.pruner.block_scores(&shape)));
            outliers = self.pruner.outliers().as_ref().map(UnitOutliers::from);
            let kept = self.pruner.search(point.density, knobs, &shape)?;
            exceptions = self.pruner.exceptions(&kept, point.density, knobs, &shape)?;
            self.pruner.end_window();
            self.remove(&kept);
        }
        // Before training no importance has been gathered: ranks change at the points that have a window.
        if point.has_window() {
            let rank_point = RankPoint { index, step: self.step, fraction: self.timeline.growth_fraction(index) };
            let growth = self.ranks.change_ranks(&rank_point, &mut self.trained, &self.setup.knobs, &self.device);
            events.extend(growth.map(Event::Grown));
        }
        let shape = self.trained.shape();
        let kept = self.pruner.kept();
        events.push(Event::Pruned(Box::new(Pruned {
            step: self.step,
            target_density: point.density,
            density: self.density(),
            heads: shape.layers.iter().map(|l| l.heads).collect(),
            kept_heads: kept.heads.clone(),
            neurons: shape.layers.iter().map(|l| l.neurons).collect(),
            hidden: shape.hidden,
            kept_neurons: kept.neurons.iter().cloned().map(UnitSet::from).collect(),
            kept_hidden: kept.hidden.clone(),
            kind_weights,
            salience,
            outliers,
            exceptions,
            ranks: self.trained.ranks(),
            removed: self.setup.knobs.prunes(),
            seconds,
        })));
        Ok(events)
    }

    /// Removes all blocks but `kept` from weights, moments, scores and importances.
    fn remove(&mut self, kept: &Kept) {
        if kept.is_all(&self.trained.shape()) {
            return;
        }
        let learner = self.distiller.compact(self.trained.learner(), kept);
        self.trained.reshape(learner, &self.setup.knobs, &|moments| moments.compact(kept));
        self.ranks.remove(&self.trained);
        self.pruner.remove(kept);
    }

    /// The answers to the examples that are watched: the student's, whose outputs for all validation examples these are, and
    /// the teacher's.
    pub(super) async fn answers(&self, outputs: &[Vec<f32>]) -> Result<Vec<ExampleAnswers>, TrainError> {
        let Setup { task, watched, .. } = &self.setup;
        let examples: Vec<Example> = watched.iter().map(|of| task.validation[of.index].clone()).collect();
        let student: Vec<&[f32]> = watched.iter().map(|of| outputs[of.index].as_slice()).collect();
        let teacher = match self.distiller.teacher().filter(|_| !examples.is_empty()) {
            Some(teacher) => Some(predict(&teacher.model, None, &examples, &task.objective).await?.outputs),
            None => None,
        };
        Ok(watched::answers(&student, teacher.as_deref()))
    }
}

/// The value of a part `[1]` of a readout.
fn scalar(part: &[f32]) -> f64 {
    part.first().map_or(f64::NAN, |&value| f64::from(value))
}

fn lr_schedule(knobs: &Knobs, steps: usize) -> LrSchedule {
    LrSchedule::new(knobs.learning_rate, steps, knobs.lr_warmup, knobs.lr_curve)
}
