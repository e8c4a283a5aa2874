//! √kurtosis of every unit, by which one is known as an outlier. The first pruning point of a run says it, where all units
//! are still there.

use apt_experiment::{UnitOutliers, UnitSalience};

use super::fate::order;
use super::{PerUnit, Percentiles, Unit};
use crate::history::Frame;

/// The second term of outlier-aware salience: factor × √kurtosis.
#[derive(Clone, Debug, PartialEq)]
pub struct Outliers {
    /// √kurtosis, 0 where it would be negative.
    pub roots: PerUnit<f64>,
    /// What one of it adds to the salience of heads, neurons and hidden dims.
    factors: [f64; 3],
}

impl From<&UnitOutliers> for Outliers {
    fn from(of: &UnitOutliers) -> Self {
        let UnitSalience { heads, neurons, hidden } = &of.roots;
        Self {
            roots: PerUnit { heads: heads.lists(), neurons: neurons.lists(), hidden: hidden.lists().concat() },
            factors: [of.factors.heads, of.factors.neurons, of.factors.hidden],
        }
    }
}

impl Outliers {
    /// Of the run that these are the frames of, up to the frame at this place.
    #[must_use]
    pub fn until(frames: &[Frame], place: usize) -> Option<&Self> {
        frames.iter().take(place + 1).find_map(|frame| frame.outliers.as_deref())
    }

    /// What one of it adds to the salience of a unit of this kind; layers and adapters have none.
    #[must_use]
    pub fn factor(&self, unit: Unit) -> Option<f64> {
        let [heads, neurons, hidden] = self.factors;
        match unit {
            Unit::Head(..) => Some(heads),
            Unit::Neuron(..) => Some(neurons),
            Unit::Hidden(_) => Some(hidden),
            Unit::Layer(_) | Unit::Rank(..) => None,
        }
    }

    /// How high each unit is among those of its kind, from 0 to 1.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        let lists = |lists: &[Vec<f64>]| {
            let place = order(lists.concat());
            lists.iter().map(|list| list.iter().map(|root| Some(place(*root))).collect()).collect()
        };
        let hidden = order(self.roots.hidden.clone());
        Percentiles {
            heads: lists(&self.roots.heads),
            neurons: lists(&self.roots.neurons),
            hidden: self.roots.hidden.iter().map(|root| Some(hidden(*root))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use apt_experiment::Knobs;

    #[test]
    fn the_first_point_says_it_for_all_later_ones() {
        let mut frames = History::of(&crate::history::tests::run(Knobs::default(), 10, true)).frames;
        frames.push(Frame { step: 8, outliers: None, ..frames[1].clone() });
        assert_eq!(Outliers::until(&frames, 0), None);
        let outliers = Outliers::until(&frames, 2).expect("the first point");
        assert_eq!(outliers.roots.get(Unit::Head(0, 0)), Some(0.5));
        assert_eq!((outliers.factor(Unit::Head(0, 0)), outliers.factor(Unit::Layer(0))), (Some(0.5), None));
        assert_eq!(outliers.percentiles().heads, [[Some(0.5), Some(0.0)], [Some(0.0), Some(0.75)]]);
    }
}
