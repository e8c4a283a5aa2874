//! How heads, neurons and hidden dims are weighed against each other (METHOD §3.2). A score says how blocks of one kind
//! rank; whether its unit is the same for all kinds is another question, and decides how much of which kind goes.

use serde::{Deserialize, Serialize};

use crate::blocks::{BlockScores, ModelShape};

/// A factor on the scores of each kind of block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindWeights {
    /// On those of heads.
    pub heads: f64,
    /// On those of neurons.
    pub neurons: f64,
    /// On those of hidden dims.
    pub hidden: f64,
}

impl Default for KindWeights {
    fn default() -> Self {
        Self { heads: 1.0, neurons: 1.0, hidden: 1.0 }
    }
}

impl KindWeights {
    /// Factors that give each kind the same mean score per parameter; 1 for a kind whose scores have no positive sum.
    pub fn equal(scores: &BlockScores, shape: &ModelShape) -> Self {
        let costs = shape.block_costs();
        let factor = |lists: &[Vec<f64>], cost: f64| {
            let sum: f64 = lists.iter().flatten().sum();
            let count: usize = lists.iter().map(Vec::len).sum();
            let mean = sum / (count.max(1) as f64 * cost.max(1.0));
            if mean > 0.0 && mean.is_finite() { 1.0 / mean } else { 1.0 }
        };
        Self {
            heads: factor(&scores.heads, costs.head),
            neurons: factor(&scores.neurons, costs.neuron),
            hidden: factor(std::slice::from_ref(&scores.hidden), costs.hidden),
        }
    }

    /// The factors that differ from these in that heads or hidden dims weigh twice or half as much.
    pub fn neighbours(self) -> [Self; 4] {
        [
            Self { heads: self.heads * 2.0, ..self },
            Self { heads: self.heads / 2.0, ..self },
            Self { hidden: self.hidden * 2.0, ..self },
            Self { hidden: self.hidden / 2.0, ..self },
        ]
    }

    /// `scores` times these factors.
    pub fn apply(&self, scores: &BlockScores) -> BlockScores {
        let times = |lists: &[Vec<f64>], factor: f64| -> Vec<Vec<f64>> {
            lists.iter().map(|list| list.iter().map(|score| score * factor).collect()).collect()
        };
        BlockScores {
            heads: times(&scores.heads, self.heads),
            neurons: times(&scores.neurons, self.neurons),
            hidden: scores.hidden.iter().map(|score| score * self.hidden).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::LayerShape;

    #[test]
    fn equal_weights_give_every_kind_the_same_mean_per_parameter() {
        let shape = ModelShape::uniform(8, 4, 2, LayerShape { heads: 2, neurons: 12 });
        let mut scores = BlockScores::filled(&shape, 3.0);
        scores.heads[1][0] = 5.0;
        scores.hidden[2] = 40.0;
        let weighed = KindWeights::equal(&scores, &shape).apply(&scores);
        let costs = shape.block_costs();
        let mean = |list: Vec<f64>, cost: f64| list.iter().sum::<f64>() / (list.len() as f64 * cost);
        for found in [
            mean(weighed.heads.concat(), costs.head),
            mean(weighed.neurons.concat(), costs.neuron),
            mean(weighed.hidden, costs.hidden),
        ] {
            assert!((found - 1.0).abs() < 1e-12, "{found}");
        }
        scores.hidden.fill(0.0);
        assert_eq!(KindWeights::equal(&scores, &shape).hidden, 1.0);
    }
}
