//! The Hugging Face `config.json`, read strictly: what it says of a model that this program does not have is refused, and
//! what it leaves out and transformers fills in is reported.

use super::{COMPACT, CompactSizes, MAX_DIMENSION, MULTI_LABEL, ModelConfig, PROBLEM};
use crate::NnError;
use crate::activation::Activation;
use crate::family::{Family, FamilySpec};
use crate::foreign::{recognised, resave};
use apt_core::blocks::LayerShape;
use serde_json::Value;
use std::collections::BTreeMap;

/// A configuration with what has to be known of its file beside the model's sizes.
#[derive(Clone, Debug)]
pub struct ConfigRead {
    /// The sizes.
    pub config: ModelConfig,
    /// What the file does not say, as it was taken: "`pad_token_id` 1".
    pub assumed: Vec<String>,
    /// The class that the model was saved by, if its head is none for sequence classification.
    pub other_head: Option<String>,
    /// Whether any number of its classes may apply at once.
    pub multi_label: bool,
}

impl From<ModelConfig> for ConfigRead {
    /// A configuration of which nothing else is known.
    fn from(config: ModelConfig) -> Self {
        Self { config, assumed: Vec::new(), other_head: None, multi_label: false }
    }
}

impl ConfigRead {
    /// Reads the Hugging Face `config.json` or the one written by [`ModelConfig::to_json`]; `file` is its name in errors.
    ///
    /// # Errors
    /// [`NnError::Config`] for something that is not such a file, or describes another kind of model; [`NnError::Size`] for
    /// numbers that cannot be.
    pub fn from_json(bytes: &[u8], file: &str) -> Result<Self, NnError> {
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        if let Some(foreign) = recognised(bytes, name) {
            let what = format!("not JSON: {}", foreign.what);
            return Err(NnError::Config { file: file.into(), what, remedy: foreign.remedy });
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let json: Value = serde_json::from_slice(bytes).map_err(|e| NnError::Config {
            file: file.into(),
            what: format!("not JSON ({e})"),
            remedy: ENCODER.into(),
        })?;
        let mut reader = Reader { json: &json, bytes, file, assumed: Vec::new() };
        let config = reader.config()?;
        config.check(file)?;
        let multi_label = json.get(PROBLEM).and_then(Value::as_str) == Some(MULTI_LABEL);
        Ok(Self { config, other_head: reader.other_head(), assumed: reader.assumed, multi_label })
    }

    /// What was assumed, in words; `None` if the file says all.
    pub fn assumed_words(&self) -> Option<String> {
        let assumed = (!self.assumed.is_empty()).then(|| self.assumed.join(", "))?;
        let family = self.config.family.spec().name;
        Some(format!("config.json does not give {assumed}: {family}'s defaults"))
    }
}

/// The remedy where nothing more is known.
const ENCODER: &str = "give the Hugging Face config.json of a model of a known family";

pub(super) struct Reader<'a> {
    pub(super) json: &'a Value,
    bytes: &'a [u8],
    file: &'a str,
    pub(super) assumed: Vec<String>,
}

impl<'a> Reader<'a> {
    fn config(&mut self) -> Result<ModelConfig, NnError> {
        let family = self.family()?;
        let spec = family.spec();
        self.refuse_other_models(spec)?;
        let activation = self.activation(spec)?;
        let hidden = self.size(spec.keys.hidden)?;
        let mut max_positions = self.size(spec.keys.positions)?;
        let compact = self.json.get(COMPACT).map(|compact| {
            serde_json::from_value(compact.clone()).map_err(|e| self.bad(format!("`{COMPACT}`: {e}"), ENCODER))
        });
        let compact: Option<CompactSizes> = compact.transpose()?;
        let decoder = match &spec.decoder {
            Some(decoder) => {
                let heads = self.size(spec.keys.heads)?;
                let head_size = compact.as_ref().map(|compact| compact.head_size);
                Some(self.decoder(decoder, [hidden, heads, max_positions], head_size)?)
            }
            None => None,
        };
        let compact = match (compact, &decoder) {
            (Some(compact), _) => compact,
            (None, None) => self.uniform(spec, hidden)?,
            (None, Some(decoder)) => {
                let neurons = match self.json.get(spec.keys.neurons) {
                    // GPT-2 leaves out what is four times the hidden dims.
                    None | Some(Value::Null) if spec.keys.neurons == "n_inner" => 4 * hidden,
                    _ => self.size(spec.keys.neurons)?,
                };
                let layer = LayerShape { heads: decoder.units, neurons };
                let layers = vec![layer; self.size(spec.keys.layers)?];
                CompactSizes { head_size: decoder.head_size, layers, embedding: None, head: None }
            }
        };
        if let Some(decoder) = &decoder {
            max_positions = decoder.positions;
        }
        let norm_eps = spec.decoder.map_or(1e-12, |decoder| decoder.defaults.norm_eps);
        let norm_eps = self.or_default(spec.keys.norm_eps, Value::as_f64, norm_eps)?;
        let pad_id = match decoder {
            // Padding stands behind the text, where no token of it sees it: any will do.
            Some(_) => {
                let vocab = self.size("vocab_size")? as u64;
                let named = self.json.get("pad_token_id").and_then(Value::as_u64).filter(|&id| id < vocab);
                named.unwrap_or(spec.pad_id as u64)
            }
            None => self.or_default("pad_token_id", Value::as_u64, spec.pad_id as u64)?,
        };
        Ok(ModelConfig {
            family,
            vocab_size: self.size("vocab_size")?,
            max_positions,
            type_vocab_size: if spec.token_types { self.size("type_vocab_size")? } else { 0 },
            embedding: compact.embedding,
            hidden,
            head_size: compact.head_size,
            layers: compact.layers,
            activation,
            norm_eps,
            pad_id: pad_id as usize,
            head: compact.head,
            label_names: self.label_names()?,
            decoder: decoder.map(|decoder| decoder.config),
        })
    }

    /// The family that `model_type` names.
    fn family(&self) -> Result<Family, NnError> {
        let Some(model_type) = self.json.get("model_type").and_then(Value::as_str) else {
            let class = self.class().unwrap_or_default().to_lowercase();
            let types = Family::ALL.map(|family| family.spec().model_type);
            let named = |model_type: &&&str| class.starts_with(&model_type.replace('-', ""));
            // `xlm-roberta` before `roberta`: the longest name that fits.
            let add = match types.iter().filter(named).max_by_key(|name| name.len()) {
                Some(model_type) => format!("add the line `\"model_type\": \"{model_type}\",` to it"),
                None => format!("add a line such as `\"model_type\": \"bert\",` to it; known are {}", types.join(", ")),
            };
            return Err(self.bad("`model_type` is missing or not of the right type".into(), &add));
        };
        Family::of_model_type(model_type).map_err(|what| self.bad(what, ENCODER))
    }

    /// The class that the model was saved by.
    fn class(&self) -> Option<&'a str> {
        self.json.get("architectures")?.get(0)?.as_str()
    }

    fn other_head(&self) -> Option<String> {
        let own = ["ForSequenceClassification", "ForCausalLM", "LMHeadModel"];
        let class =
            self.class().filter(|class| class.contains("For") && !own.iter().any(|own| class.ends_with(own)))?;
        Some(class.to_owned())
    }

    /// Refuses what changes what a model computes and is not part of this program's.
    fn refuse_other_models(&self, spec: &FamilySpec) -> Result<(), NnError> {
        match self.json.get("position_embedding_type").and_then(Value::as_str) {
            None | Some("absolute") => {}
            Some(other) => {
                let what = format!("position_embedding_type `{other}` is not supported; only `absolute` is");
                return Err(self.bad(what, "give a model with absolute position embeddings"));
            }
        }
        for (key, what) in [
            ("is_decoder", "a decoder, whose tokens see only those before them"),
            ("add_cross_attention", "a model with cross attention"),
            ("is_encoder_decoder", "an encoder with a decoder"),
        ] {
            let is_meant = key == "is_decoder" && spec.decoder.is_some();
            if self.json.get(key) == Some(&Value::Bool(true)) && !is_meant {
                let remedy = format!("give an encoder; if this is one, set \"{key}\" to false in config.json");
                return Err(self.bad(format!("`{key}` is true: {what}, which this program does not have"), &remedy));
            }
        }
        let Some(quantised) = self.json.get("quantization_config").filter(|value| value.is_object()) else {
            return Ok(());
        };
        let method = quantised.get("quant_method").and_then(Value::as_str).unwrap_or("unknown");
        let by_bitsandbytes = ["load_in_8bit", "load_in_4bit"].iter().any(|key| quantised.get(key).is_some());
        let remedy = if by_bitsandbytes || method.contains("bitsandbytes") {
            let command = resave(self.file, self.bytes, "", ".dequantize()", true);
            format!("convert it with {command}, or give the model that it was made from")
        } else {
            "give the model that it was made from, in F32, F16 or BF16".to_owned()
        };
        Err(self.bad(format!("the weights are quantised (`quantization_config`, method {method})"), &remedy))
    }

    fn activation(&mut self, spec: &FamilySpec) -> Result<Activation, NnError> {
        let key = spec.keys.activation;
        let Some(value) = self.json.get(key).filter(|value| !value.is_null()) else {
            let default = spec.decoder.map_or(Activation::Gelu, |decoder| decoder.defaults.activation);
            self.assumed.push(format!("`{key}` {}", default.name()));
            return Ok(default);
        };
        let known =
            || Activation::NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect::<Vec<_>>().join(", ");
        let name = value.as_str().ok_or_else(|| self.missing(key))?;
        Activation::from_name(name).ok_or_else(|| {
            let what = format!("{key} `{name}` is not known; known are {}", known());
            self.bad(what, "give a model with one of these")
        })
    }

    /// Layers of one size, but for heads that older versions of transformers have removed (`pruned_heads`).
    fn uniform(&self, spec: &FamilySpec, hidden: usize) -> Result<CompactSizes, NnError> {
        let heads = self.size(spec.keys.heads)?;
        if !hidden.is_multiple_of(heads) {
            let (of_hidden, of_heads) = (spec.keys.hidden, spec.keys.heads);
            return Err(self.impossible(format!("{of_hidden} {hidden} is not a multiple of {of_heads} {heads}")));
        }
        let layer = LayerShape { heads, neurons: self.size(spec.keys.neurons)? };
        let mut layers = vec![layer; self.size(spec.keys.layers)?];
        let pruned = self.optional("pruned_heads", |value| value.as_object().cloned())?.unwrap_or_default();
        for (index, gone) in &pruned {
            let layer = index.parse().ok().and_then(|index: usize| layers.get_mut(index));
            let gone: Option<Vec<u64>> = gone.as_array().and_then(|gone| gone.iter().map(Value::as_u64).collect());
            let (Some(layer), Some(mut gone)) = (layer, gone) else {
                return Err(self.impossible(format!("`pruned_heads` names layer {index} of {}", layers.len())));
            };
            gone.sort_unstable();
            gone.dedup();
            if gone.last().is_some_and(|&head| head >= heads as u64) {
                return Err(self.impossible(format!("`pruned_heads` names heads {gone:?} of {heads} in layer {index}")));
            }
            layer.heads -= gone.len();
        }
        let embedding = spec.keys.embedding.map(|key| self.size(key)).transpose()?;
        let embedding = embedding.filter(|&width| width != hidden);
        Ok(CompactSizes { head_size: hidden / heads, layers, embedding, head: None })
    }

    pub(super) fn size(&self, key: &str) -> Result<usize, NnError> {
        let value = self.json.get(key).ok_or_else(|| self.missing(key))?;
        match value.as_u64() {
            Some(n) => self.within(key, n),
            None => Err(self.out_of_range(key, value)),
        }
    }

    /// A size that a configuration may have.
    pub(super) fn within(&self, key: &str, n: u64) -> Result<usize, NnError> {
        if n > 0 && n <= MAX_DIMENSION { Ok(n as usize) } else { Err(self.out_of_range(key, &n.into())) }
    }

    fn out_of_range(&self, key: &str, value: &Value) -> NnError {
        self.impossible(format!("`{key}` is {value}; expected a whole number from 1 to {MAX_DIMENSION}"))
    }

    /// The default, which is noted, when the key is absent or null.
    fn or_default<T: Copy + std::fmt::Display>(
        &mut self,
        key: &str,
        read: impl Fn(&Value) -> Option<T>,
        default: T,
    ) -> Result<T, NnError> {
        match self.optional(key, read)? {
            Some(value) => Ok(value),
            None => {
                self.assumed.push(format!("`{key}` {default}"));
                Ok(default)
            }
        }
    }

    /// `None` when the key is absent or null; a value of another type is not taken for either.
    pub(super) fn optional<T>(&self, key: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, NnError> {
        match self.json.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(self.impossible(format!("`{key}` is {value}"))),
            },
        }
    }

    /// `id2label`, or `label2id` where there is none, in the order of its numbers; nothing where it only numbers them as
    /// transformers does (`LABEL_0`).
    fn label_names(&self) -> Result<Vec<String>, NnError> {
        let object = |key| self.optional(key, |value| value.as_object().cloned());
        // Some files write numbers as texts.
        let id = |id: Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let (key, map): (_, BTreeMap<String, Value>) = match (object("id2label")?, object("label2id")?) {
            (Some(names), _) => ("id2label", names.into_iter().collect()),
            (None, Some(ids)) => ("label2id", ids.into_iter().map(|(name, of)| (id(of), Value::from(name))).collect()),
            (None, None) => return Ok(vec![]),
        };
        let mut names: Vec<String> = Vec::new();
        for id in 0..map.len() {
            match map.get(&id.to_string()) {
                Some(Value::String(name)) => names.push(name.clone()),
                // Some files number their labels with numbers.
                Some(Value::Number(number)) => names.push(number.to_string()),
                _ => return Err(self.impossible(format!("`{key}` names no label {id} of {}", map.len()))),
            }
            let Some((name, before)) = names.split_last() else { continue };
            if name.trim().is_empty() || before.contains(name) {
                let what = format!("`{key}` calls label {id} '{name}', which tells it from no other");
                return Err(self.bad(what, "give each label a name of its own there"));
            }
        }
        let numbered = names.iter().enumerate().all(|(id, name)| *name == format!("LABEL_{id}"));
        Ok(if numbered { vec![] } else { names })
    }

    fn missing(&self, key: &str) -> NnError {
        self.bad(format!("`{key}` is missing or not of the right type"), ENCODER)
    }

    pub(super) fn bad(&self, what: String, remedy: &str) -> NnError {
        NnError::Config { file: self.file.into(), what, remedy: remedy.into() }
    }

    pub(super) fn impossible(&self, what: String) -> NnError {
        NnError::Size { file: self.file.into(), what }
    }
}
