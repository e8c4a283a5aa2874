//! The tiny models behind the salience fixtures, and their score lists.

use apt_core::blocks::{BlockScores, LayerShape, ModelShape};
use apt_tests::fixtures::{number, numbers};
use serde_json::Value;

use crate::agree_all;

/// Widths of the tiny models behind the fixtures, all layers alike.
pub(crate) struct Tiny {
    pub layers: usize,
    pub hidden: usize,
    pub heads: usize,
    pub head_size: usize,
    pub ff: usize,
}

impl Tiny {
    pub(crate) fn read(config: &Value) -> Self {
        let count = |key: &str| number(&config[key]) as usize;
        Self {
            layers: count("layers"),
            hidden: count("hidden"),
            heads: count("heads"),
            head_size: count("head_size"),
            ff: count("ff"),
        }
    }

    pub(crate) fn shape(&self) -> ModelShape {
        let layer = LayerShape { heads: self.heads, neurons: self.ff };
        ModelShape::uniform(self.hidden, self.head_size, self.layers, layer)
    }
}

/// A flat score list of the fixtures, cut into layers of `width`.
pub(crate) fn scores(value: &Value, heads: usize, ff: usize) -> BlockScores {
    let layers = |key: &str, width: usize| -> Vec<Vec<f64>> {
        numbers(&value[key]).chunks(width).map(<[f64]>::to_vec).collect()
    };
    BlockScores {
        heads: layers("head_mask", heads),
        neurons: layers("intermediate_mask", ff),
        hidden: numbers(&value["hidden_mask"]),
    }
}

#[track_caller]
pub(crate) fn agree_scores(what: &str, ours: &BlockScores, published: &BlockScores) {
    let flat = |scores: &BlockScores| scores.values().collect::<Vec<_>>();
    agree_all(what, &flat(ours), &flat(published));
}

pub(crate) fn add_to(sum: &mut [f64], more: &[f64]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}
