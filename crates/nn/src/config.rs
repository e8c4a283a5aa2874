//! What a transformer looks like: the Hugging Face `config.json`, checked, plus the ragged sizes of a compacted model.

mod reading;

pub use reading::ConfigRead;

use crate::NnError;
use crate::activation::Activation;
use crate::family::{Family, Positions};
use apt_core::blocks::{LayerShape, ModelShape};
use apt_core::wiring::Wiring;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Largest size accepted for any dimension; beyond it a configuration is taken for damaged.
const MAX_DIMENSION: u64 = 1 << 20;

/// What the classifier reads of the last hidden state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The first token through a dense layer, as the family's published classifier does (BERT's pooler).
    #[default]
    Pooler,
    /// The first token.
    Cls,
    /// The mean over the tokens of the sequence.
    Mean,
}

impl Pooling {
    /// What it reads, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Pooler => "the first token through a dense layer",
            Self::Cls => "the first token without a dense layer",
            Self::Mean => "the mean of the tokens",
        }
    }

    fn is_pooler(&self) -> bool {
        *self == Self::Pooler
    }
}

/// Sizes of the classification head: `out(activation(dense(h)))`, or `out(h)` where it has no dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// Output size of the dense layer (BERT's pooler, RoBERTa's `classifier.dense`), which [`Pooling::Pooler`] alone has;
    /// not pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<usize>,
    /// Number of classes.
    pub labels: usize,
    /// What is read.
    #[serde(default, skip_serializing_if = "Pooling::is_pooler")]
    pub pooling: Pooling,
    /// Whether each output says on its own whether its class applies, so that any number of classes may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multi_label: bool,
}

impl HeadConfig {
    /// A head with `labels` outputs, one of which is the answer; its dense layer, if `pooling` has one, is `dense` wide.
    pub fn new(pooling: Pooling, dense: usize, labels: usize) -> Self {
        Self { dense: pooling.is_pooler().then_some(dense), labels, pooling, multi_label: false }
    }
}

/// A transformer's sizes. `layers` may be ragged: a compacted model keeps different heads and neurons per layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// The checkpoint family.
    pub family: Family,
    /// Entries of the word embedding.
    pub vocab_size: usize,
    /// Rows of the position embedding.
    pub max_positions: usize,
    /// Rows of the token type embedding; 0 for families without token types.
    pub type_vocab_size: usize,
    /// Width of the embedding tables where it is not that of the hidden stream; a projection then joins the two.
    pub embedding: Option<usize>,
    /// Width of the hidden stream.
    pub hidden: usize,
    /// Width of one attention head, the same in every layer.
    pub head_size: usize,
    /// Heads and neurons of every layer.
    pub layers: Vec<LayerShape>,
    /// Activation of the feed-forward block.
    pub activation: Activation,
    /// Added to the variance inside the norms.
    pub norm_eps: f64,
    /// The padding token.
    pub pad_id: usize,
    /// The classification head, if the checkpoint has one.
    pub head: Option<HeadConfig>,
    /// What the head's outputs are called (`id2label`); empty if nobody has named them.
    pub label_names: Vec<String>,
}

impl ModelConfig {
    /// How every layer is wired.
    pub fn wiring(&self) -> Wiring {
        Wiring::encoder(self.head_size)
    }

    /// Heads, neurons and hidden dims as `apt-core` counts them.
    pub fn shape(&self) -> ModelShape {
        ModelShape { hidden: self.hidden, wiring: self.wiring(), layers: self.layers.clone() }
    }

    /// Width of the embedding tables.
    pub fn embedding_width(&self) -> usize {
        self.embedding.unwrap_or(self.hidden)
    }

    /// Position of a sequence's first token.
    pub fn first_position(&self) -> usize {
        match self.family.spec().positions {
            Positions::FromZero => 0,
            Positions::AfterPadding => self.pad_id + 1,
        }
    }

    /// The longest sequence the position embedding allows.
    pub fn max_length(&self) -> usize {
        self.max_positions.saturating_sub(self.first_position())
    }

    /// Parameters of the embedding tables, their norm and their projection.
    pub fn embedding_parameters(&self) -> usize {
        let rows = self.vocab_size + self.max_positions + self.type_vocab_size + 2;
        rows * self.embedding_width() + self.embedding.map_or(0, |width| (width + 1) * self.hidden)
    }

    /// Parameters of the classification head (0 without one).
    pub fn head_parameters(&self) -> usize {
        let of = |head: HeadConfig| {
            let dense = head.dense.map_or(0, |dense| (self.hidden + 1) * dense);
            dense + (head.dense.unwrap_or(self.hidden) + 1) * head.labels
        };
        self.head.map_or(0, of)
    }

    /// Reads the Hugging Face `config.json` or the one written by [`Self::to_json`]; [`ConfigRead::from_json`] also says
    /// what was assumed.
    ///
    /// # Errors
    /// As [`ConfigRead::from_json`].
    pub fn from_json(bytes: &[u8], file: &str) -> Result<Self, NnError> {
        Ok(ConfigRead::from_json(bytes, file)?.config)
    }

    /// The `config.json` that goes with an exported model. A uniform model's file reads in other tools; a ragged one
    /// carries its sizes under `apt_lab` and reloads here.
    pub fn to_json(&self) -> Value {
        let keys = self.family.spec().keys;
        let most = |units: fn(&LayerShape) -> usize| self.layers.iter().map(units).max().unwrap_or(0);
        let compact = CompactSizes {
            head_size: self.head_size,
            layers: self.layers.clone(),
            embedding: self.embedding,
            head: self.head,
        };
        let mut json = serde_json::json!({
            "model_type": self.family.spec().model_type,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_positions,
            "layer_norm_eps": self.norm_eps,
            "pad_token_id": self.pad_id,
            "position_embedding_type": "absolute",
        });
        json[keys.hidden] = self.hidden.into();
        json[keys.layers] = self.layers.len().into();
        json[keys.heads] = most(|layer| layer.heads).into();
        json[keys.neurons] = most(|layer| layer.neurons).into();
        json[keys.activation] = serde_json::json!(self.activation);
        json[COMPACT] = serde_json::json!(compact);
        if self.family.spec().token_types {
            json["type_vocab_size"] = self.type_vocab_size.into();
        }
        if let Some(key) = keys.embedding {
            json[key] = self.embedding_width().into();
        }
        if let Some(head) = self.head {
            json["num_labels"] = head.labels.into();
            if head.multi_label {
                json[PROBLEM] = MULTI_LABEL.into();
            }
        }
        if !self.label_names.is_empty() {
            let names = self.label_names.iter().enumerate();
            json["id2label"] = names.clone().map(|(id, name)| (id.to_string(), Value::from(name.clone()))).collect();
            json["label2id"] = names.map(|(id, name)| (name.clone(), Value::from(id))).collect();
        }
        json
    }

    fn check(&self, file: &str) -> Result<(), NnError> {
        let impossible = |what: String| Err(NnError::Size { file: file.into(), what });
        let max = MAX_DIMENSION as usize;
        if self.head_size == 0 || self.head_size > max {
            return impossible(format!("head size {}", self.head_size));
        }
        if self.layers.is_empty() || self.layers.len() > 1024 {
            return impossible(format!("{} layers", self.layers.len()));
        }
        for (i, layer) in self.layers.iter().enumerate() {
            if layer.heads.saturating_mul(self.head_size) > max || layer.neurons > max {
                return impossible(format!("layer {i} has {} heads and {} neurons", layer.heads, layer.neurons));
            }
        }
        if self.embedding.is_some_and(|width| !(1..=max).contains(&width)) {
            return impossible(format!("embeddings of width {}", self.embedding_width()));
        }
        if self.pad_id >= self.vocab_size {
            return impossible(format!(
                "pad_token_id {} is outside the vocabulary of {}",
                self.pad_id, self.vocab_size
            ));
        }
        if self.max_length() == 0 {
            return impossible(format!("max_position_embeddings {} leaves no position", self.max_positions));
        }
        if let Some(head) = self.head {
            let dense = head.dense.unwrap_or(self.hidden);
            if !((1..=max).contains(&dense) && (1..=max).contains(&head.labels)) {
                return impossible(format!("a head with a dense layer of {dense} and {} labels", head.labels));
            }
            if head.pooling.is_pooler() != head.dense.is_some() {
                let which = if head.dense.is_some() { "a" } else { "no" };
                return impossible(format!("a head that reads {} has {which} dense layer", head.pooling.words()));
            }
        }
        if !(self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return impossible(format!("layer_norm_eps {}", self.norm_eps));
        }
        Ok(())
    }
}

/// What transformers says of a head beside its size.
const PROBLEM: &str = "problem_type";
/// [`HeadConfig::multi_label`] in it.
const MULTI_LABEL: &str = "multi_label_classification";

/// Where the file holds what a uniform Hugging Face configuration cannot say.
const COMPACT: &str = "apt_lab";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompactSizes {
    head_size: usize,
    layers: Vec<LayerShape>,
    #[serde(default)]
    embedding: Option<usize>,
    head: Option<HeadConfig>,
}
