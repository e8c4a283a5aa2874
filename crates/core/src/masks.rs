//! Masks that fade blocks out, and let them come back until they are removed.
//!
//! Kept in `f64`: a block takes a hundred steps of 0.01 to fade, and exact zeros and ones decide
//! what is removed, so rounding must not add up. Tensors copy the values as they need them.

use serde::{Deserialize, Serialize};

use crate::blocks::{BlockScores, Kept, ModelShape};

/// One factor in 0..=1 per block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Masks {
    /// Per layer, per head: scales the head's context.
    pub heads: Vec<Vec<f64>>,
    /// Per layer, per neuron: scales the activation.
    pub neurons: Vec<Vec<f64>>,
    /// Per hidden dimension: scales the residual stream.
    pub hidden: Vec<f64>,
}

impl Masks {
    /// Masks that change nothing.
    pub fn ones(shape: &ModelShape) -> Self {
        let BlockScores { heads, neurons, hidden } = BlockScores::filled(shape, 1.0);
        Self { heads, neurons, hidden }
    }

    /// Masks of a model of `shape` that leave nothing but `kept`.
    pub fn of(kept: &Kept, shape: &ModelShape) -> Self {
        let mut masks = Self::ones(shape);
        masks.step(kept, 1.0);
        masks
    }

    /// Moves every mask by `amount`: kept blocks towards 1, others towards 0 (paper Alg. 1).
    ///
    /// `kept` refers to the masks' own blocks.
    pub fn step(&mut self, kept: &Kept, amount: f64) {
        let apply = |masks: &mut Vec<f64>, kept: &[usize]| {
            let mut stays = vec![false; masks.len()];
            for &index in kept {
                stays[index] = true;
            }
            for (mask, stays) in masks.iter_mut().zip(stays) {
                *mask = if stays { (*mask + amount).min(1.0) } else { (*mask - amount).max(0.0) };
            }
        };
        for (masks, kept) in self.heads.iter_mut().zip(&kept.heads) {
            apply(masks, kept);
        }
        for (masks, kept) in self.neurons.iter_mut().zip(&kept.neurons) {
            apply(masks, kept);
        }
        apply(&mut self.hidden, &kept.hidden);
    }

    /// The blocks whose mask is above zero: what compaction leaves.
    pub fn kept(&self) -> Kept {
        let alive = |masks: &Vec<f64>| -> Vec<usize> { (0..masks.len()).filter(|&index| masks[index] > 0.0).collect() };
        Kept {
            heads: self.heads.iter().map(alive).collect(),
            neurons: self.neurons.iter().map(alive).collect(),
            hidden: alive(&self.hidden),
        }
    }

    /// The masks of the blocks that stay after compaction, values unchanged.
    ///
    /// # Panics
    /// If `kept` was chosen from a model of another shape.
    pub fn select(&self, kept: &Kept) -> Self {
        let Self { heads, neurons, hidden } = self.clone();
        let BlockScores { heads, neurons, hidden } = BlockScores { heads, neurons, hidden }.select(kept);
        Self { heads, neurons, hidden }
    }
}
