//! Which blocks stay within a parameter budget.
//!
//! Blocks are ranked by salience density, their score divided by the parameters they account for,
//! and the largest prefix that fits is kept (paper §4.2; METHOD §3.2). What counts against the budget
//! is the exact size compaction would leave. Widths may then be rounded to multiples that suit the
//! kernels, and the room this leaves is filled again by whole groups.

use self::ranking::Ranked;
use self::refill::Refill;
use crate::blocks::{BlockScores, Counts, Kept, LayerShape, ModelShape};

pub use self::exceptions::Exceptions;
pub use self::kinds::KindWeights;
pub use self::ranking::{Block, Rounding, SearchError, rank_blocks};

mod exceptions;
mod kinds;
mod ranking;
mod refill;

/// The blocks to keep so that compaction leaves at most `target_parameters` in the layers.
///
/// Ties are broken by index: heads, then neurons, then hidden dimensions. Without rounding the
/// result is exactly the largest prefix of that order that fits, given that the best hidden
/// dimension is always kept.
///
/// # Errors
/// [`SearchError`] if scores are not finite or do not cover `shape`, or if nothing fits.
pub fn search(
    scores: &BlockScores,
    shape: &ModelShape,
    target_parameters: usize,
    rounding: &Rounding,
) -> Result<Kept, SearchError> {
    search_with_floor(scores, shape, target_parameters, rounding, &vec![0; shape.layers.len()])
}

/// As [`search`], but the best `floor[i]` heads of layer `i` are taken before anything else.
///
/// First-order salience does not see that the heads of a layer are the only way between tokens: each alone may look
/// cheap until the last one goes.
///
/// # Errors
/// As [`search`].
pub fn search_with_floor(
    scores: &BlockScores,
    shape: &ModelShape,
    target_parameters: usize,
    rounding: &Rounding,
    floor: &[usize],
) -> Result<Kept, SearchError> {
    if rounding.neurons == 0 || rounding.hidden == 0 {
        return Err(SearchError::ZeroRounding);
    }
    if !scores.fits(shape) || floor.len() != shape.layers.len() {
        return Err(SearchError::WrongShape);
    }
    let costs = shape.block_costs();
    let mut order = rank_blocks(scores, &costs)?;
    if shape.parameters() <= target_parameters {
        return Ok(Kept::all(shape));
    }
    promote_heads(&mut order, floor);
    let ranked = Ranked::new(&order, shape.layers.len());
    let least_hidden = rounding.hidden.min(shape.hidden);
    let refill = Refill { scores, shape, costs, ranked: &ranked, rounding, target_parameters };

    let mut widths = prefix_widths(&order, shape, least_hidden, target_parameters);
    refill.round_down(&mut widths, least_hidden);
    if widths.counts().heads + widths.counts().neurons == 0 {
        widths = refill.seed(least_hidden)?;
        refill.run(&mut widths);
    } else if *rounding != Rounding::NONE {
        refill.run(&mut widths);
    }
    Ok(ranked.keep(&widths))
}

/// Moves the first `floor[i]` heads of layer `i` to the front, their order among themselves unchanged.
fn promote_heads(order: &mut Vec<Block>, floor: &[usize]) {
    let mut seen = vec![0; floor.len()];
    let (first, rest): (Vec<Block>, Vec<Block>) = order.iter().partition(|block| match block {
        Block::Head { layer, .. } => {
            seen[*layer] += 1;
            seen[*layer] <= floor[*layer]
        }
        _ => false,
    });
    *order = first;
    order.extend(rest);
}

/// How many blocks from the front of `order` satisfy `fits`, which sees the running totals of a
/// model with `layers` layers. `fits` must not hold again once it has failed.
pub fn largest_prefix(order: &[Block], layers: usize, mut fits: impl FnMut(&Counts) -> bool) -> usize {
    let mut tally = Tally::new(layers);
    order
        .iter()
        .take_while(|&&block| {
            tally.add(block);
            fits(&tally.counts)
        })
        .count()
}

/// Widths of the largest prefix that fits, the `least_hidden` best hidden dimensions first.
fn prefix_widths(order: &[Block], shape: &ModelShape, least_hidden: usize, target: usize) -> ModelShape {
    let mut tally = Tally::new(shape.layers.len());
    tally.counts.hidden = least_hidden;
    let mut widths = ModelShape {
        hidden: least_hidden,
        layers: vec![LayerShape { heads: 0, neurons: 0 }; shape.layers.len()],
        ..shape.clone()
    };
    let mut granted = least_hidden;
    for &block in order {
        if granted > 0 && matches!(block, Block::Hidden { .. }) {
            granted -= 1;
            continue;
        }
        tally.add(block);
        if shape.parameters_of(&tally.counts) > target {
            break;
        }
        match block {
            Block::Head { layer, .. } => widths.layers[layer].heads += 1,
            Block::Neuron { layer, .. } => widths.layers[layer].neurons += 1,
            Block::Hidden { .. } => widths.hidden += 1,
        }
    }
    widths
}

/// Running totals of a growing selection.
struct Tally {
    counts: Counts,
    attention: Vec<bool>,
    feed_forward: Vec<bool>,
}

impl Tally {
    fn new(layers: usize) -> Self {
        let counts = Counts::default();
        Self { counts, attention: vec![false; layers], feed_forward: vec![false; layers] }
    }

    fn add(&mut self, block: Block) {
        let counts = &mut self.counts;
        match block {
            Block::Head { layer, .. } => {
                counts.heads += 1;
                counts.attentions += usize::from(!self.attention[layer]);
                self.attention[layer] = true;
            }
            Block::Neuron { layer, .. } => {
                counts.neurons += 1;
                counts.feed_forwards += usize::from(!self.feed_forward[layer]);
                self.feed_forward[layer] = true;
            }
            Block::Hidden { .. } => counts.hidden += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_drops_the_lowest_and_fills_whole_groups_again() {
        let shape = ModelShape::uniform(8, 4, 1, LayerShape { heads: 2, neurons: 12 });
        let mut scores = BlockScores::filled(&shape, 1.0);
        scores.hidden = (0..8).map(|index| 1e6 + f64::from(index)).collect();
        scores.neurons[0] = (0..12).map(f64::from).collect();
        // Eight hidden dimensions and an attention of two heads cost 304, nine neurons 24 + 9·17.
        let target = 24 + 9 * 17;
        let exact = search(&scores, &shape, target, &Rounding::NONE).expect("it fits");
        assert_eq!(exact.neurons[0], [3, 4, 5, 6, 7, 8, 9, 10, 11]);
        let rounded = search(&scores, &shape, target, &Rounding { neurons: 4, hidden: 4 });
        assert_eq!(rounded.expect("it fits").neurons[0], [4, 5, 6, 7, 8, 9, 10, 11]);
    }

    #[test]
    fn a_target_below_the_smallest_model_is_refused_with_that_minimum() {
        let shape = ModelShape::uniform(8, 4, 1, LayerShape { heads: 2, neurons: 12 });
        let scores = BlockScores::filled(&shape, 1.0);
        // One hidden dimension and one neuron: up 1 + 1, down 1 + 1, norm 2.
        let error = search(&scores, &shape, 5, &Rounding::NONE);
        assert_eq!(error, Err(SearchError::TargetTooSmall { target: 5, minimum: 6 }));
        let kept = search(&scores, &shape, 6, &Rounding::NONE).expect("the smallest model");
        assert_eq!(kept.shape_after(&shape).parameters(), 6);
    }
}
