//! By what a batch's queries and keys are turned.

use crate::ModelConfig;
use burn::tensor::{Device, Tensor, TensorData};

/// Cosines and sines of a batch's positions.
#[derive(Clone, Debug)]
pub(crate) struct Angles {
    /// A row for every position: cosines of all pairs of dims, then their sines, `[positions, size]`. Tokens go through them
    /// in order, and again from the first when there are no more.
    pub(in crate::kernels) table: Tensor<2>,
    /// Dims of a head.
    pub(in crate::kernels) size: usize,
}

impl Angles {
    /// Of these positions; `None` for a model in which positions turn nothing.
    pub(crate) fn of(config: &ModelConfig, positions: impl Iterator<Item = usize>, device: &Device) -> Option<Self> {
        let rotary = config.decoder.as_ref()?.rotary?;
        let size = config.head_size;
        let values = rotary.table(size, positions);
        let rows = values.len() / size;
        Some(Self { table: Tensor::from_data(TensorData::new(values, [rows, size]), device), size })
    }
}
