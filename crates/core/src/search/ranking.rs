//! Blocks in the order of their salience density, and what can be asked of a search.

use serde::{Deserialize, Serialize};

use crate::blocks::{BlockCosts, BlockScores, Kept, ModelShape};
use crate::problem::{Explain, Problem};
/// One prunable piece of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// An attention head.
    Head {
        /// Its layer.
        layer: usize,
        /// Its place in the layer.
        index: usize,
    },
    /// A feed-forward neuron.
    Neuron {
        /// Its layer.
        layer: usize,
        /// Its place in the layer.
        index: usize,
    },
    /// A hidden dimension, shared by all layers.
    Hidden {
        /// Its place.
        index: usize,
    },
}

/// Multiples that widths are rounded down to; 1 leaves them as they fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounding {
    /// Neurons of each layer. A layer narrower than one multiple goes to zero.
    pub neurons: usize,
    /// Hidden dimensions. One multiple is always kept.
    pub hidden: usize,
}

impl Rounding {
    /// Widths as they fall.
    pub const NONE: Self = Self { neurons: 1, hidden: 1 };
}

impl Default for Rounding {
    fn default() -> Self {
        Self::NONE
    }
}

/// Why no choice of blocks can be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// A score is NaN or infinite.
    NotFinite {
        /// The block by type, layer and index.
        block: String,
        /// Its score.
        value: f64,
    },
    /// The scores belong to a model of other widths.
    WrongShape,
    /// A multiple of zero.
    ZeroRounding,
    /// Not even one head or one group of neurons fits.
    TargetTooSmall {
        /// Parameters asked for.
        target: usize,
        /// The least that works.
        minimum: usize,
    },
}

crate::display_problem!(SearchError);

impl Explain for SearchError {
    fn problem(&self) -> Problem {
        let (what, remedy) = match self {
            Self::NotFinite { block, value } => {
                (format!("the score of {block} is {value}"), "lower the learning rate or choose another salience")
            }
            Self::WrongShape => {
                ("the scores do not cover the model's blocks".to_owned(), "score the model again after compaction")
            }
            Self::ZeroRounding => ("widths cannot be rounded to multiples of 0".to_owned(), "use 1 for no rounding"),
            Self::TargetTooSmall { target, minimum } => (
                format!(
                    "a target of {target} parameters is below {minimum}, the smallest model that still has a head or a neuron"
                ),
                "raise the density or round to smaller multiples",
            ),
        };
        Problem::new("block search", what, remedy)
    }
}

/// All blocks by descending salience density, ties by index.
///
/// # Errors
/// [`SearchError::NotFinite`] naming the first block whose score is NaN or infinite.
pub fn rank_blocks(scores: &BlockScores, costs: &BlockCosts) -> Result<Vec<Block>, SearchError> {
    let heads = scores.heads.iter().enumerate().flat_map(|(layer, scores)| {
        (0..).zip(scores).map(move |(index, &score)| (score, Block::Head { layer, index }))
    });
    let neurons = scores.neurons.iter().enumerate().flat_map(|(layer, scores)| {
        (0..).zip(scores).map(move |(index, &score)| (score, Block::Neuron { layer, index }))
    });
    let hidden = (0..).zip(&scores.hidden).map(|(index, &score)| (score, Block::Hidden { index }));

    let mut ranked = Vec::new();
    for (place, (score, block)) in heads.chain(neurons).chain(hidden).enumerate() {
        if !score.is_finite() {
            return Err(SearchError::NotFinite { block: block.to_string(), value: score });
        }
        let cost = match block {
            Block::Head { .. } => costs.head,
            Block::Neuron { .. } => costs.neuron,
            Block::Hidden { .. } => costs.hidden,
        };
        ranked.push((score / cost.max(1.0), place, block));
    }
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    Ok(ranked.into_iter().map(|(_, _, block)| block).collect())
}

/// The blocks of each list, best first, so that a selection is nothing but a width per list.
pub(super) struct Ranked {
    pub heads: Vec<Vec<usize>>,
    pub neurons: Vec<Vec<usize>>,
    pub hidden: Vec<usize>,
}

impl Ranked {
    pub(super) fn new(order: &[Block], layers: usize) -> Self {
        let (heads, neurons) = (vec![Vec::new(); layers], vec![Vec::new(); layers]);
        let mut ranked = Self { heads, neurons, hidden: Vec::new() };
        for &block in order {
            match block {
                Block::Head { layer, index } => ranked.heads[layer].push(index),
                Block::Neuron { layer, index } => ranked.neurons[layer].push(index),
                Block::Hidden { index } => ranked.hidden.push(index),
            }
        }
        ranked
    }

    pub(super) fn keep(&self, widths: &ModelShape) -> Kept {
        let best = |ranked: &[usize], width: usize| {
            let mut kept = ranked[..width].to_vec();
            kept.sort_unstable();
            kept
        };
        let layers = || widths.layers.iter();
        Kept {
            heads: layers().zip(&self.heads).map(|(l, ranked)| best(ranked, l.heads)).collect(),
            neurons: layers().zip(&self.neurons).map(|(l, r)| best(r, l.neurons)).collect(),
            hidden: best(&self.hidden, widths.hidden),
        }
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Head { layer, index } => write!(out, "head {index} of layer {layer}"),
            Self::Neuron { layer, index } => write!(out, "neuron {index} of layer {layer}"),
            Self::Hidden { index } => write!(out, "hidden dimension {index}"),
        }
    }
}
