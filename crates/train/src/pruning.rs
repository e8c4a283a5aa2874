//! What happens between training steps: masks move, blocks leave, a teacher is appointed.

use crate::TrainError;
use crate::learner::Learner;
use crate::optimizer::AdamW;
use crate::session::Session;
use crate::streams::{Stream, generator};
use apt_core::arms::{Distillation, PruneSchedule, Salience};
use apt_core::blocks::{BlockScores, Kept};
use apt_core::masks::Masks;
use apt_core::salience::{RunningMean, ScoreSum, random_scores};
use apt_core::schedule::mask_step;
use apt_core::search::{Rounding, search_with_floor};
use apt_experiment::{Event, LayerSalience, OptimizerState, PruningPoint};
use apt_nn::{named, salience};
use burn::tensor::Tensor;

impl Session {
    /// Exact share of the prunable parameters that masks and removals have left.
    pub(crate) fn density(&self) -> f64 {
        let shape = self.learner.student.config.shape();
        let left = match &self.masks {
            Some(masks) => masks.kept().shape_after(&shape),
            None => shape,
        };
        left.parameters() as f64 / self.dense_shape.parameters() as f64
    }

    /// Sums scores over the calibration batches before training (`one_shot`; METHOD §3.5).
    pub(crate) async fn score_before_training(&mut self) -> Result<(), TrainError> {
        let shape = self.learner.student.config.shape();
        let mut sum = ScoreSum::new(&shape);
        for step in 0..self.setup.knobs.calibration_batches {
            match self.score_batch(step).await? {
                Some(flat) => sum.add(&salience::unflatten(&flat, &shape)),
                None => sum.add(&self.random_scores()),
            }
        }
        let mut scores = RunningMean::new(0.0, &shape);
        scores.update(sum.value());
        self.state.scores = scores;
        Ok(())
    }

    /// Scores for a scorer that looks at nothing.
    pub(crate) fn score_without_looking(&mut self) {
        if self.setup.knobs.salience == Salience::Random {
            let scores = self.random_scores();
            self.state.scores.update(&scores);
        }
    }

    /// Seeded scores, the same for a block at every step.
    fn random_scores(&self) -> BlockScores {
        let mut rng = generator(self.setup.knobs.seed, Stream::RandomScores, 0);
        random_scores(&self.dense_shape, &mut rng).select(&self.state.kept)
    }

    /// If a decay window opens at this step: masks appear, and the first time a teacher is appointed.
    pub(crate) async fn window_opens(&mut self) -> Result<(), TrainError> {
        let step = self.state.step;
        let Some((index, window)) = self.timeline.window_at(step) else { return Ok(()) };
        if window.window_start != step {
            return Ok(());
        }
        if index == 0 {
            self.first_teacher().await?;
        }
        if self.fades() {
            self.masks = Some(Masks::ones(&self.learner.student.config.shape()));
        }
        Ok(())
    }

    /// Whether blocks fade before they leave; else they are cut at the pruning point, or nothing is pruned.
    fn fades(&self) -> bool {
        self.setup.knobs.prunes() && self.setup.knobs.mask_step < 1.0
    }

    /// Whether a step that collects scores blocks; learned masks need no scores.
    pub(crate) fn scores_blocks(&self) -> bool {
        self.setup.knobs.prunes() && self.state.gates.is_none()
    }

    /// What every block is worth at present.
    fn block_scores(&self) -> BlockScores {
        match &self.state.gates {
            Some(gates) => gates.scores(&self.learner.student.config.shape()),
            None => self.state.scores.value(),
        }
    }

    async fn first_teacher(&mut self) -> Result<(), TrainError> {
        if self.setup.knobs.distillation != Distillation::Off
            && self.timeline.distill.is_some()
            && self.teacher.is_none()
        {
            self.evaluate_validation().await?;
            self.adopt_teacher();
        }
        Ok(())
    }

    /// Inside a decay window: search again and move every mask one step (METHOD §3.2–3.3).
    pub(crate) fn move_masks(&mut self, step: usize) -> Result<(), TrainError> {
        let Some((_, window)) = self.timeline.window_at(step) else { return Ok(()) };
        if !self.fades() || self.state.gates.is_some() {
            return Ok(());
        }
        let amount = mask_step(window.step - window.window_start, self.setup.knobs.mask_step);
        let kept = self.search(window.density)?;
        if let Some(masks) = &mut self.masks {
            masks.step(&kept, amount);
        }
        Ok(())
    }

    fn search(&self, density: f64) -> Result<Kept, TrainError> {
        let target = (density * self.dense_shape.parameters() as f64).floor() as usize;
        let shape = self.learner.student.config.shape();
        let knobs = &self.setup.knobs;
        // What can only be kept as a whole is kept.
        let hidden = if knobs.prune_hidden { knobs.round_hidden } else { shape.hidden };
        let rounding = Rounding { neurons: knobs.round_neurons, hidden };
        let share = knobs.head_floor;
        let floor = self.dense_shape.layers.iter().map(|layer| least_heads(layer.heads, share)).collect::<Vec<_>>();
        Ok(search_with_floor(&self.block_scores(), &shape, target, &rounding, &floor)?)
    }

    /// If a pruning point lies before this step: blocks are removed and ranks grow.
    pub(crate) async fn pruning_point(&mut self) -> Result<(), TrainError> {
        let Some((index, point)) = self.timeline.point_at(self.state.step).map(|(i, p)| (i, p.clone())) else {
            return Ok(());
        };
        if self.setup.knobs.schedule == PruneSchedule::OneShot {
            self.first_teacher().await?;
        }
        let prunes = self.setup.knobs.prunes();
        if prunes {
            self.tell_salience();
            let kept = self.search(point.density)?;
            self.masks = None;
            self.remove(&kept);
        }
        self.change_ranks(index);
        let shape = self.learner.student.config.shape();
        let kept = &self.state.kept;
        let event = PruningPoint {
            step: self.state.step,
            target_density: point.density,
            density: self.density(),
            heads: shape.layers.iter().map(|l| l.heads).collect(),
            kept_heads: kept.heads.clone(),
            neurons: shape.layers.iter().map(|l| l.neurons).collect(),
            hidden: shape.hidden,
            kept_hidden: kept.hidden.clone(),
            ranks: self.ranks(),
            removed: prunes,
            seconds: self.state.seconds,
        };
        self.tell(Event::Pruned(Box::new(event)));
        Ok(())
    }

    fn tell_salience(&mut self) {
        let scores = self.block_scores();
        let layers = scores
            .heads
            .iter()
            .zip(&scores.neurons)
            .map(|(heads, neurons)| LayerSalience { heads: heads.clone(), neurons: neurons.clone() })
            .collect();
        let step = self.state.step;
        self.tell(Event::Salience { step, layers, hidden: scores.hidden });
    }

    /// Removes blocks from weights, moments, scores and importances.
    fn remove(&mut self, kept: &Kept) {
        if kept.is_all(&self.learner.student.config.shape()) {
            return;
        }
        let names = |learner: &Learner| -> Vec<String> {
            learner.student.adapters().into_iter().map(|(name, _)| name).collect()
        };
        let before = names(&self.learner);
        let old = self.learner.clone();
        self.learner = match &mut self.teacher {
            Some(teacher) => {
                self.borrows |= teacher.shared;
                teacher.compact_student(&old, kept)
            }
            None => old.compact(kept),
        };
        let after = names(&self.learner);
        let mut stays = before.iter().map(|name| after.contains(name));
        self.state.importance.retain(|_| stays.next().unwrap_or(false));
        let mut stays = before.iter().map(|name| after.contains(name));
        self.state.components.retain(|_| stays.next().unwrap_or(false));
        if let Some(gates) = &mut self.state.gates {
            gates.reindex(kept);
        }
        self.carry_moments(&old, &|holder| holder.compact(kept));
        self.state.scores.reindex(kept);
        self.state.kept = self.state.kept.compose(kept);
    }

    /// Applies a change of shape, made to `old` by `change`, to the optimiser's moments.
    pub(crate) fn carry_moments(&mut self, old: &Learner, change: &dyn Fn(&Learner) -> Learner) {
        self.slots = named::slots(&self.learner);
        let weight_decay = self.setup.knobs.weight_decay;
        if self.setup.knobs.optimizer_state == OptimizerState::Reset {
            self.optimizer = AdamW::new(&self.slots, weight_decay, &self.setup.device);
            return;
        }
        let carry = |moment: &Tensor<1>| named::values(&change(&old.holding(moment)));
        if let (Some(first), Some(second)) = (carry(&self.optimizer.first), carry(&self.optimizer.second)) {
            self.optimizer = self.optimizer.clone().carried(first, second, &self.slots, weight_decay);
        }
    }
}

/// Heads that a layer of `heads` keeps at least: the share, rounded, and one at least unless the share is 0.
fn least_heads(heads: usize, share: f64) -> usize {
    if share > 0.0 { ((heads as f64 * share).round() as usize).max(1) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::least_heads;

    #[test]
    fn a_floor_is_a_share_of_the_heads_and_one_at_least() {
        let floors =
            [(12, 0.33), (4, 0.33), (2, 0.1), (12, 0.0), (12, 1.0)].map(|(heads, share)| least_heads(heads, share));
        assert_eq!(floors, [4, 1, 1, 0, 12]);
    }
}
