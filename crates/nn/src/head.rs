//! What stands on the encoder: a classifier, or a masked-language-model head for pretraining.

use crate::activation::Activation;
use crate::config::{HeadConfig, ModelConfig, Pooling};
use crate::dropout::Dropout;
use crate::norm::{Norm, NormKind};
use crate::{AptLinear, Init};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// `out(activation(dense(h)))` of the first token, which is BERT's pooler and classifier and RoBERTa's classification head;
/// or `out(h)` of the first token or of the mean over the tokens.
#[derive(Module, Debug)]
pub struct ClassificationHead {
    /// `[hidden, dense]`; only its input side is pruned.
    pub dense: Option<AptLinear>,
    /// `[dense, labels]`, or `[hidden, labels]` without a dense layer: then its input side is pruned.
    pub out: AptLinear,
    /// Between the two.
    #[module(skip)]
    pub activation: Activation,
    /// What it reads.
    #[module(skip)]
    pub pooling: Pooling,
}

impl ClassificationHead {
    /// A new head, N(0, 0.02²) with zero biases, on the `dense` layer of a checkpoint if it has one.
    pub fn new(config: &ModelConfig, head: HeadConfig, pooler: Option<AptLinear>, init: &mut Init) -> Self {
        let dense = head.dense.map(|width| AptLinear::random(config.hidden, width, true, init));
        let out = AptLinear::random(head.dense.unwrap_or(config.hidden), head.labels, true, init);
        let dense = dense.map(|new| pooler.unwrap_or(new));
        Self { dense, out, activation: config.family.spec().head.activation, pooling: head.pooling }
    }

    /// `read: [batch, hidden]` → logits `[batch, labels]`; dropout acts on what the last layer reads.
    pub fn forward(&self, read: Tensor<2>, dropout: &mut Option<&mut Dropout>) -> Tensor<2> {
        let pooled = match &self.dense {
            Some(dense) => self.activation.of(dense.forward(read)),
            None => read,
        };
        self.out.forward(Dropout::on(dropout, pooled))
    }

    /// Keeps the given hidden dims.
    pub fn select(&self, hidden: Option<&[usize]>) -> Self {
        match &self.dense {
            Some(dense) => Self { dense: Some(dense.select(hidden, None)), ..self.clone() },
            None => Self { out: self.out.select(hidden, None), ..self.clone() },
        }
    }
}

/// `decoder(norm(gelu(dense(h))))` with the decoder tied to the word embedding.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    /// `[hidden, hidden]`.
    pub dense: AptLinear,
    /// Before the decoder.
    pub norm: Norm,
    /// `[vocab]`.
    pub bias: Param<Tensor<1>>,
}

impl MaskedLmHead {
    /// A new head.
    pub fn new(hidden: usize, vocab: usize, eps: f64, init: &mut Init) -> Self {
        Self {
            dense: AptLinear::random(hidden, hidden, true, init),
            norm: Norm::ones(NormKind::Layer, hidden, eps, init.device()),
            bias: Param::from_tensor(Tensor::zeros([vocab], init.device())),
        }
    }

    /// `h: [positions, hidden]`, `words: [vocab, hidden]` → `[positions, vocab]`.
    pub fn forward(&self, h: Tensor<2>, words: Tensor<2>) -> Tensor<2> {
        let h = self.norm.forward(Activation::Gelu.of(self.dense.forward(h)), None);
        h.matmul(words.transpose()) + self.bias.val().unsqueeze()
    }
}
