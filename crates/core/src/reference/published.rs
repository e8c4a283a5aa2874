//! Cost formulas of the published code, for comparison only.
//!
//! They estimate where [`crate::blocks`] counts: every layer is charged for its norms and output
//! biases even after its last head or neuron has gone, and some biases that a family lacks are
//! charged all the same. Nothing in the method uses them; the oracle tests do.

use crate::blocks::BlockCosts;

/// Which of the published parameter formulas to use (METHOD §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedFormula {
    /// T5 counts neither biases nor the cross-attention of its decoder apart.
    pub t5: bool,
    /// Three feed-forward matrices instead of two.
    pub gated: bool,
    /// Layers; for T5 those of the encoder alone.
    pub layers: usize,
    /// Width of one head.
    pub head_size: usize,
}

impl PublishedFormula {
    /// C(H, F, d) of the published code: an estimate that charges every layer for its norms and
    /// output biases even after its last head or neuron has gone.
    pub fn parameters(&self, heads: usize, neurons: usize, hidden: usize) -> f64 {
        let (heads, neurons, hidden) = (heads as f64, neurons as f64, hidden as f64);
        let inner = self.inner(heads, neurons);
        let layers = self.layers as f64;
        if self.t5 {
            hidden * (inner + 4.0 * layers)
        } else {
            hidden * (inner + 6.0 * layers) + 3.0 * heads * self.head_size as f64 + neurons
        }
    }

    /// Parameters per block, as the published code divides scores by.
    pub fn block_costs(&self, heads: usize, neurons: usize, hidden: usize) -> BlockCosts {
        let (hidden, head_size) = (hidden as f64, self.head_size as f64);
        let inner = self.inner(heads as f64, neurons as f64);
        let layers = self.layers as f64;
        if self.t5 {
            BlockCosts {
                head: 4.0 * hidden * head_size,
                neuron: self.matrices() * hidden,
                hidden: inner + 2.5 * layers + 2.0,
            }
        } else {
            BlockCosts {
                head: 4.0 * hidden * head_size + 3.0 * head_size,
                neuron: self.matrices() * hidden + 1.0,
                hidden: inner + 6.0 * layers,
            }
        }
    }

    fn inner(&self, heads: f64, neurons: f64) -> f64 {
        4.0 * heads * self.head_size as f64 + self.matrices() * neurons
    }

    fn matrices(&self) -> f64 {
        if self.gated { 3.0 } else { 2.0 }
    }
}

/// Multiply-accumulates of one head over `seq_len` tokens: q, k, v, o, scores and weighting.
///
/// `seq_len` is an average over a data set in the published code, hence not whole.
pub fn macs_per_head(seq_len: f64, hidden: usize, head_size: usize) -> f64 {
    let head_size = head_size as f64;
    4.0 * seq_len * hidden as f64 * head_size + 2.0 * seq_len * seq_len * head_size
}

/// Multiply-accumulates of one cross-attention head: `queries` tokens look at `seq_len`.
pub fn macs_per_cross_head(seq_len: f64, queries: f64, hidden: usize, head_size: usize) -> f64 {
    let (hidden, head_size) = (hidden as f64, head_size as f64);
    2.0 * (seq_len + queries) * hidden * head_size + 2.0 * seq_len * queries * head_size
}

/// Multiply-accumulates of one neuron over `seq_len` tokens.
pub fn macs_per_neuron(seq_len: f64, hidden: usize, gated: bool) -> f64 {
    let matrices = if gated { 3.0 } else { 2.0 };
    matrices * seq_len * hidden as f64
}
