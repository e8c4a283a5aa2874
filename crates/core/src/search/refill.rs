//! Rounding widths to multiples, and filling the room that leaves with whole groups of blocks.

use std::cmp::Reverse;

use super::ranking::{Ranked, Rounding, SearchError};
use crate::blocks::{BlockCosts, BlockScores, LayerShape, ModelShape};

/// Where the next group of blocks may come from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Heads(usize),
    Neurons(usize),
    Hidden,
}

/// Rounds widths and fills the room that leaves with whole groups.
pub(super) struct Refill<'a> {
    pub scores: &'a BlockScores,
    pub shape: &'a ModelShape,
    pub costs: BlockCosts,
    pub ranked: &'a Ranked,
    pub rounding: &'a Rounding,
    pub target_parameters: usize,
}

impl Refill<'_> {
    /// Drops the lowest blocks down to a multiple; an original width stays even if it is none.
    pub(super) fn round_down(&self, widths: &mut ModelShape, least_hidden: usize) {
        let round = |width: usize, full: usize, multiple: usize| {
            if width == full { width } else { width - width % multiple }
        };
        for (layer, full) in widths.layers.iter_mut().zip(&self.shape.layers) {
            layer.neurons = round(layer.neurons, full.neurons, self.rounding.neurons);
        }
        let hidden = round(widths.hidden, self.shape.hidden, self.rounding.hidden);
        widths.hidden = hidden.max(least_hidden);
    }

    /// Adds the densest group that fits until none does.
    pub(super) fn run(&self, widths: &mut ModelShape) {
        let mut open = self.sources();
        while let Some((place, grown)) = self.densest(&open, widths) {
            if grown.parameters() <= self.target_parameters {
                *widths = grown;
            } else {
                // Costs only rise as widths grow: a source that does not fit now never will.
                open.swap_remove(place);
            }
        }
    }

    /// The least model with anything in it: the densest group that fits beside the fewest hidden
    /// dimensions.
    pub(super) fn seed(&self, least_hidden: usize) -> Result<ModelShape, SearchError> {
        let mut bare = self.shape.clone();
        bare.hidden = least_hidden;
        bare.layers.fill(LayerShape { heads: 0, neurons: 0 });
        let mut open = self.sources();
        open.retain(|&source| source != Source::Hidden);
        let mut minimum = usize::MAX;
        while let Some((place, grown)) = self.densest(&open, &bare) {
            if grown.parameters() <= self.target_parameters {
                return Ok(grown);
            }
            minimum = minimum.min(grown.parameters());
            open.swap_remove(place);
        }
        Err(SearchError::TargetTooSmall { target: self.target_parameters, minimum })
    }

    fn sources(&self) -> Vec<Source> {
        let layers = 0..self.shape.layers.len();
        let heads = layers.clone().map(Source::Heads);
        heads.chain(layers.map(Source::Neurons)).chain([Source::Hidden]).collect()
    }

    /// The open source whose next group is densest, with the widths after taking it.
    fn densest(&self, open: &[Source], widths: &ModelShape) -> Option<(usize, ModelShape)> {
        let candidates = open
            .iter()
            .enumerate()
            .filter_map(|(place, &source)| Some((place, source, self.next_group(source, widths)?)));
        let (place, source, (size, _)) =
            candidates.max_by(|(_, a, (_, x)), (_, b, (_, y))| x.total_cmp(y).then(Reverse(a).cmp(&Reverse(b))))?;
        let mut grown = widths.clone();
        match source {
            Source::Heads(layer) => grown.layers[layer].heads += size,
            Source::Neurons(layer) => grown.layers[layer].neurons += size,
            Source::Hidden => grown.hidden += size,
        }
        Some((place, grown))
    }

    /// Size and density of the next group of a source; the last group may be a short one that
    /// completes the original width.
    fn next_group(&self, source: Source, widths: &ModelShape) -> Option<(usize, f64)> {
        let (ranked, scores, width, multiple, cost) = match source {
            Source::Heads(layer) => {
                (&self.ranked.heads[layer], &self.scores.heads[layer], widths.layers[layer].heads, 1, self.costs.head)
            }
            Source::Neurons(layer) => (
                &self.ranked.neurons[layer],
                &self.scores.neurons[layer],
                widths.layers[layer].neurons,
                self.rounding.neurons,
                self.costs.neuron,
            ),
            Source::Hidden => {
                (&self.ranked.hidden, &self.scores.hidden, widths.hidden, self.rounding.hidden, self.costs.hidden)
            }
        };
        let group = &ranked[width..(width + multiple).min(ranked.len())];
        let score: f64 = group.iter().map(|&index| scores[index]).sum();
        (!group.is_empty()).then(|| (group.len(), score / (group.len() as f64 * cost.max(1.0))))
    }
}
