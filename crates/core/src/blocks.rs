//! What there is to prune, and what each piece costs.
//!
//! A transformer is cut into heads, feed-forward neurons and hidden dimensions (METHOD §3.1). Every
//! count here is of what compaction leaves in the encoder layers: no embeddings, no task head, no
//! adapters. A layer without heads loses its attention sub-block whole, output bias and norm
//! included, and a layer without neurons its feed-forward sub-block (METHOD §1.5).

use crate::problem::{Explain, Problem};
use serde::{Deserialize, Serialize};

use crate::wiring::{SubBlock, Wiring};

/// How wide one layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerShape {
    /// Attention heads.
    pub heads: usize,
    /// Feed-forward neurons.
    pub neurons: usize,
}

impl LayerShape {
    /// Units of one sub-block.
    pub const fn units(&self, sub_block: SubBlock) -> usize {
        match sub_block {
            SubBlock::Attention => self.heads,
            SubBlock::FeedForward => self.neurons,
        }
    }
}

/// The widths of a model, ragged layers included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelShape {
    /// Hidden dimensions, shared by all layers.
    pub hidden: usize,
    /// What all layers have in common.
    pub wiring: Wiring,
    /// One entry per layer.
    pub layers: Vec<LayerShape>,
}

/// Totals from which the parameter count follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hidden dimensions.
    pub hidden: usize,
    /// Heads over all layers.
    pub heads: usize,
    /// Neurons over all layers.
    pub neurons: usize,
    /// Layers that still have a head.
    pub attentions: usize,
    /// Layers that still have a neuron.
    pub feed_forwards: usize,
}

impl Counts {
    /// Units over all layers.
    fn units(&self, sub_block: SubBlock) -> usize {
        match sub_block {
            SubBlock::Attention => self.heads,
            SubBlock::FeedForward => self.neurons,
        }
    }

    /// Layers that still have a unit.
    fn sub_blocks(&self, sub_block: SubBlock) -> usize {
        match sub_block {
            SubBlock::Attention => self.attentions,
            SubBlock::FeedForward => self.feed_forwards,
        }
    }
}

/// Parameters one block of each type accounts for, the denominator of salience density.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockCosts {
    /// Per attention head.
    pub head: f64,
    /// Per feed-forward neuron.
    pub neuron: f64,
    /// Per hidden dimension, over all layers.
    pub hidden: f64,
}

impl ModelShape {
    /// An encoder whose layers are all alike.
    pub fn uniform(hidden: usize, head_size: usize, layers: usize, layer: LayerShape) -> Self {
        Self { hidden, wiring: Wiring::encoder(head_size), layers: vec![layer; layers] }
    }

    /// Exact parameters of the layers after compaction, and of the norm behind the last where there is one.
    pub fn parameters(&self) -> usize {
        self.parameters_of(&self.counts())
    }

    /// Exact parameters of a model of this kind with the given totals.
    ///
    /// With every layer alive and all biases on this is the published C(H, F, d) of METHOD §3.1.
    pub fn parameters_of(&self, counts: &Counts) -> usize {
        let of = |&sub_block: &SubBlock| {
            let (size, units) = (self.wiring.size(sub_block), counts.units(sub_block));
            let per_hidden = size.per_unit_and_hidden * units + size.per_hidden * counts.sub_blocks(sub_block);
            counts.hidden * per_hidden + size.per_unit * units + size.fixed * counts.sub_blocks(sub_block)
        };
        SubBlock::ALL.iter().map(of).sum::<usize>() + counts.hidden * self.wiring.per_hidden_of_stream()
    }

    /// Multiply-accumulates of the layers for one sequence of `seq_len` tokens, every token seen by every other.
    ///
    /// Counts the linear layers, the attention scores and the weighting of the values; biases, norms, softmax and
    /// activations are not multiplications of matrices and are left out.
    pub fn macs(&self, seq_len: usize) -> u64 {
        let (tokens, counts) = (seq_len as u64, self.counts());
        let of = |&sub_block: &SubBlock| {
            let weights = self.hidden * self.wiring.size(sub_block).per_unit_and_hidden;
            let between_tokens = match sub_block {
                SubBlock::Attention => 2 * tokens * self.wiring.activation_width(sub_block) as u64,
                SubBlock::FeedForward => 0,
            };
            counts.units(sub_block) as u64 * tokens * (weights as u64 + between_tokens)
        };
        SubBlock::ALL.iter().map(of).sum()
    }

    /// Totals over the layers.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { hidden: self.hidden, ..Counts::default() };
        for layer in &self.layers {
            counts.heads += layer.heads;
            counts.neurons += layer.neurons;
            counts.attentions += usize::from(layer.heads > 0);
            counts.feed_forwards += usize::from(layer.neurons > 0);
        }
        counts
    }

    /// Parameters per block at the current widths (METHOD §3.1): what goes with one head, one neuron, one hidden dim,
    /// with the biases this model really has.
    pub fn block_costs(&self) -> BlockCosts {
        let counts = self.counts();
        let unit = |sub_block| {
            let size = self.wiring.size(sub_block);
            (self.hidden * size.per_unit_and_hidden + size.per_unit) as f64
        };
        let one = self.parameters_of(&Counts { hidden: 1, ..counts });
        let none = self.parameters_of(&Counts { hidden: 0, ..counts });
        BlockCosts { head: unit(SubBlock::Attention), neuron: unit(SubBlock::FeedForward), hidden: (one - none) as f64 }
    }
}

/// Which blocks of a model stay: sorted indices relative to the model they were chosen from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Heads kept, per layer.
    pub heads: Vec<Vec<usize>>,
    /// Neurons kept, per layer.
    pub neurons: Vec<Vec<usize>>,
    /// Hidden dimensions kept.
    pub hidden: Vec<usize>,
}

/// A list of kept blocks that does not describe the model at hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// The list is for another number of layers.
    Layers {
        /// Layers of heads listed.
        heads: usize,
        /// Layers of neurons listed.
        neurons: usize,
        /// Layers of the model.
        layers: usize,
    },
    /// Indices are unsorted, repeated or beyond the width.
    Indices {
        /// Which list, with its layer.
        what: String,
        /// The width the indices must stay below.
        width: usize,
    },
}

crate::display_problem!(KeptError);

impl Explain for KeptError {
    fn problem(&self) -> Problem {
        let what = match self {
            Self::Layers { heads, neurons, layers } => {
                format!("they cover {heads} layers of heads and {neurons} of neurons, the model has {layers}")
            }
            Self::Indices { what, width } => format!("the {what} must be sorted, distinct and below {width}"),
        };
        Problem::new("kept blocks", what, "use the checkpoint they were saved with")
    }
}

impl Kept {
    /// The units kept of one sub-block of layer `layer`.
    pub fn units(&self, sub_block: SubBlock, layer: usize) -> &[usize] {
        match sub_block {
            SubBlock::Attention => &self.heads[layer],
            SubBlock::FeedForward => &self.neurons[layer],
        }
    }

    /// Everything the model has.
    pub fn all(shape: &ModelShape) -> Self {
        Self {
            heads: shape.layers.iter().map(|layer| (0..layer.heads).collect()).collect(),
            neurons: shape.layers.iter().map(|layer| (0..layer.neurons).collect()).collect(),
            hidden: (0..shape.hidden).collect(),
        }
    }

    /// Nothing of a model of this shape.
    pub fn none(shape: &ModelShape) -> Self {
        let layers = vec![Vec::new(); shape.layers.len()];
        Self { heads: layers.clone(), neurons: layers, hidden: Vec::new() }
    }

    /// What is in both, which are of the same model.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.zip(other, |mine, theirs| filter(mine, |of| theirs.binary_search(of).is_ok()))
    }

    /// What is not in `other`, which is of the same model.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.zip(other, |mine, theirs| filter(mine, |of| theirs.binary_search(of).is_err()))
    }

    fn zip(&self, other: &Self, lists: impl Fn(&[usize], &[usize]) -> Vec<usize>) -> Self {
        let layers = |mine: &[Vec<usize>], theirs: &[Vec<usize>]| -> Vec<Vec<usize>> {
            mine.iter().zip(theirs).map(|(mine, theirs)| lists(mine, theirs)).collect()
        };
        Self {
            heads: layers(&self.heads, &other.heads),
            neurons: layers(&self.neurons, &other.neurons),
            hidden: lists(&self.hidden, &other.hidden),
        }
    }

    /// The widths that are left. `shape` is the model the indices refer to.
    pub fn shape_after(&self, shape: &ModelShape) -> ModelShape {
        let layers = self.heads.iter().zip(&self.neurons);
        ModelShape {
            hidden: self.hidden.len(),
            layers: layers.map(|(heads, neurons)| LayerShape { heads: heads.len(), neurons: neurons.len() }).collect(),
            ..shape.clone()
        }
    }

    /// Whether nothing is removed.
    pub fn is_all(&self, shape: &ModelShape) -> bool {
        self.shape_after(shape) == *shape
    }

    /// Two prunings in a row as one: `later` refers to the model `self` left, the result to the
    /// model `self` was chosen from.
    ///
    /// # Panics
    /// If `later` names a block that `self` had removed; [`Kept::validate`] rules that out.
    pub fn compose(&self, later: &Kept) -> Kept {
        Kept {
            heads: pick_layers(&self.heads, &later.heads),
            neurons: pick_layers(&self.neurons, &later.neurons),
            hidden: pick(&self.hidden, &later.hidden),
        }
    }

    /// Checks a list from outside (a checkpoint, a record) against the model it should describe.
    ///
    /// # Errors
    /// [`KeptError`] naming the list that does not fit.
    pub fn validate(&self, shape: &ModelShape) -> Result<(), KeptError> {
        let layers = shape.layers.len();
        if self.heads.len() != layers || self.neurons.len() != layers {
            let (heads, neurons) = (self.heads.len(), self.neurons.len());
            return Err(KeptError::Layers { heads, neurons, layers });
        }
        let check = |what: String, indices: &[usize], width: usize| {
            let ascending = indices.windows(2).all(|pair| pair[0] < pair[1]);
            if ascending && indices.last().is_none_or(|&last| last < width) {
                Ok(())
            } else {
                Err(KeptError::Indices { what, width })
            }
        };
        for (index, layer) in shape.layers.iter().enumerate() {
            check(format!("heads of layer {index}"), &self.heads[index], layer.heads)?;
            check(format!("neurons of layer {index}"), &self.neurons[index], layer.neurons)?;
        }
        check("hidden dimensions".to_owned(), &self.hidden, shape.hidden)
    }
}

/// One number per block: heads and neurons per layer, and the shared hidden dimensions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockScores {
    /// Per layer, per head.
    pub heads: Vec<Vec<f64>>,
    /// Per layer, per neuron.
    pub neurons: Vec<Vec<f64>>,
    /// Per hidden dimension.
    pub hidden: Vec<f64>,
}

impl BlockScores {
    /// The same value for every block of `shape`.
    pub fn filled(shape: &ModelShape, value: f64) -> Self {
        Self {
            heads: shape.layers.iter().map(|layer| vec![value; layer.heads]).collect(),
            neurons: shape.layers.iter().map(|layer| vec![value; layer.neurons]).collect(),
            hidden: vec![value; shape.hidden],
        }
    }

    /// The entries of the blocks that stay.
    ///
    /// # Panics
    /// If `kept` was chosen from a model of another shape.
    pub fn select(&self, kept: &Kept) -> Self {
        Self {
            heads: pick_layers(&self.heads, &kept.heads),
            neurons: pick_layers(&self.neurons, &kept.neurons),
            hidden: pick(&self.hidden, &kept.hidden),
        }
    }

    /// The best blocks by these scores, as many in each list as `kept` has; ties by index.
    pub fn best_as_many(&self, kept: &Kept) -> Kept {
        let best = |scores: &Vec<f64>, count: usize| {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            order.truncate(count);
            order.sort_unstable();
            order
        };
        let lists = |scores: &[Vec<f64>], kept: &[Vec<usize>]| {
            scores.iter().zip(kept).map(|(scores, kept)| best(scores, kept.len())).collect()
        };
        Kept {
            heads: lists(&self.heads, &kept.heads),
            neurons: lists(&self.neurons, &kept.neurons),
            hidden: best(&self.hidden, kept.hidden.len()),
        }
    }

    /// Whether the lists are as long as `shape` is wide.
    pub fn fits(&self, shape: &ModelShape) -> bool {
        let lengths = |lists: &[Vec<f64>]| lists.iter().map(Vec::len).collect::<Vec<_>>();
        lengths(&self.heads) == shape.layers.iter().map(|l| l.heads).collect::<Vec<_>>()
            && lengths(&self.neurons) == shape.layers.iter().map(|l| l.neurons).collect::<Vec<_>>()
            && self.hidden.len() == shape.hidden
    }

    /// Every entry, heads first, then neurons, then hidden dimensions.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.heads.iter().chain(&self.neurons).flatten().chain(&self.hidden).copied()
    }

    /// Every entry for writing, in the order of [`BlockScores::values`].
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        self.heads.iter_mut().chain(&mut self.neurons).flatten().chain(&mut self.hidden)
    }
}

fn filter(list: &[usize], stays: impl Fn(&usize) -> bool) -> Vec<usize> {
    list.iter().copied().filter(stays).collect()
}

fn pick_layers<T: Copy>(values: &[Vec<T>], indices: &[Vec<usize>]) -> Vec<Vec<T>> {
    values.iter().zip(indices).map(|(values, indices)| pick(values, indices)).collect()
}

fn pick<T: Copy>(values: &[T], indices: &[usize]) -> Vec<T> {
    indices.iter().map(|&index| values[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roberta_base_has_its_published_size() {
        let shape = ModelShape::uniform(768, 64, 12, LayerShape { heads: 12, neurons: 3072 });
        assert_eq!(shape.parameters(), 85_054_464);
        assert_eq!(shape.block_costs(), BlockCosts { head: 196_800.0, neuron: 1_537.0, hidden: 110_664.0 });
    }

    #[test]
    fn an_empty_sub_block_costs_nothing() {
        let whole = ModelShape::uniform(8, 4, 1, LayerShape { heads: 2, neurons: 12 });
        let mut attention_only = whole.clone();
        attention_only.layers[0].neurons = 0;
        let mut neurons_only = whole.clone();
        neurons_only.layers[0].heads = 0;
        // q, k, v: 3·(64 + 8); o: 64 + 8; norm: 16. Up: 96 + 12; down: 96 + 8; norm: 16.
        assert_eq!(attention_only.parameters(), 304);
        assert_eq!(neurons_only.parameters(), 228);
        assert_eq!(whole.parameters(), 304 + 228);
        assert_eq!(attention_only.macs(5), 5 * 4 * 64 + 2 * 25 * 8);
        assert_eq!(neurons_only.macs(5), 5 * 2 * 96);
    }

    #[test]
    fn kept_blocks_of_another_model_are_refused() {
        let shape = ModelShape::uniform(8, 4, 1, LayerShape { heads: 2, neurons: 3 });
        let mut kept = Kept::all(&shape);
        kept.neurons[0] = vec![0, 3];
        let error = kept.validate(&shape).expect_err("there is no neuron 3");
        assert!(error.to_string().contains("neurons of layer 0"), "{error}");
        kept.neurons[0] = vec![1, 0];
        assert!(kept.validate(&shape).is_err(), "unsorted indices pass");
        kept.neurons.clear();
        assert!(matches!(kept.validate(&shape), Err(KeptError::Layers { neurons: 0, .. })));
    }
}
