//! Masks that are learned: a hard-concrete gate per block, and the constraint that makes gates close (Louizos et al.
//! 2018; as CoFi does it, Xia et al. 2022).
//!
//! In every step a gate is drawn, with u uniform in (0, 1):
//!
//! `s = σ((ln u − ln(1 − u) + log α)/β)`, `z = min(1, max(0, s·(ζ − γ) + γ))`
//!
//! It is open with probability `P(z > 0) = σ(log α − β·ln(−γ/ζ))`. From these probabilities follows the density d̂ to be
//! expected; `λ₁·(d̂ − d) + λ₂·(d̂ − d)²` is added to the loss, and while log α falls along the gradient, λ₁ and λ₂ climb
//! it. What a draw does to the loss, ∂L/∂z, comes from outside.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::blocks::{BlockScores, Kept, ModelShape};
use crate::masks::Masks;
use crate::wiring::{SubBlock, SubBlockSize};

/// β, γ and ζ of the hard-concrete distribution.
const TEMPERATURE: f64 = 2.0 / 3.0;
const STRETCH: (f64, f64) = (-0.1, 1.1);
/// log α at the start: gates are open, P(z > 0) = 0.98. CoFi starts at 0, and has many epochs to recover from it.
const FIRST: f64 = 2.5;
/// log α stays within ± this, so that no gate is lost for good.
const BOUND: f64 = 4.6;
/// Learning rate of log α and of λ (CoFi), which follow Adam.
const RATE: f64 = 0.1;
const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// The gates of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gates {
    log_alpha: BlockScores,
    first: BlockScores,
    second: BlockScores,
    /// λ₁ and λ₂ with their moments.
    multipliers: [Multiplier; 2],
    updates: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Multiplier {
    value: f64,
    first: f64,
    second: f64,
}

/// The gates of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// z.
    pub masks: Masks,
    /// ∂z/∂log α.
    pub slopes: BlockScores,
}

/// The constraint at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// d̂.
    pub density: f64,
    /// λ₁·(d̂ − d) + λ₂·(d̂ − d)².
    pub penalty: f64,
    /// Its gradient with respect to log α.
    pub gradient: BlockScores,
}

impl Gates {
    /// Open gates for a model of `shape`.
    pub fn new(shape: &ModelShape) -> Self {
        let zeros = BlockScores::filled(shape, 0.0);
        Self {
            log_alpha: BlockScores::filled(shape, FIRST),
            first: zeros.clone(),
            second: zeros,
            multipliers: [Multiplier::default(); 2],
            updates: 0,
        }
    }

    /// One gate per block.
    pub fn draw(&self, rng: &mut impl Rng) -> Draw {
        let mut masks = self.log_alpha.clone();
        let mut slopes = self.log_alpha.clone();
        for (mask, slope) in masks.values_mut().zip(slopes.values_mut()) {
            (*mask, *slope) = gate(*mask, rng.random_range(1e-6..1.0 - 1e-6));
        }
        Draw { masks: as_masks(masks), slopes }
    }

    /// The gates without chance, `min(1, max(0, σ(log α)·(ζ − γ) + γ))`: what the model is evaluated with.
    pub fn deterministic_mask(&self) -> Masks {
        let mut masks = self.log_alpha.clone();
        masks.values_mut().for_each(|z| *z = stretched(sigmoid(*z)).clamp(0.0, 1.0));
        as_masks(masks)
    }

    /// P(z > 0) of every block.
    pub fn keep_probability(&self) -> BlockScores {
        let mut open = self.log_alpha.clone();
        open.values_mut().for_each(|p| *p = keep_probability(*p));
        open
    }

    /// P(z > 0) times what the block costs, so that a search, which divides by the cost, ranks by the probability.
    pub fn scores(&self, shape: &ModelShape) -> BlockScores {
        let (mut scores, costs) = (self.keep_probability(), shape.block_costs());
        let scale = |list: &mut Vec<f64>, cost: f64| list.iter_mut().for_each(|p| *p *= cost.max(1.0));
        scores.heads.iter_mut().for_each(|list| scale(list, costs.head));
        scores.neurons.iter_mut().for_each(|list| scale(list, costs.neuron));
        scale(&mut scores.hidden, costs.hidden);
        scores
    }

    /// The constraint on a model of `shape`, whose dense ancestor has `dense` parameters, when density should be `target`.
    pub fn constraint(&self, shape: &ModelShape, dense: usize, target: f64) -> Constraint {
        let open = self.keep_probability();
        let (expected, mut gradient) = expected_parameters(shape, &open);
        let dense = dense.max(1) as f64;
        let density = expected / dense;
        let excess = density - target;
        let [one, two] = self.multipliers.map(|multiplier| multiplier.value);
        let slope = (one + 2.0 * two * excess) / dense;
        for (gradient, p) in gradient.values_mut().zip(open.values()) {
            *gradient *= slope * p * (1.0 - p);
        }
        Constraint { density, penalty: one * excess + two * excess * excess, gradient }
    }

    /// One step of log α down, and of λ up, the loss with its constraint. `gradient` is ∂L/∂z at `draw`.
    pub fn update(&mut self, draw: &Draw, gradient: &BlockScores, constraint: &Constraint, target: f64) {
        self.updates += 1;
        let t = self.updates as f64;
        let of_loss = gradient.values().zip(draw.slopes.values()).map(|(g, slope)| g * slope);
        let of_all = of_loss.zip(constraint.gradient.values()).map(|(loss, constraint)| loss + constraint);
        let moments = self.first.values_mut().zip(self.second.values_mut());
        for ((value, (first, second)), g) in self.log_alpha.values_mut().zip(moments).zip(of_all) {
            *value = (*value - adam(first, second, g, t)).clamp(-BOUND, BOUND);
        }
        let excess = constraint.density - target;
        for (multiplier, g) in self.multipliers.iter_mut().zip([excess, excess * excess]) {
            multiplier.value += adam(&mut multiplier.first, &mut multiplier.second, g, t);
        }
    }

    /// Follows compaction: only the gates of `kept` remain.
    pub fn reindex(&mut self, kept: &Kept) {
        for list in [&mut self.log_alpha, &mut self.first, &mut self.second] {
            *list = list.select(kept);
        }
    }
}

/// z and ∂z/∂log α for one u.
fn gate(log_alpha: f64, u: f64) -> (f64, f64) {
    let s = sigmoid((u.ln() - (1.0 - u).ln() + log_alpha) / TEMPERATURE);
    let z = stretched(s);
    let inside = z > 0.0 && z < 1.0;
    let slope = if inside { (STRETCH.1 - STRETCH.0) * s * (1.0 - s) / TEMPERATURE } else { 0.0 };
    (z.clamp(0.0, 1.0), slope)
}

fn stretched(s: f64) -> f64 {
    s * (STRETCH.1 - STRETCH.0) + STRETCH.0
}

fn keep_probability(log_alpha: f64) -> f64 {
    sigmoid(log_alpha - TEMPERATURE * (-STRETCH.0 / STRETCH.1).ln())
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// How far Adam goes along gradient `g` in its step `t`.
fn adam(first: &mut f64, second: &mut f64, g: f64, t: f64) -> f64 {
    let (b1, b2) = BETAS;
    *first = b1 * *first + (1.0 - b1) * g;
    *second = b2 * *second + (1.0 - b2) * g * g;
    let root = (*second / (1.0 - b2.powf(t))).sqrt() + EPSILON;
    RATE * *first / (1.0 - b1.powf(t)) / root
}

/// Parameters that are to be expected when block i is there with probability `open[i]`, independently of the others, and
/// the derivative by each probability. The exact count of [`ModelShape::parameters`], of chances instead of numbers.
pub fn expected_parameters(shape: &ModelShape, open: &BlockScores) -> (f64, BlockScores) {
    let sum = |lists: &[Vec<f64>]| lists.iter().flatten().sum::<f64>();
    let (heads, neurons, hidden) = (sum(&open.heads), sum(&open.neurons), open.hidden.iter().sum::<f64>());
    let any = |lists: &[Vec<f64>]| lists.iter().map(|list| 1.0 - closed(list)).sum::<f64>();
    let [attention, feed_forward] = [SubBlock::Attention, SubBlock::FeedForward].map(|kind| shape.wiring.size(kind));
    let count = |size: SubBlockSize, units: f64, any: f64| {
        let fixed = size.per_unit as f64 * units + size.fixed as f64 * any;
        (size.per_unit_and_hidden as f64 * units + size.per_hidden as f64 * any, fixed)
    };
    let (of_attention, head_biases) = count(attention, heads, any(&open.heads));
    let (of_feed_forward, neuron_biases) = count(feed_forward, neurons, any(&open.neurons));
    let across = of_attention + of_feed_forward + shape.wiring.per_hidden_of_stream() as f64;
    // A block that may be its sub-block's last also carries the sub-block's own parameters.
    let of = |lists: &[Vec<f64>], size: SubBlockSize| -> Vec<Vec<f64>> {
        let block = |last: f64| {
            let own = size.per_unit as f64 + size.fixed as f64 * last;
            hidden * (size.per_unit_and_hidden as f64 + size.per_hidden as f64 * last) + own
        };
        lists.iter().map(|list| others_closed(list).into_iter().map(block).collect()).collect()
    };
    let gradient = BlockScores {
        heads: of(&open.heads, attention),
        neurons: of(&open.neurons, feed_forward),
        hidden: vec![across; open.hidden.len()],
    };
    (hidden * across + head_biases + neuron_biases, gradient)
}

/// The chance that none is open.
fn closed(open: &[f64]) -> f64 {
    open.iter().map(|p| 1.0 - p).product()
}

/// For each, the chance that no other is open.
fn others_closed(open: &[f64]) -> Vec<f64> {
    let mut others = vec![1.0; open.len()];
    let mut before = 1.0;
    for (other, p) in others.iter_mut().zip(open) {
        *other = before;
        before *= 1.0 - p;
    }
    let mut after = 1.0;
    for (other, p) in others.iter_mut().zip(open).rev() {
        *other *= after;
        after *= 1.0 - p;
    }
    others
}

fn as_masks(BlockScores { heads, neurons, hidden }: BlockScores) -> Masks {
    Masks { heads, neurons, hidden }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::LayerShape;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    const STEP: f64 = 1e-6;

    fn shape() -> ModelShape {
        let mut shape = ModelShape::uniform(8, 4, 3, LayerShape { heads: 3, neurons: 12 });
        shape.layers[1].heads = 0;
        shape.layers[2].neurons = 1;
        shape
    }

    /// Gates that differ from each other.
    fn uneven() -> Gates {
        let mut gates = Gates::new(&shape());
        gates.log_alpha.values_mut().enumerate().for_each(|(i, value)| *value = (i as f64 * 1.7).sin() * 3.0);
        gates.multipliers[0].value = 0.7;
        gates.multipliers[1].value = 2.0;
        gates
    }

    #[test]
    fn a_gate_follows_its_slope() {
        let mut inside = 0;
        for (log_alpha, u) in [(-2.0, 0.7), (0.0, 0.5), (1.0, 0.2), (3.0, 0.9), (-4.0, 0.1), (0.5, 0.4)] {
            let (z, slope) = gate(log_alpha, u);
            let difference = (gate(log_alpha + STEP, u).0 - gate(log_alpha - STEP, u).0) / (2.0 * STEP);
            assert!((slope - difference).abs() < 1e-6, "log α {log_alpha}, u {u}: {slope} is {difference}");
            inside += usize::from(z > 0.0 && z < 1.0);
        }
        assert!(inside >= 3, "only {inside} gates were between open and closed");
    }

    #[test]
    fn gates_are_open_as_often_as_their_probability_says() {
        let gates = uneven();
        let mut open = BlockScores::filled(&shape(), 0.0);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let draws = 4000;
        for _ in 0..draws {
            let Masks { heads, neurons, hidden } = gates.draw(&mut rng).masks;
            let drawn = BlockScores { heads, neurons, hidden };
            open.values_mut().zip(drawn.values()).for_each(|(open, z)| *open += f64::from(u8::from(z > 0.0)));
        }
        for (found, expected) in open.values().zip(gates.keep_probability().values()) {
            let found = found / f64::from(draws);
            assert!((found - expected).abs() < 0.04, "open in {found} of the draws, expected {expected}");
        }
    }

    #[test]
    fn certain_gates_give_the_exact_count() {
        let shape = shape();
        let open = BlockScores::filled(&shape, 1.0);
        assert_eq!(expected_parameters(&shape, &open).0, shape.parameters() as f64);
        let mut kept = Kept::all(&shape);
        (kept.heads[0], kept.neurons[0], kept.hidden) = (vec![], vec![2, 3], vec![0, 5]);
        let mut open = BlockScores::filled(&shape, 1.0);
        open.heads[0].fill(0.0);
        open.neurons[0].iter_mut().enumerate().for_each(|(i, p)| *p = f64::from(u8::from(i == 2 || i == 3)));
        open.hidden.iter_mut().enumerate().for_each(|(i, p)| *p = f64::from(u8::from(i == 0 || i == 5)));
        assert_eq!(expected_parameters(&shape, &open).0, kept.shape_after(&shape).parameters() as f64);
    }

    #[test]
    fn the_constraint_follows_its_gradient() {
        let (gates, shape) = (uneven(), shape());
        let dense = 2 * shape.parameters();
        let at = |gates: &Gates| gates.constraint(&shape, dense, 0.2);
        let gradient: Vec<f64> = at(&gates).gradient.values().collect();
        for (i, found) in gradient.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut gates = gates.clone();
                gates.log_alpha.values_mut().skip(i).take(1).for_each(|value| *value += by);
                at(&gates).penalty
            };
            let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            assert!((found - expected).abs() < 1e-8 + 1e-5 * expected.abs(), "gate {i}: {found} is {expected}");
        }
    }

    /// The loss wants even neurons open; the constraint closes others until the target is met.
    #[test]
    fn density_reaches_its_target_and_what_the_loss_needs_stays() {
        let shape = ModelShape::uniform(16, 4, 2, LayerShape { heads: 4, neurons: 32 });
        let dense = shape.parameters();
        let (mut gates, mut rng) = (Gates::new(&shape), ChaCha8Rng::seed_from_u64(1));
        let mut gradient = BlockScores::filled(&shape, 0.0);
        for list in &mut gradient.neurons {
            list.iter_mut().step_by(2).for_each(|g| *g = -0.02);
        }
        for step in 0..400 {
            let target = 1.0 - 0.6 * (f64::from(step) / 200.0).min(1.0);
            let draw = gates.draw(&mut rng);
            let constraint = gates.constraint(&shape, dense, target);
            gates.update(&draw, &gradient, &constraint, target);
        }
        let density = gates.constraint(&shape, dense, 0.4).density;
        assert!((density - 0.4).abs() < 0.03, "expected density {density}");
        let open = gates.keep_probability();
        let mean = |first: usize| open.neurons[0].iter().skip(first).step_by(2).sum::<f64>() / 16.0;
        assert!(mean(0) > mean(1) + 0.3, "open: {} of the needed, {} of the others", mean(0), mean(1));
    }

    #[test]
    fn compaction_takes_the_gates_of_what_leaves() {
        let (mut gates, shape) = (uneven(), shape());
        let mut kept = Kept::all(&shape);
        (kept.heads[0], kept.hidden) = (vec![1], vec![0, 7]);
        let before = gates.keep_probability().select(&kept);
        gates.reindex(&kept);
        assert_eq!(gates.keep_probability(), before);
        assert!(gates.deterministic_mask().heads[0].len() == 1 && gates.deterministic_mask().hidden.len() == 2);
    }
}
