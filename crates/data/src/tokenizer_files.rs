//! A model's tokenizer out of the files that models come with: `tokenizer.json`, or what older ones have in its place
//! (`vocab.txt` of BERT, `vocab.json` and `merges.txt` of RoBERTa), with `tokenizer_config.json` beside either. What comes
//! out is always a `tokenizer.json`, as transformers' fast tokenizer of the same files would write it, so that a model
//! that is exported needs no other file.

use apt_experiment::{CONFIG_FILE, TOKENIZER_FILE};
use serde_json::{Map, Value, json};

use crate::error::DataError;
use crate::text_ends::{Beside, TextEnds};
use crate::tokenizer::{Tokenizer, refuse_mistakes, refuse_what_is_not_a_tokenizer};

/// Larger lengths mean that there is no limit: transformers writes 10^30.
const ENDLESS: f64 = 1e9;
/// Of a vocabulary that keeps case at least one piece in this many has a capital letter.
const CAPITALS: usize = 100;

/// A tokenizer with what has to be known of its files.
pub struct TokenizerRead {
    /// The content of a `tokenizer.json`.
    pub json: Vec<u8>,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// The longest input, special tokens included, that `tokenizer_config.json` names.
    pub max_length: Option<usize>,
    /// What was built, assumed or decided where files disagree: a sentence each.
    pub notes: Vec<String>,
}

impl TokenizerRead {
    /// Of a `tokenizer.json` and a `config.json` alone, as a finished run keeps them.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_run(tokenizer: &[u8], config: &str) -> Result<Self, DataError> {
        let files = [(TOKENIZER_FILE, tokenizer), (CONFIG_FILE, config.as_bytes())];
        Self::of(&files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())))
    }

    /// Reads the tokenizer that is in `files`, given as `(name, bytes)`; what stands before a name is its folder.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] for files that make no tokenizer or one of another kind, and those of
    /// [`Tokenizer::from_bytes`].
    pub fn of(files: &[(String, Vec<u8>)]) -> Result<Self, DataError> {
        let files = Files(files);
        let settings = Settings::read(&files)?;
        let (json, file, notes) = if let Some((file, bytes)) = files.get(TOKENIZER_FILE) {
            refuse_what_is_not_a_tokenizer(bytes, file)?;
            let (json, notes) = settings.mended(bytes);
            (json, file, notes)
        } else if let Some((file, bytes)) = files.get("vocab.txt") {
            settings.refuse_other_classes(file, &WORD_PIECE)?;
            let (json, note) = word_piece(text(bytes, file)?, file, &settings)?;
            (json.to_string().into_bytes(), file, vec![note])
        } else if let (Some((file, vocab)), Some((merges_file, merges))) =
            (files.get("vocab.json"), files.get("merges.txt"))
        {
            settings.refuse_other_classes(file, if settings.is_of_decoder() { &GPT2 } else { &BYTE_PAIRS })?;
            let json = byte_pairs(text(vocab, file)?, file, text(merges, merges_file)?, &settings)?;
            let note = "the tokenizer is made of vocab.json and merges.txt (byte-level BPE)".to_owned();
            (json.to_string().into_bytes(), file, vec![note])
        } else {
            return Err(DataError::Tokenizer {
                file: TOKENIZER_FILE.to_owned(),
                what: "there is no such file, nor vocab.txt, nor vocab.json with merges.txt".to_owned(),
                remedy: "fetch the model's tokenizer.json too",
            });
        };
        let tokenizer = Tokenizer::from_bytes(&json, file)?;
        let (ends, template) = (settings.ends(&tokenizer), settings.chat_template(&files)?);
        let tokenizer = tokenizer.with_settings(ends, template);
        Ok(Self { json, tokenizer, max_length: settings.max_length(), notes })
    }
}

/// Tokenizers of transformers that `vocab.txt` makes.
const WORD_PIECE: [&str; 3] = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"];
/// Those that `vocab.json` and `merges.txt` make.
const BYTE_PAIRS: [&str; 1] = ["RobertaTokenizer"];
/// Those that they make of a decoder.
const GPT2: [&str; 1] = ["GPT2Tokenizer"];

struct Files<'f>(&'f [(String, Vec<u8>)]);

impl<'f> Files<'f> {
    /// A file's name with its content, without a byte order mark.
    fn get(&self, name: &str) -> Option<(&'f str, &'f [u8])> {
        let is_it = |(file, _): &&(String, Vec<u8>)| file.rsplit(['/', '\\']).next() == Some(name);
        let plain = |bytes: &'f [u8]| bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        self.0.iter().find(is_it).map(|(file, bytes)| (file.as_str(), plain(bytes)))
    }

    /// A JSON object; empty if there is no such file.
    fn object(&self, name: &str) -> Result<Map<String, Value>, DataError> {
        let Some((file, bytes)) = self.get(name) else { return Ok(Map::new()) };
        refuse_mistakes(bytes, file)?;
        serde_json::from_slice(bytes).map_err(|error| DataError::Tokenizer {
            file: file.to_owned(),
            what: format!("not a JSON object ({error})"),
            remedy: "fetch the file again",
        })
    }
}

/// What the files beside the vocabulary say.
struct Settings {
    config: Map<String, Value>,
    special: Map<String, Value>,
    added: Map<String, Value>,
    generation: Map<String, Value>,
    model: Map<String, Value>,
}

impl Settings {
    fn read(files: &Files<'_>) -> Result<Self, DataError> {
        let [config, special, added] =
            ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"].map(|name| files.object(name));
        // A configuration of the model that is none is said to be so by whoever reads it.
        let [generation, model] = ["generation_config.json", CONFIG_FILE].map(|name| files.object(name));
        Ok(Self {
            config: config?,
            special: special?,
            added: added?,
            generation: generation?,
            model: model.unwrap_or_default(),
        })
    }

    /// What begins and ends texts.
    fn ends(&self, tokenizer: &Tokenizer) -> TextEnds {
        let (generation, model) = (&self.generation, &self.model);
        TextEnds::of(tokenizer, &Beside { tokenizer: &self.config, special: &self.special, generation, model })
    }

    /// Whether the model continues texts: its tokenizer puts nothing around them but what the files name.
    fn is_of_decoder(&self) -> bool {
        const ENDS: [&str; 2] = ["ForCausalLM", "LMHeadModel"];
        let classes = self.model.get("architectures").and_then(Value::as_array);
        let is_one = |class: &Value| class.as_str().is_some_and(|class| ENDS.iter().any(|end| class.ends_with(end)));
        classes.into_iter().flatten().any(is_one)
    }

    /// The template of conversations: a file of its own, else what `tokenizer_config.json` has; of several the one that is
    /// called default.
    fn chat_template(&self, files: &Files<'_>) -> Result<Option<String>, DataError> {
        if let Some((file, bytes)) = files.get("chat_template.jinja") {
            return text(bytes, file).map(Some);
        }
        let of_list = |list: &Vec<Value>| {
            let is_default = |item: &&Value| item.get("name").and_then(Value::as_str) == Some("default");
            list.iter().find(is_default)?.get("template")?.as_str().map(str::to_owned)
        };
        Ok(match self.config.get("chat_template") {
            Some(Value::String(template)) => Some(template.clone()),
            Some(Value::Array(list)) => of_list(list),
            Some(_) | None => None,
        })
    }

    fn max_length(&self) -> Option<usize> {
        let length = self.config.get("model_max_length").or(self.config.get("max_len"))?.as_f64()?;
        (1.0..ENDLESS).contains(&length).then_some(length as usize)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.config.get(key).and_then(Value::as_bool)
    }

    /// The class of transformers, without the word that says that it is a fast one.
    fn class(&self) -> Option<&str> {
        let class = self.config.get("tokenizer_class").and_then(Value::as_str)?;
        Some(class.strip_suffix("Fast").unwrap_or(class))
    }

    fn refuse_other_classes(&self, file: &str, known: &[&str]) -> Result<(), DataError> {
        match self.class() {
            Some(class) if !known.contains(&class) => Err(DataError::Tokenizer {
                file: file.to_owned(),
                what: format!("without tokenizer.json, and tokenizer_config.json names the class {class}"),
                remedy: "make tokenizer.json: python -c \"from transformers import AutoTokenizer as T; \
                         T.from_pretrained('FOLDER').save_pretrained('FOLDER')\", if that class has a fast form",
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// A special token, by its name in the files (`cls_token`).
    fn token(&self, name: &str, default: &str) -> String {
        let content = |value: &Value| value.as_str().or(value.get("content")?.as_str()).map(str::to_owned);
        let of = |map: &Map<String, Value>| map.get(name).and_then(content);
        of(&self.config).or_else(|| of(&self.special)).unwrap_or_else(|| default.to_owned())
    }

    /// `tokenizer.json` with what transformers takes from elsewhere: case, accents and Chinese characters as
    /// `tokenizer_config.json` has them, and the special tokens where the file adds none.
    fn mended(&self, bytes: &[u8]) -> (Vec<u8>, Vec<String>) {
        let Ok(mut json) = serde_json::from_slice::<Value>(bytes) else { return (bytes.to_vec(), Vec::new()) };
        let mut notes = Vec::new();
        if self.class().is_none_or(|class| WORD_PIECE.contains(&class)) {
            for normalizer in normalizers(&mut json) {
                for (key, of_file) in NORMALIZER_KEYS {
                    let (Some(wanted), Some(is)) = (self.config.get(key), normalizer.get(of_file)) else { continue };
                    if wanted != is {
                        notes.push(format!(
                            "tokenizer.json has {of_file} {is}, tokenizer_config.json {key} {wanted}: the latter counts, \
                             as in transformers"
                        ));
                        normalizer[of_file] = wanted.clone();
                    }
                }
            }
        }
        if !self.is_of_decoder()
            && json.get("post_processor").is_none_or(Value::is_null)
            && let Some((first, last, processor)) = self.post_processor(&json)
        {
            json["post_processor"] = processor;
            notes.push(format!("tokenizer.json adds no special tokens: {first} and {last} are put around every text"));
        }
        if notes.is_empty() { (bytes.to_vec(), notes) } else { (json.to_string().into_bytes(), notes) }
    }

    /// What puts the special tokens of the vocabulary of `json` around texts.
    fn post_processor(&self, json: &Value) -> Option<(String, String, Value)> {
        let vocabulary = json.get("model")?.get("vocab")?.as_object()?;
        let id = |token: &str| vocabulary.get(token)?.as_u64();
        let named = |[first, last]: [&str; 2]| {
            let (first, last) = (self.token("cls_token", first), self.token("sep_token", last));
            Some((id(&first)?, id(&last)?, first, last))
        };
        if let Some((first_id, last_id, first, last)) = named(["[CLS]", "[SEP]"]) {
            let processor = bert_template((&first, first_id), (&last, last_id));
            return Some((first, last, processor));
        }
        let (first_id, last_id, first, last) = named(["<s>", "</s>"])?;
        let processor = roberta_processor((&first, first_id), (&last, last_id), false);
        Some((first, last, processor))
    }
}

/// Keys of `tokenizer_config.json` with those of BERT's normaliser in `tokenizer.json`.
pub const NORMALIZER_KEYS: [(&str, &str); 3] = [
    ("do_lower_case", "lowercase"),
    ("strip_accents", "strip_accents"),
    ("tokenize_chinese_chars", "handle_chinese_chars"),
];

/// BERT's normalisers in a `tokenizer.json`.
fn normalizers(json: &mut Value) -> Vec<&mut Value> {
    let is_bert = |value: &Value| value.get("type").and_then(Value::as_str) == Some("BertNormalizer");
    let Some(normalizer) = json.get_mut("normalizer") else { return Vec::new() };
    if is_bert(normalizer) {
        return vec![normalizer];
    }
    let several = normalizer.get_mut("normalizers").and_then(Value::as_array_mut);
    several.into_iter().flatten().filter(|value| is_bert(value)).collect()
}

/// The text of a file, its line ends those of Unix.
fn text(bytes: &[u8], file: &str) -> Result<String, DataError> {
    refuse_mistakes(bytes, file)?;
    let text = std::str::from_utf8(bytes).map_err(|error| DataError::Tokenizer {
        file: file.to_owned(),
        what: format!("not valid UTF-8 (byte {})", error.valid_up_to()),
        remedy: "fetch the file again",
    })?;
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// `vocab.txt`, a piece a line, as BERT's tokenizer has it; and what was decided.
fn word_piece(text: String, file: &str, settings: &Settings) -> Result<(Value, String), DataError> {
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let vocabulary: Map<String, Value> =
        text.split('\n').zip(0u64..).map(|(piece, id)| (piece.to_owned(), id.into())).collect();
    let is_special = |piece: &str| piece.starts_with('[') && piece.ends_with(']');
    let has_capital = |piece: &&String| piece.chars().any(|c| c.is_ascii_uppercase()) && !is_special(piece);
    let capitals = vocabulary.keys().filter(has_capital).count();
    let keeps_case = capitals * CAPITALS > vocabulary.len();
    let lower = settings.flag("do_lower_case").unwrap_or(!keeps_case);
    let case = if lower { "text is lower-cased" } else { "case is kept" };
    let why = match settings.flag("do_lower_case") {
        Some(_) => "as tokenizer_config.json says".to_owned(),
        None if keeps_case => format!("assumed since {capitals} of its pieces have capital letters"),
        None => "assumed since its pieces have no capital letters".to_owned(),
    };
    let note = format!("the tokenizer is made of vocab.txt (WordPiece): {case}, {why}");
    let accents = settings.config.get("strip_accents").cloned().unwrap_or_default();
    let chinese = settings.flag("tokenize_chinese_chars").unwrap_or(true);
    let tokens = Specials::find(settings, BERT_TOKENS, &vocabulary, file)?;
    let processor = bert_template((&tokens.cls.0, tokens.cls.1), (&tokens.sep.0, tokens.sep.1));
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": tokens.listed(settings, vocabulary.len() as u64, false),
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": chinese, "strip_accents": accents,
            "lowercase": lower,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": processor,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": tokens.unk.0, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    });
    Ok((json, note))
}

/// `vocab.json` and `merges.txt`, as RoBERTa's tokenizer has them.
fn byte_pairs(vocab: String, file: &str, merges: String, settings: &Settings) -> Result<Value, DataError> {
    let vocabulary: Map<String, Value> = serde_json::from_str(&vocab).map_err(|error| DataError::Tokenizer {
        file: file.to_owned(),
        what: format!("not a JSON object ({error})"),
        remedy: "fetch the file again",
    })?;
    let merges: Vec<&str> =
        merges.split('\n').filter(|line| !line.is_empty() && !line.starts_with("#version")).collect();
    let space = settings.flag("add_prefix_space").unwrap_or(false);
    let (added, processor) = if settings.is_of_decoder() {
        let end = GPT2_TOKENS.map(|name| settings.token(name, "<|endoftext|>"));
        let own = end.iter().filter_map(|token| Some((token.clone(), vocabulary.get(token)?.as_u64()?)));
        (listed(&own.collect::<Vec<_>>(), settings, vocabulary.len() as u64, false), Value::Null)
    } else {
        let tokens = Specials::find(settings, ROBERTA_TOKENS, &vocabulary, file)?;
        let processor = roberta_processor((&tokens.cls.0, tokens.cls.1), (&tokens.sep.0, tokens.sep.1), space);
        (tokens.listed(settings, vocabulary.len() as u64, true), processor)
    };
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": true, "use_regex": true});
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": bytes,
        "post_processor": processor,
        "decoder": bytes,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges,
        },
    }))
}

/// Special tokens of GPT-2, which are all the same one.
const GPT2_TOKENS: [&str; 3] = ["bos_token", "eos_token", "unk_token"];

/// Names of the special tokens in the files with what they usually are: unknown, first, last, padding, mask.
type Named = [(&'static str, &'static str); 5];

const BERT_TOKENS: Named = [
    ("unk_token", "[UNK]"),
    ("cls_token", "[CLS]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("mask_token", "[MASK]"),
];
const ROBERTA_TOKENS: Named = [
    ("unk_token", "<unk>"),
    ("cls_token", "<s>"),
    ("sep_token", "</s>"),
    ("pad_token", "<pad>"),
    ("mask_token", "<mask>"),
];

/// Special tokens with their ids.
struct Specials {
    unk: (String, u64),
    cls: (String, u64),
    sep: (String, u64),
    /// Padding and mask, where the vocabulary has them.
    others: Vec<(String, u64)>,
}

impl Specials {
    fn find(
        settings: &Settings,
        [unk, cls, sep, pad, mask]: Named,
        vocabulary: &Map<String, Value>,
        file: &str,
    ) -> Result<Self, DataError> {
        let id = |token: &str| vocabulary.get(token).or(settings.added.get(token)).and_then(Value::as_u64);
        let find = |(name, default)| {
            let token = settings.token(name, default);
            id(&token).map(|id| (token.clone(), id)).ok_or_else(|| DataError::Tokenizer {
                file: file.to_owned(),
                what: format!("the special token '{token}' is not in it"),
                remedy: "fetch tokenizer_config.json and special_tokens_map.json too, or the tokenizer.json of the model",
            })
        };
        let others = [pad, mask].into_iter().filter_map(|special| find(special).ok()).collect();
        Ok(Self { unk: find(unk)?, cls: find(cls)?, sep: find(sep)?, others })
    }

    /// The tokens that are found in text before it is split: these and those that were added to the vocabulary of `size`
    /// pieces. Some masks take the blank before them along.
    fn listed(&self, settings: &Settings, size: u64, mask_strips: bool) -> Vec<Value> {
        let own: Vec<(String, u64)> =
            [&self.unk, &self.cls, &self.sep].into_iter().chain(&self.others).cloned().collect();
        listed(&own, settings, size, mask_strips)
    }
}

/// As [`Specials::listed`], of the special tokens `own`.
fn listed(own: &[(String, u64)], settings: &Settings, size: u64, mask_strips: bool) -> Vec<Value> {
    let token = |content: &str, id: u64, special: bool| {
        let strips = mask_strips && content == settings.token("mask_token", "<mask>");
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": strips, "rstrip": false,
            "normalized": !special, "special": special,
        })
    };
    let is_own = |content: &str| own.iter().any(|(of, _)| of == content);
    let added = settings.added.iter().filter_map(|(content, id)| Some((content.clone(), id.as_u64()?, false)));
    let decoder = settings.config.get("added_tokens_decoder").and_then(Value::as_object);
    let decoded = decoder.into_iter().flatten().filter_map(|(id, token)| {
        let special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
        Some((token.get("content")?.as_str()?.to_owned(), id.parse().ok()?, special))
    });
    let mut more: Vec<(String, u64, bool)> =
        added.chain(decoded).filter(|(content, id, _)| *id >= size && !is_own(content)).collect();
    more.dedup_by(|a, b| a.0 == b.0);
    let mut all: Vec<(u64, Value)> = own.iter().map(|(content, id)| (*id, token(content, *id, true))).collect();
    all.extend(more.iter().map(|(content, id, special)| (*id, token(content, *id, *special))));
    all.sort_by_key(|(id, _)| *id);
    all.dedup_by_key(|(id, _)| *id);
    all.into_iter().map(|(_, token)| token).collect()
}

/// `[CLS] a [SEP]`, `[CLS] a [SEP] b [SEP]`.
fn bert_template(cls: (&str, u64), sep: (&str, u64)) -> Value {
    let special = |(token, _): (&str, u64), of: u64| json!({"SpecialToken": {"id": token, "type_id": of}});
    let text = |name: &str, of: u64| json!({"Sequence": {"id": name, "type_id": of}});
    let listed = |(token, id): (&str, u64)| json!({"id": token, "ids": [id], "tokens": [token]});
    let mut tokens = Map::new();
    tokens.insert(cls.0.to_owned(), listed(cls));
    tokens.insert(sep.0.to_owned(), listed(sep));
    json!({
        "type": "TemplateProcessing",
        "single": [special(cls, 0), text("A", 0), special(sep, 0)],
        "pair": [special(cls, 0), text("A", 0), special(sep, 0), text("B", 1), special(sep, 1)],
        "special_tokens": tokens,
    })
}

/// `<s> a </s>`, `<s> a </s></s> b </s>`.
fn roberta_processor(cls: (&str, u64), sep: (&str, u64), add_prefix_space: bool) -> Value {
    json!({
        "type": "RobertaProcessing", "sep": sep, "cls": cls, "trim_offsets": true, "add_prefix_space": add_prefix_space,
    })
}
