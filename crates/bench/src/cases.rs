//! What the benchmark times: one training step in three kinds of run, one inference on two shapes.

use apt_core::tokens::TokenBatch;
use apt_nn::{HeadConfig, ModelConfig, Pooling};

/// How large a batch is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Sequences in a batch.
    pub batch: usize,
    /// Tokens in a sequence; none is padding.
    pub length: usize,
}

/// Classes of the head.
pub const LABELS: usize = 2;
/// Share of the encoder's parameters that the compacted model keeps.
const DENSITY: f64 = 0.4;

/// One thing that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Case {
    /// A step of LoRA: adapters on all six linear layers, forward, backward, clipping, AdamW.
    Train,
    /// The same, collecting outlier-aware scores of all blocks and the importance of every adapter.
    TrainSalience,
    /// The same without scores, distilling from a teacher that shares the frozen weights.
    TrainDistil,
    /// Logits of the dense model.
    Infer,
    /// Logits of the model compacted to `DENSITY`.
    InferCompact,
}

impl Case {
    /// In the order of the table.
    pub const ALL: [Self; 5] = [Self::Train, Self::TrainSalience, Self::TrainDistil, Self::Infer, Self::InferCompact];

    /// Its name in arguments and in requests to PyTorch.
    pub fn key(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::TrainSalience => "train_salience",
            Self::TrainDistil => "train_distil",
            Self::Infer => "infer",
            Self::InferCompact => "infer_compact",
        }
    }

    /// Its name in the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Train => "training step",
            Self::TrainSalience => "training step, salience",
            Self::TrainDistil => "training step, distilling",
            Self::Infer => "inference, dense",
            Self::InferCompact => "inference, density 0.4",
        }
    }

    /// The shapes this case runs on, given the dense ones.
    pub fn config(self, dense: &ModelConfig) -> ModelConfig {
        let mut config = match self {
            Self::InferCompact => compacted(dense),
            _ => dense.clone(),
        };
        // The head's dense layer keeps its width when hidden dims go.
        config.head = Some(HeadConfig::new(Pooling::Pooler, dense.hidden, LABELS));
        config
    }
}

/// A batch without padding.
pub fn tokens(config: &ModelConfig, size: Size) -> TokenBatch {
    let ids = (0..size.batch * size.length).map(|i| (i * 7919 % config.vocab_size) as i32).collect();
    TokenBatch::of_one_type(ids, vec![size.length; size.batch])
}

/// The shapes that are left when every layer keeps the same share of its heads and neurons and the model that share of
/// its hidden dims; the share is the one that comes nearest to [`DENSITY`].
fn compacted(dense: &ModelConfig) -> ModelConfig {
    let all = dense.shape().parameters() as f64;
    let keep = |share: f64| {
        let of = |n: usize| ((n as f64 * share).round() as usize).max(1);
        let mut config = dense.clone();
        config.hidden = of(dense.hidden);
        for layer in &mut config.layers {
            (layer.heads, layer.neurons) = (of(layer.heads), of(layer.neurons));
        }
        config
    };
    let miss = |config: &ModelConfig| (config.shape().parameters() as f64 / all - DENSITY).abs();
    let candidates = (30..=90).map(|percent| keep(f64::from(percent) / 100.0));
    candidates.min_by(|a, b| miss(a).total_cmp(&miss(b))).unwrap_or_else(|| dense.clone())
}
