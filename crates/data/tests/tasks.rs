//! Reading sound data: the layouts GLUE's files come in, users' own files, and the reference tokenizer.
//!
//! Tests that need the published data sets look for them in `APT_ASSETS` (a folder with `data/sst2` and so on) and
//! say so when it is not set.

use std::path::PathBuf;

use apt_data::{Metric, RawTask, Tokenizer, builtin, load_task, parse_task, tokenize_task};

fn parse(name: &str, files: &[(&str, &str)]) -> RawTask {
    let files: Vec<(String, Vec<u8>)> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    parse_task(name, &files).expect("sound files")
}

fn first(task: &RawTask) -> (&str, Option<&str>, u32) {
    let example = &task.train[0];
    (&example.a, example.b.as_deref(), example.label)
}

#[test]
fn cola_is_read_with_and_without_a_header() {
    let bare = "gj04\t1\t\tThey left.\ncj99\t0\t*\tThey leaves.\n";
    let task =
        parse("cola", &[("in_domain_train.tsv", bare), ("in_domain_dev.tsv", bare), ("out_of_domain_dev.tsv", bare)]);
    assert_eq!((first(&task), task.metric), (("They left.", None, 1), Metric::Matthews));
    assert_eq!(task.validation.len(), 4, "both dev files make GLUE's dev set");
    let headed = "sentence,label,idx\n\"They left, all.\",1,0\nThey leaves.,0,1\n";
    assert_eq!(first(&parse("cola", &[("train.csv", headed), ("validation.csv", headed)])).0, "They left, all.");
}

#[test]
fn mrpc_is_read_from_the_original_columns_and_from_renamed_ones() {
    let original = "\u{FEFF}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t1\t2\tHe said \"no.\tNo, he said.\r\n";
    let task = parse("mrpc", &[("mrpc_train.tsv", original), ("mrpc_val.tsv", original), ("mrpc_test.tsv", original)]);
    assert_eq!(first(&task), ("He said \"no.", Some("No, he said."), 1));
    assert_eq!(task.test.as_ref().map(Vec::len), Some(1));
    let renamed = "{\"sentence1\":\"a\",\"sentence2\":\"b\",\"label\":0}\n";
    assert_eq!(first(&parse("mrpc", &[("train.jsonl", renamed), ("validation.jsonl", renamed)])), ("a", Some("b"), 0));
}

#[test]
fn rte_takes_label_names_and_indices() {
    let names = "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n";
    let indices = "sentence1\tsentence2\tlabel\na\tb\t1\n";
    let task = parse("rte", &[("train.tsv", names), ("dev.tsv", indices)]);
    assert_eq!((task.train[0].label, task.validation[0].label), (1, 1));
}

#[test]
fn own_labels_are_ordered_by_number_or_by_name() {
    let numbers = "text,label\na,10\nb,9\nc,-1\n";
    let names = "review,class\na,so-so\nb,bad\nc,good\n";
    let task = parse("text", &[("train.csv", numbers), ("dev.csv", numbers)]);
    assert_eq!((task.labels.join(" "), task.train[0].label), ("-1 9 10".into(), 2));
    assert_eq!(parse("text", &[("train.csv", names), ("dev.csv", names)]).labels, ["bad", "good", "so-so"]);
}

#[test]
fn one_own_file_is_split_in_the_same_way_every_time() {
    let rows: String = (0..50).map(|n| format!("text number {n},{}\n", ["no", "yes"][n % 2])).collect();
    let file = format!("text,label\n{rows}");
    let task = parse("text", &[("my reviews.csv", &file)]);
    assert_eq!((task.train.len(), task.validation.len(), task.test.is_none()), (45, 5, true));
    assert_eq!(task, parse("text", &[("my reviews.csv", &file)]));
    assert!(task.validation.iter().all(|held| !task.train.contains(held)), "held-out rows are still trained on");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("my reviews.csv");
    std::fs::write(&path, &file).expect("a file");
    assert_eq!(load_task("text", Some(&path)).expect("a single file").hash, task.hash, "desktop and browser agree");
}

#[test]
fn limiting_draws_a_seeded_subset_and_changes_the_hash() {
    let task = builtin::task(1, 200, 10, 10).expect("a small task");
    let (few, again) = (task.clone().limit_train(50, 3), task.clone().limit_train(50, 3));
    assert_eq!(few, again);
    assert_eq!((few.train.len(), few.validation == task.validation), (50, true));
    assert_ne!(few.hash, task.hash);
    assert_ne!(few.train, task.clone().limit_train(50, 4).train, "seeds 3 and 4");
    assert_eq!(task.clone().limit_train(1000, 3), task, "more than there are");
}

#[test]
fn pairs_are_cut_longest_first_and_keep_their_special_tokens() {
    let tokenizer = Tokenizer::from_bytes(builtin::tokenizer_json().as_bytes(), "built-in").expect("our own file");
    let long = "good good good good good good good good";
    let encoded = tokenizer.encode(long, Some("bad bad"), 9).expect("encodes");
    assert_eq!(encoded.type_ids, [0, 0, 0, 0, 0, 0, 1, 1, 1], "four of the first, two of the second");
    assert_eq!((encoded.ids[0], encoded.ids[5], encoded.ids[8]), (2, 3, 3));
}

#[test]
fn the_builtin_task_tokenizes_whole() {
    let task = builtin::task(1, 64, 16, 16).expect("a small task");
    let tokenizer = Tokenizer::from_bytes(builtin::tokenizer_json().as_bytes(), "built-in").expect("our own file");
    let tokenized = tokenize_task(&task, &tokenizer, 48).expect("tokenizes");
    assert_eq!((tokenized.train.len(), tokenized.test.as_ref().map(Vec::len)), (64, Some(16)));
    assert!(tokenized.train.iter().zip(&task.train).all(|(t, r)| t.label == r.label && t.ids.len() <= 48));
}

/// The folder with published models and data, where there is one.
fn assets() -> Option<PathBuf> {
    let folder = std::env::var_os("APT_ASSETS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: set APT_ASSETS to the folder with data/ and minilm-l6-bert/ to run this test");
    }
    folder
}

#[test]
fn published_data_sets_have_their_published_sizes() {
    let Some(assets) = assets() else { return };
    let sizes = [
        ("sst2", (67_349, 872, Some(1821))),
        ("cola", (8551, 1043, None)),
        ("mrpc", (3576, 500, Some(1725))),
        ("rte", (2490, 277, None)),
    ];
    for (name, expected) in sizes {
        let task = load_task(name, Some(&assets.join("data").join(name))).expect(name);
        let found = (task.train.len(), task.validation.len(), task.test.as_ref().map(Vec::len));
        assert_eq!(found, expected, "{name}: train, validation, test");
    }
}

#[test]
fn minilm_token_ids_agree_with_the_reference() {
    let Some(assets) = assets() else { return };
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle/fixtures/minilm_hidden_states.json");
    let fixture: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture).expect("the oracle's fixture")).expect("JSON");
    let tokenizer = Tokenizer::from_file(assets.join("minilm-l6-bert/tokenizer.json")).expect("a valid tokenizer");
    assert_eq!((tokenizer.vocab_size(), tokenizer.pad_id(), tokenizer.mask_id()), (30_522, 0, Some(103)));
    let cases = fixture["models"]["minilm-l6-bert"]["cases"].as_array().expect("cases");
    for case in cases {
        let text = case["text"].as_str().expect("a text");
        let ids: Vec<u32> = serde_json::from_value(case["input_ids"].clone()).expect("ids");
        assert_eq!(tokenizer.encode(text, None, 128).expect("encodes").ids, ids, "{text}");
    }
    assert!(!cases.is_empty(), "the fixture has no cases");
}
