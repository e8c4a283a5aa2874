//! A tokenizer of each kind that families come with, over letters and a few words.

use apt_nn::Family;
use serde_json::{Map, Value, json};

/// `tokenizer.json` of a family, and the id of its padding.
pub(crate) fn of(family: Family) -> (String, usize) {
    let (json, pad) = match family {
        Family::Bert | Family::Distilbert | Family::Electra => (word_piece(), 0),
        Family::Roberta => (bytes(), 1),
        Family::Llama | Family::Mistral => (scored(), 0),
        Family::Qwen2 | Family::Qwen3 => (split_bytes(), 0),
        Family::Gpt2 => (plain_bytes(), 0),
        Family::Camembert | Family::XlmRoberta => (unigram(), 1),
    };
    (json.to_string(), pad)
}

/// Words that are pieces of their own.
const WORDS: [&str; 4] = ["film", "quick", "saw", "left"];

fn special(tokens: &[&str]) -> Value {
    let token = |(id, content): (usize, &&str)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    tokens.iter().enumerate().map(token).collect()
}

fn numbered(tokens: impl IntoIterator<Item = String>) -> Map<String, Value> {
    tokens.into_iter().enumerate().map(|(id, token)| (token, Value::from(id))).collect()
}

/// As BERT's, that keeps the case of letters.
fn word_piece() -> Value {
    let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let letters = || ('a'..='z').chain('A'..='Z').map(String::from);
    let pieces = specials.map(str::to_owned).into_iter().chain(letters()).chain(letters().map(|l| format!("##{l}")));
    let vocabulary = numbered(pieces.chain(WORDS.map(str::to_owned)));
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": special(&specials),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": false},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template("[CLS]", 2, "[SEP]", 3),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}

/// As RoBERTa's, of bytes that are merged letter by letter to words, with the truncation and padding of another use in it.
fn bytes() -> Value {
    let specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];
    let (alphabet, merges) = byte_pairs();
    let merged = merges.iter().map(|[a, b]| format!("{a}{b}"));
    let vocabulary = numbered(specials.map(str::to_owned).into_iter().chain(alphabet).chain(merged));
    let merges: Vec<String> = merges.iter().map(|[a, b]| format!("{a} {b}")).collect();
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 32}, "direction": "Left", "pad_to_multiple_of": null, "pad_id": 1,
                    "pad_type_id": 0, "pad_token": "<pad>"},
        "added_tokens": special(&specials), "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": true,
                           "add_prefix_space": false},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": vocabulary, "merges": merges},
    })
}

/// The characters that stand for bytes, and the pairs that make words letter by letter.
fn byte_pairs() -> (Vec<String>, Vec<[&'static str; 2]>) {
    let printable = |byte: &u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let others = (0..256_u32).filter(|byte| !printable(byte)).count() as u32;
    let alphabet = (0..256_u32).filter(printable).chain(256..256 + others).filter_map(char::from_u32).map(String::from);
    let merges = WORDS.iter().flat_map(|word| (1..word.len()).map(|place| [&word[..place], &word[place..=place]]));
    (alphabet.collect(), merges.collect())
}

/// As GPT-2's: of bytes, with one token at the ends of texts.
fn plain_bytes() -> Value {
    let (alphabet, merges) = byte_pairs();
    let merged = merges.iter().map(|[a, b]| format!("{a}{b}"));
    let specials = ["<|endoftext|>"];
    let vocabulary = numbered(specials.map(str::to_owned).into_iter().chain(alphabet).chain(merged));
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": special(&specials), "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": vocabulary, "merges": merges},
    })
}

/// As Qwen's, which splits texts by an expression of its own.
fn split_bytes() -> Value {
    let by = concat!(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    );
    let mut json = plain_bytes();
    json["normalizer"] = json!({"type": "NFC"});
    json["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": by}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
    ]});
    json
}

/// As LLaMA's: SentencePiece's pieces, which bytes stand in for.
fn scored() -> Value {
    let specials = ["<unk>", "<s>", "</s>"];
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let letters = ["▁"].map(str::to_owned).into_iter().chain(('a'..='z').chain('A'..='Z').map(String::from));
    let words: Vec<(String, String)> = WORDS
        .iter()
        .flat_map(|word| (1..word.len()).map(|place| (word[..place].to_owned(), word[place..=place].to_owned())))
        .chain(WORDS.iter().map(|word| ("▁".to_owned(), (*word).to_owned())))
        .collect();
    let merged = words.iter().map(|(a, b)| format!("{a}{b}"));
    let vocabulary = numbered(specials.map(str::to_owned).into_iter().chain(bytes).chain(letters).chain(merged));
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": special(&specials),
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ]},
        "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                  "vocab": vocabulary, "merges": words.iter().map(|(a, b)| [a, b]).collect::<Vec<_>>()},
    })
}

/// As XLM-RoBERTa's.
fn unigram() -> Value {
    let specials = ["<s>", "<pad>", "</s>", "<unk>"];
    let pieces = ["▁"].map(str::to_owned).into_iter().chain(('a'..='z').chain('A'..='Z').map(String::from));
    let vocabulary: Vec<Value> = specials
        .iter()
        .map(|token| json!([token, 0.0]))
        .chain(pieces.enumerate().map(|(rank, piece)| json!([piece, -1.0 - 0.01 * rank as f64])))
        .chain(WORDS.iter().map(|word| json!([format!("▁{word}"), -1.5])))
        .collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": special(&specials), "normalizer": null,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "post_processor": template("<s>", 0, "</s>", 2),
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": false, "vocab": vocabulary},
    })
}

fn template(first: &str, first_id: usize, last: &str, last_id: usize) -> Value {
    let token = |id: &str, type_id: usize| json!({"SpecialToken": {"id": id, "type_id": type_id}});
    let text = |id: &str, type_id: usize| json!({"Sequence": {"id": id, "type_id": type_id}});
    let named = |token: &str, id: usize| json!({"id": token, "ids": [id], "tokens": [token]});
    json!({
        "type": "TemplateProcessing",
        "single": [token(first, 0), text("A", 0), token(last, 0)],
        "pair": [token(first, 0), text("A", 0), token(last, 0), text("B", 1), token(last, 1)],
        "special_tokens": {first: named(first, first_id), last: named(last, last_id)},
    })
}
