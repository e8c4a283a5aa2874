//! Keys and values of the tokens that a decoder has seen, so that the next one costs one token.
//!
//! Each layer keeps as many heads as pruning has left it. Prompts of a batch are padded behind their ends; what follows
//! stands behind the padding, which stays masked: positions are already in the keys, so that where a key lies does not
//! matter.

use crate::batch::{Batch, PADDING_SCORE};
use crate::kernels::{self, Heads, Span};
use crate::{Attention, Transformer};
use burn::tensor::{Device, Tensor, TensorData};

/// What a decoder remembers of a batch of texts, on its device.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Keys and values of every layer, `[sequences, heads, tokens, head_size]`; `None` before the first and of layers without
    /// attention.
    layers: Vec<Option<[Tensor<4>; 2]>>,
    /// Tokens of each text.
    pub lengths: Vec<usize>,
    /// Tokens of the longest prompt.
    prompt: usize,
    /// Tokens of each prompt.
    prompts: Vec<usize>,
    /// Added to the scores of this step's keys, `[sequences, 1, 1, tokens]`; `None` if none of them is padding.
    padding: Option<Tensor<4>>,
}

impl Cache {
    /// For texts that begin with prompts of these lengths.
    pub(crate) fn new(model: &Transformer, prompts: &[usize], longest: usize) -> Self {
        let layers = vec![None; model.layers.len()];
        Self { layers, lengths: prompts.to_vec(), prompt: longest, prompts: prompts.to_vec(), padding: None }
    }

    /// Makes room for one more token of every text.
    pub(crate) fn grow(&mut self, device: &Device) {
        self.lengths.iter_mut().for_each(|length| *length += 1);
        let more = self.lengths.first().zip(self.prompts.first()).map_or(0, |(length, prompt)| length - prompt);
        let (prompt, keys) = (self.prompt, self.prompt + more);
        let of = |n: &usize| {
            let n = *n;
            (0..keys).map(move |j| if j >= n && j < prompt { PADDING_SCORE } else { 0.0 })
        };
        self.padding = self.prompts.iter().any(|&n| n < prompt).then(|| {
            let values: Vec<f32> = self.prompts.iter().flat_map(of).collect();
            Tensor::from_data(TensorData::new(values, [self.prompts.len(), 1, 1, keys]), device)
        });
    }

    /// Drops keys and values, which another has taken over.
    pub(crate) fn forget(&mut self) {
        self.layers.clear();
    }

    /// Keys and values of a layer, `[sequences, heads, tokens, head_size]`.
    pub(crate) fn of_layer(&self, layer: usize) -> Option<&[Tensor<4>; 2]> {
        self.layers.get(layer)?.as_ref()
    }

    /// What the new tokens gather from all before them and themselves; they are remembered.
    pub(crate) fn attend(
        &mut self,
        layer: usize,
        attention: &Attention,
        [q, k, v]: [Tensor<2>; 3],
        batch: &Batch,
    ) -> Tensor<2> {
        let (units, group, size) = (attention.heads(), attention.queries_per_key, attention.head_size);
        let tokens = q.dims()[0];
        let (sequences, length) = (batch.size, tokens / batch.size.max(1));
        let split = |t: &Tensor<2>, heads| t.clone().reshape([sequences, length, heads, size]).swap_dims(1, 2);
        let new = [split(&k, units), split(&v, units)];
        let Some([keys, values]) = self.layers[layer].take() else {
            self.layers[layer] = Some(new.clone());
            let heads = Heads { units, group, causal: true };
            let spans = vec![Span::new(length, length); sequences];
            if let Some(context) = kernels::attention(&[q.clone(), k, v], &spans, heads) {
                return context;
            }
            let [keys, values] = new;
            let q = split(&q, units * group).reshape([sequences, units, group * length, size]);
            let weights = kernels::causal_weights(q.matmul(keys.swap_dims(2, 3)), 1.0 / (size as f64).sqrt());
            let context = weights.matmul(values).reshape([sequences, units * group, length, size]);
            return context.swap_dims(1, 2).reshape([tokens, units * group * size]);
        };
        let [new_keys, new_values] = new;
        let (keys, values) = (Tensor::cat(vec![keys, new_keys], 2), Tensor::cat(vec![values, new_values], 2));
        // One query of every head: the heads of a unit are its rows.
        let q = q.reshape([sequences, units, group, size]);
        let scores = q.matmul(keys.clone().swap_dims(2, 3));
        let weights = kernels::attention_weights(scores, self.padding.as_ref(), 1.0 / (size as f64).sqrt());
        let context = weights.matmul(values.clone()).reshape([tokens, units * group * size]);
        self.layers[layer] = Some([keys, values]);
        context
    }
}
