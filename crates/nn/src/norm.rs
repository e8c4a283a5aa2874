//! Layer normalisation over the hidden dims that are kept.

use crate::kernels;
use crate::masks::HiddenMask;
use crate::select::{replace, select_dim};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// `γ ∘ (x − mean)/√(var + ε) + β` over the last dimension.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// γ, `[hidden]`.
    pub weight: Param<Tensor<1>>,
    /// β, `[hidden]`.
    pub bias: Param<Tensor<1>>,
    /// ε.
    #[module(skip)]
    pub eps: f64,
}

impl LayerNorm {
    /// A frozen norm.
    pub fn new(weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Self {
        let frozen = |t: Tensor<1>| Param::from_tensor(t).set_require_grad(false);
        Self { weight: frozen(weight), bias: frozen(bias), eps }
    }

    /// A frozen norm that only normalises: γ = 1, β = 0.
    pub(crate) fn ones(n: usize, eps: f64, device: &Device) -> Self {
        Self::new(Tensor::ones([n], device), Tensor::zeros([n], device), eps)
    }

    /// `x: [tokens, hidden]`. With a mask, mean and variance are taken over the dims whose mask is not zero and the
    /// result is multiplied by the mask (METHOD §1.5): masked and physically pruned models agree.
    pub fn forward(&self, x: Tensor<2>, mask: Option<&HiddenMask>) -> Tensor<2> {
        match mask {
            None => kernels::norm(x, self.weight.val(), self.bias.val(), self.eps),
            Some(mask) => {
                if let Some(y) = self.masked(&x, None, mask) {
                    return y;
                }
                let kept = mask.kept.clone().unsqueeze::<2>();
                let mean = (x.clone() * kept.clone()).sum_dim(1) / mask.count;
                let centred = (x - mean) * kept;
                let variance = (centred.clone() * centred.clone()).sum_dim(1) / mask.count;
                mask.values.on(self.affine(centred * (variance + self.eps).sqrt().recip()))
            }
        }
    }

    /// As [`Self::forward`], of `x + y`.
    pub fn forward_sum(&self, x: Tensor<2>, y: Tensor<2>, mask: Option<&HiddenMask>) -> Tensor<2> {
        match mask {
            None => kernels::norm_of_sum(x, y, self.weight.val(), self.bias.val(), self.eps),
            Some(of) => self.masked(&x, Some(&y), of).unwrap_or_else(|| self.forward(x + y, mask)),
        }
    }

    /// Keeps the given dims.
    pub fn select(&self, hidden: Option<&[usize]>) -> Self {
        let pick = |p: &Param<Tensor<1>>| replace(p, select_dim(p.val().detach(), 0, hidden));
        Self { weight: pick(&self.weight), bias: pick(&self.bias), eps: self.eps }
    }

    fn masked(&self, x: &Tensor<2>, y: Option<&Tensor<2>>, mask: &HiddenMask) -> Option<Tensor<2>> {
        let affine = [&self.weight.val(), &self.bias.val()];
        kernels::gpu_norm(x, y, affine, self.eps, Some((&mask.values.values, mask.count)))
    }

    fn affine(&self, x: Tensor<2>) -> Tensor<2> {
        x * self.weight.val().unsqueeze() + self.bias.val().unsqueeze()
    }
}
