//! What the benchmark times: one training step in three kinds of run, and on two shapes one inference of an encoder or a text
//! that a decoder writes.

use crate::timing::Unit;
use apt_core::tokens::TokenBatch;
use apt_nn::{HeadConfig, ModelConfig, Pooling};

/// How large a batch is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Sequences in a batch.
    pub batch: usize,
    /// Tokens in a sequence, with padding.
    pub length: usize,
    /// Whether sequences are as long as [`SENTENCES`] and the rest of each is padding; without it none is.
    pub padded: bool,
    /// Shards that a training batch of ours is gone through in.
    pub shards: usize,
}

impl Size {
    /// Tokens of each sequence, without padding.
    pub fn lengths(self) -> Vec<usize> {
        let Self { batch, length, padded, .. } = self;
        let of_sentence = |i: usize| SENTENCES[(2 * i + 1) * SENTENCES.len() / (2 * batch)].min(length);
        (0..batch).map(|i| if padded { of_sentence(i) } else { length }).collect()
    }
}

/// Tokens of a sentence in each thirty-second part of SST-2's 872 validation sentences, ordered by length: of the middle one in
/// BERT's uncased vocabulary, with `[CLS]` and `[SEP]`.
pub const SENTENCES: [usize; 32] = [
    8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 20, 21, 22, 23, 24, 25, 26, 27, 27, 28, 29, 30, 32, 33, 34, 36, 37, 39,
    41, 44, 49,
];
/// Classes of the head.
pub const LABELS: usize = 2;
/// Tokens that a decoder writes.
pub const DECODED: usize = 200;
/// The text that it goes on with.
pub const PROMPT: &str = "Once upon a time";
/// The same with the token before a text, in the vocabulary of LLaMA 2, which is that of llama2.c's models.
pub const PROMPT_IDS: [i32; 5] = [1, 9038, 2501, 263, 931];

/// One thing that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Case {
    /// A step of LoRA: adapters on all linear layers, forward, backward, clipping, AdamW.
    Train,
    /// The same, collecting outlier-aware scores of all blocks and the importance of every adapter.
    TrainSalience,
    /// The same without scores, distilling from a teacher that shares the frozen weights.
    TrainDistil,
    /// Logits of the dense model.
    Infer,
    /// Logits of the model compacted to density 0.4.
    InferCompact,
    /// 200 tokens behind a short prompt, always the likeliest, one text at a time.
    Decode,
    /// The same of the model compacted to density 0.5.
    DecodeCompact,
}

impl Case {
    /// In the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Train,
        Self::TrainSalience,
        Self::TrainDistil,
        Self::Infer,
        Self::InferCompact,
        Self::Decode,
        Self::DecodeCompact,
    ];

    /// Whether it is timed of models like this: what infers is an encoder, and what decodes a decoder.
    pub fn is_of(self, model: &ModelConfig) -> bool {
        match self {
            Self::Train | Self::TrainSalience => true,
            Self::TrainDistil | Self::Infer | Self::InferCompact => model.decoder.is_none(),
            Self::Decode | Self::DecodeCompact => model.decoder.is_some(),
        }
    }

    /// Whether it is a training step.
    pub fn trains(self) -> bool {
        matches!(self, Self::Train | Self::TrainSalience | Self::TrainDistil)
    }

    /// What its times are given in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Decode | Self::DecodeCompact => Unit::TokensPerSecond,
            Self::Train | Self::TrainSalience | Self::TrainDistil | Self::Infer | Self::InferCompact => {
                Unit::Milliseconds
            }
        }
    }

    /// Its name in arguments and in requests to PyTorch.
    pub fn key(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::TrainSalience => "train_salience",
            Self::TrainDistil => "train_distil",
            Self::Infer => "infer",
            Self::InferCompact => "infer_compact",
            Self::Decode => "decode",
            Self::DecodeCompact => "decode_compact",
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
            Self::Decode => "decode, dense",
            Self::DecodeCompact => "decode, density 0.5",
        }
    }

    /// Share of the layers' parameters that its model keeps.
    fn density(self) -> f64 {
        match self {
            Self::InferCompact => 0.4,
            Self::DecodeCompact => 0.5,
            Self::Train | Self::TrainSalience | Self::TrainDistil | Self::Infer | Self::Decode => 1.0,
        }
    }

    /// The shapes this case runs on, given the dense ones.
    pub fn config(self, dense: &ModelConfig) -> ModelConfig {
        let mut config = match self.density() {
            1.0 => dense.clone(),
            // As the search rounds widths by default.
            density if dense.decoder.is_some() => compacted(dense, density, [8, 16]),
            density => compacted(dense, density, [1, 1]),
        };
        // The head's dense layer keeps its width when hidden dims go.
        config.head = dense.decoder.is_none().then(|| HeadConfig::new(Pooling::Pooler, dense.hidden, LABELS));
        config
    }
}

/// A batch.
pub fn tokens(config: &ModelConfig, size: Size) -> TokenBatch {
    let ids = (0..size.batch * size.length).map(|i| (i * 7919 % config.vocab_size) as i32).collect();
    TokenBatch::of_one_type(ids, size.lengths())
}

/// The shapes that are left when every layer keeps the same share of its heads and neurons and the model that share of
/// its hidden dims; the share is the one that comes nearest to `density`. Hidden dims and neurons are multiples of `round`.
fn compacted(dense: &ModelConfig, density: f64, round: [usize; 2]) -> ModelConfig {
    let all = dense.shape().parameters() as f64;
    let keep = |share: f64| {
        let of = |n: usize, round: usize| ((n as f64 * share / round as f64).round() as usize).max(1) * round;
        let mut config = dense.clone();
        config.hidden = of(dense.hidden, round[0]);
        for layer in &mut config.layers {
            (layer.heads, layer.neurons) = (of(layer.heads, 1), of(layer.neurons, round[1]));
        }
        config
    };
    let miss = |config: &ModelConfig| (config.shape().parameters() as f64 / all - density).abs();
    let candidates = (30..=90).map(|percent| keep(f64::from(percent) / 100.0));
    candidates.min_by(|a, b| miss(a).total_cmp(&miss(b))).unwrap_or_else(|| dense.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{minilm, stories15m};

    #[test]
    fn a_compacted_model_has_the_density_that_its_case_is_called_after() {
        for (case, dense, density) in [(Case::InferCompact, minilm(), 0.4), (Case::DecodeCompact, stories15m(), 0.5)] {
            let config = case.config(&dense);
            let found = config.shape().parameters() as f64 / dense.shape().parameters() as f64;
            assert!((found - density).abs() < 0.02, "{}: {found}", case.key());
            assert!(case.title().ends_with(&density.to_string()), "{}", case.title());
            assert_eq!((config.vocab_size, config.head_size), (dense.vocab_size, dense.head_size));
        }
    }

    #[test]
    fn padded_sequences_are_as_long_as_sentences_in_batches_of_any_size() {
        let lengths = |batch, padded| Size { batch, length: 49, padded, shards: 1 }.lengths();
        assert_eq!(lengths(32, true), SENTENCES);
        assert_eq!((lengths(1, true), lengths(3, true)), (vec![25], vec![14, 25, 36]));
        assert_eq!((lengths(64, true).len(), lengths(2, false)), (64, vec![49, 49]));
    }

    #[test]
    fn a_decoder_has_no_classification_head_and_room_for_what_it_writes() {
        let dense = stories15m();
        for case in Case::ALL.into_iter().filter(|case| case.is_of(&dense)) {
            assert_eq!(case.config(&dense).head, None, "{}", case.key());
        }
        assert!(PROMPT_IDS.len() + DECODED <= dense.max_length(), "{} positions", dense.max_length());
        // The file of the published model has 15,191,712 values beside its table of angles.
        assert_eq!(dense.shape().parameters() + dense.embedding_parameters(), 15_191_712);
    }
}
