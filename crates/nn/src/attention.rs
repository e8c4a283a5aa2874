//! Multi-head self-attention whose heads can be masked and removed.

use crate::kernels;
use crate::linear::AptLinear;
use crate::masks::DeviceMasks;
use crate::norm::LayerNorm;
use crate::salience::{Site, Taps};
use crate::transformer::Batch;
use crate::{LinearMasks, NnError};
use burn::module::Module;
use burn::tensor::Tensor;

/// `norm(x + output(concat(heads)))`, post-norm.
#[derive(Module, Debug)]
pub struct Attention {
    /// `[hidden, heads · head_size]`.
    pub query: AptLinear,
    /// `[hidden, heads · head_size]`.
    pub key: AptLinear,
    /// `[hidden, heads · head_size]`.
    pub value: AptLinear,
    /// `[heads · head_size, hidden]`.
    pub output: AptLinear,
    /// The norm after the residual sum.
    pub norm: LayerNorm,
    /// Width of a head.
    #[module(skip)]
    pub head_size: usize,
}

impl Attention {
    /// Heads that are left.
    pub fn heads(&self) -> usize {
        self.query.dims()[1] / self.head_size
    }

    /// `x: [tokens, hidden]` → the same shape. `layer` names the block for masks and taps.
    pub fn forward(
        &self,
        x: Tensor<2>,
        batch: &Batch,
        layer: usize,
        masks: Option<&DeviceMasks>,
        taps: &mut Option<&mut Taps>,
    ) -> Tensor<2> {
        let branch = Taps::watch(taps, Site::AttentionInput(layer), x.clone());
        let mut context = self.context(branch, batch);
        if let Some(masks) = masks {
            context = masks.layers[layer].heads.on(context);
        }
        let context = Taps::watch(taps, Site::Context(layer), context);
        let output_mask = LinearMasks { input: None, output: masks.and_then(DeviceMasks::of_stream) };
        let y = self.output.forward_masked(context, &output_mask);
        self.norm.forward_sum(x, y, masks.and_then(|m| m.hidden.as_ref()))
    }

    /// Keeps the given heads and hidden dims.
    pub fn select(&self, heads: &[usize], hidden: Option<&[usize]>) -> Self {
        let dims: Vec<usize> = heads.iter().flat_map(|h| h * self.head_size..(h + 1) * self.head_size).collect();
        let dims = (heads.len() < self.heads() || !heads.is_sorted()).then_some(dims.as_slice());
        Self {
            query: self.query.select(hidden, dims),
            key: self.key.select(hidden, dims),
            value: self.value.select(hidden, dims),
            output: self.output.select(dims, hidden),
            norm: self.norm.select(hidden),
            head_size: self.head_size,
        }
    }

    /// Softmax(QKᵀ/√head_size)·V of every head, `[tokens, heads · head_size]`.
    fn context(&self, x: Tensor<2>, batch: &Batch) -> Tensor<2> {
        let (heads, size) = (self.heads(), self.head_size);
        let split = |t: Tensor<2>| t.reshape([batch.size, batch.length, heads, size]).swap_dims(1, 2);
        let scale = 1.0 / (size as f64).sqrt();
        let qkv = [self.query.forward(x.clone()), self.key.forward(x.clone()), self.value.forward(x)];
        if let Some(lengths) = &batch.packed {
            return kernels::packed_attention(qkv, lengths, heads);
        }
        if let Some(context) = kernels::attention(&qkv, batch.padding.as_ref(), [batch.size, batch.length], heads) {
            return context;
        }
        let [q, k, v] = qkv.map(split); // (B, H, S, D)
        let scores = q.matmul(k.swap_dims(2, 3)); // (B, H, S, S)
        let weights = kernels::attention_weights(scores, batch.padding.as_ref(), scale);
        let context = weights.matmul(v); // (B, H, S, D)
        context.swap_dims(1, 2).reshape([batch.size * batch.length, heads * size])
    }

    /// The four projections with their names, in the order of checkpoints.
    pub fn projections(&self) -> [(&'static str, &AptLinear); 4] {
        [("query", &self.query), ("key", &self.key), ("value", &self.value), ("output", &self.output)]
    }

    /// The projection called `name`.
    ///
    /// # Errors
    /// [`NnError::Config`] when there is none.
    pub fn projection_mut(&mut self, name: &str) -> Result<&mut AptLinear, NnError> {
        match name {
            "query" => Ok(&mut self.query),
            "key" => Ok(&mut self.key),
            "value" => Ok(&mut self.value),
            "output" => Ok(&mut self.output),
            _ => Err(NnError::Config { file: "adapters".into(), what: format!("no linear layer is called `{name}`") }),
        }
    }
}
