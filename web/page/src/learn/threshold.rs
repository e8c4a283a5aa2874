//! The units of a model in the order of their salience per weight, cut at a threshold.

use apt_experiment::{ModelShape, UnitSet};

use crate::history::{Frame, History, Scores};
use crate::stage::Unit;

/// A kind of unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Attention heads.
    Heads,
    /// Feed-forward neurons.
    Neurons,
    /// Hidden dims.
    Hidden,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Heads, Self::Neurons, Self::Hidden];

    /// What people call them.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Heads => "heads",
            Self::Neurons => "neurons",
            Self::Hidden => "hidden dims",
        }
    }
}

/// A unit that was scored.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scored {
    kind: Kind,
    layer: usize,
    /// Decimal logarithm of its salience per weight.
    value: f64,
    kept: bool,
}

/// The units of a model at one pruning point.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// Its step.
    pub step: usize,
    /// The density that was aimed at.
    pub target: f64,
    /// Weights of one unit of each kind, in the order of [`Kind::ALL`].
    pub weights: [u64; 3],
    /// Decimal logarithms of the least and the greatest salience per weight.
    pub range: (f64, f64),
    /// From the highest salience per weight to the lowest.
    units: Vec<Scored>,
    size: Size,
}

/// What a threshold leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    /// Units above it of each kind, in the order of [`Kind::ALL`].
    pub above: [usize; 3],
    /// Units of each kind.
    pub all: [usize; 3],
    /// The share of the dense model's weights that is left.
    pub density: f64,
}

impl Threshold {
    /// Of the frame at this place; `None` where nothing was scored, and for models whose weights are counted otherwise.
    #[must_use]
    pub fn of(history: &History, place: usize) -> Option<Self> {
        let record = history.record()?;
        let dense = history.parameters?.dense;
        let (before, frame) = (history.frames.get(place.checked_sub(1)?)?, history.frames.get(place)?);
        let scores = frame.scores.as_ref()?;
        let size = Size::of(&record.shape, dense)?;
        let weights = size.of_units(&counts(before));
        let mut units = scored(scores, frame, weights);
        let finite = units.iter().map(|unit| unit.value).filter(|value| value.is_finite());
        let range = finite.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        // Units without any salience stand at the low end.
        units.iter_mut().for_each(|unit| unit.value = unit.value.max(range.0));
        units.sort_by(|a, b| b.value.total_cmp(&a.value));
        (range.0 < range.1).then_some(Self {
            step: frame.step,
            target: frame.target_density,
            weights,
            range,
            units,
            size,
        })
    }

    /// What stays when all units below this are removed.
    #[must_use]
    pub fn left(&self, threshold: f64) -> Left {
        let count = |from: &[Scored]| Kind::ALL.map(|kind| from.iter().filter(|unit| unit.kind == kind).count());
        let above = self.units.get(..self.units.partition_point(|unit| unit.value >= threshold)).unwrap_or_default();
        Left { above: count(above), all: count(&self.units), density: self.size.share(above) }
    }

    /// The threshold that leaves what was aimed at: between the last unit that fits and the next.
    #[must_use]
    pub fn own(&self) -> f64 {
        // What is left grows with every unit, so the last that fits is found by halving.
        let fits = |count: &usize| self.size.share(self.units.get(..*count).unwrap_or_default()) <= self.target;
        let counts: Vec<usize> = (1..=self.units.len()).collect();
        let kept = counts.partition_point(fits);
        let value = |place: usize| self.units.get(place).map_or(self.range.0, |unit| unit.value);
        match kept {
            0 => self.range.1,
            kept => f64::midpoint(value(kept - 1), value(kept)),
        }
    }

    /// Units that the method kept although they are below its threshold, and that it removed although above.
    #[must_use]
    pub fn exceptions(&self) -> (usize, usize) {
        let own = self.own();
        let below = self.units.iter().filter(|unit| unit.kept && unit.value < own).count();
        let above = self.units.iter().filter(|unit| !unit.kept && unit.value >= own).count();
        (below, above)
    }

    /// How many units of a kind are in each of so many equal parts of the range.
    #[must_use]
    pub fn histogram(&self, kind: Kind, parts: usize) -> Vec<usize> {
        let mut bars = vec![0; parts.max(1)];
        for unit in self.units.iter().filter(|unit| unit.kind == kind) {
            let place = (self.share_of_range(unit.value) * bars.len() as f64) as usize;
            let last = bars.len() - 1;
            if let Some(bar) = bars.get_mut(place.min(last)) {
                *bar += 1;
            }
        }
        bars
    }

    /// Where a value lies in the range, from 0 to 1.
    #[must_use]
    pub fn share_of_range(&self, value: f64) -> f64 {
        ((value - self.range.0) / (self.range.1 - self.range.0)).clamp(0.0, 1.0)
    }

    /// The value at this share of the range.
    #[must_use]
    pub fn at_share(&self, share: f64) -> f64 {
        self.range.0 + share * (self.range.1 - self.range.0)
    }
}

fn scored(scores: &Scores, frame: &Frame, [head, neuron, hidden]: [u64; 3]) -> Vec<Scored> {
    let mut units = Vec::new();
    let mut put = |kind: Kind, layer: usize, unit: Unit, score: f64, weights: u64| {
        let value = (score / weights.max(1) as f64).log10();
        units.push(Scored { kind, layer, value, kept: frame.keeps(unit).unwrap_or(true) });
    };
    for (layer, of) in scores.layers.iter().enumerate() {
        for (number, score) in scores.of_heads.get(layer).into_iter().flatten().zip(&of.heads) {
            put(Kind::Heads, layer, Unit::Head(layer, *number), *score, head);
        }
        let numbers = scores.of_neurons.get(layer).map(UnitSet::list).unwrap_or_default();
        for (number, score) in numbers.iter().zip(&of.neurons) {
            put(Kind::Neurons, layer, Unit::Neuron(layer, *number), *score, neuron);
        }
    }
    for (number, score) in scores.of_hidden.iter().zip(&scores.hidden) {
        put(Kind::Hidden, 0, Unit::Hidden(*number), *score, hidden);
    }
    units
}

/// Heads, neurons, hidden dims, and sub-blocks that are alive.
type Counts = [u64; 4];

fn counts(frame: &Frame) -> Counts {
    let heads: Vec<usize> = frame.heads.iter().map(Vec::len).collect();
    let sum = |list: &[usize]| list.iter().sum::<usize>() as u64;
    let alive = heads.iter().chain(&frame.neurons).filter(|count| **count > 0).count() as u64;
    [sum(&heads), sum(&frame.neurons), frame.hidden.len() as u64, alive]
}

/// How weights are counted (METHOD §3.1).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Size {
    head_size: u64,
    /// Matrices of a feed-forward.
    matrices: u64,
    /// Biases and norms, for each hidden dim and sub-block.
    norms: u64,
    /// Biases of heads and neurons count.
    biases: u64,
    dense: u64,
    layers: usize,
}

impl Size {
    /// Of a model with so many weights; `None` if it is of none of the kinds that this knows.
    fn of(shape: &ModelShape, dense: u64) -> Option<Self> {
        let head_size = shape.head_size as u64;
        let layers = shape.heads.len().max(shape.neurons.len());
        let all: Counts = [
            shape.heads.iter().sum::<usize>() as u64,
            shape.neurons.iter().sum::<usize>() as u64,
            shape.hidden as u64,
            2 * layers as u64,
        ];
        let kinds = [(2, 3, 1), (3, 3, 1), (2, 1, 0), (3, 1, 0)];
        let sizes = kinds.map(|(matrices, norms, biases)| Self { head_size, matrices, norms, biases, dense, layers });
        sizes.into_iter().find(|size| size.weights(&all) == dense)
    }

    fn weights(&self, [heads, neurons, hidden, alive]: &Counts) -> u64 {
        hidden * (4 * self.head_size * heads + self.matrices * neurons + self.norms * alive)
            + self.biases * (3 * self.head_size * heads + (self.matrices - 1) * neurons)
    }

    /// Weights of one head, neuron and hidden dim of a model with these.
    fn of_units(&self, counts: &Counts) -> [u64; 3] {
        let [heads, neurons, hidden, alive] = *counts;
        let head = 4 * hidden * self.head_size + self.biases * 3 * self.head_size;
        let neuron = self.matrices * hidden + self.biases * (self.matrices - 1);
        [head, neuron, 4 * self.head_size * heads + self.matrices * neurons + self.norms * alive]
    }

    /// The share of the dense model that these units are.
    fn share(&self, units: &[Scored]) -> f64 {
        let count = |kind: Kind| units.iter().filter(|unit| unit.kind == kind).count() as u64;
        let has = |kind: Kind, layer: usize| units.iter().any(|unit| unit.kind == kind && unit.layer == layer);
        let alive = |kind: Kind| (0..self.layers).filter(|layer| has(kind, *layer)).count() as u64;
        let counts =
            [count(Kind::Heads), count(Kind::Neurons), count(Kind::Hidden), alive(Kind::Heads) + alive(Kind::Neurons)];
        self.weights(&counts) as f64 / self.dense.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::tests::recorded;

    #[test]
    fn all_units_are_the_whole_model_and_none_are_nothing() {
        let threshold = Threshold::of(&recorded(), 1).expect("scores");
        assert_eq!(threshold.weights, [16_480, 257, 6_168]);
        let all = threshold.left(threshold.range.0);
        assert_eq!((all.above, all.density), ([16, 2048, 128], 1.0));
        let none = threshold.left(threshold.range.1 + 1.0);
        assert_eq!((none.above, none.all, none.density), ([0; 3], [16, 2048, 128], 0.0));
        let bars: usize = threshold.histogram(Kind::Neurons, 40).iter().sum();
        assert_eq!(bars, 2048);
    }

    #[test]
    fn the_methods_own_threshold_leaves_what_it_aimed_at_and_agrees_with_what_it_kept() {
        let history = recorded();
        for place in 1..history.frames.len() {
            let threshold = Threshold::of(&history, place).expect("scores");
            let left = threshold.left(threshold.own());
            let missing = threshold.target - left.density;
            assert!((-0.001..0.03).contains(&missing), "point {place} leaves {} of {}", left.density, threshold.target);
            // Scores are kept with 11 bits, so some are equal. Rounding moves a few neurons of every layer.
            let (below, above) = threshold.exceptions();
            assert!(below + above < 64, "point {place}: {below} below and {above} above");
        }
    }

    #[test]
    fn a_model_that_is_counted_otherwise_has_no_threshold() {
        let events = crate::history::tests::run(apt_experiment::Knobs::default(), 10, true);
        assert_eq!(Threshold::of(&History::of(&events), 1), None);
        assert_eq!(Threshold::of(&recorded(), 0), None);
    }
}
