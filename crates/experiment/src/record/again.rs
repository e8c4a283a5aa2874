//! A run's salience searched again: which units would be left at another density. Records keep what every unit scored at
//! every pruning point, so that takes neither model nor data.

use std::collections::BTreeMap;

use apt_core::arms::Salience;
use apt_core::blocks::{Kept, ModelShape as Blocks};
use apt_core::problem::{Explain, Problem};
use apt_core::search::{Rounding, search_with_floor};

use super::{PruningPoint, Record, UnitSet};
use crate::Knobs;

/// What the search for blocks is asked for (METHOD §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Most parameters in the layers.
    pub parameters: usize,
    /// Multiples of widths.
    pub rounding: Rounding,
    /// Heads that each layer keeps.
    pub floor: Vec<usize>,
}

impl Demand {
    /// What `knobs` ask for at `density` of the `dense` model, of which a model with `hidden` hidden dims is left.
    #[must_use]
    pub fn new(knobs: &Knobs, density: f64, dense: &Blocks, hidden: usize) -> Self {
        Self {
            parameters: (density * dense.parameters() as f64).floor() as usize,
            // What can only be kept as a whole is kept.
            rounding: Rounding {
                neurons: knobs.round_neurons,
                hidden: if knobs.prune_hidden { knobs.round_hidden } else { hidden },
            },
            floor: dense.layers.iter().map(|layer| least_heads(layer.heads, knobs.head_floor)).collect(),
        }
    }
}

/// Heads that a layer of `heads` keeps at least: the share, rounded, and one at least unless the share is 0.
fn least_heads(heads: usize, share: f64) -> usize {
    if share > 0.0 { ((heads as f64 * share).round() as usize).max(1) } else { 0 }
}

impl Record {
    /// What would be left at `density`, chosen as the run chooses, by the salience at the last of its pruning points before
    /// which the model was not yet sparser. The point that is returned says in `step` whose salience it is; ranks are not
    /// in it.
    ///
    /// # Errors
    /// A density outside (0, 1]; a run that has no salience or leaves the choice to chance; nothing fits.
    pub fn searched_again(&self, density: f64) -> Result<PruningPoint, Problem> {
        let refused = |what: String, remedy: &str| Problem::new("density", what, remedy);
        if !(density > 0.0 && density <= 1.0) {
            return Err(refused(format!("it is {density}"), "set it above 0 and at most 1"));
        }
        if self.config.salience == Salience::RandomWithin {
            let what = "in this run chance chose among units, whatever they scored".to_owned();
            return Err(refused(what, "take a run whose salience is another"));
        }
        let dense = self.shape.blocks();
        let mut before = Kept::all(&dense);
        let mut chosen = None;
        for point in &self.pruning_points {
            let share = before.shape_after(&dense).parameters() as f64 / dense.parameters().max(1) as f64;
            if let Some(salience) = point.salience.as_ref().filter(|_| share >= density) {
                chosen = Some((before.clone(), point, salience.block_scores()));
            }
            before = kept_at(point);
            before.validate(&dense).map_err(|e| Problem { place: "pruning_points".to_owned(), ..e.problem() })?;
        }
        let Some((before, point, scores)) = chosen else {
            let what = "the record says of no pruning point what units scored".to_owned();
            return Err(refused(what, "take a run that prunes, of this version of the program"));
        };
        let shape = before.shape_after(&dense);
        let scores = point.kind_weights.unwrap_or_default().apply(&scores);
        let Demand { parameters, rounding, floor } = Demand::new(&self.config, density, &dense, shape.hidden);
        let kept = search_with_floor(&scores, &shape, parameters, &rounding, &floor).map_err(|e| e.problem())?;
        let kept = before.compose(&kept);
        let left = kept.shape_after(&dense);
        Ok(PruningPoint {
            step: point.step,
            target_density: density,
            density: left.parameters() as f64 / dense.parameters().max(1) as f64,
            heads: kept.heads.iter().map(Vec::len).collect(),
            neurons: kept.neurons.iter().map(Vec::len).collect(),
            hidden: kept.hidden.len(),
            kept_heads: kept.heads,
            kept_neurons: kept.neurons.into_iter().map(UnitSet::from).collect(),
            kept_hidden: kept.hidden,
            kind_weights: point.kind_weights,
            ranks: BTreeMap::new(),
            ..PruningPoint::default()
        })
    }
}

/// The dense model's units that were left after a pruning point.
fn kept_at(point: &PruningPoint) -> Kept {
    Kept {
        heads: point.kept_heads.clone(),
        neurons: point.kept_neurons.iter().map(|units| units.list().to_vec()).collect(),
        hidden: point.kept_hidden.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::least_heads;

    #[test]
    fn a_floor_is_a_share_of_the_heads_and_one_at_least() {
        let floors =
            [(12, 0.33), (4, 0.33), (2, 0.1), (12, 0.0), (12, 1.0)].map(|(heads, share)| least_heads(heads, share));
        assert_eq!(floors, [4, 1, 1, 0, 12]);
    }
}
