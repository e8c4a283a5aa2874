//! What a transformer looks like: the Hugging Face `config.json`, checked, plus the ragged sizes of a compacted model.

use crate::NnError;
use apt_core::blocks::{LayerShape, ModelShape};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Largest size accepted for any dimension; beyond it a configuration is taken for damaged.
const MAX_DIMENSION: u64 = 1 << 20;

/// The checkpoint families that are configurations of the one transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// BERT: token types, positions from 0, a pooler before the classifier.
    Bert,
    /// RoBERTa: positions from `pad_id + 1`, a dense layer inside the classifier.
    Roberta,
}

impl Family {
    /// The prefix that published checkpoints of this family put before the encoder's tensor names.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::Roberta => "roberta.",
        }
    }

    /// `model_type` of the configuration file.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta",
        }
    }
}

/// Activation of the feed-forward block (`hidden_act`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x·Φ(x)`.
    Gelu,
    /// Its tanh approximation.
    GeluNew,
    /// `max(x, 0)`.
    Relu,
}

/// The classification head on the first token: `out(tanh(dense(h)))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// Output size of the dense layer (BERT's pooler, RoBERTa's `classifier.dense`); not pruned.
    pub dense: usize,
    /// Number of classes.
    pub labels: usize,
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
    /// Rows of the token type embedding.
    pub type_vocab_size: usize,
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
}

impl ModelConfig {
    /// Heads, neurons and hidden dims as `apt-core` counts them.
    pub fn shape(&self) -> ModelShape {
        ModelShape {
            hidden: self.hidden,
            head_size: self.head_size,
            gated: false,
            biases: true,
            norm_biases: true,
            layers: self.layers.clone(),
        }
    }

    /// Position of a sequence's first token: 0, or `pad_id + 1` for RoBERTa.
    pub fn first_position(&self) -> usize {
        match self.family {
            Family::Bert => 0,
            Family::Roberta => self.pad_id + 1,
        }
    }

    /// The longest sequence the position embedding allows.
    pub fn max_length(&self) -> usize {
        self.max_positions.saturating_sub(self.first_position())
    }

    /// Parameters of the three embeddings and their norm.
    pub fn embedding_parameters(&self) -> usize {
        (self.vocab_size + self.max_positions + self.type_vocab_size + 2) * self.hidden
    }

    /// Parameters of the classification head (0 without one).
    pub fn head_parameters(&self) -> usize {
        self.head.map_or(0, |h| (self.hidden + 1) * h.dense + (h.dense + 1) * h.labels)
    }

    /// Reads the Hugging Face `config.json` or the one written by [`Self::to_json`].
    ///
    /// # Errors
    /// [`NnError::Config`] for something that is not such a file, [`NnError::Size`] for numbers that cannot be.
    pub fn from_json(bytes: &[u8], file: &str) -> Result<Self, NnError> {
        let bad = |what: String| NnError::Config { file: file.into(), what };
        let json: Value = serde_json::from_slice(bytes).map_err(|e| bad(format!("not JSON ({e})")))?;
        let reader = Reader { json: &json, file };
        let family = match reader.text("model_type")? {
            "bert" => Family::Bert,
            "roberta" | "xlm-roberta" => Family::Roberta,
            other => return Err(bad(format!("model_type `{other}` is not supported"))),
        };
        match json.get("position_embedding_type").and_then(Value::as_str) {
            None | Some("absolute") => {}
            Some(other) => return Err(bad(format!("position_embedding_type `{other}` is not supported"))),
        }
        let activation = match reader.text("hidden_act")? {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluNew,
            "relu" => Activation::Relu,
            other => return Err(bad(format!("hidden_act `{other}` is not supported"))),
        };
        let hidden = reader.size("hidden_size")?;
        let (head_size, layers, head) = match json.get("apt_lab") {
            Some(compact) => {
                let compact: CompactSizes =
                    serde_json::from_value(compact.clone()).map_err(|e| bad(format!("`apt_lab`: {e}")))?;
                (compact.head_size, compact.layers, compact.head)
            }
            None => {
                let heads = reader.size("num_attention_heads")?;
                if hidden % heads != 0 {
                    return Err(reader
                        .impossible(format!("hidden_size {hidden} is not a multiple of num_attention_heads {heads}")));
                }
                let layer = LayerShape { heads, neurons: reader.size("intermediate_size")? };
                (hidden / heads, vec![layer; reader.size("num_hidden_layers")?], None)
            }
        };
        let config = Self {
            family,
            vocab_size: reader.size("vocab_size")?,
            max_positions: reader.size("max_position_embeddings")?,
            type_vocab_size: reader.size("type_vocab_size")?,
            hidden,
            head_size,
            layers,
            activation,
            norm_eps: reader.optional("layer_norm_eps", Value::as_f64)?.unwrap_or(1e-12),
            pad_id: reader.optional("pad_token_id", Value::as_u64)?.unwrap_or(0) as usize,
            head,
        };
        config.check(file)?;
        Ok(config)
    }

    /// The `config.json` that goes with an exported model. A uniform model's file reads in other tools; a ragged one
    /// carries its sizes under `apt_lab` and reloads here.
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::json!({
            "model_type": self.family.model_type(),
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_positions,
            "type_vocab_size": self.type_vocab_size,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers.len(),
            "num_attention_heads": self.layers.iter().map(|l| l.heads).max().unwrap_or(0),
            "intermediate_size": self.layers.iter().map(|l| l.neurons).max().unwrap_or(0),
            "hidden_act": self.activation,
            "layer_norm_eps": self.norm_eps,
            "pad_token_id": self.pad_id,
            "position_embedding_type": "absolute",
            "apt_lab": CompactSizes { head_size: self.head_size, layers: self.layers.clone(), head: self.head },
        });
        if let (Some(head), Some(map)) = (self.head, json.as_object_mut()) {
            map.insert("num_labels".into(), head.labels.into());
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
        if self.pad_id >= self.vocab_size {
            return impossible(format!(
                "pad_token_id {} is outside the vocabulary of {}",
                self.pad_id, self.vocab_size
            ));
        }
        if self.max_length() == 0 {
            return impossible(format!("max_position_embeddings {} leaves no position", self.max_positions));
        }
        if let Some(head) = self.head
            && !((1..=max).contains(&head.dense) && (1..=max).contains(&head.labels))
        {
            return impossible(format!("a head with a dense layer of {} and {} labels", head.dense, head.labels));
        }
        if !(self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return impossible(format!("layer_norm_eps {}", self.norm_eps));
        }
        Ok(())
    }
}

/// What a uniform Hugging Face configuration cannot say.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompactSizes {
    head_size: usize,
    layers: Vec<LayerShape>,
    head: Option<HeadConfig>,
}

struct Reader<'a> {
    json: &'a Value,
    file: &'a str,
}

impl<'a> Reader<'a> {
    fn text(&self, key: &str) -> Result<&'a str, NnError> {
        self.json.get(key).and_then(Value::as_str).ok_or_else(|| self.missing(key))
    }

    fn size(&self, key: &str) -> Result<usize, NnError> {
        let value = self.json.get(key).ok_or_else(|| self.missing(key))?;
        match value.as_u64() {
            Some(n) if n > 0 && n <= MAX_DIMENSION => Ok(n as usize),
            _ => Err(self.impossible(format!("`{key}` is {value}; expected a whole number from 1 to {MAX_DIMENSION}"))),
        }
    }

    /// `None` when the key is absent or null; a value of another type is not taken for either.
    fn optional<T>(&self, key: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, NnError> {
        match self.json.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(self.impossible(format!("`{key}` is {value}"))),
            },
        }
    }

    fn missing(&self, key: &str) -> NnError {
        NnError::Config { file: self.file.into(), what: format!("`{key}` is missing or not of the right type") }
    }

    fn impossible(&self, what: String) -> NnError {
        NnError::Size { file: self.file.into(), what }
    }
}
