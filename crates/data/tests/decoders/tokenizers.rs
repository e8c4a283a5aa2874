//! Tokenizers: ids, what begins and ends texts, and tokens back to text.

use super::{END, byte_tokenizer, byte_vocabulary, gpt2};
use apt_data::{Tokenizer, TokenizerRead};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The folder of published models, where there is one.
pub(crate) fn assets() -> Option<PathBuf> {
    let folder = std::env::var_os("APT_ASSETS").map(PathBuf::from);
    if folder.is_none() {
        assert!(std::env::var_os("APT_REQUIRE_ASSETS").is_none(), "APT_ASSETS names no folder");
        println!("skipped: set APT_ASSETS to the folder with tinystories-15m-llama/ to run this test");
    }
    folder
}

/// The tokenizer of a model in that folder.
fn published(name: &str) -> Option<Tokenizer> {
    let folder = assets()?.join(name);
    let file = |file: &str| (file.to_owned(), std::fs::read(folder.join(file)).expect("a file of the model"));
    let read =
        TokenizerRead::of(&["config.json", "tokenizer.json"].map(file)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.json, file("tokenizer.json").1, "nothing is put around a decoder's texts");
    Some(read.tokenizer)
}

fn decoded_one_by_one(tokenizer: &Tokenizer, after: &[u32], ids: &[u32]) -> Vec<String> {
    let mut decoder = tokenizer.text_decoder(after);
    let mut parts: Vec<String> = ids.iter().map(|&id| decoder.push(id).expect("a token")).collect();
    parts.push(decoder.finish().expect("the rest"));
    parts
}

// Ids and spans by Hugging Face tokenizers 0.23.3, which counts in characters.
#[test]
fn published_sentencepiece_models_give_the_ids_of_transformers() {
    let text = "Two  blanks\n\nand 🦉 é <s> x";
    let of_15m = [7803, 29871, 1999, 1331, 13, 13, 392, 29871, 243, 162, 169, 140, 904, 29871, 1, 29871, 921];
    let of_260k = [
        274, 424, 414, 410, 268, 421, 303, 433, 419, 13, 13, 412, 264, 410, 243, 162, 169, 140, 410, 485, 410, 1, 410,
        410, 444,
    ];
    for (name, begin, expected) in [
        ("tinystories-15m-llama", [9038, 2501, 263, 931], &of_15m[..]),
        ("tinystories-260k-llama", [403, 407, 261, 378], &of_260k[..]),
    ] {
        let Some(tokenizer) = published(name) else { return };
        assert_eq!(tokenizer.pieces("Once upon a time").expect("a text").ids, begin, "{name}");
        let pieces = tokenizer.pieces(text).expect("a text");
        assert_eq!(pieces.ids, expected, "{name}");
        let owl = text.find('🦉').expect("it is there");
        let bytes = pieces.ids.iter().zip(&pieces.spans).filter(|(_, span)| **span == (owl, owl + 4)).count();
        assert_eq!(bytes, 4, "{name}: a token for each byte of a character that is no piece");

        let ends = tokenizer.ends();
        assert_eq!((ends.bos, &ends.eos[..], ends.adds_bos, ends.adds_eos), (Some(1), &[2][..], true, false), "{name}");
        assert_eq!(tokenizer.end_of_text().expect("config.json names it"), 2);
        assert_eq!(tokenizer.decode(&pieces.ids).expect("tokens"), "Two  blanks\n\nand 🦉 é   x", "{name}");
    }
}

#[test]
fn text_that_is_being_written_is_the_text_of_all_tokens() {
    let Some(tokenizer) = published("tinystories-260k-llama") else { return };
    for text in ["Once upon a time 🦉 sat, é and all.", " lead", "a\n\nb", "日本"] {
        let ids = tokenizer.pieces(text).expect("a text").ids;
        let parts = decoded_one_by_one(&tokenizer, &[], &ids);
        assert_eq!(parts.concat(), tokenizer.decode(&ids).expect("tokens"), "{parts:?}");
        // What goes on keeps the blank before its first word.
        for cut in 1..ids.len() {
            let (before, after) = ids.split_at(cut);
            let whole = tokenizer.decode(&ids).expect("tokens");
            let shown = tokenizer.decode(before).expect("tokens");
            let shown = shown.trim_end_matches('\u{FFFD}');
            let goes_on = decoded_one_by_one(&tokenizer, before, after).concat();
            assert_eq!(format!("{shown}{goes_on}"), whole, "cut at {cut}");
        }
    }
}

#[test]
fn bytes_wait_until_they_are_a_character() {
    let tokenizer = gpt2();
    let ids: Vec<u32> = "aé🦉b".bytes().map(u32::from).collect();
    assert_eq!(tokenizer.pieces("aé🦉b").expect("a text").ids, ids, "a token a byte");
    let parts = decoded_one_by_one(&tokenizer, &[], &ids);
    assert_eq!(parts, ["a", "", "é", "", "", "", "🦉", "b", ""]);
    // A character that never becomes whole is shown at the end; the end of the text is none.
    let broken = decoded_one_by_one(&tokenizer, &[], &[u32::from(b'a'), 0xF0, END]);
    assert_eq!(broken, ["a", "", "", "\u{FFFD}"]);
}

#[test]
fn a_gpt2_tokenizer_of_vocabulary_and_merges_ends_texts_and_begins_none() {
    let tokenizer = gpt2();
    let ends = tokenizer.ends();
    assert_eq!((ends.bos, &ends.eos[..]), (Some(END), &[END][..]));
    assert!(!ends.adds_bos && !ends.adds_eos, "{ends:?}");
    assert_eq!(tokenizer.pieces("a<|endoftext|>b").expect("a text").ids, [97, END, 98]);
    let other =
        [("tokenizer_config.json", json!({"tokenizer_class": "Qwen2Tokenizer"})), ("vocab.json", byte_vocabulary())];
    let mut files: Vec<(String, Vec<u8>)> =
        other.into_iter().map(|(name, value)| (name.to_owned(), value.to_string().into_bytes())).collect();
    files.push(("merges.txt".to_owned(), Vec::new()));
    let refused = TokenizerRead::of(&files).err().expect("its words are cut otherwise").to_string();
    assert!(refused.contains("Qwen2Tokenizer"), "{refused}");
}

/// A tokenizer of single letters with these special tokens, and the files beside it.
fn with_files(special: &[&str], beside: &[(&str, Value)]) -> Tokenizer {
    let letters = ["a", "b", "."].iter().chain(special);
    let vocabulary: serde_json::Map<String, Value> =
        letters.zip(0..).map(|(piece, id): (_, u32)| ((*piece).to_owned(), id.into())).collect();
    let added: Vec<Value> = (3..)
        .zip(special)
        .map(|(id, content): (u32, _)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        })
        .collect();
    let tokenizer = json!({
        "version": "1.0", "added_tokens": added, "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": null,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "a", "fuse_unk": true,
                  "byte_fallback": false},
    });
    let files = [("tokenizer.json", tokenizer)].into_iter().chain(beside.iter().cloned());
    let files: Vec<(String, Vec<u8>)> =
        files.map(|(name, value)| (name.to_owned(), value.to_string().into_bytes())).collect();
    TokenizerRead::of(&files).unwrap_or_else(|error| panic!("{error}")).tokenizer
}

#[test]
fn ends_of_texts_are_named_by_the_first_file_that_knows_them() {
    let architecture = json!({"architectures": ["Qwen2ForCausalLM"], "bos_token_id": 3, "eos_token_id": 4});
    let qwen = with_files(
        &["<|endoftext|>", "<|im_end|>"],
        &[
            ("config.json", architecture.clone()),
            ("generation_config.json", json!({"eos_token_id": [4, 3], "pad_token_id": 3})),
            ("tokenizer_config.json", json!({"bos_token": null, "eos_token": {"content": "<|im_end|>"}})),
        ],
    );
    let ends = qwen.ends();
    assert_eq!((ends.bos, &ends.eos[..], ends.pad, ends.adds_bos), (None, &[4, 3][..], Some(3), false));
    assert_eq!([2, 3, 4].map(|id| ends.stops_at(id)), [false, true, true]);

    let of_config_alone = with_files(&["<|endoftext|>", "<|im_end|>"], &[("config.json", architecture)]);
    let ends = of_config_alone.ends();
    assert_eq!((ends.bos, &ends.eos[..], ends.adds_bos), (Some(3), &[4][..], true));
    assert!(of_config_alone.ends().stops_at(3), "where the next text begins, this one is over");

    let says_no = json!({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": false, "add_eos_token": true});
    let told = with_files(&["<s>", "</s>"], &[("tokenizer_config.json", says_no)]);
    assert!(!told.ends().adds_bos && told.ends().adds_eos, "{:?}", told.ends());
    assert_eq!(with_files(&["<s>", "</s>"], &[]).ends().eos, [4], "by its usual name");
}

#[test]
fn a_tokenizer_that_ends_no_text_says_so_where_one_is_to_be_ended() {
    let tokenizer = with_files(&["<x>"], &[("config.json", json!({"eos_token_id": 999}))]);
    assert!(tokenizer.ends().eos.is_empty(), "an id that the vocabulary does not have");
    let message = tokenizer.end_of_text().expect_err("none is known").to_string();
    assert!(message.contains("no token is known that ends a text") && message.contains("eos_token_id"), "{message}");
}

#[test]
fn the_template_of_conversations_is_the_default_one() {
    let named = json!([{"name": "tool", "template": "x"}, {"name": "default", "template": "y"}]);
    let of = |template: Value| byte_tokenizer(json!({"tokenizer_class": "GPT2Tokenizer", "chat_template": template}));
    assert_eq!(of(named).chat_template(), Some("y"));
    assert_eq!(of(json!("z")).chat_template(), Some("z"));
    assert_eq!(of(Value::Null).chat_template(), None);
}
