//! The units of a model in the order of their salience per weight, cut at a threshold.

use apt_experiment::{Blocks, Counts, LayerBlocks};

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

    /// That of a unit; layers and adapters have none.
    #[must_use]
    pub fn of(unit: Unit) -> Option<Self> {
        match unit {
            Unit::Head(..) => Some(Self::Heads),
            Unit::Neuron(..) => Some(Self::Neurons),
            Unit::Hidden(_) => Some(Self::Hidden),
            Unit::Layer(_) | Unit::Rank(..) => None,
        }
    }

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
    unit: Unit,
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
    /// The model before anything was removed.
    dense: Blocks,
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
        Self::of_scores(history, place, history.frames.get(place)?.scores.as_ref()?)
    }

    /// As if the units of that frame had scored this.
    #[must_use]
    pub fn of_scores(history: &History, place: usize, scores: &Scores) -> Option<Self> {
        let record = history.record()?;
        let weights = history.parameters?.dense;
        let (before, frame) = (history.frames.get(place.checked_sub(1)?)?, history.frames.get(place)?);
        let dense = Some(record.shape.blocks()).filter(|blocks| blocks.parameters() as u64 == weights)?;
        let weights = of_units(&dense, before);
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
            dense,
        })
    }

    /// What stays when all units below this are removed.
    #[must_use]
    pub fn left(&self, threshold: f64) -> Left {
        let count = |from: &[Scored]| Kind::ALL.map(|kind| from.iter().filter(|unit| unit.kind == kind).count());
        let above = self.units.get(..self.units.partition_point(|unit| unit.value >= threshold)).unwrap_or_default();
        Left { above: count(above), all: count(&self.units), density: share(&self.dense, above) }
    }

    /// The threshold that leaves what was aimed at: between the last unit that fits and the next.
    #[must_use]
    pub fn own(&self) -> f64 {
        // What is left grows with every unit, so the last that fits is found by halving.
        let fits = |count: &usize| share(&self.dense, self.units.get(..*count).unwrap_or_default()) <= self.target;
        let counts: Vec<usize> = (1..=self.units.len()).collect();
        let kept = counts.partition_point(fits);
        let value = |place: usize| self.units.get(place).map_or(self.range.0, |unit| unit.value);
        match kept {
            0 => self.range.1,
            kept => f64::midpoint(value(kept - 1), value(kept)),
        }
    }

    /// Units below its own threshold.
    pub fn below_own(&self) -> impl Iterator<Item = Unit> + '_ {
        let own = self.own();
        self.units.iter().filter(move |unit| unit.value < own).map(|scored| scored.unit)
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
    let of = |(unit, score): (Unit, f64)| {
        let kind = Kind::of(unit)?;
        let (layer, weights) = match unit {
            Unit::Head(layer, _) => (layer, head),
            Unit::Neuron(layer, _) => (layer, neuron),
            Unit::Hidden(_) | Unit::Layer(_) | Unit::Rank(..) => (0, hidden),
        };
        let value = (score / weights.max(1) as f64).log10();
        Some(Scored { kind, layer, unit, value, kept: frame.keeps(unit).unwrap_or(true) })
    };
    scores.units().filter_map(of).collect()
}

/// Weights of one unit of each kind in a model that has what the frame has, in the order of [`Kind::ALL`].
fn of_units(dense: &Blocks, frame: &Frame) -> [u64; 3] {
    let layers = frame.heads.iter().zip(&frame.neurons);
    let layers = layers.map(|(heads, neurons)| LayerBlocks { heads: heads.len(), neurons: *neurons });
    let costs = Blocks { hidden: frame.hidden.len(), layers: layers.collect(), ..dense.clone() }.block_costs();
    [costs.head, costs.neuron, costs.hidden].map(|weights| weights as u64)
}

/// The share of the dense model's weights that these units are.
fn share(dense: &Blocks, units: &[Scored]) -> f64 {
    let count = |kind: Kind| units.iter().filter(|unit| unit.kind == kind).count();
    let alive = |kind: Kind| {
        let has = |layer: &usize| units.iter().any(|unit| unit.kind == kind && unit.layer == *layer);
        (0..dense.layers.len()).filter(has).count()
    };
    let counts = Counts {
        hidden: count(Kind::Hidden),
        heads: count(Kind::Heads),
        neurons: count(Kind::Neurons),
        attentions: alive(Kind::Heads),
        feed_forwards: alive(Kind::Neurons),
    };
    dense.parameters_of(&counts) as f64 / dense.parameters().max(1) as f64
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
