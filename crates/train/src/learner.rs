//! What is trained: the student and the map from its hidden states to the teacher's. Every change of shape happens
//! here, once, for weights and optimiser moments alike.

use apt_core::blocks::Kept;
use apt_nn::compact::{compact, compact_shared};
use apt_nn::{Adapter, Init, Transformer, added, named};
use burn::module::Module;
use burn::tensor::Tensor;

/// Tr of the layer-wise distillation loss: a square low-rank map that starts as the identity (METHOD §6.3).
#[derive(Module, Debug)]
pub struct Transform {
    /// `[hidden, rank]` and `[rank, hidden]`.
    pub adapter: Adapter,
}

impl Transform {
    /// The identity.
    pub fn new(hidden: usize, rank: usize, scale: f64, init: &mut Init) -> Self {
        Self { adapter: Adapter::new(hidden, hidden, rank, scale, init) }
    }

    /// `h + s·h·A·B`, `[tokens, hidden]`.
    pub fn forward(&self, h: Tensor<2>) -> Tensor<2> {
        let Adapter { a, b, scale } = &self.adapter;
        added(h, [a.val(), b.val()], *scale)
    }

    fn select(&self, hidden: &[usize]) -> Self {
        Self { adapter: self.adapter.select(Some(hidden), Some(hidden)) }
    }
}

/// Everything that gradients may change.
#[derive(Module, Debug)]
pub struct Learner {
    /// The model being pruned and tuned.
    pub student: Transformer,
    /// Present in runs that distil hidden states.
    pub transform: Option<Transform>,
}

impl Learner {
    /// Without the blocks that `kept` does not name.
    pub fn compact(&self, kept: &Kept) -> Self {
        Self { student: compact(&self.student, kept), transform: self.transform_for(kept) }
    }

    /// As [`Self::compact`], with the frozen weights staying submatrices of those of `teacher`, which is reordered.
    pub fn compact_shared(&self, teacher: &Transformer, kept: &Kept) -> (Self, Transformer) {
        let (student, teacher) = compact_shared(&self.student, teacher, kept);
        (Self { student, transform: self.transform_for(kept) }, teacher)
    }

    /// With every adapter grown to its rank in `ranks` (in the order of [`Transformer::adapters`]); `new_rows` makes
    /// the new columns of A, `[d_in, extra]`.
    pub fn grown(mut self, ranks: &[usize], new_rows: &mut dyn FnMut(usize, usize) -> Tensor<2>) -> Self {
        let adapters = self.student.linears_mut().into_iter().filter_map(|(_, l)| l.adapter.as_mut());
        for (adapter, &rank) in adapters.zip(ranks) {
            let extra = rank.saturating_sub(adapter.rank());
            if extra > 0 {
                *adapter = adapter.grow(new_rows(adapter.a.dims()[0], extra));
            }
        }
        self
    }

    /// With only these components of every adapter (in the order of [`Transformer::adapters`]).
    pub fn with_components(mut self, kept: &[Vec<usize>]) -> Self {
        let adapters = self.student.linears_mut().into_iter().filter_map(|(_, l)| l.adapter.as_mut());
        for (adapter, kept) in adapters.zip(kept) {
            *adapter = adapter.with_components(kept);
        }
        self
    }

    /// This learner with `moments` in the place of its trainable values, so that a change of shape can be applied to
    /// them as it is to the weights.
    pub fn holding(&self, moments: &Tensor<1>) -> Self {
        named::with_values(self.clone(), moments)
    }

    fn transform_for(&self, kept: &Kept) -> Option<Transform> {
        self.transform.as_ref().map(|t| t.select(&kept.hidden))
    }
}
