//! Heads, neurons and hidden dims weighed against each other by what their masks do to the training loss (METHOD §3.2).

use super::trainer::Trainer;
use crate::TrainError;
use crate::evaluate::predict;
use apt_core::arms::KindWeighing;
use apt_core::blocks::Kept;
use apt_core::masks::Masks;
use apt_data::Example;
use burn::module::Module;

/// Training batches on which kinds of blocks are weighed, and the most times that their weights change at one point.
const WEIGHING_BATCHES: usize = 2;
const WEIGHING_ROUNDS: usize = 3;

impl Trainer {
    /// Weighs kinds of blocks so that the training loss is lowest when all but the best blocks at `density` are masked: from
    /// the present weights on, as long as a neighbour is better (METHOD §3.2).
    ///
    /// # Errors
    /// When no blocks reach the density, or losses cannot be read.
    pub(super) async fn weigh_kinds(&mut self, density: f64) -> Result<(), TrainError> {
        let knobs = &self.setup.knobs;
        if knobs.kind_weights != KindWeighing::Measured || !self.pruner.needs_scores(knobs) {
            return Ok(());
        }
        let shape = self.trained.shape();
        let model = self.trained.student().valid();
        let batches = self.step..self.step + WEIGHING_BATCHES;
        let examples: Vec<Example> =
            batches.flat_map(|step| self.plan.batch(step)).map(|index| self.setup.task.train[index].clone()).collect();
        let mut seen: Vec<Kept> = Vec::new();
        let mut best = self.pruner.weights();
        let mut lowest = f64::INFINITY;
        for round in 0..=WEIGHING_ROUNDS {
            let candidates = if round == 0 { vec![best] } else { best.neighbours().to_vec() };
            let before = lowest;
            for weights in candidates {
                let kept = self.pruner.search_weighed(&weights, density, knobs, &shape)?;
                if seen.contains(&kept) {
                    continue;
                }
                let masks = self.pruner.device_masks(&Masks::of(&kept, &shape), knobs, &self.setup.device, false);
                let loss = predict(&model, Some(&masks), &examples, &self.setup.task.objective).await?.loss;
                seen.push(kept);
                if loss < lowest {
                    (lowest, best) = (loss, weights);
                }
            }
            if lowest >= before {
                break;
            }
        }
        self.pruner.set_weights(best);
        Ok(())
    }
}
