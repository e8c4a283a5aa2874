//! `tokenizer.json` and `tokenizer_config.json` of an exported model.
//!
//! What a tokenizer does stands in the first; other libraries also want the second: which tokens are special, whether
//! text is lower-cased, how long it may be. It is derived from the first, so that both always agree.

use crate::ExportError;
use crate::forms::TextSettings;
use apt_data::{NORMALIZER_KEYS, TextEnds};
use apt_nn::{ModelConfig, Positions};
use serde_json::{Map, Value, json};

/// The two files.
pub(crate) struct TokenizerFiles {
    /// `tokenizer.json`, without the truncation and padding of whatever it was made for.
    pub(crate) tokenizer: Vec<u8>,
    /// `tokenizer_config.json`.
    pub(crate) config: Vec<u8>,
}

impl TokenizerFiles {
    /// From the `tokenizer.json` of a model of `config`, whose texts may be cut to `max_length` tokens.
    ///
    /// # Errors
    /// A file that is no `tokenizer.json`.
    pub(crate) fn new(
        tokenizer: &[u8],
        max_length: Option<usize>,
        config: &ModelConfig,
        settings: &TextSettings,
    ) -> Result<Self, ExportError> {
        let fail = |what: String| ExportError::Tokenizer { what };
        let mut json: Value = serde_json::from_slice(tokenizer).map_err(|e| fail(format!("not JSON ({e})")))?;
        let parts = Parts::of(&json);
        let ends = match config.decoder {
            None => None,
            Some(_) => Some(settings.ends_of(tokenizer, config)?),
        };
        let mut described = match &ends {
            None => parts.special_tokens(config),
            Some(ends) => parts.tokens_of_texts(ends),
        };
        described.extend(settings.chat_template.clone().map(|text| ("chat_template".into(), text.into())));
        let normalizer = parts.normalizer();
        described.extend(normalizer);
        let length = max_length.unwrap_or(usize::MAX).min(config.max_length());
        let names: &[&str] = match config.type_vocab_size {
            0 | 1 => &["input_ids", "attention_mask"],
            _ => &["input_ids", "token_type_ids", "attention_mask"],
        };
        for (key, value) in [
            ("tokenizer_class", json!(parts.class(config))),
            ("model_max_length", json!(length)),
            ("model_input_names", json!(names)),
            ("padding_side", json!("right")),
            ("truncation_side", json!("right")),
            // What a decoder wrote is shown as it was written.
            ("clean_up_tokenization_spaces", json!(ends.is_none())),
        ] {
            described.insert(key.into(), value);
        }
        // What begins texts stands in the file itself, which is all that other programs go by.
        let ends_are_known = ends.is_some();
        let begins = ends.filter(|ends| ends.adds_bos && json["post_processor"].is_null());
        let begins = begins.and_then(|ends| ends.bos).and_then(|id| Some((id, parts.token(id as usize)?)));
        let mut tokenizer = tokenizer.to_vec();
        let is_for_other_use = ["truncation", "padding"].iter().any(|key| !json[*key].is_null());
        let is_new = ends_are_known && json.pointer_mut("/model/merges").is_some_and(with_older_merges);
        if is_for_other_use || is_new || begins.is_some() {
            json["truncation"] = Value::Null;
            json["padding"] = Value::Null;
            if let Some((id, token)) = begins {
                json["post_processor"] = beginning(id, &token);
            }
            tokenizer = json.to_string().into_bytes();
        }
        Ok(Self { tokenizer, config: format!("{:#}\n", Value::from(described)).into_bytes() })
    }
}

/// The parts of a `tokenizer.json`.
struct Parts<'a> {
    json: &'a Value,
}

impl<'a> Parts<'a> {
    fn of(json: &'a Value) -> Self {
        Self { json }
    }

    /// The class that reads the file in transformers as it is: the family's where it is such a tokenizer as that class
    /// makes, else the one that takes any.
    fn class(&self, config: &ModelConfig) -> String {
        let is = |part: &str, kind: &str| self.json[part]["type"] == kind;
        let is_bert =
            is("normalizer", "BertNormalizer") && is("pre_tokenizer", "BertPreTokenizer") && is("model", "WordPiece");
        let takes_it = config.family.spec().positions == Positions::FromZero;
        match is_bert && takes_it {
            true => format!("{}Tokenizer", config.family.spec().class),
            false => "PreTrainedTokenizerFast".into(),
        }
    }

    /// Special tokens under the names that transformers has for them.
    fn special_tokens(&self, config: &ModelConfig) -> Map<String, Value> {
        let mut found = Map::new();
        let mut put = |name: &str, token: Option<String>| {
            found.extend(token.map(|token| (name.to_owned(), Value::from(token))));
        };
        put("pad_token", self.token(config.pad_id));
        let model = &self.json["model"];
        let by_id = || self.token(usize::try_from(model["unk_id"].as_u64()?).ok()?);
        put("unk_token", model["unk_token"].as_str().map(str::to_owned).or_else(by_id));
        let (first, last) = ends(&self.json["post_processor"]).unzip();
        put("cls_token", first);
        put("sep_token", last);
        let special = self.added().filter(|token| token["special"] == true);
        let mut contents = special.filter_map(|token| token["content"].as_str());
        put("mask_token", contents.find(|token| ["[MASK]", "<mask>"].contains(token)).map(str::to_owned));
        found
    }

    /// The tokens that begin, end and fill the texts of a decoder, and whether they are put there.
    fn tokens_of_texts(&self, ends: &TextEnds) -> Map<String, Value> {
        let mut found = Map::new();
        let unknown = self.json["model"]["unk_token"].as_str().map(str::to_owned);
        let token = |id: Option<u32>| self.token(id? as usize);
        for (name, token) in [
            ("bos_token", token(ends.bos)),
            ("eos_token", token(ends.eos.first().copied())),
            ("pad_token", token(ends.pad)),
            ("unk_token", unknown),
        ] {
            found.insert(name.to_owned(), token.into());
        }
        found.insert("add_bos_token".into(), ends.adds_bos.into());
        found.insert("add_eos_token".into(), ends.adds_eos.into());
        found
    }

    /// Case, accents and Chinese characters, under the names that BERT's tokenizers have for them.
    fn normalizer(&self) -> Map<String, Value> {
        let mut found = Map::new();
        for part in flat(&self.json["normalizer"], "normalizers") {
            match part["type"].as_str() {
                Some("Lowercase") => {
                    found.insert("do_lower_case".into(), json!(true));
                }
                Some("BertNormalizer") => {
                    for (name, key) in NORMALIZER_KEYS {
                        found.insert(name.into(), part[key].clone());
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn added(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.json["added_tokens"].as_array().into_iter().flatten()
    }

    /// The token `id`.
    fn token(&self, id: usize) -> Option<String> {
        let added = self.added().find(|token| token["id"] == id).and_then(|token| token["content"].as_str());
        let of_model = || match &self.json["model"]["vocab"] {
            Value::Object(by_token) => by_token.iter().find(|(_, of)| **of == id).map(|(token, _)| token.as_str()),
            by_id => by_id.get(id)?.get(0)?.as_str(),
        };
        added.or_else(of_model).map(str::to_owned)
    }
}

/// The parts of a sequence of parts, or the one part.
pub(crate) fn flat<'a>(part: &'a Value, key: &str) -> Vec<&'a Value> {
    match part[key].as_array() {
        Some(parts) => parts.iter().flat_map(|part| flat(part, key)).collect(),
        None => vec![part],
    }
}

/// Writes merges as texts, which every version of `tokenizers` reads, in the place of pairs, which those before 0.20 do not.
/// Whether something had to be changed.
fn with_older_merges(merges: &mut Value) -> bool {
    let pairs = merges.as_array().into_iter().flatten().map(|pair| {
        let [a, b] = [0, 1].map(|at| pair.get(at).and_then(Value::as_str));
        a.zip(b).filter(|(a, b)| !a.contains(' ') && !b.contains(' ')).map(|(a, b)| format!("{a} {b}"))
    });
    match pairs.collect::<Option<Vec<String>>>() {
        Some(texts) if !texts.is_empty() => {
            *merges = json!(texts);
            true
        }
        _ => false,
    }
}

/// The post-processor that puts a token before every text.
fn beginning(id: u32, token: &str) -> Value {
    let of = |sequence: &str, type_id: u32| {
        let first = json!({"SpecialToken": {"id": token, "type_id": type_id}});
        [first, json!({"Sequence": {"id": sequence, "type_id": type_id}})]
    };
    json!({
        "type": "TemplateProcessing",
        "single": of("A", 0),
        "pair": ([of("A", 0), of("B", 1)].concat()),
        "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}},
    })
}

/// The tokens that a post-processor puts before and behind a text.
fn ends(processor: &Value) -> Option<(String, String)> {
    let of = |part: &Value| {
        if let Some(template) = part["single"].as_array() {
            let token = |piece: &Value| piece["SpecialToken"]["id"].as_str().map(str::to_owned);
            return template.first().and_then(token).zip(template.last().and_then(token));
        }
        let token = |key: &str| part[key].get(0)?.as_str().map(str::to_owned);
        token("cls").zip(token("sep"))
    };
    flat(processor, "processors").into_iter().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_nn::Family;

    fn config(family: Family, pad_id: usize) -> ModelConfig {
        let json = json!({
            "model_type": "bert", "vocab_size": 6, "max_position_embeddings": 66, "type_vocab_size": 2,
            "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
            "hidden_act": "gelu",
        });
        let config = ModelConfig::from_json(json.to_string().as_bytes(), "config.json").expect("it is one");
        let type_vocab_size = if family.spec().token_types { config.type_vocab_size } else { 0 };
        ModelConfig { family, pad_id, type_vocab_size, ..config }
    }

    fn described(tokenizer: &Value, given: Option<usize>, config: &ModelConfig) -> (Value, Value) {
        let bytes = tokenizer.to_string();
        let files =
            TokenizerFiles::new(bytes.as_bytes(), given, config, &TextSettings::default()).expect("it is a tokenizer");
        let read = |bytes: &[u8]| serde_json::from_slice(bytes).expect("it is JSON");
        (read(&files.config), read(&files.tokenizer))
    }

    fn word_piece() -> Value {
        json!({
            "truncation": {"max_length": 128}, "padding": {"strategy": {"Fixed": 128}},
            "added_tokens": [
                {"id": 0, "content": "[PAD]", "special": true}, {"id": 4, "content": "[MASK]", "special": true},
            ],
            "normalizer": {"type": "BertNormalizer", "lowercase": false, "strip_accents": null,
                           "handle_chinese_chars": true, "clean_text": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 5}},
        })
    }

    #[test]
    fn case_special_tokens_and_length_of_a_cased_word_piece_are_kept() {
        let (config, tokenizer) = described(&word_piece(), Some(64), &config(Family::Bert, 0));
        for (key, value) in [
            ("do_lower_case", json!(false)),
            ("strip_accents", Value::Null),
            ("model_max_length", json!(64)),
            ("tokenizer_class", json!("BertTokenizer")),
            ("pad_token", json!("[PAD]")),
            ("unk_token", json!("[UNK]")),
            ("cls_token", json!("[CLS]")),
            ("sep_token", json!("[SEP]")),
            ("mask_token", json!("[MASK]")),
        ] {
            assert_eq!(config[key], value, "{key}");
        }
        assert_eq!(tokenizer["truncation"], Value::Null, "texts would be cut at the length of another use");
        assert_eq!(tokenizer["model"], word_piece()["model"]);
    }

    #[test]
    fn a_length_beyond_the_positions_is_not_believed() {
        for given in [None, Some(512), Some(usize::MAX)] {
            let (config, _) = described(&word_piece(), given, &config(Family::Bert, 0));
            assert_eq!(config["model_max_length"], 66, "{given:?}");
        }
    }

    #[test]
    fn other_tokenizers_are_read_by_the_class_that_takes_any() {
        let unigram = json!({
            "added_tokens": [{"id": 5, "content": "<mask>", "special": true}],
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
            "post_processor": {"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}},
            ]},
            "model": {"type": "Unigram", "unk_id": 3,
                      "vocab": [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["a", -1.0]]},
        });
        let (config, _) = described(&unigram, None, &config(Family::XlmRoberta, 1));
        for (key, value) in [
            ("tokenizer_class", "PreTrainedTokenizerFast"),
            ("pad_token", "<pad>"),
            ("unk_token", "<unk>"),
            ("cls_token", "<s>"),
            ("sep_token", "</s>"),
            ("mask_token", "<mask>"),
        ] {
            assert_eq!(config[key], value, "{key}");
        }
        assert_eq!(config["do_lower_case"], true);
    }
}
