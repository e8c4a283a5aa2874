//! Scores of blocks after they have left the device: seeded ones, running means and sums, re-indexing.
//! [`crate::reference`] holds the formulas that scores are made by.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::blocks::{BlockScores, Kept, ModelShape};

/// Scores whose density, score ÷ parameters, is uniform in 0..1 for every block, so that each type
/// is pruned in proportion to what it holds.
pub fn random_scores(shape: &ModelShape, rng: &mut impl Rng) -> BlockScores {
    let costs = shape.block_costs();
    let mut draw = |cost: f64| rng.random_range(0.0..1.0) * cost.max(1.0);
    let mut list = |width: usize, cost| (0..width).map(|_| draw(cost)).collect::<Vec<_>>();
    BlockScores {
        heads: shape.layers.iter().map(|layer| list(layer.heads, costs.head)).collect(),
        neurons: shape.layers.iter().map(|layer| list(layer.neurons, costs.neuron)).collect(),
        hidden: list(shape.hidden, costs.hidden),
    }
}

/// Exponential running mean of scores, corrected for its start at zero so that the very first read
/// is usable (METHOD §2: β = 0.85).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningMean {
    beta: f64,
    updates: u64,
    mean: BlockScores,
}

impl RunningMean {
    /// An empty mean for a model of `shape`; `beta` in 0..1 is the share of the past.
    pub fn new(beta: f64, shape: &ModelShape) -> Self {
        Self { beta, updates: 0, mean: BlockScores::filled(shape, 0.0) }
    }

    /// s ← β·s + (1 − β)·`current`, entry by entry. `current` must be as wide as the mean.
    pub fn update(&mut self, current: &BlockScores) {
        let beta = self.beta;
        for (mean, now) in self.mean.values_mut().zip(current.values()) {
            *mean = beta * *mean + (1.0 - beta) * now;
        }
        self.updates += 1;
    }

    /// The same when only the `kept` blocks were measured: the others decay by β.
    ///
    /// # Panics
    /// If `current` is not as wide as `kept`.
    pub fn update_kept(&mut self, current: &BlockScores, kept: &Kept) {
        let mut full = self.mean.clone();
        full.values_mut().for_each(|value| *value = 0.0);
        let scatter = |full: &mut Vec<f64>, now: &[f64], kept: &[usize]| {
            for (place, &index) in kept.iter().enumerate() {
                full[index] = now[place];
            }
        };
        for (layer, kept) in kept.heads.iter().enumerate() {
            scatter(&mut full.heads[layer], &current.heads[layer], kept);
        }
        for (layer, kept) in kept.neurons.iter().enumerate() {
            scatter(&mut full.neurons[layer], &current.neurons[layer], kept);
        }
        scatter(&mut full.hidden, &current.hidden, &kept.hidden);
        self.update(&full);
    }

    /// The mean, corrected: s/(1 − βᵗ) after t updates; zeros before the first.
    pub fn value(&self) -> BlockScores {
        let mut value = self.mean.clone();
        if self.updates > 0 {
            let weight = 1.0 - self.beta.powf(self.updates as f64);
            value.values_mut().for_each(|entry| *entry /= weight);
        }
        value
    }

    /// The mean as published, not corrected.
    pub fn uncorrected(&self) -> &BlockScores {
        &self.mean
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Follows compaction: only the entries of `kept` remain.
    pub fn reindex(&mut self, kept: &Kept) {
        self.mean = self.mean.select(kept);
    }
}

/// Plain sum of scores, for pruning before training (METHOD §2, `static`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreSum {
    total: BlockScores,
    updates: u64,
}

impl ScoreSum {
    /// An empty sum for a model of `shape`.
    pub fn new(shape: &ModelShape) -> Self {
        Self { total: BlockScores::filled(shape, 0.0), updates: 0 }
    }

    /// Adds one batch.
    pub fn add(&mut self, current: &BlockScores) {
        for (total, now) in self.total.values_mut().zip(current.values()) {
            *total += now;
        }
        self.updates += 1;
    }

    /// The sum.
    pub fn value(&self) -> &BlockScores {
        &self.total
    }

    /// Batches so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Follows compaction: only the entries of `kept` remain.
    pub fn reindex(&mut self, kept: &Kept) {
        self.total = self.total.select(kept);
    }
}
