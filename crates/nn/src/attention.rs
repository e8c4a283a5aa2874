//! Multi-head self-attention whose heads can be masked and removed.

use crate::batch::{Batch, Layout};
use crate::dropout::Dropout;
use crate::kernels;
use crate::linear::{AptLinear, LinearMasks};
use crate::masks::DeviceMasks;
use crate::norm::LayerNorm;
use crate::taps::{TapPoint, Taps};
use apt_core::wiring::{Site, SubBlock};
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

    /// Built from its linear layers, each made by `linear`.
    pub(crate) fn build<E>(
        mut linear: impl FnMut(Site) -> Result<AptLinear, E>,
        norm: LayerNorm,
        head_size: usize,
    ) -> Result<Self, E> {
        Ok(Self {
            query: linear(Site::Query)?,
            key: linear(Site::Key)?,
            value: linear(Site::Value)?,
            output: linear(Site::Output)?,
            norm,
            head_size,
        })
    }

    /// With each linear layer changed by `linear`, and the norm by `norm`.
    pub(crate) fn map(
        &self,
        linear: impl Fn(Site, &AptLinear) -> AptLinear,
        norm: impl Fn(&LayerNorm) -> LayerNorm,
    ) -> Self {
        Self {
            query: linear(Site::Query, &self.query),
            key: linear(Site::Key, &self.key),
            value: linear(Site::Value, &self.value),
            output: linear(Site::Output, &self.output),
            norm: norm(&self.norm),
            head_size: self.head_size,
        }
    }

    /// Its linear layers.
    pub(crate) fn linears(&self) -> Vec<(Site, &AptLinear)> {
        let Self { query, key, value, output, .. } = self;
        vec![(Site::Query, query), (Site::Key, key), (Site::Value, value), (Site::Output, output)]
    }

    /// As [`Self::linears`], to change them.
    pub(crate) fn linears_mut(&mut self) -> Vec<(Site, &mut AptLinear)> {
        let Self { query, key, value, output, .. } = self;
        vec![(Site::Query, query), (Site::Key, key), (Site::Value, value), (Site::Output, output)]
    }

    /// `x: [tokens, hidden]` → the same shape. `layer` names the block for masks and taps.
    pub fn forward(
        &self,
        x: Tensor<2>,
        batch: &Batch,
        layer: usize,
        masks: Option<&DeviceMasks>,
        taps: &mut Option<&mut Taps>,
        dropout: &mut Option<&mut Dropout>,
    ) -> Tensor<2> {
        let branch = Taps::record(taps, TapPoint::Input(SubBlock::Attention, layer), x.clone());
        let mut context = self.context(branch, batch, dropout);
        if let Some(masks) = masks {
            context = masks.of(SubBlock::Attention, layer).mask.on(context);
        }
        let context = Taps::record(taps, TapPoint::Activation(SubBlock::Attention, layer), context);
        let output_mask = LinearMasks { input: None, output: masks.and_then(DeviceMasks::of_stream) };
        let y = Dropout::on(dropout, self.output.forward_masked(context, &output_mask));
        self.norm.forward_sum(x, y, masks.and_then(|m| m.hidden.as_ref()))
    }

    /// Softmax(QKᵀ/√head_size)·V of every head, `[tokens, heads · head_size]`.
    fn context(&self, x: Tensor<2>, batch: &Batch, dropout: &mut Option<&mut Dropout>) -> Tensor<2> {
        let (heads, size) = (self.heads(), self.head_size);
        let scale = 1.0 / (size as f64).sqrt();
        let qkv = [self.query.forward(x.clone()), self.key.forward(x.clone()), self.value.forward(x)];
        let (length, padding) = match &batch.layout {
            Layout::Packed { lengths } => return kernels::packed_attention(qkv, lengths, heads),
            Layout::Padded { length, padding, .. } => (*length, padding.as_ref()),
        };
        // Dropout needs the weights, which the one operation does not give.
        let fused = || kernels::attention(&qkv, padding, [batch.size, length], heads);
        if let Some(context) = dropout.is_none().then(fused).flatten() {
            return context;
        }
        let split = |t: Tensor<2>| t.reshape([batch.size, length, heads, size]).swap_dims(1, 2);
        let [q, k, v] = qkv.map(split); // (B, H, S, D)
        let scores = q.matmul(k.swap_dims(2, 3)); // (B, H, S, S)
        let weights = Dropout::on(dropout, kernels::attention_weights(scores, padding, scale));
        let context = weights.matmul(v); // (B, H, S, D)
        context.swap_dims(1, 2).reshape([batch.size * length, heads * size])
    }
}
