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
}

impl Activation {
    /// Every activation with the names it goes by in configuration files; the first one is written.
    pub(crate) const NAMES: [(Self, &'static [&'static str]); 4] = [
        (Self::Gelu, &["gelu", "gelu_python"]),
        (Self::GeluNew, &["gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"]),
        (Self::Relu, &["relu"]),
        (Self::Tanh, &["tanh"]),
    ];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(activation, _)| *activation)
    }

    /// Of every element.
    pub(crate) fn of(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Gelu => kernels::gelu(x),
            Self::GeluNew => activation::gelu_approximate(x),
            Self::Relu => activation::relu(x),
            Self::Tanh => x.tanh(),
        }
    }
}
