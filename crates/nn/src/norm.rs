//! Normalisation over the hidden dims that are kept: of mean and variance, or of the root mean square alone.

use crate::kernels;
use crate::masks::HiddenMask;
use crate::select::{replace, select_dim};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// How a norm is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// `γ ∘ (x − mean)/√(var + ε) + β`.
    Layer,
    /// `γ ∘ x/√(mean of squares + ε)` (Zhang & Sennrich 2019, arXiv 1910.07467).
    Rms,
}

/// A norm over the last dimension.
#[derive(Module, Debug)]
pub struct Norm {
    /// γ, `[hidden]`.
    pub weight: Param<Tensor<1>>,
    /// β, `[hidden]`; [`NormKind::Layer`] has one.
    pub bias: Option<Param<Tensor<1>>>,
    /// ε.
    #[module(skip)]
    pub eps: f64,
}

impl Norm {
    /// A frozen layer norm.
    pub fn layer(weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Self {
        Self { weight: frozen(weight), bias: Some(frozen(bias)), eps }
    }

    /// A frozen norm of the root mean square.
    pub fn rms(weight: Tensor<1>, eps: f64) -> Self {
        Self { weight: frozen(weight), bias: None, eps }
    }

    /// A frozen norm that only normalises: γ = 1, β = 0.
    pub(crate) fn ones(kind: NormKind, n: usize, eps: f64, device: &Device) -> Self {
        let ones = Tensor::ones([n], device);
        match kind {
            NormKind::Layer => Self::layer(ones, Tensor::zeros([n], device), eps),
            NormKind::Rms => Self::rms(ones, eps),
        }
    }

    /// `x: [tokens, hidden]`. With a mask, mean and variance are taken over the dims whose mask is not zero and the
    /// result is multiplied by the mask (METHOD §1.5): masked and physically pruned models agree.
    pub fn forward(&self, x: Tensor<2>, mask: Option<&HiddenMask>) -> Tensor<2> {
        match mask {
            None => self.whole(x),
            Some(mask) => match self.on_gpu(&x, None, mask) {
                Some(y) => y,
                None => mask.values.on(self.kept(x, mask)),
            },
        }
    }

    /// As [`Self::forward`], of `x + y`.
    pub fn forward_sum(&self, x: Tensor<2>, y: Tensor<2>, mask: Option<&HiddenMask>) -> Tensor<2> {
        match (mask, &self.bias) {
            (None, Some(bias)) => kernels::norm_of_sum(x, y, self.weight.val(), bias.val(), self.eps),
            (Some(of), _) => self.on_gpu(&x, Some(&y), of).unwrap_or_else(|| self.forward(x + y, mask)),
            (None, None) => self.whole(x + y),
        }
    }

    /// What a sub-block reads whose norm stands before it: as [`Self::forward`], but dims that are kept are not multiplied by
    /// their mask, which the stream they are of already is (METHOD §1.5).
    pub fn before(&self, x: Tensor<2>, mask: Option<&HiddenMask>) -> Tensor<2> {
        match mask {
            None => self.whole(x),
            Some(mask) => self.kept(x, mask) * mask.kept.clone().unsqueeze(),
        }
    }

    /// Of every `size` columns by themselves: `x: [tokens, heads · size]`.
    pub fn of_heads(&self, x: Tensor<2>) -> Tensor<2> {
        let ([tokens, width], [size]) = (x.dims(), self.weight.dims());
        self.whole(x.reshape([tokens * (width / size.max(1)), size])).reshape([tokens, width])
    }

    /// Keeps the given dims.
    pub fn select(&self, hidden: Option<&[usize]>) -> Self {
        let pick = |p: &Param<Tensor<1>>| replace(p, select_dim(p.val().detach(), 0, hidden));
        Self { weight: pick(&self.weight), bias: self.bias.as_ref().map(pick), eps: self.eps }
    }

    fn whole(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.bias {
            Some(bias) => kernels::norm(x, self.weight.val(), bias.val(), self.eps),
            None => kernels::rms_norm(x, self.weight.val(), self.eps),
        }
    }

    /// Over the dims that are kept; the others are whatever comes out.
    fn kept(&self, x: Tensor<2>, mask: &HiddenMask) -> Tensor<2> {
        let kept = mask.kept.clone().unsqueeze::<2>();
        let Some(bias) = &self.bias else {
            let squares = (x.clone() * x.clone() * kept).sum_dim(1) / mask.count;
            return x * (squares + self.eps).sqrt().recip() * self.weight.val().unsqueeze();
        };
        let mean = (x.clone() * kept.clone()).sum_dim(1) / mask.count;
        let centred = (x - mean) * kept;
        let variance = (centred.clone() * centred.clone()).sum_dim(1) / mask.count;
        centred * (variance + self.eps).sqrt().recip() * self.weight.val().unsqueeze() + bias.val().unsqueeze()
    }

    fn on_gpu(&self, x: &Tensor<2>, y: Option<&Tensor<2>>, mask: &HiddenMask) -> Option<Tensor<2>> {
        let affine = [&self.weight.val(), &self.bias.as_ref()?.val()];
        kernels::gpu_norm(x, y, affine, self.eps, Some((&mask.values.values, mask.count)))
    }
}

fn frozen(t: Tensor<1>) -> Param<Tensor<1>> {
    Param::from_tensor(t).set_require_grad(false)
}
