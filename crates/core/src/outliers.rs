//! The two terms of outlier-aware scores told apart, so that a record can say of a block that it is an outlier
//! (METHOD §2.2). What is pruned follows from their sum alone.

use serde::{Deserialize, Serialize};

use crate::arms::OutlierScale;
use crate::blocks::{BlockScores, ModelShape};
use crate::search::KindWeights;

/// √kurtosis in scores: the score of a block is its activation × gradient plus `factors` × `roots`.
#[derive(Clone, Debug, PartialEq)]
pub struct Outliers {
    /// √max(kurtosis, 0) of every block in its own units: a mean over the steps that weighs each as the scores do.
    pub roots: BlockScores,
    /// What one unit of it adds to a score, for each kind of block.
    pub factors: KindWeights,
}

/// √kurtosis over the steps: a running mean beside that of scores, or a sum beside their sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutlierMean {
    /// Share of the past in every update; 1 for a sum.
    past: f64,
    updates: u64,
    /// For heads, neurons and hidden dims.
    factors: [f64; 3],
    /// Factor × √kurtosis.
    terms: BlockScores,
}

impl OutlierMean {
    /// Beside a [`RunningMean`](crate::salience::RunningMean) of the same `beta`.
    pub fn new(beta: f64, shape: &ModelShape) -> Self {
        Self { past: beta, updates: 0, factors: [0.0; 3], terms: BlockScores::filled(shape, 0.0) }
    }

    /// Beside a [`ScoreSum`](crate::salience::ScoreSum).
    pub fn sum(shape: &ModelShape) -> Self {
        Self::new(1.0, shape)
    }

    /// Takes in a step: what the blocks `scored` and their √kurtosis, `roots`, which is as wide as the mean.
    pub fn update(&mut self, scored: &BlockScores, roots: &BlockScores, scale: OutlierScale) {
        let now = match scale {
            OutlierScale::Raw => [1.0; 3],
            OutlierScale::Balanced => factors(scored, roots),
        };
        let share = if self.past < 1.0 { 1.0 - self.past } else { 1.0 };
        let past = self.past;
        let add = |to: &mut f64, value: f64| *to = past * *to + share * value;
        let [of_heads, of_neurons, of_hidden] = now;
        let lists = |to: &mut Vec<Vec<f64>>, from: &[Vec<f64>], factor: f64| {
            for (to, from) in to.iter_mut().flatten().zip(from.iter().flatten()) {
                add(to, factor * from);
            }
        };
        lists(&mut self.terms.heads, &roots.heads, of_heads);
        lists(&mut self.terms.neurons, &roots.neurons, of_neurons);
        self.terms.hidden.iter_mut().zip(&roots.hidden).for_each(|(to, root)| add(to, of_hidden * root));
        self.factors.iter_mut().zip(now).for_each(|(to, factor)| add(to, factor));
        self.updates += 1;
    }

    /// The two terms of the scores so far; `None` before the first step.
    pub fn value(&self) -> Option<Outliers> {
        if self.updates == 0 {
            return None;
        }
        // A mean is corrected for its start at zero as that of scores is.
        let weight = if self.past < 1.0 { 1.0 - self.past.powf(self.updates as f64) } else { 1.0 };
        let [heads, neurons, hidden] = self.factors;
        let root = |factor: f64| move |term: &f64| if factor > 0.0 { term / factor } else { 0.0 };
        let roots = |terms: &[Vec<f64>], factor: f64| -> Vec<Vec<f64>> {
            terms.iter().map(|terms| terms.iter().map(root(factor)).collect()).collect()
        };
        Some(Outliers {
            roots: BlockScores {
                heads: roots(&self.terms.heads, heads),
                neurons: roots(&self.terms.neurons, neurons),
                hidden: self.terms.hidden.iter().map(root(hidden)).collect(),
            },
            factors: KindWeights { heads: heads / weight, neurons: neurons / weight, hidden: hidden / weight },
        })
    }
}

/// What `balanced` multiplies √kurtosis by, for each kind. Both terms of a kind have the same mean then, so that of the
/// scores is twice that of the second.
fn factors(scored: &BlockScores, roots: &BlockScores) -> [f64; 3] {
    let factor = |scored: f64, roots: f64| if roots > 0.0 { scored / (2.0 * roots) } else { 0.0 };
    let sum = |lists: &[Vec<f64>]| lists.iter().flatten().sum::<f64>();
    [
        factor(sum(&scored.heads), sum(&roots.heads)),
        factor(sum(&scored.neurons), sum(&roots.neurons)),
        factor(scored.hidden.iter().sum(), roots.hidden.iter().sum()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::LayerShape;
    use crate::salience::{RunningMean, ScoreSum};

    fn blocks(heads: [f64; 2], neurons: [f64; 2], hidden: [f64; 2]) -> BlockScores {
        BlockScores { heads: vec![heads.to_vec()], neurons: vec![neurons.to_vec()], hidden: hidden.to_vec() }
    }

    /// Scores as the method makes them of both terms: [activation × gradient, √kurtosis, score].
    fn steps(scale: OutlierScale) -> Vec<[BlockScores; 3]> {
        let firsts = [blocks([1.0, 3.0], [5.0, 1.0], [2.0, 2.0]), blocks([4.0, 2.0], [0.5, 1.5], [8.0, 0.0])];
        let roots = [blocks([0.5, 2.0], [10.0, 20.0], [0.0, 0.0]), blocks([1.0, 0.0], [10.0, 30.0], [0.0, 0.0])];
        let kind = |of: &BlockScores, kind: usize| {
            [of.heads[0].clone(), of.neurons[0].clone(), of.hidden.clone()][kind].clone()
        };
        firsts
            .into_iter()
            .zip(roots)
            .map(|(first, root)| {
                let sum = |at: usize| {
                    let (first, root) = (kind(&first, at), kind(&root, at));
                    let total: f64 = root.iter().sum();
                    let factor = match scale {
                        OutlierScale::Balanced if total > 0.0 => first.iter().sum::<f64>() / total,
                        OutlierScale::Balanced => 0.0,
                        OutlierScale::Raw => 1.0,
                    };
                    let sum: Vec<f64> = first.iter().zip(root).map(|(first, root)| first + factor * root).collect();
                    [sum[0], sum[1]]
                };
                let score = blocks(sum(0), sum(1), sum(2));
                [first, root, score]
            })
            .collect()
    }

    #[test]
    fn a_score_is_activation_times_gradient_plus_factor_times_root() {
        let shape = ModelShape::uniform(2, 1, 1, LayerShape { heads: 2, neurons: 2 });
        for scale in [OutlierScale::Balanced, OutlierScale::Raw] {
            let mut means = [RunningMean::new(0.85, &shape), RunningMean::new(0.85, &shape)];
            let mut sums = [ScoreSum::new(&shape), ScoreSum::new(&shape)];
            let mut outliers = [OutlierMean::new(0.85, &shape), OutlierMean::sum(&shape)];
            assert_eq!(outliers[0].value(), None);
            for [first, roots, score] in steps(scale) {
                means.iter_mut().zip([&first, &score]).for_each(|(mean, now)| mean.update(now));
                sums.iter_mut().zip([&first, &score]).for_each(|(sum, now)| sum.add(now));
                outliers.iter_mut().for_each(|outliers| outliers.update(&score, &roots, scale));
            }
            let of_means = means.map(|mean| mean.value());
            let of_sums = sums.map(|sum| sum.value().clone());
            for (outliers, [first, score]) in outliers.iter().zip([of_means, of_sums]) {
                let Outliers { roots, factors } = outliers.value().expect("two steps");
                let terms = factors.apply(&roots);
                for ((term, first), score) in terms.values().zip(first.values()).zip(score.values()) {
                    assert!((first + term - score).abs() < 1e-12, "{scale:?}: {first} + {term} is not {score}");
                }
                // A root that never changes is what it is, whatever the steps weigh.
                assert!((roots.neurons[0][0] - 10.0).abs() < 1e-12, "{roots:?}");
                assert_eq!(roots.hidden, [0.0; 2]);
            }
        }
    }
}
