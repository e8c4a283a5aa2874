//! Reading sound data: the layouts GLUE's files come in, users' own files, and the reference tokenizer.
//!
//! Tests that need the published data sets look for them in `APT_ASSETS` (a folder with `data/sst2` and so on) and
//! say so when it is not set; with `APT_REQUIRE_ASSETS` set they fail.

use std::path::PathBuf;

use apt_data::{
    Metric, Objective, ObjectiveKind, RawTask, Reading, Target, Tokenizer, builtin, load_task, parse_task,
    tokenize_task,
};

fn parse(name: &str, files: &[(&str, &str)]) -> RawTask {
    let files: Vec<(String, Vec<u8>)> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    parse_task(name, &files, &Reading::default()).expect("sound files")
}

fn first(task: &RawTask) -> (&str, Option<&str>, Target) {
    let example = &task.train[0];
    (&example.a, example.b.as_deref(), example.target.clone())
}

#[test]
fn cola_is_read_with_and_without_a_header() {
    let bare = "gj04\t1\t\tThey left.\ncj99\t0\t*\tThey leaves.\n";
    let task =
        parse("cola", &[("in_domain_train.tsv", bare), ("in_domain_dev.tsv", bare), ("out_of_domain_dev.tsv", bare)]);
    assert_eq!((first(&task), task.objective.metrics()[0]), (("They left.", None, Target::Class(1)), Metric::Matthews));
    assert_eq!(task.validation.len(), 4, "both dev files make GLUE's dev set");
    let headed = "sentence,label,idx\n\"They left, all.\",1,0\nThey leaves.,0,1\n";
    assert_eq!(first(&parse("cola", &[("train.csv", headed), ("validation.csv", headed)])).0, "They left, all.");
}

#[test]
fn mrpc_is_read_from_the_original_columns_and_from_renamed_ones() {
    let original = "\u{FEFF}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t1\t2\tHe said \"no.\tNo, he said.\r\n";
    let task = parse("mrpc", &[("mrpc_train.tsv", original), ("mrpc_val.tsv", original), ("mrpc_test.tsv", original)]);
    assert_eq!(first(&task), ("He said \"no.", Some("No, he said."), Target::Class(1)));
    assert_eq!(task.test.as_ref().map(Vec::len), Some(1));
    let renamed = "{\"sentence1\":\"a\",\"sentence2\":\"b\",\"label\":0}\n";
    let task = parse("mrpc", &[("train.jsonl", renamed), ("validation.jsonl", renamed)]);
    assert_eq!(first(&task), ("a", Some("b"), Target::Class(0)));
    assert_eq!(task.objective.metrics(), [Metric::F1, Metric::Accuracy], "F1 decides, accuracy is reported beside it");
}

#[test]
fn rte_takes_label_names_and_indices() {
    let names = "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n";
    let indices = "sentence1\tsentence2\tlabel\na\tb\t1\n";
    let task = parse("rte", &[("train.tsv", names), ("dev.tsv", indices)]);
    assert_eq!((&task.train[0].target, &task.validation[0].target), (&Target::Class(1), &Target::Class(1)));
}

#[test]
fn sts_b_is_read_as_it_is_published() {
    let stems = |stem: &str| ["train", "dev", "test"].map(|split| format!("{stem}{split}"));
    let read = |stem: &str, extension: &str, texts: [&str; 3]| {
        let names = stems(stem).map(|name| format!("{name}.{extension}"));
        let files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts).collect();
        let task = parse("stsb", &files);
        assert_eq!(task.objective, Objective::Regression { metrics: &[Metric::Pearson, Metric::Spearman] });
        task
    };
    // stsb-multi-mt: CSV without a header.
    let bare = "\"A man, running.\",A man runs.,3.8\nA dog.,A cat.,0\n";
    let task = read("", "csv", [bare; 3]);
    assert_eq!(first(&task), ("A man, running.", Some("A man runs."), Target::Value(3.8)));
    assert_eq!(task.test.as_ref().map(Vec::len), Some(2));
    // The original: tabs in spite of its extension, quotes as they are, some rows with the sentences' sources.
    let original = "main-news\tMSRvid\t2012\t0001\t4.750\tHe said \"no, no.\tNo, he said.\n\
                    main-forums\tdeft\t2014\t0002\t0.4\tA dog.\tA cat.\thttp://a.b/c\tLDC\n";
    let task = read("sts-", "csv", [original; 3]);
    assert_eq!(first(&task), ("He said \"no, no.", Some("No, he said."), Target::Value(4.75)));
    let second = &task.train[1];
    assert_eq!(
        (second.b.as_deref(), second.target.clone()),
        (Some("A cat."), Target::Value(0.4)),
        "cells after the seventh"
    );
    // GLUE: a header, and no scores in the test file.
    let glue = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n\
                0\tmain-captions\tMSRvid\t2012test\t0001\tnone\tnone\tA plane.\tA \"plane.\t5.000\n";
    let unlabelled = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\n\
                      0\tmain-captions\tMSRvid\t2012test\t0024\tnone\tnone\tA girl.\tA boy.\n";
    let task = read("", "tsv", [glue, glue, unlabelled]);
    assert_eq!((first(&task), task.test.is_none()), (("A plane.", Some("A \"plane."), Target::Value(5.0)), true));
}

#[test]
fn own_numbers_are_values_when_asked_for_and_whole_ones_classes_otherwise() {
    let parse = |rows: &str, objective| {
        let text = format!("text,label\n{rows}");
        let files = ["train.csv", "dev.csv"].map(|name| (name.to_owned(), text.clone().into_bytes()));
        parse_task("text", &files, &Reading { objective, ..Reading::default() }).expect("sound files")
    };
    let (real, whole) = ("a,3.8\nb,-2\nc,1e1\n", "a,3\nb,1.0\nc,2\n");
    let targets = |task: &RawTask| task.train.iter().map(|example| example.target.clone()).collect::<Vec<_>>();
    let values = parse(real, Some(ObjectiveKind::Regression));
    assert_eq!(targets(&values), [3.8, -2.0, 10.0].map(Target::Value));
    assert_eq!((values.objective.outputs(), values.objective.metrics()[0]), (1, Metric::Pearson));
    let classes = parse(real, Some(ObjectiveKind::Classification));
    assert_eq!(classes.objective.labels(), ["-2", "3.8", "1e1"], "by number");
    let guessed = parse(whole, None);
    assert_eq!(
        (guessed.objective.labels().join(" "), targets(&guessed)),
        ("1 2 3".into(), [2, 0, 1].map(Target::Class).into())
    );
    let asked = parse(whole, Some(ObjectiveKind::Regression));
    assert_eq!(targets(&asked), [3.0, 1.0, 2.0].map(Target::Value));
    assert_ne!(asked.hash, guessed.hash, "the same file, another task");
}

#[test]
fn own_labels_are_ordered_by_number_or_by_name() {
    let numbers = "text,label\na,10\nb,9\nc,-1\n";
    let names = "review,class\na,so-so\nb,bad\nc,good\n";
    let task = parse("text", &[("train.csv", numbers), ("dev.csv", numbers)]);
    assert_eq!((task.objective.labels().join(" "), task.train[0].target.clone()), ("-1 9 10".into(), Target::Class(2)));
    assert_eq!(parse("text", &[("train.csv", names), ("dev.csv", names)]).objective.labels(), ["bad", "good", "so-so"]);
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
    assert_eq!(
        load_task("text", Some(&path), &Reading::default()).expect("a single file").hash,
        task.hash,
        "desktop and browser agree"
    );
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
    assert!(tokenized.train.iter().zip(&task.train).all(|(t, r)| t.target == r.target && t.tokens.ids.len() <= 48));
}

/// The folder with published models and data, where there is one.
fn assets() -> Option<PathBuf> {
    let folder = std::env::var_os("APT_ASSETS").map(PathBuf::from);
    if folder.is_none() {
        assert!(std::env::var_os("APT_REQUIRE_ASSETS").is_none(), "APT_ASSETS names no folder");
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
        ("stsb", (5749, 1500, Some(1379))),
        ("trec", (4907, 545, Some(500))),
        ("agnews", (9001, 1000, Some(7600))),
    ];
    for (name, expected) in sizes {
        let task = load_task(name, Some(&assets.join("data").join(name)), &Reading::default()).expect(name);
        let found = (task.train.len(), task.validation.len(), task.test.as_ref().map(Vec::len));
        assert_eq!(found, expected, "{name}: train, validation, test");
    }
}

#[test]
fn classes_of_published_test_sets_are_as_many_as_published() {
    let Some(assets) = assets() else { return };
    // TREC's are those of Li and Roth's TREC_10.label, which names its classes; the copy here numbers them.
    let counts: [(&str, &[usize]); 2] = [("trec", &[9, 94, 138, 65, 81, 113]), ("agnews", &[1900; 4])];
    for (name, expected) in counts {
        let task = load_task(name, Some(&assets.join("data").join(name)), &Reading::default()).expect(name);
        let test = task.test.expect("a test set");
        let of = |class: usize| test.iter().filter(|example| example.target == Target::Class(class as u32)).count();
        let found: Vec<usize> = (0..task.objective.outputs()).map(of).collect();
        assert_eq!(found, expected, "{name}: {:?}", task.objective.labels());
    }
}

#[test]
fn minilm_token_ids_agree_with_the_reference() {
    let Some(assets) = assets() else { return };
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle/fixtures/minilm_hidden_states.json");
    let fixture: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture).expect("the oracle's fixture")).expect("JSON");
    let tokenizer = Tokenizer::from_file(assets.join("minilm-l6-bert/tokenizer.json")).expect("a valid tokenizer");
    assert_eq!((tokenizer.vocab_size(), tokenizer.mask_id()), (30_522, Some(103)));
    let cases = fixture["models"]["minilm-l6-bert"]["cases"].as_array().expect("cases");
    for case in cases {
        let text = case["text"].as_str().expect("a text");
        let ids: Vec<u32> = serde_json::from_value(case["input_ids"].clone()).expect("ids");
        assert_eq!(tokenizer.encode(text, None, 128).expect("encodes").ids, ids, "{text}");
    }
    assert!(!cases.is_empty(), "the fixture has no cases");
}
