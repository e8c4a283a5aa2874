//! Why a block stays or goes although its rank says otherwise: the head floor, and the rounding of widths with the
//! filling of the room it leaves (METHOD §3.2, steps 2, 4 and 5).

use super::ranking::{Block, Ranked, Rounding, SearchError, rank_blocks};
use super::{prefix_widths, promote_heads};
use crate::blocks::{BlockScores, Kept, ModelShape};

/// Blocks whose fate is not that of their rank; the indices are those of the model that was searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceptions {
    /// Kept because every layer keeps so many heads.
    pub by_floor: Kept,
    /// Kept in the room that rounding left.
    pub filled: Kept,
    /// Removed to round a width, though they would have fitted.
    pub rounded: Kept,
}

impl Exceptions {
    /// Those of the choice `kept`, which [`super::search_with_floor`] made from the same arguments.
    ///
    /// # Errors
    /// [`SearchError::NotFinite`] for scores that cannot be ranked.
    pub fn of(
        kept: &Kept,
        scores: &BlockScores,
        shape: &ModelShape,
        target_parameters: usize,
        rounding: &Rounding,
        floor: &[usize],
    ) -> Result<Self, SearchError> {
        if shape.parameters() <= target_parameters {
            let none = || Kept::none(shape);
            return Ok(Self { by_floor: none(), filled: none(), rounded: none() });
        }
        let least_hidden = rounding.hidden.min(shape.hidden);
        let prefix = |order: &[Block]| {
            let widths = prefix_widths(order, shape, least_hidden, target_parameters);
            Ranked::new(order, shape.layers.len()).keep(&widths)
        };
        let mut order = rank_blocks(scores, &shape.block_costs())?;
        let by_rank = prefix(&order);
        promote_heads(&mut order, floor);
        let with_floor = prefix(&order);
        Ok(Self {
            by_floor: Kept { heads: kept.and(&with_floor).without(&by_rank).heads, ..Kept::none(shape) },
            filled: kept.without(&with_floor),
            rounded: with_floor.without(kept),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::LayerShape;
    use crate::search::search_with_floor;

    #[test]
    fn a_floor_and_a_rounded_width_are_told_from_ranks() {
        let shape = ModelShape::uniform(8, 4, 2, LayerShape { heads: 2, neurons: 12 });
        let mut scores = BlockScores::filled(&shape, 1.0);
        let costs = shape.block_costs();
        // By rank the neurons of layer 0 come first, then hidden dims, then the neurons of layer 1; heads are worth least.
        scores.neurons[0] = (0..12).map(|place| costs.neuron * f64::from(100 - place)).collect();
        scores.neurons[1] = (0..12).map(|place| costs.neuron * f64::from(60 - place)).collect();
        scores.hidden = vec![costs.hidden * 80.0; 8];
        scores.heads = vec![vec![costs.head * 2.0, costs.head], vec![0.0, 0.0]];
        let rounding = Rounding { neurons: 4, hidden: 1 };
        let widths = |heads: usize, neurons: usize| {
            let layers = vec![LayerShape { heads, neurons: 12 }, LayerShape { heads, neurons }];
            ModelShape { layers, ..shape.clone() }.parameters()
        };
        for floor in [[0, 0], [1, 1]] {
            let target = widths(floor[0], 6);
            let kept = search_with_floor(&scores, &shape, target, &rounding, &floor).expect("it fits");
            let told = Exceptions::of(&kept, &scores, &shape, target, &rounding, &floor).expect("finite");
            // What the floor costs leaves room for the head of layer 0 in any case.
            assert_eq!(told.by_floor.heads, if floor[0] == 0 { [vec![], vec![]] } else { [vec![], vec![0]] });
            // What is kept is what a prefix of the ranks would keep, but for what is told.
            for layer in 0..2 {
                let mut by_rank = kept.neurons[layer].clone();
                by_rank.retain(|neuron| !told.filled.neurons[layer].contains(neuron));
                by_rank.extend(&told.rounded.neurons[layer]);
                by_rank.sort_unstable();
                assert_eq!(by_rank, (0..by_rank.len()).collect::<Vec<_>>(), "neurons are ranked by their place");
            }
            assert!(told.rounded.neurons.concat().len() + told.filled.neurons.concat().len() > 0, "{told:?}");
        }
        let all = Kept::all(&shape);
        let told = Exceptions::of(&all, &scores, &shape, shape.parameters(), &rounding, &[1, 1]).expect("finite");
        assert_eq!([told.by_floor, told.filled, told.rounded], [(); 3].map(|()| Kept::none(&shape)));
    }
}
