//! What a transformer looks like: the Hugging Face `config.json`, checked, plus the ragged sizes of a compacted model.

mod decoder;
mod reading;

pub use decoder::DecoderConfig;
pub use reading::ConfigRead;

use crate::NnError;
use crate::activation::Activation;
use crate::family::{Family, Positions};
use crate::norm::NormKind;
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
    /// Heads and neurons of every layer; a decoder's heads are its key-value heads, each with the query heads that share it.
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
    /// What makes it a decoder, whose tokens see only those before them; `None` for an encoder.
    pub decoder: Option<DecoderConfig>,
}

impl ModelConfig {
    /// How every layer is wired.
    pub fn wiring(&self) -> Wiring {
        let encoder = Wiring::encoder(self.head_size);
        let Some((decoder, spec)) = self.decoder.as_ref().zip(self.family.spec().decoder) else { return encoder };
        Wiring {
            queries_per_key: decoder.queries_per_key,
            gated: spec.gated,
            biases: decoder.biases,
            norm_biases: spec.norm == NormKind::Layer,
            head_norms: spec.head_norms.is_some(),
            final_norm: true,
            ..encoder
        }
    }

    /// Whether positions are a table of learned vectors.
    pub(crate) fn has_position_table(&self) -> bool {
        self.decoder.as_ref().is_none_or(|decoder| decoder.rotary.is_none())
    }

    /// That a sequence of so many tokens is not too long.
    ///
    /// # Errors
    /// [`NnError::Length`] when it is.
    pub fn check_length(&self, tokens: usize) -> Result<(), NnError> {
        let most = self.max_length();
        if tokens > most { Err(NnError::Length { tokens, most }) } else { Ok(()) }
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
        if self.decoder.is_some() {
            let positions = if self.has_position_table() { self.max_positions } else { 0 };
            return (self.vocab_size + positions) * self.hidden;
        }
        let rows = self.vocab_size + self.max_positions + self.type_vocab_size + 2;
        rows * self.embedding_width() + self.embedding.map_or(0, |width| (width + 1) * self.hidden)
    }

    /// Parameters of the classification head (0 without one), or of a decoder's head that is not the table of words.
    pub fn head_parameters(&self) -> usize {
        if self.decoder.as_ref().is_some_and(|decoder| !decoder.tied) {
            return self.vocab_size * self.hidden;
        }
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
            "pad_token_id": self.pad_id,
        });
        json[keys.positions] = self.max_positions.into();
        json[keys.norm_eps] = self.norm_eps.into();
        json[keys.hidden] = self.hidden.into();
        json[keys.layers] = self.layers.len().into();
        // Groups are read off the numbers of heads, also where no layer has any left.
        let (heads, queries) =
            (most(|layer| layer.heads).max(usize::from(self.decoder.is_some())), self.wiring().queries_per_key);
        json[keys.heads] = (heads * queries).into();
        json[keys.neurons] = most(|layer| layer.neurons).into();
        json[keys.activation] = serde_json::json!(self.activation);
        match &self.decoder {
            Some(decoder) => decoder.write(self.family, heads, self.head_size, &mut json),
            None => json["position_embedding_type"] = "absolute".into(),
        }
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
        let turned = self.decoder.as_ref().is_some_and(|decoder| decoder.rotary.is_some());
        if turned && !self.head_size.is_multiple_of(2) {
            return impossible(format!("rotary positions turn dims in pairs, heads have {}", self.head_size));
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
            return impossible(format!("{} {}", self.family.spec().keys.norm_eps, self.norm_eps));
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
