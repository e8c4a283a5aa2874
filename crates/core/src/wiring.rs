//! How a transformer layer is wired: which linear layer reads and which writes which prunable axis.
//!
//! This table is the one place that knows it. Counting, search, scoring, removal, shared teacher weights, memory
//! estimates, checkpoint names and pictures are loops over its rows. A row's sides say how many entries each unit of an
//! axis owns, so that grouped-query attention (a unit is a key-value head with the query heads that share it) and a gated
//! feed-forward (two layers write the neurons) are rows too.

use serde::{Deserialize, Serialize};

use crate::arms;

arms! {
    /// A linear layer of a transformer layer.
    Site ("linear layer") {
        /// attention, queries
        Query = "query",
        /// attention, keys
        Key = "key",
        /// attention, values
        Value = "value",
        /// attention, output projection
        Output = "output",
        /// feed-forward, the gate where there is one
        Gate = "gate",
        /// feed-forward, into the neurons
        Up = "up",
        /// feed-forward, out of the neurons
        Down = "down",
    }
}

arms! {
    /// One of the two residual branches of a layer. It goes whole when its last unit goes.
    SubBlock ("sub-block") {
        /// the heads, with their projections
        Attention = "attention",
        /// the neurons, with the matrices into and out of them
        FeedForward = "feed_forward",
    }
}

impl SubBlock {
    /// The axis whose units are pruned in it.
    pub const fn axis(self) -> Axis {
        match self {
            Self::Attention => Axis::Heads,
            Self::FeedForward => Axis::Neurons,
        }
    }
}

/// Along what a side of a linear layer extends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Hidden dims, shared by all layers.
    Hidden,
    /// Heads of the layer; with grouped-query attention a unit is a key-value head and the query heads that share it.
    Heads,
    /// Feed-forward neurons of the layer.
    Neurons,
}

/// One side of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// What its entries belong to.
    pub axis: Axis,
    /// Entries per unit of the axis.
    pub width: usize,
}

impl Side {
    /// The entries of these units, in their order.
    pub fn entries(self, units: &[usize]) -> Vec<usize> {
        units.iter().flat_map(|unit| unit * self.width..(unit + 1) * self.width).collect()
    }
}

/// A linear layer: what it reads, what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearSpec {
    /// Which one it is.
    pub site: Site,
    /// The sub-block it belongs to.
    pub sub_block: SubBlock,
    /// What it reads.
    pub input: Side,
    /// What it writes.
    pub output: Side,
    /// Whether it has a bias over its outputs.
    pub bias: bool,
}

impl LinearSpec {
    /// The side that extends along the sub-block's own units, and whether it is the output.
    fn units(&self) -> (Side, bool) {
        if self.input.axis == Axis::Hidden { (self.output, true) } else { (self.input, false) }
    }
}

/// Which linear layers have a bias over their outputs: families differ in it by sub-block, and Qwen2 has them on queries,
/// keys and values alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Biases {
    /// Query, key and value.
    pub into_attention: bool,
    /// Attention's output projection.
    pub out_of_attention: bool,
    /// Gate, up and down.
    pub feed_forward: bool,
}

impl Biases {
    /// On every linear layer.
    pub const ALL: Self = Self { into_attention: true, out_of_attention: true, feed_forward: true };
    /// On none.
    pub const NONE: Self = Self { into_attention: false, out_of_attention: false, feed_forward: false };

    /// Whether the linear layer at `site` has one.
    pub const fn at(self, site: Site) -> bool {
        match site {
            Site::Query | Site::Key | Site::Value => self.into_attention,
            Site::Output => self.out_of_attention,
            Site::Gate | Site::Up | Site::Down => self.feed_forward,
        }
    }
}

/// What all layers of a model have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wiring {
    /// Width of one head; pruning never changes it.
    pub head_size: usize,
    /// Query heads that share a key-value head: 1, or more for grouped-query attention.
    pub queries_per_key: usize,
    /// Whether the feed-forward has a gate beside its up and down matrices.
    pub gated: bool,
    /// Which linear layers have biases.
    pub biases: Biases,
    /// Whether norms have biases beside their weights.
    pub norm_biases: bool,
    /// Whether queries and keys of every head pass a norm of `head_size` weights each, which all heads of a layer share.
    pub head_norms: bool,
    /// Whether a norm follows the last layer.
    pub final_norm: bool,
}

/// How the parameters of a sub-block follow from its units u and the hidden dims d:
/// `u·d·per_unit_and_hidden + u·per_unit`, and `d·per_hidden + fixed` while it has a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubBlockSize {
    /// Weights where units and hidden dims meet.
    pub per_unit_and_hidden: usize,
    /// Biases of the units.
    pub per_unit: usize,
    /// Biases of what is added to the hidden stream, and the norm.
    pub per_hidden: usize,
    /// What neither side has a share in: norms over the dims of a head.
    pub fixed: usize,
}

impl Wiring {
    /// An encoder's: one key-value head per query head, no gate, biases everywhere.
    pub const fn encoder(head_size: usize) -> Self {
        Self {
            head_size,
            queries_per_key: 1,
            gated: false,
            biases: Biases::ALL,
            norm_biases: true,
            head_norms: false,
            final_norm: false,
        }
    }

    /// Parameters of a norm for every entry that it normalises.
    pub const fn per_norm(self) -> usize {
        if self.norm_biases { 2 } else { 1 }
    }

    /// Parameters for every hidden dim that belong to no layer: the norm behind the last.
    pub const fn per_hidden_of_stream(self) -> usize {
        if self.final_norm { self.per_norm() } else { 0 }
    }

    /// The row of one linear layer.
    pub const fn linear(self, site: Site) -> LinearSpec {
        let hidden = Side { axis: Axis::Hidden, width: 1 };
        let queries = Side { axis: Axis::Heads, width: self.head_size * self.queries_per_key };
        let keys = Side { axis: Axis::Heads, width: self.head_size };
        let neurons = Side { axis: Axis::Neurons, width: 1 };
        let (sub_block, input, output) = match site {
            Site::Query => (SubBlock::Attention, hidden, queries),
            Site::Key => (SubBlock::Attention, hidden, keys),
            Site::Value => (SubBlock::Attention, hidden, keys),
            Site::Output => (SubBlock::Attention, queries, hidden),
            Site::Gate => (SubBlock::FeedForward, hidden, neurons),
            Site::Up => (SubBlock::FeedForward, hidden, neurons),
            Site::Down => (SubBlock::FeedForward, neurons, hidden),
        };
        LinearSpec { site, sub_block, input, output, bias: self.biases.at(site) }
    }

    /// Every linear layer of a layer, in the order of checkpoints.
    pub fn linears(self) -> impl Iterator<Item = LinearSpec> {
        let there = move |site: &&Site| self.gated || **site != Site::Gate;
        Site::ALL.iter().filter(there).map(move |&site| self.linear(site))
    }

    /// The linear layers of one sub-block.
    pub fn linears_of(self, sub_block: SubBlock) -> impl Iterator<Item = LinearSpec> {
        self.linears().filter(move |linear| linear.sub_block == sub_block)
    }

    /// Entries per unit of the activation inside a sub-block, which is what its last linear layer reads: the context of a
    /// head, or one neuron.
    pub fn activation_width(self, sub_block: SubBlock) -> usize {
        let reads_units = |linear: &LinearSpec| linear.input.axis == sub_block.axis();
        self.linears_of(sub_block).find(reads_units).map_or(1, |linear| linear.input.width)
    }

    /// What a sub-block's parameters follow from.
    pub fn size(self, sub_block: SubBlock) -> SubBlockSize {
        let mut size = SubBlockSize { per_hidden: self.per_norm(), ..SubBlockSize::default() };
        if self.head_norms && sub_block == SubBlock::Attention {
            size.fixed = 2 * self.head_size;
        }
        for linear in self.linears_of(sub_block) {
            let (units, writes_units) = linear.units();
            size.per_unit_and_hidden += units.width;
            match writes_units {
                true => size.per_unit += usize::from(linear.bias) * units.width,
                false => size.per_hidden += usize::from(linear.bias),
            }
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_has_six_linear_layers_and_a_gate_makes_seven() {
        let names = |wiring: Wiring| wiring.linears().map(|linear| linear.site.name()).collect::<Vec<_>>();
        let encoder = Wiring::encoder(64);
        assert_eq!(names(encoder), ["query", "key", "value", "output", "up", "down"]);
        let gated = Wiring { gated: true, ..encoder };
        assert_eq!(names(gated), ["query", "key", "value", "output", "gate", "up", "down"]);
    }

    #[test]
    fn a_group_of_query_heads_is_one_unit_with_its_key_value_head() {
        // LLaMA-like: 4 query heads of 8 on one key-value head, no biases, a gate, RMSNorm.
        let of_encoder = Wiring::encoder(8);
        let wiring = Wiring { queries_per_key: 4, gated: true, biases: Biases::NONE, norm_biases: false, ..of_encoder };
        // Query 32, key 8, value 8, output 32 per hidden dim; the norm's weight per hidden dim.
        let attention = SubBlockSize { per_unit_and_hidden: 80, per_unit: 0, per_hidden: 1, fixed: 0 };
        assert_eq!(wiring.size(SubBlock::Attention), attention);
        let feed_forward = SubBlockSize { per_unit_and_hidden: 3, per_unit: 0, per_hidden: 1, fixed: 0 };
        assert_eq!(wiring.size(SubBlock::FeedForward), feed_forward);
        assert_eq!(wiring.activation_width(SubBlock::Attention), 32);
        assert_eq!(wiring.activation_width(SubBlock::FeedForward), 1);
        let query = wiring.linears().next().map(|linear| linear.output.entries(&[0, 2]));
        assert_eq!(query, Some((0..32).chain(64..96).collect()));
    }

    #[test]
    fn biases_of_queries_alone_and_norms_of_heads_are_counted_where_they_are() {
        let biases = Biases { into_attention: true, ..Biases::NONE };
        let qwen = Wiring { queries_per_key: 2, gated: true, biases, norm_biases: false, ..Wiring::encoder(4) };
        // Biases of a unit: query 8, key 4, value 4.
        let size = qwen.size(SubBlock::Attention);
        assert_eq!((size.per_unit, size.per_hidden, size.fixed), (16, 1, 0));
        assert_eq!(qwen.size(SubBlock::FeedForward).per_unit, 0);
        let size = Wiring { head_norms: true, ..qwen }.size(SubBlock::Attention);
        assert_eq!(size.fixed, 8, "one norm of queries, one of keys");
    }

    #[test]
    fn sides_meet_between_the_layers_of_a_sub_block() {
        for wiring in [Wiring::encoder(4), Wiring { queries_per_key: 3, gated: true, ..Wiring::encoder(4) }] {
            for linear in wiring.linears() {
                let axes = [linear.input.axis, linear.output.axis];
                assert!(axes.contains(&Axis::Hidden), "{} touches the hidden stream", linear.site);
                assert!(axes.contains(&linear.sub_block.axis()), "{} touches its own units", linear.site);
            }
        }
    }
}
