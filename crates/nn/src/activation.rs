//! The activation functions that configurations name.

use crate::kernels;
use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// An activation function: of the neurons (`hidden_act`), or inside a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x·Φ(x)`.
    Gelu,
    /// Its tanh approximation.
    GeluNew,
    /// `max(x, 0)`.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// `x·σ(x)`.
    Silu,
}

impl Activation {
    /// Every activation with the names it goes by in configuration files; the first one is written.
    pub(crate) const NAMES: [(Self, &'static [&'static str]); 5] = [
        (Self::Gelu, &["gelu", "gelu_python"]),
        (Self::GeluNew, &["gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"]),
        (Self::Relu, &["relu"]),
        (Self::Tanh, &["tanh"]),
        (Self::Silu, &["silu", "swish"]),
    ];

    /// The first of its names.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(activation, _)| *activation == self).map_or("", |(_, names)| names[0])
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(activation, _)| *activation)
    }

    /// Of every element.
    pub(crate) fn of(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Gelu => kernels::gelu(x),
            Self::GeluNew => activation::gelu_approximate(x),
            Self::Relu => activation::relu(x),
            Self::Tanh => kernels::tanh(x),
            Self::Silu => activation::silu(x),
        }
    }

    /// Of one number.
    pub(crate) fn of_one(self, x: f32) -> f32 {
        match self {
            Self::Gelu => kernels::gelu_of(x),
            Self::GeluNew => {
                let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Relu => x.max(0.0),
            Self::Tanh => x.tanh(),
            Self::Silu => x / (1.0 + (-x).exp()),
        }
    }

    /// Of every element of `gate`, times that of `x`.
    pub(crate) fn gated(self, gate: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Silu => kernels::silu_times(gate, x),
            other => other.of(gate) * x,
        }
    }
}
