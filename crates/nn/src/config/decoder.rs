//! What a decoder's configuration says beside what every transformer's does: groups of query heads, rotary positions,
//! biases, the head, and where a text ends.

use super::reading::Reader;
use crate::NnError;
use crate::family::{BiasRule, DecoderSpec, Family};
use crate::rotary::{Rotary, RotaryScaling};
use apt_core::wiring::Biases;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What makes a transformer a decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Query heads that share a key-value head.
    pub queries_per_key: usize,
    /// Which linear layers have biases.
    pub biases: Biases,
    /// How positions turn queries and keys; `None` if they are a table of learned vectors.
    pub rotary: Option<Rotary>,
    /// Whether the head is the table of words.
    pub tied: bool,
    /// The token before a text, if there is one.
    pub bos_id: Option<usize>,
    /// The tokens after which a text has ended.
    pub eos_ids: Vec<usize>,
}

impl DecoderConfig {
    /// Writes it as transformers reads it.
    pub(super) fn write(&self, family: Family, heads: usize, head_size: usize, json: &mut Value) {
        json["tie_word_embeddings"] = self.tied.into();
        json["bos_token_id"] = json!(self.bos_id);
        json["eos_token_id"] = match self.eos_ids.as_slice() {
            [one] => json!(one),
            [] => Value::Null,
            ids => json!(ids),
        };
        let Some(spec) = family.spec().decoder.filter(|spec| spec.rotary) else { return };
        json["num_key_value_heads"] = heads.into();
        json["head_dim"] = head_size.into();
        if spec.biases == BiasRule::Keys {
            json["attention_bias"] = self.biases.into_attention.into();
            json["mlp_bias"] = self.biases.feed_forward.into();
        }
        if spec.defaults.window.is_some() {
            json["sliding_window"] = Value::Null;
        }
        let Some(Rotary { theta, scaling }) = self.rotary else { return };
        json["rope_theta"] = theta.into();
        json["rope_scaling"] = match scaling {
            RotaryScaling::Default => Value::Null,
            RotaryScaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
            RotaryScaling::Llama3 { factor, low, high, original } => json!({
                "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
                "original_max_position_embeddings": original as u64,
            }),
            RotaryScaling::Yarn { factor, fast, slow, original, attention } => json!({
                "rope_type": "yarn", "factor": factor, "beta_fast": fast, "beta_slow": slow,
                "original_max_position_embeddings": original as u64, "attention_factor": attention,
            }),
        };
    }
}

/// A decoder's part of the file, with what decides the sizes of its layers.
pub(super) struct DecoderRead {
    pub(super) config: DecoderConfig,
    /// Key-value heads: the units of a layer.
    pub(super) units: usize,
    pub(super) head_size: usize,
    /// The longest sequence, `max_positions` or less.
    pub(super) positions: usize,
}

impl Reader<'_> {
    /// The decoder's part of a file of `spec`'s family; `head_size` is that of a compacted model, whose heads need not fill
    /// the hidden dims.
    pub(super) fn decoder(
        &mut self,
        spec: &DecoderSpec,
        [hidden, heads, positions]: [usize; 3],
        head_size: Option<usize>,
    ) -> Result<DecoderRead, NnError> {
        self.refuse_other_decoders()?;
        let defaults = spec.defaults;
        let units = match self.optional("num_key_value_heads", Value::as_u64)? {
            _ if !spec.rotary => heads,
            Some(units) => self.within("num_key_value_heads", units)?,
            None => match defaults.key_value_heads {
                None => heads,
                Some(units) => {
                    self.assumed.push(format!("`num_key_value_heads` {units}"));
                    units
                }
            },
        };
        if !heads.is_multiple_of(units) {
            let what = format!("{heads} attention heads are not a multiple of {units} key-value heads");
            return Err(self.impossible(what));
        }
        let head_size = match self.optional("head_dim", Value::as_u64)?.filter(|_| spec.rotary) {
            Some(size) => self.within("head_dim", size)?,
            None => match (head_size, defaults.head_size) {
                (Some(size), _) => size,
                (None, Some(size)) => {
                    self.assumed.push(format!("`head_dim` {size}"));
                    size
                }
                (None, None) if hidden.is_multiple_of(heads) => hidden / heads,
                (None, None) => {
                    let what =
                        format!("{hidden} hidden dims are not a multiple of {heads} heads, and there is no `head_dim`");
                    return Err(self.impossible(what));
                }
            },
        };
        let flag = |reader: &Self, key: &str| Ok::<_, NnError>(reader.optional(key, Value::as_bool)?.unwrap_or(false));
        let biases = match spec.biases {
            BiasRule::Fixed(biases) => biases,
            BiasRule::Keys => {
                let of_attention = flag(self, "attention_bias")?;
                let feed_forward = flag(self, "mlp_bias")?;
                Biases { into_attention: of_attention, out_of_attention: of_attention, feed_forward }
            }
        };
        let rotary = if spec.rotary { Some(self.rotary(positions)?) } else { None };
        let tied = self.optional("tie_word_embeddings", Value::as_bool)?.unwrap_or(defaults.tied);
        let bos_id = self.token("bos_token_id")?.first().copied();
        let eos_ids = self.token("eos_token_id")?;
        let config = DecoderConfig { queries_per_key: heads / units, biases, rotary, tied, bos_id, eos_ids };
        Ok(DecoderRead { config, units, head_size, positions: positions.min(self.window(spec)?) })
    }

    /// Refuses switches that change what a decoder computes and that no published checkpoint of these families sets.
    fn refuse_other_decoders(&self) -> Result<(), NnError> {
        let odd = [
            ("scale_attn_by_inverse_layer_idx", true),
            ("reorder_and_upcast_attn", true),
            ("scale_attn_weights", false),
        ];
        for (key, refused) in odd {
            if self.json.get(key) == Some(&Value::Bool(refused)) {
                let what = format!("`{key}` is {refused}, which this program does not have");
                return Err(self.bad(what, "give a model whose attention is scaled by the root of its head size"));
            }
        }
        match self.optional("partial_rotary_factor", Value::as_f64)? {
            Some(share) if share != 1.0 => {
                let what = format!("`partial_rotary_factor` is {share}: only a part of each head is turned");
                Err(self.bad(what, "give a model whose heads are turned whole"))
            }
            _ => Ok(()),
        }
    }

    /// Tokens back that one sees. In sequences no longer than that every token sees all before it, which is what is
    /// computed here: the window bounds the length instead.
    fn window(&self, spec: &DecoderSpec) -> Result<usize, NnError> {
        let Some(default) = spec.defaults.window else { return Ok(usize::MAX) };
        if spec.defaults.window_is_switched && !self.optional("use_sliding_window", Value::as_bool)?.unwrap_or(false) {
            return Ok(usize::MAX);
        }
        match self.json.get("sliding_window") {
            None => Ok(default),
            Some(Value::Null) => Ok(usize::MAX),
            Some(value) => match value.as_u64() {
                Some(window) => self.within("sliding_window", window),
                None => Err(self.impossible(format!("`sliding_window` is {value}"))),
            },
        }
    }

    /// The tokens that a key names: one, several or none. A negative one is none.
    fn token(&self, key: &str) -> Result<Vec<usize>, NnError> {
        let one = |value: &Value| match value.as_i64() {
            Some(id) => Ok(usize::try_from(id).ok()),
            None => Err(self.impossible(format!("`{key}` is {value}"))),
        };
        match self.json.get(key) {
            None | Some(Value::Null) => Ok(vec![]),
            Some(Value::Array(ids)) => ids.iter().filter_map(|id| one(id).transpose()).collect(),
            Some(id) => Ok(one(id)?.into_iter().collect()),
        }
    }

    /// `rope_parameters` of transformers 5, or `rope_theta` and `rope_scaling`.
    fn rotary(&self, positions: usize) -> Result<Rotary, NnError> {
        let object = |key: &str| self.optional(key, |value| value.as_object().cloned());
        let (parameters, scaling) = (object("rope_parameters")?, object("rope_scaling")?);
        let given = parameters.as_ref().or(scaling.as_ref());
        let name = if parameters.is_some() { "rope_parameters" } else { "rope_scaling" };
        let number = |key: &str| match given.and_then(|given| given.get(key)) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64().filter(|v| v.is_finite() && *v > 0.0) {
                Some(v) => Ok(Some(v)),
                None => Err(self.impossible(format!("`{key}` of `{name}` is {value}"))),
            },
        };
        let needed = |key: &str| {
            number(key)?.ok_or_else(|| self.bad(format!("`{name}` has no `{key}`"), "take the model's own config.json"))
        };
        let theta = match number("rope_theta")? {
            Some(theta) => theta,
            None => self.optional("rope_theta", Value::as_f64)?.unwrap_or(1e4),
        };
        if !(theta.is_finite() && theta > 1.0) {
            return Err(self.impossible(format!("`rope_theta` is {theta}")));
        }
        if number("partial_rotary_factor")?.is_some_and(|share| share != 1.0) {
            let what = format!("`{name}` turns only a part of each head");
            return Err(self.bad(what, "give a model whose heads are turned whole"));
        }
        let kind = given.and_then(|given| given.get("rope_type").or(given.get("type")));
        let kind = match kind {
            None => "default",
            Some(kind) => kind.as_str().unwrap_or_default(),
        };
        let scaling = match kind {
            "default" => RotaryScaling::Default,
            "linear" => RotaryScaling::Linear { factor: needed("factor")? },
            "llama3" => {
                let (low, high) = (needed("low_freq_factor")?, needed("high_freq_factor")?);
                if low >= high {
                    let what = format!("`low_freq_factor` {low} is not below `high_freq_factor` {high}");
                    return Err(self.impossible(what));
                }
                let original = needed("original_max_position_embeddings")?;
                RotaryScaling::Llama3 { factor: needed("factor")?, low, high, original }
            }
            "yarn" => {
                let factor = needed("factor")?;
                let growth = |by: f64| if factor <= 1.0 { 1.0 } else { 0.1 * by * factor.ln() + 1.0 };
                let attention = match (number("attention_factor")?, number("mscale")?, number("mscale_all_dim")?) {
                    (Some(attention), ..) => attention,
                    (None, Some(one), Some(all)) => growth(one) / growth(all),
                    _ => growth(1.0),
                };
                let original = number("original_max_position_embeddings")?.unwrap_or(positions as f64);
                let (fast, slow) = (number("beta_fast")?.unwrap_or(32.0), number("beta_slow")?.unwrap_or(1.0));
                RotaryScaling::Yarn { factor, fast, slow, original, attention }
            }
            other => {
                let what = format!(
                    "`{name}` scales rotary positions by `{other}`, which is not known; known are {}",
                    RotaryScaling::NAMES.join(", ")
                );
                return Err(self.bad(what, "give a model with one of these"));
            }
        };
        Ok(Rotary { theta, scaling })
    }
}
