//! How far each unit is there, since when it is not, how it was scored, and why it stayed or went against its rank.

use apt_experiment::{ModelShape, UnitSet, UnitSets};

use super::Unit;
use crate::history::{Frame, Scores};

/// Something about every unit of the dense model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PerUnit<T> {
    /// By layer and head.
    pub heads: Vec<Vec<T>>,
    /// By layer and neuron.
    pub neurons: Vec<Vec<T>>,
    /// By hidden dim.
    pub hidden: Vec<T>,
}

impl<T: Clone> PerUnit<T> {
    fn all(shape: &ModelShape, value: &T) -> Self {
        let of = |counts: &[usize]| counts.iter().map(|count| vec![value.clone(); *count]).collect();
        Self { heads: of(&shape.heads), neurons: of(&shape.neurons), hidden: vec![value.clone(); shape.hidden] }
    }

    /// That of one unit; layers and adapters have none.
    #[must_use]
    pub fn get(&self, unit: Unit) -> Option<T> {
        match unit {
            Unit::Head(layer, head) => self.heads.get(layer)?.get(head).cloned(),
            Unit::Neuron(layer, neuron) => self.neurons.get(layer)?.get(neuron).cloned(),
            Unit::Hidden(dim) => self.hidden.get(dim).cloned(),
            Unit::Layer(_) | Unit::Rank(..) => None,
        }
    }

    /// Sets those that a frame keeps. Of neurons, in a run of a version that did not say which are kept, the first.
    fn set_kept(&mut self, frame: &Frame, value: &T) {
        let put = |list: &mut Vec<T>, kept: &[usize]| {
            for unit in kept {
                if let Some(place) = list.get_mut(*unit) {
                    place.clone_from(value);
                }
            }
        };
        for (list, kept) in self.heads.iter_mut().zip(&frame.heads) {
            put(list, kept);
        }
        for (layer, list) in self.neurons.iter_mut().enumerate() {
            match frame.kept_neurons.get(layer) {
                Some(kept) => put(list, kept.list()),
                None => {
                    let kept = frame.neurons.get(layer).copied().unwrap_or(0);
                    list.iter_mut().take(kept).for_each(|place| place.clone_from(value));
                }
            }
        }
        put(&mut self.hidden, &frame.hidden);
    }
}

/// How far each unit is there: 1 kept, a half masked and still computed, 0 removed.
pub type Levels = PerUnit<f32>;

/// The level of a unit whose mask is shut and which has not been removed yet.
const MASKED: f32 = 0.5;

impl Levels {
    /// After the frame at this place.
    #[must_use]
    pub fn at(frames: &[Frame], place: usize, shape: &ModelShape) -> Self {
        let mut levels = Self::all(shape, &0.0);
        let Some(frame) = frames.get(place) else { return levels };
        let removed = frames.iter().take(place + 1).rfind(|frame| frame.removed);
        if let Some(removed) = removed.or(frames.first()) {
            levels.set_kept(removed, &MASKED);
        }
        levels.set_kept(frame, &1.0);
        levels
    }
}

/// The place of the frame at which each unit went; `None` for those that are kept.
pub type Departures = PerUnit<Option<u16>>;

impl Departures {
    /// Up to the frame at this place.
    #[must_use]
    pub fn until(frames: &[Frame], place: usize, shape: &ModelShape) -> Self {
        // Backwards: the first frame from which on a unit is missing is one after the last that keeps it.
        let mut departures = Self::all(shape, &None);
        for (number, frame) in frames.iter().enumerate().take(place) {
            departures.set_kept(frame, &u16::try_from(number + 1).ok());
        }
        if let Some(frame) = frames.get(place) {
            departures.set_kept(frame, &None);
        }
        departures
    }
}

/// How high the score of each unit is among those of its kind, from 0 to 1: what colours show. Scores have long tails,
/// and a scale of values would paint nearly all units alike.
pub type Percentiles = PerUnit<Option<f32>>;

impl Percentiles {
    /// Of the scores of this frame; `None` if there are none.
    #[must_use]
    pub fn of(frame: &Frame, shape: &ModelShape) -> Option<Self> {
        let scores = frame.scores.as_ref()?;
        let mut percentiles = Self::all(shape, &None);
        let head = order(scores.layers.iter().flat_map(|layer| &layer.heads).copied().collect());
        let neuron = order(scores.layers.iter().flat_map(|layer| &layer.neurons).copied().collect());
        let dim = order(scores.hidden.clone());
        let put = |list: Option<&mut Vec<Option<f32>>>, of: &[usize], scores: &[f64], order: &dyn Fn(f64) -> f32| {
            let Some(list) = list else { return };
            for (unit, score) in of.iter().zip(scores) {
                if let Some(place) = list.get_mut(*unit) {
                    *place = Some(order(*score));
                }
            }
        };
        for (layer, of_layer) in scores.layers.iter().enumerate() {
            let heads = scores.of_heads.get(layer).map(Vec::as_slice).unwrap_or_default();
            put(percentiles.heads.get_mut(layer), heads, &of_layer.heads, &head);
            let first: Vec<usize> = (0..of_layer.neurons.len()).collect();
            let neurons = scores.of_neurons.get(layer).map_or(first.as_slice(), UnitSet::list);
            put(percentiles.neurons.get_mut(layer), neurons, &of_layer.neurons, &neuron);
        }
        put(Some(&mut percentiles.hidden), &scores.of_hidden, &scores.hidden, &dim);
        Some(percentiles)
    }
}

/// How large a share of these values is below another.
pub(super) fn order(mut values: Vec<f64>) -> impl Fn(f64) -> f32 {
    values.sort_by(f64::total_cmp);
    move |value| (values.partition_point(|other| *other < value) as f64 / values.len().max(1) as f64) as f32
}

/// Why a unit is there or not although its rank says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Every layer keeps so many heads.
    Floor,
    /// There was room, for widths are rounded.
    Filled,
    /// A width was rounded.
    Rounded,
}

impl Reason {
    /// In files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Filled => "filled",
            Self::Rounded => "rounded",
        }
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Floor => "by the head floor",
            Self::Filled => "in the room that rounding left",
            Self::Rounded => "to round the width",
        }
    }
}

impl Scores {
    /// Every unit that was scored, with its score.
    pub fn units(&self) -> impl Iterator<Item = (Unit, f64)> + '_ {
        let in_layers = self.layers.iter().enumerate().flat_map(|(layer, of)| {
            let heads = self.of_heads.get(layer).into_iter().flatten().zip(&of.heads);
            let heads = heads.map(move |(head, score)| (Unit::Head(layer, *head), *score));
            let neurons = self.of_neurons.get(layer).map(UnitSet::list).unwrap_or_default();
            let neurons = neurons.iter().zip(&of.neurons);
            heads.chain(neurons.map(move |(neuron, score)| (Unit::Neuron(layer, *neuron), *score)))
        });
        in_layers.chain(self.of_hidden.iter().zip(&self.hidden).map(|(dim, score)| (Unit::Hidden(*dim), *score)))
    }
}

impl Frame {
    /// Whether a unit is kept; where the run does not say, `None`, and so for layers and adapters.
    #[must_use]
    pub fn keeps(&self, unit: Unit) -> Option<bool> {
        match unit {
            Unit::Head(layer, head) => Some(self.heads.get(layer)?.contains(&head)),
            Unit::Neuron(layer, neuron) => Some(self.kept_neurons.get(layer)?.contains(neuron)),
            Unit::Hidden(dim) => Some(self.hidden.binary_search(&dim).is_ok()),
            Unit::Layer(_) | Unit::Rank(..) => None,
        }
    }

    /// The score of a head at this pruning point, if it was still there.
    #[must_use]
    pub fn head_score(&self, layer: usize, head: usize) -> Option<f64> {
        self.score(Unit::Head(layer, head)).map(|(score, _)| score)
    }

    /// Why a unit does not follow its rank; `None` where it does, or the run does not say.
    #[must_use]
    pub fn reason(&self, unit: Unit) -> Option<Reason> {
        let exceptions = self.exceptions.as_ref()?;
        let is_in = |sets: &UnitSets| match unit {
            Unit::Head(layer, head) => sets.heads.get(layer).is_some_and(|set| set.contains(head)),
            Unit::Neuron(layer, neuron) => sets.neurons.get(layer).is_some_and(|set| set.contains(neuron)),
            Unit::Hidden(dim) => sets.hidden.contains(dim),
            Unit::Layer(_) | Unit::Rank(..) => false,
        };
        if let Unit::Head(layer, head) = unit
            && exceptions.by_floor.get(layer).is_some_and(|set| set.contains(head))
        {
            return Some(Reason::Floor);
        }
        match (is_in(&exceptions.filled), is_in(&exceptions.rounded)) {
            (true, _) => Some(Reason::Filled),
            (_, true) => Some(Reason::Rounded),
            _ => None,
        }
    }

    /// The score of a unit at this pruning point beside those of its kind, if it was still there.
    #[must_use]
    pub fn score(&self, unit: Unit) -> Option<(f64, Vec<f64>)> {
        let scores = self.scores.as_ref()?;
        let layers = || scores.layers.iter();
        match unit {
            Unit::Head(layer, head) => {
                let place = scores.of_heads.get(layer)?.iter().position(|of| *of == head)?;
                let own = *scores.layers.get(layer)?.heads.get(place)?;
                Some((own, layers().flat_map(|layer| &layer.heads).copied().collect()))
            }
            Unit::Neuron(layer, neuron) => {
                let place = scores.of_neurons.get(layer)?.list().binary_search(&neuron).ok()?;
                let own = *scores.layers.get(layer)?.neurons.get(place)?;
                Some((own, layers().flat_map(|layer| &layer.neurons).copied().collect()))
            }
            Unit::Hidden(dim) => {
                let place = scores.of_hidden.binary_search(&dim).ok()?;
                Some((*scores.hidden.get(place)?, scores.hidden.clone()))
            }
            Unit::Layer(_) | Unit::Rank(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use apt_experiment::Knobs;

    fn frames() -> (Vec<Frame>, ModelShape) {
        let history = History::of(&crate::history::tests::run(Knobs::default(), 10, true));
        let shape = history.record().expect("started").shape.clone();
        (history.frames, shape)
    }

    #[test]
    fn what_is_masked_is_half_there_until_it_is_removed() {
        let (mut frames, shape) = frames();
        let removed = Levels::at(&frames, 1, &shape);
        assert_eq!(
            (removed.heads[0].as_slice(), removed.neurons[0].as_slice()),
            (&[0.0, 1.0][..], &[0.0, 1.0, 0.0, 1.0][..])
        );
        frames[1].removed = false;
        assert_eq!(Levels::at(&frames, 1, &shape).neurons[0], [MASKED, 1.0, MASKED, 1.0]);
        frames.push(Frame { removed: true, ..frames[1].clone() });
        assert_eq!(Levels::at(&frames, 2, &shape).neurons[0], [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(Levels::at(&frames, 0, &shape).hidden, [1.0; 4]);
    }

    #[test]
    fn each_unit_went_at_the_point_that_first_missed_it() {
        let (mut frames, shape) = frames();
        let mut later = frames[1].clone();
        (later.step, later.hidden) = (8, vec![2, 3]);
        frames.push(later);
        let departures = Departures::until(&frames, 2, &shape);
        assert_eq!(departures.hidden, [Some(1), Some(2), None, None]);
        assert_eq!(departures.heads[0], [Some(1), None]);
        assert_eq!(Departures::until(&frames, 1, &shape).hidden, [Some(1), None, None, None]);
    }

    #[test]
    fn neurons_of_a_run_that_did_not_say_which_are_the_first() {
        let (mut frames, shape) = frames();
        frames[1].kept_neurons = Vec::new();
        assert_eq!(Levels::at(&frames, 1, &shape).neurons[0], [1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn percentiles_order_units_of_a_kind() {
        let (frames, shape) = frames();
        let percentiles = Percentiles::of(&frames[1], &shape).expect("scores");
        // Heads score 0.5, 2, 1, 3.
        assert_eq!(percentiles.heads, [[Some(0.0), Some(0.5)], [Some(0.25), Some(0.75)]]);
        assert_eq!(percentiles.neurons[0], [Some(0.0), Some(0.75), Some(0.25), Some(0.5)]);
        assert!(Percentiles::of(&frames[0], &shape).is_none());
    }
}
