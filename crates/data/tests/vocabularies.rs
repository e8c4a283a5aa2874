//! Models without `tokenizer.json`: what is made of their vocabulary gives the ids that transformers' fast tokenizers of the
//! same files gave (`fixtures/vocabularies.json`), and what files say against each other is reported.

use apt_data::{DataError, TokenizerRead};
use serde_json::{Value, json};

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/vocabularies.json")).expect("the fixture is JSON")
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text")).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().expect("a list").iter().map(|id| id.as_u64().expect("a number") as u32).collect()
}

fn file(name: &str, content: impl ToString) -> (String, Vec<u8>) {
    (format!("models/mine/{name}"), content.to_string().into_bytes())
}

fn read(files: &[(String, Vec<u8>)]) -> TokenizerRead {
    TokenizerRead::of(files).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn agrees(name: &str, fixture: &Value, case: &Value, read: &TokenizerRead) {
    for (text, expected) in strings(&fixture["texts"]).into_iter().zip(case["ids"].as_array().expect("a list")) {
        let ours = read.tokenizer.encode(text, None, 512).unwrap_or_else(|error| panic!("{name}: {text:?}: {error}"));
        assert_eq!(ours.ids, ids(expected), "{name}, {}: {text:?}", case["config"]);
    }
    let pairs = fixture["text_pairs"].as_array().expect("a list").iter();
    for (pair, expected) in pairs.zip(case["pairs"].as_array().expect("a list")) {
        let (a, b) = (pair[0].as_str().expect("a text"), pair[1].as_str());
        let ours = read.tokenizer.encode(a, b, 512).unwrap_or_else(|error| panic!("{name}: {a:?}: {error}"));
        assert_eq!(ours.ids, ids(&expected["ids"]), "{name}, {}: {a:?} {b:?}", case["config"]);
        assert_eq!(ours.type_ids, ids(&expected["types"]), "{name}, {}: types of {a:?} {b:?}", case["config"]);
    }
}

#[test]
fn a_vocab_txt_alone_gives_the_ids_of_transformers() {
    let fixture = fixture();
    for case in fixture["wordpiece"].as_array().expect("a list") {
        let pieces = strings(&fixture[case["vocab"].as_str().expect("a name")]);
        let mut config = case["config"].clone();
        config["tokenizer_class"] = json!("BertTokenizer");
        for end in ["\n", "\r\n"] {
            let vocabulary: String = pieces.iter().map(|piece| format!("{piece}{end}")).collect();
            let mut files = vec![file("vocab.txt", vocabulary), file("tokenizer_config.json", &config)];
            files.extend(case.get("added").map(|added| file("added_tokens.json", added)));
            let read = read(&files);
            agrees("vocab.txt", &fixture, case, &read);
            assert_eq!(read.max_length, case["config"]["model_max_length"].as_u64().map(|length| length as usize));
            assert_eq!(read.notes.len(), 1, "{:?}", read.notes);
            assert!(read.notes[0].contains("as tokenizer_config.json says"), "{:?}", read.notes);
            let again = apt_data::Tokenizer::from_bytes(&read.json, "tokenizer.json").expect("what it made reads back");
            assert_eq!(again.vocab_size(), read.tokenizer.vocab_size());
        }
    }
}

#[test]
fn a_vocab_json_with_merges_gives_the_ids_of_transformers() {
    let fixture = fixture();
    let vocabulary: serde_json::Map<String, Value> =
        strings(&fixture["bytes"]).into_iter().zip(0u64..).map(|(piece, id)| (piece.to_owned(), id.into())).collect();
    let merges = format!("#version: 0.2\n{}\n", strings(&fixture["merges"]).join("\n"));
    for case in fixture["bpe"].as_array().expect("a list") {
        let files = [
            file("vocab.json", Value::Object(vocabulary.clone())),
            file("merges.txt", &merges),
            file("tokenizer_config.json", &case["config"]),
        ];
        let read = read(&files);
        agrees("vocab.json", &fixture, case, &read);
        assert!(read.notes[0].contains("vocab.json and merges.txt"), "{:?}", read.notes);
    }
}

#[test]
fn without_tokenizer_config_case_is_judged_by_the_pieces_and_that_is_told() {
    let fixture = fixture();
    for (vocabulary, keeps_case) in [("cased", true), ("uncased", false)] {
        let pieces = strings(&fixture[vocabulary]).join("\n");
        let read = read(&[file("vocab.txt", pieces)]);
        let [first, second] =
            ["The river", "the river"].map(|text| read.tokenizer.encode(text, None, 32).expect("ids"));
        assert_eq!(first.ids != second.ids, keeps_case, "{vocabulary}");
        let said = if keeps_case { "case is kept, assumed" } else { "lower-cased, assumed" };
        assert!(read.notes[0].contains(said), "{vocabulary}: {:?}", read.notes);
    }
}

/// A `tokenizer.json` of the uncased vocabulary.
fn whole() -> Value {
    let fixture = fixture();
    let read = read(&[
        file("vocab.txt", strings(&fixture["uncased"]).join("\n")),
        file("tokenizer_config.json", json!({"do_lower_case": true})),
    ]);
    serde_json::from_slice(&read.json).expect("JSON")
}

#[test]
fn a_tokenizer_json_that_tokenizer_config_contradicts_follows_it_and_that_is_told() {
    let files = [file("tokenizer.json", whole()), file("tokenizer_config.json", json!({"do_lower_case": false}))];
    let read = read(&files);
    let [upper, lower] = ["The", "the"].map(|text| read.tokenizer.encode(text, None, 32).expect("ids").ids);
    assert_ne!(upper, lower, "transformers keeps case here");
    assert_eq!(read.notes.len(), 1, "{:?}", read.notes);
    assert!(read.notes[0].contains("do_lower_case false"), "{:?}", read.notes);
    // A class of transformers whose settings these are not is left as it is, and so is a file that nothing contradicts.
    for config in [
        json!({"do_lower_case": false, "tokenizer_class": "PreTrainedTokenizerFast"}),
        json!({"do_lower_case": true, "model_max_length": 1e30, "tokenizer_class": "BertTokenizerFast"}),
    ] {
        let files = [file("tokenizer.json", whole()), file("tokenizer_config.json", &config)];
        let read = TokenizerRead::of(&files).expect("a tokenizer");
        assert_eq!((read.notes.as_slice(), read.max_length), (&[][..], None), "{config}");
        assert_eq!(read.json, files[0].1, "{config}: the file is changed");
    }
}

#[test]
fn a_tokenizer_json_without_post_processor_gets_the_special_tokens_and_that_is_told() {
    let mut bare = whole();
    let expected = read(&[file("tokenizer.json", &bare)]).tokenizer.encode("the river", Some("is cold"), 32);
    bare["post_processor"] = Value::Null;
    let read = read(&[file("tokenizer.json", &bare)]);
    assert_eq!(read.tokenizer.encode("the river", Some("is cold"), 32).expect("ids"), expected.expect("ids"));
    assert!(read.notes[0].contains("[CLS] and [SEP]"), "{:?}", read.notes);
}

#[track_caller]
fn refused(files: &[(String, Vec<u8>)], parts: &[&str]) {
    let Err(error) = TokenizerRead::of(files) else { panic!("it was read") };
    assert!(matches!(error, DataError::Tokenizer { .. }), "{error:?}");
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "the message does not say {part:?}: {text}");
    }
}

#[test]
fn files_that_make_no_tokenizer_are_refused_with_a_reason() {
    refused(&[], &["tokenizer.json", "vocab.txt"]);
    refused(&[file("vocab.json", "{}")], &["tokenizer.json", "merges.txt"]);
    refused(&[file("vocab.txt", "a\nb\nc")], &["vocab.txt", "[UNK]", "tokenizer_config.json"]);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n";
    refused(&[file("vocab.txt", pointer)], &["vocab.txt", "Git LFS pointer", "git lfs pull"]);
    let pieces = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na";
    let japanese = json!({"tokenizer_class": "BertJapaneseTokenizer"});
    refused(
        &[file("vocab.txt", pieces), file("tokenizer_config.json", japanese)],
        &["vocab.txt", "BertJapaneseTokenizer", "save_pretrained"],
    );
    refused(
        &[file("vocab.txt", pieces), file("tokenizer_config.json", "[1]")],
        &["tokenizer_config.json", "JSON object"],
    );
}
