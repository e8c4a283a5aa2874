//! Data of models that continue texts: their tokenizers, and texts, conversations and questions as tokens of which the next
//! is predicted.

mod choices;
mod conversations;
mod texts;
mod tokenizers;

use apt_data::{NextTokens, Tokenizer, TokenizerRead};
use serde_json::{Map, Value, json};

/// The token that ends a text of [`byte_tokenizer`].
const END: u32 = 256;

/// A tokenizer as GPT-2 has it whose tokens are the 256 bytes and [`END`]; `config` is its tokenizer_config.json.
fn byte_tokenizer(config: Value) -> Tokenizer {
    let files = [
        ("config.json", json!({"architectures": ["GPT2LMHeadModel"], "eos_token_id": END, "bos_token_id": END})),
        ("tokenizer_config.json", config),
        ("vocab.json", byte_vocabulary()),
    ];
    let mut files: Vec<(String, Vec<u8>)> =
        files.into_iter().map(|(name, value)| (name.to_owned(), value.to_string().into_bytes())).collect();
    files.push(("merges.txt".to_owned(), b"#version: 0.2\n".to_vec()));
    TokenizerRead::of(&files).unwrap_or_else(|error| panic!("{error}")).tokenizer
}

/// Bytes as characters, as `bytes_to_unicode` of GPT-2 maps them: those that can be seen as they are, others from 256 on.
fn byte_vocabulary() -> Value {
    let mut vocabulary = Map::new();
    let mut others = 0;
    for byte in 0..=255_u32 {
        let shown = matches!(byte, 33..=126 | 161..=172 | 174..=255);
        let character = if shown { byte } else { 256 + others };
        others += u32::from(!shown);
        vocabulary.insert(char::from_u32(character).expect("a letter").to_string(), byte.into());
    }
    vocabulary.insert("<|endoftext|>".to_owned(), END.into());
    Value::Object(vocabulary)
}

fn gpt2() -> Tokenizer {
    byte_tokenizer(
        json!({"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"}),
    )
}

/// The text of those tokens that are to be predicted.
fn predicted(tokenizer: &Tokenizer, next: &NextTokens) -> String {
    let ids: Vec<u32> = next.ids.iter().filter_map(|id| u32::try_from(*id).ok()).collect();
    ids.split_inclusive(|id| *id == END).map(|ids| shown(tokenizer, ids)).collect()
}

fn shown(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let end = if ids.last() == Some(&END) { "⏹" } else { "" };
    format!("{}{end}", tokenizer.decode(ids).expect("tokens of a text"))
}
