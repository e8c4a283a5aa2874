//! What is to be predicted of an example.

use serde::{Deserialize, Serialize};

/// What is to be predicted for an example; a model's answer is of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A class, as an index into the labels of [`crate::Objective::Classification`].
    Class(u32),
    /// A real number, finite.
    Value(f32),
}

impl Target {
    /// The class index, if it is a class.
    pub fn class(self) -> Option<u32> {
        match self {
            Self::Class(class) => Some(class),
            Self::Value(_) => None,
        }
    }

    /// The number, if it is one.
    pub fn value(self) -> Option<f32> {
        match self {
            Self::Class(_) => None,
            Self::Value(value) => Some(value),
        }
    }
}
