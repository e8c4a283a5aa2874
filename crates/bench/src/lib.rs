//! What the programs here share: the shapes they build, and how a checkpoint is written. And the two sides of the benchmark:
//! [`workload`] runs ours, [`pytorch`] the same work in PyTorch, [`peers`] what other programs do of it.

pub mod byte_pairs;
pub mod cases;
pub mod files;
pub mod peers;
pub mod products;
pub mod pytorch;
pub mod timing;
pub mod training;
pub mod workload;

use apt_core::blocks::LayerShape;
use apt_core::wiring::Biases;
use apt_nn::{Activation, DecoderConfig, Family, ModelConfig, Rotary, RotaryScaling};

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

/// The architecture of the built-in decoder: LLaMA's, with 4 layers, hidden 128, 8 query heads of 16 dims in 4 groups, 352
/// gated neurons, and a head that is the table of words. `end` is the token between texts.
pub fn builtin_decoder(vocab_size: usize, end: usize) -> ModelConfig {
    let layer = LayerShape { heads: 4, neurons: 352 };
    llama([vocab_size, 64, 128, 16], 2, vec![layer; 4], [end; 2])
}

/// The shapes of stories15M, a model of llama2.c: 6 layers, hidden 288, 6 heads of 48, 768 gated neurons, the vocabulary of
/// LLaMA 2, and a head that is the table of words.
pub fn stories15m() -> ModelConfig {
    let layer = LayerShape { heads: 6, neurons: 768 };
    llama([32000, 256, 288, 48], 1, vec![layer; 6], [1, 2])
}

/// A decoder of LLaMA's family with a tied head; `ends` are the tokens before and after a text.
fn llama(sizes: [usize; 4], queries_per_key: usize, layers: Vec<LayerShape>, ends: [usize; 2]) -> ModelConfig {
    let [vocab_size, max_positions, hidden, head_size] = sizes;
    let [bos, eos] = ends;
    ModelConfig {
        family: Family::Llama,
        vocab_size,
        max_positions,
        type_vocab_size: 0,
        embedding: None,
        hidden,
        head_size,
        layers,
        activation: Activation::Silu,
        norm_eps: 1e-5,
        pad_id: eos,
        head: None,
        label_names: vec![],
        decoder: Some(DecoderConfig {
            queries_per_key,
            biases: Biases::NONE,
            rotary: Some(Rotary { theta: 1e4, scaling: RotaryScaling::Default }),
            tied: true,
            bos_id: Some(bos),
            eos_ids: vec![eos],
        }),
    }
}

/// The shapes of MiniLM-L6: 6 layers, hidden 384, 12 heads, 1536 neurons.
pub fn minilm() -> ModelConfig {
    bert(30522, 512, 384, 6, 1536)
}

/// The shapes of RoBERTa-base: 12 layers, hidden 768, 12 heads of 64, 3072 neurons.
pub fn roberta_base() -> ModelConfig {
    with_heads(64, [50265, 514, 768, 12, 3072])
}
