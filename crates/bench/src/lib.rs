//! What `pretrain` and `bench` share: the shapes they build. And the two sides of the benchmark: [`workload`] runs ours,
//! [`pytorch`] the same work in PyTorch.

pub mod cases;
pub mod products;
pub mod pytorch;
pub mod training;
pub mod workload;

use apt_core::blocks::LayerShape;
use apt_nn::{Activation, Family, ModelConfig};

/// The allocator of the command line, so that what is timed here is what its users feel.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A BERT encoder of `layers` equal layers with heads 32 dims wide.
pub fn bert(vocab_size: usize, max_positions: usize, hidden: usize, layers: usize, neurons: usize) -> ModelConfig {
    with_heads(32, [vocab_size, max_positions, hidden, layers, neurons])
}

fn with_heads(head_size: usize, sizes: [usize; 5]) -> ModelConfig {
    let [vocab_size, max_positions, hidden, layers, neurons] = sizes;
    ModelConfig {
        family: Family::Bert,
        vocab_size,
        max_positions,
        type_vocab_size: 2,
        embedding: None,
        hidden,
        head_size,
        layers: vec![LayerShape { heads: hidden / head_size, neurons }; layers],
        activation: Activation::Gelu,
        norm_eps: 1e-12,
        pad_id: 0,
        head: None,
        label_names: vec![],
        decoder: None,
    }
}

/// The architecture of the built-in checkpoint: 4 layers, hidden 128, 4 heads, 512 neurons.
pub fn builtin(vocab_size: usize) -> ModelConfig {
    bert(vocab_size, 64, 128, 4, 512)
}

/// The shapes of MiniLM-L6: 6 layers, hidden 384, 12 heads, 1536 neurons.
pub fn minilm() -> ModelConfig {
    bert(30522, 512, 384, 6, 1536)
}

/// The shapes of RoBERTa-base: 12 layers, hidden 768, 12 heads of 64, 3072 neurons.
pub fn roberta_base() -> ModelConfig {
    with_heads(64, [50265, 514, 768, 12, 3072])
}
