//! The tokenizer of the built-in language: WordPiece over its own words, with every character as a
//! fallback, so that nothing typed in plain English becomes unknown.

use serde_json::{Map, Value, json};

/// Special tokens, in the order of their ids.
const SPECIALS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Ends of English words, for words outside the lexicon.
const SUFFIXES: &str = "s es ed d ing er est ly y ness ful less able ible ment tion sion al ous ive en ish ity ence ance \
    ory ary ate ize ise ing ings ers or ors ship hood ward wise like some th st nd rd ll ve re nt ck ss tt ch sh \
    ght ion ure age ical ically fully lessly ably";

/// The file's content; `words` are the lexicon.
pub(crate) fn tokenizer_json(words: &[String]) -> String {
    let mut vocab = Map::new();
    let mut add = |token: String| {
        let next = vocab.len();
        vocab.entry(token).or_insert_with(|| Value::from(next));
    };
    SPECIALS.iter().for_each(|special| add((*special).to_owned()));
    ('!'..='~').filter(|c| !c.is_ascii_uppercase()).for_each(|c| add(c.to_string()));
    ('0'..='9').chain('a'..='z').for_each(|c| add(format!("##{c}")));
    SUFFIXES.split_whitespace().for_each(|suffix| add(format!("##{suffix}")));
    words.iter().for_each(|word| add(word.clone()));

    let added = |(id, content): (usize, &&str)| {
        json!({
            "id": id, "content": content, "special": true,
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false
        })
    };
    let special = |token: &str, type_id: u32| json!({ "SpecialToken": { "id": token, "type_id": type_id } });
    let text = |name: &str, type_id: u32| json!({ "Sequence": { "id": name, "type_id": type_id } });
    let template = |id: &str, number: usize| json!({ "id": id, "ids": [number], "tokens": [id] });
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": SPECIALS.iter().enumerate().map(added).collect::<Vec<_>>(),
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)],
            "pair": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1), special("[SEP]", 1)],
            "special_tokens": { "[CLS]": template("[CLS]", 2), "[SEP]": template("[SEP]", 3) }
        },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab
        }
    })
    .to_string()
}
