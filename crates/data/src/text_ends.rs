//! Which tokens begin, end and fill texts. `tokenizer.json` does not say it: transformers reads it from the files beside, in
//! this order: `tokenizer_config.json`, `special_tokens_map.json`, `generation_config.json`, `config.json`. Where none of
//! them names a token, it is known by its usual names.

use serde_json::{Map, Value};

use crate::tokenizer::Tokenizer;

/// Usual names of the token that begins a text.
const BEGINS: [&str; 3] = ["<s>", "<|begin_of_text|>", "<bos>"];
/// Usual names of the token that ends it.
const ENDS: [&str; 4] = ["</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>"];
/// Usual names of the token that fills batches.
const FILLS: [&str; 3] = ["<pad>", "<|pad|>", "[PAD]"];

/// The tokens that begin, end and fill texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextEnds {
    /// The token that begins a text, where there is one.
    pub bos: Option<u32>,
    /// The token that ends a text (first), and others at which writing stops; none where the files name none.
    pub eos: Vec<u32>,
    /// The token that fills batches, where the files name one.
    pub pad: Option<u32>,
    /// Whether the tokenizer puts [`Self::bos`] before a text: LLaMA's does, GPT-2's and Qwen's do not.
    pub adds_bos: bool,
    /// Whether it puts the first of [`Self::eos`] behind a text; hardly one does.
    pub adds_eos: bool,
}

impl TextEnds {
    /// Whether writing stops at the token `id`: one that ends texts, or that begins the next, as models write between
    /// texts that were joined by it alone (TinyStories' of llama2.c).
    pub fn stops_at(&self, id: u32) -> bool {
        self.eos.contains(&id) || self.bos == Some(id)
    }
}

/// The files beside a tokenizer that say it, as JSON objects; empty where there is no such file.
pub(crate) struct Beside<'f> {
    /// `tokenizer_config.json`.
    pub(crate) tokenizer: &'f Map<String, Value>,
    /// `special_tokens_map.json`.
    pub(crate) special: &'f Map<String, Value>,
    /// `generation_config.json`.
    pub(crate) generation: &'f Map<String, Value>,
    /// `config.json`.
    pub(crate) model: &'f Map<String, Value>,
}

impl TextEnds {
    /// Of a `tokenizer.json` alone. `adds` says whether the file itself puts a token before and behind a text.
    pub(crate) fn by_usual_names(id: impl Fn(&str) -> Option<u32>, adds: [bool; 2]) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| id(name));
        let (bos, eos, pad) = (first(&BEGINS), first(&ENDS), first(&FILLS));
        let [adds_bos, adds_eos] = [adds[0] && bos.is_some(), adds[1] && eos.is_some()];
        Self { bos, eos: eos.into_iter().collect(), pad, adds_bos, adds_eos }
    }

    /// As the files beside `tokenizer` have it. A token that the vocabulary does not have is none.
    pub(crate) fn of(tokenizer: &Tokenizer, files: &Beside<'_>) -> Self {
        let usual = tokenizer.ends();
        let known = |id: u32| tokenizer.token(id).is_some();
        let named = |key: &str| [files.tokenizer, files.special].into_iter().find_map(|map| map.get(key));
        let token = |value: &Value| -> Option<u32> {
            tokenizer.id(value.as_str().or_else(|| value.get("content").and_then(Value::as_str))?)
        };
        let numbers = |key: &str| -> Vec<u32> {
            let listed = |map: &Map<String, Value>| match map.get(key) {
                Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_u64).collect(),
                Some(id) => id.as_u64().into_iter().collect(),
                None => Vec::new(),
            };
            let found = [files.generation, files.model].map(listed).into_iter().find(|ids: &Vec<u64>| !ids.is_empty());
            found.unwrap_or_default().into_iter().map(|id| id as u32).filter(|id| known(*id)).collect()
        };
        // `null` in tokenizer_config.json says that there is none: Qwen's config.json has a number there all the same.
        let bos = match named("bos_token") {
            Some(value) => token(value),
            None => numbers("bos_token_id").first().copied().or(usual.bos),
        };
        let mut eos: Vec<u32> = named("eos_token").and_then(token).into_iter().collect();
        for id in numbers("eos_token_id") {
            if !eos.contains(&id) {
                eos.push(id);
            }
        }
        if eos.is_empty() {
            eos.clone_from(&usual.eos);
        }
        let pad = named("pad_token").and_then(token).or_else(|| numbers("pad_token_id").first().copied()).or(usual.pad);
        let flag = |key: &str| files.tokenizer.get(key).and_then(Value::as_bool);
        let [before, behind] = tokenizer.added_around();
        // Without a post-processor nothing in the file says it: a token of its own that begins texts does so, as in llama2.c.
        let begins =
            || before.is_some() || !tokenizer.has_post_processor() && bos.is_some_and(|bos| !eos.contains(&bos));
        let adds_bos = bos.is_some() && flag("add_bos_token").unwrap_or_else(begins);
        let adds_eos = !eos.is_empty() && flag("add_eos_token").unwrap_or(behind.is_some());
        Self { bos, eos, pad, adds_bos, adds_eos }
    }
}
