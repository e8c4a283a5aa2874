//! One training step: forward, backward, clip, update, and one read of everything the host wants to know.

use crate::TrainError;
use crate::evaluate::PAD_MULTIPLE;
use crate::losses::{Targets, cross_entropy};
use crate::session::Session;
use crate::streams::{Stream, generator};
use crate::teacher::{DistillWeights, distillation_loss};
use apt_core::arms::{RankGrowth, RankImportance, Salience};
use apt_core::distill::{mu, published_mu};
use apt_core::l0::Draw;
use apt_core::masks::Masks;
use apt_data::{Example, collate};
use apt_experiment::{CurvePoint, Event, MuOver};
use apt_nn::salience::{self, ScoreInputs};
use apt_nn::{Adapter, Batch, Forward, Output, Taps, checkpoint::read_back, named};
use burn::tensor::{Gradients, Tensor};

/// What a backward pass leaves.
struct Backward {
    gradients: Gradients,
    loss: Tensor<1>,
    task_loss: Tensor<1>,
    distill_loss: Option<Tensor<1>>,
    mu: Option<f64>,
    scores: Option<Tensor<1>>,
}

impl Session {
    /// Runs a few passes whose results are thrown away, so that kernels are built and memory pools are filled before
    /// time is taken; the time this takes is reported apart.
    pub(crate) async fn warm_up(&mut self) -> Result<(), TrainError> {
        let began = self.probe.seconds();
        let pass = self.backward(0, None, None)?;
        read_back(pass.loss.without_autodiff(), "the warm-up loss").await?;
        self.state.warmup_seconds += self.probe.seconds() - began;
        Ok(())
    }

    /// Training step `state.step`.
    pub(crate) async fn train_step(&mut self) -> Result<(), TrainError> {
        let step = self.state.step;
        let collect = self.timeline.collect.contains(&step);
        let drawn = self.draw_gates(step);
        let scorer =
            if drawn.is_some() || collect && self.scores_blocks() { Some(self.setup.knobs.salience) } else { None };
        let mut pass = self.backward(step, scorer, drawn.as_ref().map(|draw| &draw.masks))?;
        let importances = if collect { self.importances(&pass.gradients) } else { Vec::new() };
        // Invariant: `Session::new` refuses a learner without trainable parameters.
        let (Some(gradient), Some(values)) =
            (named::gradients(&self.learner, &mut pass.gradients), named::values(&self.learner))
        else {
            return Err(TrainError::Unfit { what: "nothing is trainable".into() });
        };
        let (learning_rate, clip_norm) = (self.lr.at(step), self.setup.knobs.clip_norm);
        let (updated, norm) = self.optimizer.clipped_step(values, gradient.clone(), clip_norm, learning_rate);
        self.learner = named::with_values(self.learner.clone(), &updated);

        // The step's one read: losses and norm, then scores, then importances.
        let distill = pass.distill_loss.as_ref().map(|l| l.clone().without_autodiff());
        let mut parts = vec![pass.loss.without_autodiff(), pass.task_loss.without_autodiff(), norm];
        parts.push(distill.clone().unwrap_or_else(|| Tensor::zeros([1], &self.setup.device)));
        let scored = pass.scores.is_some();
        parts.extend(pass.scores);
        let seen = importances.iter().map(|part| part.dims()[0]).sum();
        parts.extend(importances);
        let read = read_back(named::concat(parts), "the step's results").await?;
        if !(read[0].is_finite() && read[2].is_finite()) {
            let tensor = self.not_finite(gradient, read[0]).await?;
            return Err(TrainError::NotFinite { step: step + 1, tensor });
        }
        self.take_in(&read, scored, seen, drawn.as_ref());
        self.move_masks(step)?;
        self.state.step = step + 1;
        let density = self.density();
        self.state.density_sum += density;
        let peak_device_bytes = self.watch_memory();
        let point = CurvePoint {
            step: step + 1,
            epoch: (step + 1) as f64 / self.plan.steps_per_epoch() as f64,
            loss: f64::from(read[0]),
            task_loss: f64::from(read[1]),
            distill_loss: distill.is_some().then(|| f64::from(read[3])),
            learning_rate,
            mu: pass.mu,
            density,
            grad_norm: Some(f64::from(read[2])),
            peak_device_bytes,
            seconds: self.clocked(),
        };
        self.tell(Event::Step(point));
        Ok(())
    }

    /// Scores of one batch without training on it, `[heads | neurons | hidden]`.
    pub(crate) async fn score_batch(&mut self, step: usize) -> Result<Option<Vec<f32>>, TrainError> {
        match self.backward(step, Some(self.setup.knobs.salience), None)?.scores {
            Some(scores) => Ok(Some(read_back(scores, "salience scores").await?)),
            None => Ok(None),
        }
    }

    /// Forward and backward on the batch of `step`, under the session's masks or those `drawn` for it, with the scores of
    /// `scorer`.
    fn backward(
        &mut self,
        step: usize,
        scorer: Option<Salience>,
        drawn: Option<&Masks>,
    ) -> Result<Backward, TrainError> {
        let indices = self.plan.batch(step);
        let examples: Vec<&Example> = indices.iter().map(|&i| &self.setup.task.train[i]).collect();
        let data = collate(&examples, self.setup.pad_id, PAD_MULTIPLE);
        let student = &self.learner.student;
        let upload = |device| Batch::new(&data.ids, &data.type_ids, &data.lengths, &student.config, device);
        let mut taps = scorer.and_then(Taps::for_scorer);
        let tracked = scorer.is_some_and(salience::needs_mask_gradients);
        let masks = drawn.or(self.masks.as_ref());
        let ones = (tracked && masks.is_none()).then(|| Masks::ones(&student.config.shape()));
        let masks = masks.or(ones.as_ref()).map(|m| self.upload(m, &self.device, tracked));

        let distilling = self.timeline.distill.as_ref().filter(|d| d.contains(&step)).zip(self.teacher.as_ref());
        let lesson = match distilling {
            Some((range, teacher)) => {
                let mut rng = generator(self.setup.knobs.seed, Stream::Teacher, step as u64);
                let lesson = teacher.lesson(&upload(&self.setup.device), &mut rng)?;
                Some((range, lesson))
            }
            None => None,
        };
        let batch = upload(&self.device);
        let keep_states = lesson.is_some();
        let Output { hidden, states } =
            student.forward(&batch, Forward { masks: masks.as_ref(), taps: taps.as_mut(), keep_states });
        let logits = student.classify(hidden, &batch)?;
        let classes: Vec<i32> = data.targets.iter().filter_map(|t| t.class()).map(|class| class as i32).collect();
        let task_loss = cross_entropy(logits.clone(), &Targets::new(&classes, &self.device));
        let (loss, distill_loss, mu) = match lesson {
            None => (task_loss.clone(), None, None),
            Some((range, lesson)) => {
                let knobs = &self.setup.knobs;
                let weights = DistillWeights {
                    temperature: knobs.distill_temperature,
                    logits: knobs.distill_logit_weight,
                    layers: knobs.distill_layer_weight,
                };
                let distill = distillation_loss(&self.learner, &states, logits, lesson, weights);
                let mu = match knobs.mu_over {
                    MuOver::Distillation => mu(step, range),
                    MuOver::PruningWindow => {
                        let points = &self.timeline.points;
                        let ends = points.first().map_or(0, |p| p.window_start)..points.last().map_or(1, |p| p.step);
                        published_mu(step, ends.start, ends.end).clamp(0.0, 1.0)
                    }
                };
                (distill.clone() * mu + task_loss.clone() * (1.0 - mu), Some(distill), Some(mu))
            }
        };
        let gradients = loss.backward();
        let scores = scorer.and_then(|scorer| {
            let seen = ScoreInputs {
                model: student,
                taps: taps.as_ref(),
                gradients: &gradients,
                masks: masks.as_ref(),
                outliers: self.setup.knobs.outlier_scale,
            };
            salience::scores(scorer, &seen)
        });
        Ok(Backward { gradients, loss, task_loss, distill_loss, mu, scores })
    }

    fn importances(&self, gradients: &Gradients) -> Vec<Tensor<1>> {
        let adapters = self.learner.student.adapters();
        match self.setup.knobs.rank_growth {
            RankGrowth::Static => return Vec::new(),
            RankGrowth::Allocate => {
                let importance = |adapter: &Adapter| {
                    let [a, b] = [&adapter.a, &adapter.b].map(|param| {
                        let value = param.val();
                        value.grad(gradients).map(|gradient| [value.without_autodiff(), gradient])
                    });
                    match a.zip(b) {
                        Some((a, b)) => salience::component_importance(a, b),
                        None => Tensor::zeros([adapter.rank()], &self.setup.device),
                    }
                };
                return adapters.into_iter().map(|(_, adapter)| importance(adapter)).collect();
            }
            RankGrowth::Adaptive | RankGrowth::Uniform => {}
        }
        let by = self.setup.knobs.rank_importance;
        adapters
            .into_iter()
            .map(|(_, adapter)| {
                let param = match by {
                    RankImportance::AdapterB => adapter.b.val(),
                    RankImportance::RankMean => adapter.a.val(),
                };
                let value = param.clone().without_autodiff();
                match (param.grad(gradients), by) {
                    (Some(g), RankImportance::AdapterB) => salience::adapter_b_importance(value, g),
                    (Some(g), RankImportance::RankMean) => salience::rank_mean_importance(value, g),
                    (None, _) => Tensor::zeros([1], &self.setup.device),
                }
            })
            .collect()
    }

    /// Names what stopped being finite.
    async fn not_finite(&self, gradient: Tensor<1>, loss: f32) -> Result<String, TrainError> {
        if !loss.is_finite() {
            let values = named::values(&self.learner);
            if let Some(values) = values
                && let Some(slot) = self.first_not_finite(&read_back(values, "parameters").await?)
            {
                return Ok(slot);
            }
            return Ok("loss".into());
        }
        let gradient = read_back(gradient, "gradients").await?;
        Ok(self.first_not_finite(&gradient).map_or("gradient norm".into(), |slot| format!("gradient of {slot}")))
    }

    fn first_not_finite(&self, flat: &[f32]) -> Option<String> {
        let mut at = 0;
        self.slots
            .iter()
            .find(|slot| {
                let range = at..at + slot.len();
                at += slot.len();
                flat.get(range).is_some_and(|values| values.iter().any(|v| !v.is_finite()))
            })
            .map(|slot| slot.name.clone())
    }

    fn take_in(&mut self, read: &[f32], scored: bool, importances: usize, drawn: Option<&Draw>) {
        let mut at = 4;
        let shape = self.learner.student.config.shape();
        if scored {
            let n = salience::flat_len(&shape);
            let current = salience::unflatten(&read[at..at + n], &shape);
            match drawn {
                Some(draw) => self.teach_gates(draw, &current),
                None => self.state.scores.update(&current),
            }
            at += n;
        } else if self.timeline.collect.contains(&self.state.step) {
            self.score_without_looking();
        }
        if importances > 0 {
            let beta = self.setup.knobs.beta;
            // One value per adapter, or one per component of each.
            let state = &mut self.state;
            let means: Box<dyn Iterator<Item = &mut f64>> = match state.components.is_empty() {
                true => Box::new(state.importance.iter_mut()),
                false => Box::new(state.components.iter_mut().flatten()),
            };
            for (mean, &now) in means.zip(&read[at..at + importances]) {
                *mean = beta * *mean + (1.0 - beta) * f64::from(now);
            }
            self.state.importances_seen += 1;
        }
    }

    /// The device's peak since the step before; the run's peaks are kept.
    fn watch_memory(&mut self) -> Option<u64> {
        let memory = self.probe.memory();
        self.probe.forget_peak();
        self.state.peak_device = self.state.peak_device.max(memory.device_peak);
        self.state.peak_process = self.state.peak_process.max(memory.process);
        memory.device_peak
    }
}
