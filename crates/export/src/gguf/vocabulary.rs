//! A tokenizer as llama.cpp has it: its pieces with what decides how they are joined.
//!
//! Two kinds are known there that `tokenizer.json` describes as BPE: SentencePiece's (`llama`), whose pieces are joined by
//! scores, and GPT-2's over bytes (`gpt2`), whose pieces are joined by a list of merges, within what a regular expression
//! splits, which llama.cpp knows by name.

use super::file::Value;
use crate::ExportError;
use crate::forms::TextSettings;
use crate::tokenizer::flat;
use apt_data::{TextEnds, Tokenizer};
use apt_nn::ModelConfig;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// How texts are split before pieces are joined, by the regular expression of `tokenizer.json`; and whether a word that is a
/// piece is one whatever the merges say.
const SPLITS: [(&str, &str, bool); 3] = [
    (
        "qwen2",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        false,
    ),
    (
        "llama-bpe",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        true,
    ),
    (
        "tekken",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        true,
    ),
];

/// Types of pieces.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// The metadata of the tokenizer of a model of `config`, which has a piece for every row of the table of words.
///
/// # Errors
/// A file that is no `tokenizer.json`, or of a kind that llama.cpp does not have.
pub(super) fn metadata(
    tokenizer: &[u8],
    config: &ModelConfig,
    settings: &TextSettings,
) -> Result<Vec<(String, Value)>, ExportError> {
    let broken = |what: String| ExportError::Tokenizer { what };
    let loaded = Tokenizer::from_bytes(tokenizer, "tokenizer.json").map_err(|e| broken(e.to_string()))?;
    loaded.check_vocab(config.vocab_size).map_err(|e| broken(e.to_string()))?;
    let json: Json = serde_json::from_slice(tokenizer).map_err(|e| broken(format!("not JSON ({e})")))?;
    let kind = Kind::of(&json)?;
    let ends = settings.ends_of(tokenizer, config)?;

    let mut found = vec![("model".to_owned(), Value::Text(kind.model().into()))];
    let pieces = Pieces::of(&json, &loaded, config);
    match &kind {
        Kind::Scored { adds_space } => {
            found.push(("scores".into(), Value::Floats(pieces.scores(&merges(&json)))));
            found.push(("add_space_prefix".into(), Value::Bool(*adds_space)));
        }
        Kind::Merged { split } => {
            found.push(("pre".into(), Value::Text((*split).into())));
            let merges = merges(&json).into_iter().map(|[a, b]| format!("{a} {b}"));
            found.push(("merges".into(), Value::Texts(merges.collect())));
        }
    }
    found.push(("tokens".into(), Value::Texts(pieces.texts)));
    found.push(("token_type".into(), Value::Integers(pieces.types)));
    let TextEnds { bos, eos, pad, adds_bos, adds_eos } = ends;
    let unknown = json["model"]["unk_token"].as_str().and_then(|token| loaded.id(token));
    for (name, id) in [
        ("bos_token_id", bos),
        ("eos_token_id", eos.first().copied()),
        // Another token at which writing stops: that which ends a turn.
        ("eot_token_id", eos.get(1).copied()),
        ("padding_token_id", pad),
        ("unknown_token_id", unknown),
    ] {
        found.extend(id.map(|id| (name.to_owned(), Value::U32(id))));
    }
    found.push(("add_bos_token".into(), Value::Bool(adds_bos)));
    found.push(("add_eos_token".into(), Value::Bool(adds_eos)));
    let named = found.into_iter().map(|(name, value)| (format!("tokenizer.ggml.{name}"), value));
    let template = settings.chat_template.clone().map(|text| ("tokenizer.chat_template".to_owned(), Value::Text(text)));
    Ok(named.chain(template).collect())
}

/// How pieces are joined.
#[derive(Debug, PartialEq)]
enum Kind {
    /// The pair whose piece scores highest first.
    Scored { adds_space: bool },
    /// The pair that was merged first in training, within what `split` names.
    Merged { split: &'static str },
}

impl Kind {
    fn of(json: &Json) -> Result<Self, ExportError> {
        let refuse = |what: String| {
            let remedy = "export it with --format safetensors or transformers";
            Err(ExportError::Form { form: "gguf", what: format!("llama.cpp has no tokenizer {what}"), remedy })
        };
        let model = &json["model"];
        if model["type"] != "BPE" {
            return refuse(format!("of the kind {} that this model comes with", model["type"]));
        }
        let splits = flat(&json["pre_tokenizer"], "pretokenizers");
        let kind = |part: &Json| part["type"].as_str().unwrap_or_default().to_owned();
        let normalizers = flat(&json["normalizer"], "normalizers");
        let is_of_bytes = splits.iter().any(|part| kind(part) == "ByteLevel");
        let known: &[&str] = if is_of_bytes { &["", "NFC"] } else { &["", "Prepend", "Replace"] };
        if let Some(other) = normalizers.iter().map(|part| kind(part)).find(|kind| !known.contains(&kind.as_str())) {
            return refuse(format!("that changes texts by `{other}` first"));
        }
        if !is_of_bytes {
            if model["byte_fallback"] != true {
                return refuse("over pieces that bytes do not stand in for (`byte_fallback`)".into());
            }
            let spaced = |part: &&Json| kind(part) == "Metaspace" && part["prepend_scheme"] != "never";
            let other = splits.iter().map(|part| kind(part)).find(|kind| !["", "Metaspace"].contains(&kind.as_str()));
            if let Some(other) = other {
                return refuse(format!("that splits texts by `{other}`"));
            }
            let prepends = normalizers.iter().any(|part| kind(part) == "Prepend");
            return Ok(Self::Scored { adds_space: prepends || splits.iter().any(spaced) });
        }
        let ignores_merges = model["ignore_merges"] == true;
        if splits.iter().any(|part| part["add_prefix_space"] == true) {
            return refuse("over bytes that puts a space before a text".into());
        }
        let by_itself = |part: &Json| kind(part) == "ByteLevel" && part["use_regex"] != false;
        let split = match splits.as_slice() {
            [only] if by_itself(only) => Some(("gpt-2", false)),
            [digits, bytes] if kind(digits) == "Digits" && digits["individual_digits"] == true && by_itself(bytes) => {
                Some(("smollm", false))
            }
            [split, bytes] if kind(bytes) == "ByteLevel" && bytes["use_regex"] == false => {
                let by = split["pattern"]["Regex"].as_str().unwrap_or_default();
                SPLITS.iter().find(|(_, regex, _)| *regex == by).map(|&(name, _, whole)| (name, whole))
            }
            _ => None,
        };
        match split.filter(|(_, whole)| *whole == ignores_merges) {
            Some((split, _)) => Ok(Self::Merged { split }),
            None => refuse("that splits texts as this one does before it joins bytes".into()),
        }
    }

    fn model(&self) -> &'static str {
        match self {
            Self::Scored { .. } => "llama",
            Self::Merged { .. } => "gpt2",
        }
    }
}

/// The pairs that are merged, the first first.
fn merges(json: &Json) -> Vec<[&str; 2]> {
    json["model"]["merges"].as_array().into_iter().flatten().filter_map(merge).collect()
}

/// A pair in one text, or in a list.
fn merge(json: &Json) -> Option<[&str; 2]> {
    match json {
        Json::String(text) => text.split_once(' ').map(|(a, b)| [a, b]),
        pair => Some([pair.get(0)?.as_str()?, pair.get(1)?.as_str()?]),
    }
}

/// Pieces by their ids.
struct Pieces {
    texts: Vec<String>,
    types: Vec<i32>,
}

impl Pieces {
    fn of(json: &Json, loaded: &Tokenizer, config: &ModelConfig) -> Self {
        let added = || json["added_tokens"].as_array().into_iter().flatten();
        let with = |special: bool| -> BTreeSet<&str> {
            let is_it = added().filter(|token| (token["special"] == true) == special);
            is_it.filter_map(|token| token["content"].as_str()).collect()
        };
        let (special, named) = (with(true), with(false));
        let unknown = json["model"]["unk_token"].as_str();
        let falls_back = json["model"]["byte_fallback"] == true;
        let (mut texts, mut types) = (Vec::new(), Vec::new());
        for id in 0..config.vocab_size {
            let text = u32::try_from(id).ok().and_then(|id| loaded.token(id));
            types.push(match text.as_deref() {
                None => UNUSED,
                Some(text) if unknown == Some(text) => UNKNOWN,
                Some(text) if special.contains(text) => CONTROL,
                Some(text) if named.contains(text) => USER_DEFINED,
                Some(text) if falls_back && is_byte(text) => BYTE,
                Some(_) => NORMAL,
            });
            // Rows of the table that no piece has: they need names of their own.
            texts.push(text.unwrap_or_else(|| format!("[UNUSED{id}]")));
        }
        Self { texts, types }
    }

    /// What orders merges: the earlier a piece is made, the higher it scores.
    fn scores(&self, merges: &[[&str; 2]]) -> Vec<f32> {
        let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
        for (rank, [a, b]) in merges.iter().enumerate() {
            ranks.entry([*a, *b].concat()).or_insert(rank);
        }
        let score = |text: &String| ranks.get(text).map_or(0.0, |&rank| -(rank as f32) - 1.0);
        self.texts.iter().map(score).collect()
    }
}

/// `<0x0A>`.
fn is_byte(text: &str) -> bool {
    let digits = text.strip_prefix("<0x").and_then(|text| text.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.chars().all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(pre_tokenizer: &Json, ignore_merges: bool) -> Result<Kind, ExportError> {
        let model = json!({"type": "BPE", "ignore_merges": ignore_merges});
        Kind::of(&json!({"model": model, "pre_tokenizer": pre_tokenizer, "normalizer": null}))
    }

    #[test]
    fn splits_are_known_by_their_expressions_and_others_are_refused() {
        let bytes = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": use_regex});
        let sequence = |parts: [Json; 2]| json!({"type": "Sequence", "pretokenizers": parts});
        assert_eq!(of(&bytes(true), false).expect("GPT-2's"), Kind::Merged { split: "gpt-2" });
        let digits = json!({"type": "Digits", "individual_digits": true});
        assert_eq!(of(&sequence([digits, bytes(true)]), false).expect("SmolLM's"), Kind::Merged { split: "smollm" });
        for (name, regex, ignores_merges) in SPLITS {
            let split = json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated"});
            let all = sequence([split, bytes(false)]);
            assert_eq!(of(&all, ignores_merges).expect(name), Kind::Merged { split: name });
            assert!(of(&all, !ignores_merges).is_err(), "{name}: llama.cpp joins words by other rules");
        }
        let other = json!({"type": "Split", "pattern": {"Regex": r"\w+"}, "behavior": "Isolated"});
        let error = of(&sequence([other, bytes(false)]), false).expect_err("nobody knows it");
        assert!(error.to_string().contains("splits texts"), "{error}");
    }

    #[test]
    fn pieces_of_sentence_piece_score_by_their_first_merge() {
        let pieces = Pieces { texts: ["▁", "a", "▁a", "aa"].map(str::to_owned).to_vec(), types: vec![] };
        let merges = [["a", "a"], ["▁", "a"], ["▁a", ""]];
        assert_eq!(pieces.scores(&merges), [0.0, 0.0, -2.0, -1.0]);
    }
}
