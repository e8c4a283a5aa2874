//! What stands on the encoder: a classifier, or a masked-language-model head for pretraining.

use crate::config::{Activation, HeadConfig};
use crate::feed_forward::activate;
use crate::{AptLinear, Init, LayerNorm};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// `out(tanh(dense(h_first)))`: BERT's pooler and classifier, RoBERTa's classification head.
#[derive(Module, Debug)]
pub struct ClassificationHead {
    /// `[hidden, dense]`; only its input side is pruned.
    pub dense: AptLinear,
    /// `[dense, labels]`.
    pub out: AptLinear,
}

impl ClassificationHead {
    /// A new head, N(0, 0.02²) with zero biases, on the `dense` layer of a checkpoint if it has one.
    pub fn new(hidden: usize, config: HeadConfig, pooler: Option<AptLinear>, init: &mut Init) -> Self {
        let mut linear =
            |d_in, d_out| AptLinear::new(init.normal([d_in, d_out], 0.02), Some(Tensor::zeros([d_out], init.device())));
        let dense = linear(hidden, config.dense);
        let out = linear(config.dense, config.labels);
        Self { dense: pooler.unwrap_or(dense), out }
    }

    /// Sizes.
    pub fn config(&self) -> HeadConfig {
        let [dense, labels] = self.out.dims();
        HeadConfig { dense, labels }
    }

    /// `first: [batch, hidden]` → logits `[batch, labels]`.
    pub fn forward(&self, first: Tensor<2>) -> Tensor<2> {
        self.out.forward(self.dense.forward(first).tanh())
    }

    /// Keeps the given hidden dims.
    pub fn select(&self, hidden: Option<&[usize]>) -> Self {
        Self { dense: self.dense.select(hidden, None), out: self.out.clone() }
    }
}

/// `decoder(norm(gelu(dense(h))))` with the decoder tied to the word embedding.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    /// `[hidden, hidden]`.
    pub dense: AptLinear,
    /// Before the decoder.
    pub norm: LayerNorm,
    /// `[vocab]`.
    pub bias: Param<Tensor<1>>,
}

impl MaskedLmHead {
    /// A new head.
    pub fn new(hidden: usize, vocab: usize, eps: f64, init: &mut Init) -> Self {
        let weight = init.normal([hidden, hidden], 0.02);
        let device = init.device();
        Self {
            dense: AptLinear::new(weight, Some(Tensor::zeros([hidden], device))),
            norm: LayerNorm::new(Tensor::ones([hidden], device), Tensor::zeros([hidden], device), eps),
            bias: Param::from_tensor(Tensor::zeros([vocab], device)),
        }
    }

    /// `h: [positions, hidden]`, `words: [vocab, hidden]` → `[positions, vocab]`.
    pub fn forward(&self, h: Tensor<2>, words: Tensor<2>) -> Tensor<2> {
        let h = self.norm.forward(activate(self.dense.forward(h), Activation::Gelu), None);
        h.matmul(words.transpose()) + self.bias.val().unsqueeze()
    }
}
