//! The APT adapter: a frozen linear layer plus LoRA, with pruning masks on inputs and outputs and a rank that changes.
//!
//! `H(x) = m_o ∘ (W + s·W_B·W_A)(x ∘ m_i)` (APT, Eq. 2). Matrices are kept in Burn's orientation, the transpose of the
//! paper's: `weight` is `[d_in, d_out]`, `a` (W_Aᵀ) is `[d_in, r]`, `b` (W_Bᵀ) is `[r, d_out]`.

use crate::activation::Activation;
use crate::kernels::LinearTensors;
use crate::masks::Mask;
use crate::select::{replace, select_dim, select2};
use crate::{Init, kernels};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// The low-rank branch of an [`AptLinear`].
#[derive(Module, Debug)]
pub struct Adapter {
    /// W_Aᵀ, `[d_in, r]`.
    pub a: Param<Tensor<2>>,
    /// W_Bᵀ, `[r, d_out]`.
    pub b: Param<Tensor<2>>,
    /// s; stays the same when the rank changes (APT Appendix A, "set as 2 statically").
    #[module(skip)]
    pub scale: f64,
}

impl Adapter {
    /// A Kaiming-uniform, B zero: the layer's output does not move.
    pub fn new(d_in: usize, d_out: usize, rank: usize, scale: f64, init: &mut Init) -> Self {
        let b = Tensor::zeros([rank, d_out], init.device());
        Self { a: Param::from_tensor(init.kaiming(d_in, rank)), b: Param::from_tensor(b), scale }
    }

    /// r.
    pub fn rank(&self) -> usize {
        self.a.dims()[1]
    }

    /// Trainable parameters, `(d_in + d_out)·r`.
    pub fn parameters(&self) -> usize {
        (self.a.dims()[0] + self.b.dims()[1]) * self.rank()
    }

    /// Grows to `rank` with `new_a` (`[d_in, rank − r]`) and zero rows of B; the output does not move (METHOD §1.3).
    pub fn grow(&self, new_a: Tensor<2>) -> Self {
        let extra = new_a.dims()[1];
        let (a, b) = (self.a.val().detach(), self.b.val().detach());
        let zeros = Tensor::zeros([extra, b.dims()[1]], &b.device());
        Self {
            a: replace(&self.a, Tensor::cat(vec![a, new_a], 1)),
            b: replace(&self.b, Tensor::cat(vec![b, zeros], 0)),
            scale: self.scale,
        }
    }

    /// Keeps the given components: columns of A with their rows of B.
    pub fn with_components(&self, kept: &[usize]) -> Self {
        Self { a: select2(&self.a, None, Some(kept)), b: select2(&self.b, Some(kept), None), scale: self.scale }
    }

    /// Keeps the given rows of A (inputs) and columns of B (outputs); the rank does not change.
    pub fn select(&self, inputs: Option<&[usize]>, outputs: Option<&[usize]>) -> Self {
        Self { a: select2(&self.a, inputs, None), b: select2(&self.b, None, outputs), scale: self.scale }
    }

    /// `s·W_AᵀW_Bᵀ`, `[d_in, d_out]`.
    pub fn delta(&self) -> Tensor<2> {
        self.a.val().matmul(self.b.val()) * self.scale
    }
}

/// Pruning masks of one linear layer; `None` is a mask of ones and costs nothing.
#[derive(Clone, Debug, Default)]
pub struct LinearMasks {
    /// m_i, `[d_in]`.
    pub input: Option<Mask>,
    /// m_o, `[d_out]`.
    pub output: Option<Mask>,
}

/// A linear layer that can carry an [`Adapter`] and can be pruned on both sides.
#[derive(Module, Debug)]
pub struct AptLinear {
    /// Wᵀ, `[d_in, d_out]`; frozen unless the whole model is trained.
    pub weight: Param<Tensor<2>>,
    /// `[d_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// The low-rank branch.
    pub adapter: Option<Adapter>,
}

impl AptLinear {
    /// A frozen layer without adapter.
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        let frozen = |t: Tensor<1>| Param::from_tensor(t).set_require_grad(false);
        Self { weight: Param::from_tensor(weight).set_require_grad(false), bias: bias.map(frozen), adapter: None }
    }

    /// A frozen layer with N(0, 0.02²) weights, and a bias of zeros if it has one.
    pub(crate) fn random(d_in: usize, d_out: usize, bias: bool, init: &mut Init) -> Self {
        let bias = bias.then(|| Tensor::zeros([d_out], init.device()));
        Self::new(init.normal([d_in, d_out], 0.02), bias)
    }

    /// `[d_in, d_out]`.
    pub fn dims(&self) -> [usize; 2] {
        self.weight.dims()
    }

    /// `x: [tokens, d_in]` → `[tokens, d_out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(Param::val));
        match (&self.adapter, bias) {
            (Some(Adapter { a, b, scale }), bias) => kernels::adapted(x, weight, bias, [a.val(), b.val()], *scale),
            (None, Some(bias)) => kernels::linear(x, weight, bias),
            (None, None) => kernels::product(x, weight),
        }
    }

    /// `activation` of [`Self::forward`].
    pub(crate) fn activated(&self, x: Tensor<2>, activation: Activation) -> Tensor<2> {
        let at_once = |layer| kernels::gelu_of_linear(&x, &layer);
        let at_once = self.tensors().filter(|_| activation == Activation::Gelu).and_then(at_once);
        at_once.unwrap_or_else(|| activation.of(self.forward(x)))
    }

    /// Its tensors, if it has a bias.
    pub(crate) fn tensors(&self) -> Option<LinearTensors> {
        let adapter = self.adapter.as_ref().map(|Adapter { a, b, scale }| ([a.val(), b.val()], *scale));
        Some(LinearTensors { weight: self.weight.val(), bias: self.bias.as_ref()?.val(), adapter })
    }

    /// Eq. 2 with masks; the output mask covers the bias too, as a removed output unit has none.
    pub fn forward_masked(&self, x: Tensor<2>, masks: &LinearMasks) -> Tensor<2> {
        let x = match &masks.input {
            Some(mask) => mask.on(x),
            None => x,
        };
        let y = self.forward(x);
        match &masks.output {
            Some(mask) => mask.on(y),
            None => y,
        }
    }

    /// `W + s·W_B·W_A` (transposed), `[d_in, d_out]`.
    pub fn merged_weight(&self) -> Tensor<2> {
        match &self.adapter {
            Some(adapter) => self.weight.val() + adapter.delta(),
            None => self.weight.val(),
        }
    }

    /// The plain layer that computes the same: adapter folded into the weight (METHOD §7).
    pub fn merge(&self) -> Self {
        Self::new(self.merged_weight().detach(), self.bias.as_ref().map(|b| b.val().detach()))
    }

    /// Keeps the given rows (inputs) and columns (outputs); `None` keeps all. The rank does not change (METHOD §1.4).
    pub fn select(&self, inputs: Option<&[usize]>, outputs: Option<&[usize]>) -> Self {
        Self {
            weight: select2(&self.weight, inputs, outputs),
            bias: self.bias.as_ref().map(|b| replace(b, select_dim(b.val().detach(), 0, outputs))),
            adapter: self.adapter.as_ref().map(|adapter| adapter.select(inputs, outputs)),
        }
    }
}
