//! Files as they come from real people: each case must be refused with the reason and the place named,
//! or read correctly where the oddity is harmless. Nothing here may panic.

use std::path::Path;

use apt_data::{DataError, ObjectiveKind, RawTask, Reading, Target, Tokenizer, builtin, load_task, parse_task};

const TRAIN: &str = "sentence\tlabel\na fine film\t1\na poor film\t0\n";

/// SST-2 with this training file and a sound validation file.
fn sst2(train: &[u8]) -> Result<RawTask, DataError> {
    parse_task("sst2", &[("train.tsv".into(), train.to_vec()), ("dev.tsv".into(), TRAIN.into())], &Reading::default())
}

/// A user's own task with these files.
fn own(files: &[(&str, &str)]) -> Result<RawTask, DataError> {
    parse("text", files, None)
}

fn parse(task: &str, files: &[(&str, &str)], objective: Option<ObjectiveKind>) -> Result<RawTask, DataError> {
    let files: Vec<(String, Vec<u8>)> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    parse_task(task, &files, &Reading { objective, ..Reading::default() })
}

/// The message of a refusal; it must hold every one of `parts`.
fn assert_refused<T>(result: Result<T, DataError>, parts: &[&str]) {
    let Err(error) = result else { panic!("accepted; a message with {parts:?} was expected") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
    assert!(message.len() < 1000, "a message of {} bytes", message.len());
}

#[test]
fn an_empty_file() {
    assert_refused(sst2(b""), &["train.tsv", "empty"]);
    assert_refused(sst2(b"\xEF\xBB\xBF\r\n\r\n"), &["train.tsv", "empty"]);
}

#[test]
fn a_header_and_nothing_else() {
    assert_refused(sst2(b"sentence\tlabel\n"), &["train.tsv", "header"]);
}

#[test]
fn a_row_with_a_missing_cell() {
    assert_refused(sst2(b"sentence\tlabel\nfine\t1\nno label here\n"), &["train.tsv, line 3", "1 cells where 2"]);
}

#[test]
fn a_row_with_an_extra_cell_after_blank_lines() {
    assert_refused(sst2(b"sentence\tlabel\n\n\nfine\t1\t7\n"), &["line 4", "3 cells where 2"]);
}

#[test]
fn an_unknown_label_of_a_known_task() {
    assert_refused(sst2(b"sentence\tlabel\nfine\t1\nmeh\t2\n"), &["line 3", "'2'", "sst2", "'negative', 'positive'"]);
}

#[test]
fn a_validation_label_that_training_never_has() {
    let result = own(&[("train.csv", "text,label\na,x\nb,y\n"), ("dev.csv", "text,label\nc,z\n")]);
    assert_refused(result, &["dev.csv, line 2", "'z'", "train.csv", "'x', 'y'"]);
}

#[test]
fn bytes_that_are_not_utf8() {
    assert_refused(sst2(b"sentence\tlabel\nfine\t1\ncaf\xE9\t0\n"), &["line 3", "byte 25", "UTF-8"]);
    // UTF-16 that does not say so.
    assert_refused(sst2(b"s\0e\0n\0"), &["line 1", "a NUL at byte 1", "UTF-8"]);
    assert_refused(sst2(b"sentence\tlabel\nfi\0ne\t1\n"), &["line 2", "a NUL at byte 17", "UTF-8"]);
}

#[test]
fn a_missing_column_lists_those_that_are_there() {
    assert_refused(
        sst2(b"review\tstars\nfine\t5\n"),
        &["train.tsv", "'sentence'", "'review: fine', 'stars: 5'", "--text COLUMN"],
    );
    assert_refused(
        sst2(b"sentence\tstars\nfine\t5\n"),
        &["train.tsv", "'label'", "'sentence: fine', 'stars: 5'", "--label COLUMN"],
    );
}

#[test]
fn two_columns_for_one_role() {
    assert_refused(own(&[("train.csv", "text,label,label\na,x,y\n")]), &["'label' and 'label'", "label"]);
    assert_refused(own(&[("train.csv", "text,review,label\na,b,x\n")]), &["'text' and 'review'"]);
}

#[test]
fn labels_that_are_missing_or_nan() {
    assert_refused(own(&[("train.csv", "text,label\na,x\nb,\n")]), &["train.csv", "same label 'x'"]);
    assert_refused(own(&[("train.csv", "text,label\na,1\nb,NaN\n")]), &["train.csv", "same label '1'"]);
    assert_refused(own(&[("train.jsonl", "{\"text\":\"a\",\"label\":null}\n")]), &["not one row has a label"]);
}

#[test]
fn label_sets_nobody_can_classify_into() {
    assert_refused(own(&[("train.csv", "text,label\na,x\nb,x\n")]), &["train.csv", "same label 'x'"]);
    assert_refused(own(&[("train.csv", "text,label\na,Good\nb,good\n")]), &["'Good' and 'good'"]);
    let many: String = (0..400).map(|n| format!("text {n},{n}.5\n")).collect();
    let files = [("train.csv", &*format!("text,label\n{many}"))];
    assert_refused(
        parse("text", &files, Some(ObjectiveKind::Classification)),
        &["every class has one row", "label column"],
    );
    let many: String = (0..400).map(|n| format!("text {n},{n}\n")).collect();
    let files = [("train.csv", &*format!("text,label\n{many}"))];
    assert_refused(own(&files), &["400 different", "--objective regression"]);
}

#[test]
fn real_labels_that_nobody_called_values_or_classes() {
    let rows: String = (0..400).map(|n| format!("text {n},{n}.5\n")).collect();
    let files = [("train.csv", &*format!("text,label\n{rows}"))];
    assert_refused(
        own(&files),
        &["train.csv", "the labels are numbers", "'0.5'", "400 different", "--objective regression"],
    );
    // One number that is not whole is enough; a name among the numbers makes them names.
    assert_refused(own(&[("train.csv", "text,label\na,1\nb,2\nc,2.5\n")]), &["'2.5'", "--objective classification"]);
    let names = [("train.csv", "text,label\na,2.5\nb,n\n"), ("dev.csv", "text,label\na,n\n")];
    assert_eq!(own(&names).expect("names").objective.labels(), ["2.5", "n"]);
}

#[test]
fn regression_on_what_is_no_number() {
    let refused = |rows: &str, parts: &[&str]| {
        let files = [("train.csv", &*format!("text,label\n{rows}"))];
        assert_refused(parse("text", &files, Some(ObjectiveKind::Regression)), parts);
    };
    refused("a,3.8\nb,good\n", &["train.csv, line 3", "'good' is not a number", "--objective classification"]);
    refused("a,3.8\nb,\"3,8\"\n", &["line 3", "'3,8' is not a number", "such as 3.8"]);
    refused("a,3.8\nb,inf\n", &["line 3", "'inf' is not a number"]);
    refused("a,3.8\nb,1e39\n", &["line 3", "'1e39' is not a number"]);
    refused("a,NaN\nb,\n", &["train.csv", "not one row has a label"]);
}

#[test]
fn an_objective_that_the_task_does_not_have() {
    let files = [("train.tsv", TRAIN), ("dev.tsv", TRAIN)];
    let parts = ["task 'sst2'", "is a classification", "as a regression", "--task text"];
    assert_refused(parse("sst2", &files, Some(ObjectiveKind::Regression)), &parts);
    assert_refused(
        parse_task("builtin", &[], &Reading::with_objective(ObjectiveKind::Regression)),
        &["task 'builtin'", "regression"],
    );
    let stsb = [("train.csv", "a,b,1.5\nc,d,2.0\n")];
    assert_refused(parse("stsb", &stsb, Some(ObjectiveKind::Classification)), &["'stsb'", "is a regression"]);
}

#[test]
fn sts_b_in_a_layout_that_nobody_published() {
    let refused = |train: &str, parts: &[&str]| {
        assert_refused(parse("stsb", &[("train.csv", train), ("dev.csv", "a,b,1\n")], None), parts);
    };
    let parts = ["train.csv, line 1", "'sentence1'", "sentence1, sentence2, score", "genre", "4 cells"];
    refused("a,b,c,4.5\n", &parts);
    refused("a,b,3.5\nc,d\n", &["train.csv, line 2", "2 cells where 3"]);
    refused("a,b,alike\n", &["train.csv, line 1", "'alike' is not a number"]);
}

#[test]
fn an_empty_text() {
    assert_refused(sst2(b"sentence\tlabel\n  \t1\n"), &["line 2", "'sentence' is empty"]);
}

#[test]
fn a_line_without_end() {
    let long = format!("sentence\tlabel\nfine\t1\n{}\t0\n", "x".repeat(17 << 20));
    assert_refused(sst2(long.as_bytes()), &["line 3", "limit"]);
}

#[test]
fn an_unterminated_quote_in_csv() {
    let result = own(&[("train.csv", "text,label\n\"never closed,1\nb,0\n")]);
    assert_refused(result, &["train.csv, line 2", "a quote that is opened in this row is not closed"]);
    // What is no quote around a cell is none that is open.
    let inches = own(&[("train.csv", &format!("text,label\n{}a 7\" pipe,0\n", "a pipe,1\nanother,0\n".repeat(20)))]);
    assert!(inches.is_ok(), "{:?}", inches.err());
}

#[test]
fn json_lines_that_are_not_objects_or_lose_a_key() {
    assert_refused(own(&[("train.jsonl", "[1,2]\n")]), &["line 1", "JSON object"]);
    assert_refused(own(&[("train.jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\"}\n")]), &["same label '1'"]);
    assert_refused(own(&[("train.jsonl", "{\"text\":\"a\",\"lab")]), &["line 1", "JSON object"]);
}

#[test]
fn a_kind_of_file_nobody_knows() {
    assert_refused(own(&[("reviews.xlsx", "PK")]), &["reviews.xlsx", ".tsv, .csv, .json or .jsonl"]);
}

#[test]
fn a_task_nobody_knows() {
    assert_refused(parse_task("sst3", &[], &Reading::default()), &["'sst3'", "builtin", "sst2", "text"]);
}

#[test]
fn missing_folders_and_files() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(empty.path().join("notes.md"), "x").expect("a file");
    assert_refused(load_task("rte", None, &Reading::default()), &["rte", "--data", "train.tsv"]);
    assert_refused(
        load_task("rte", Some(Path::new("/no/such/folder")), &Reading::default()),
        &["/no/such/folder", "cannot be read"],
    );
    assert_refused(
        load_task("rte", Some(empty.path()), &Reading::default()),
        &["no train file", "train.tsv", "'notes.md'"],
    );
    std::fs::write(empty.path().join("train.tsv"), "sentence1\tsentence2\tlabel\na\tb\tentailment\n").expect("a file");
    assert_refused(load_task("rte", Some(empty.path()), &Reading::default()), &["no validation file", "dev.tsv"]);
    std::fs::write(empty.path().join("dev.tsv"), "").expect("a file");
    let shown = empty.path().join("dev.tsv").display().to_string();
    assert_refused(load_task("rte", Some(empty.path()), &Reading::default()), &[&shown, "empty"]);
}

#[test]
fn too_few_rows_to_hold_any_out() {
    assert_refused(own(&[("train.csv", "text,label\na,x\nb,y\n")]), &["2 rows are too few", "validation"]);
}

#[test]
fn byte_order_mark_crlf_and_spreadsheet_numbers_are_harmless() {
    let task =
        sst2("\u{FEFF}sentence\tlabel\r\na \"fine\" film\t1.0\r\nbad\tnegative\r\n".as_bytes()).expect("harmless");
    let read: Vec<_> = task.train.iter().map(|example| (example.a.as_str(), example.target.clone())).collect();
    assert_eq!(read, [("a \"fine\" film", Target::Class(1)), ("bad", Target::Class(0))]);
}

#[test]
fn a_test_file_without_labels_is_no_test_file() {
    for test in ["index\tsentence\n0\tfine\n", "sentence\tlabel\nfine\t-1\n"] {
        let files = [("train.tsv", TRAIN), ("dev.tsv", TRAIN), ("test.tsv", test)];
        let files: Vec<(String, Vec<u8>)> = files.iter().map(|(n, t)| ((*n).to_owned(), (*t).into())).collect();
        assert_eq!(parse_task("sst2", &files, &Reading::default()).expect("sound files").test, None, "{test}");
    }
}

#[test]
fn tokenizer_files_that_are_something_else() {
    let refused = |bytes: &[u8], parts: &[&str]| assert_refused(Tokenizer::from_bytes(bytes, "tokenizer.json"), parts);
    refused(b"", &["tokenizer.json", "empty"]);
    refused(b"{\"version\": ", &["tokenizer.json", "not JSON"]);
    refused(b"\n<!DOCTYPE html><html><body>Not found</body></html>", &["web page"]);
    refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 466247\n", &["Git LFS"]);
    refused(b"{\"hidden_size\": 384, \"vocab_size\": 30522}", &["without a 'model'", "config.json"]);
    refused(b"\xFF\xD8\xFF\xE0", &["not JSON"]);
    let sound = builtin::tokenizer_json();
    refused(
        sound
            .replace("\"WordPiece\",\"unk", "\"Telepathy\",\"unk")
            .replace("\"type\":\"WordPiece\"", "\"type\":\"Telepathy\"")
            .as_bytes(),
        &["not a tokenizer"],
    );
    refused(&sound.as_bytes()[..sound.len() / 2], &["not JSON"]);
    let mut value: serde_json::Value = serde_json::from_str(&sound).expect("our own file");
    value["model"]["vocab"] = serde_json::json!({});
    refused(value.to_string().as_bytes(), &["no vocabulary"]);
}

#[test]
fn a_tokenizer_without_an_unknown_token_is_refused_when_it_is_read() {
    let mut value: serde_json::Value = serde_json::from_str(&builtin::tokenizer_json()).expect("our own file");
    value["model"]["unk_token"] = serde_json::json!("[MISSING]");
    assert_refused(Tokenizer::from_bytes(value.to_string().as_bytes(), "t.json"), &["t.json", "cannot encode"]);
}

#[test]
fn a_tokenizer_larger_than_the_model() {
    let tokenizer = Tokenizer::from_bytes(builtin::tokenizer_json().as_bytes(), "t.json").expect("our own file");
    let size = tokenizer.vocab_size();
    assert!(tokenizer.check_vocab(size).is_ok() && tokenizer.check_vocab(size + 30).is_ok());
    assert_refused(
        tokenizer.check_vocab(size - 1),
        &["t.json", &format!("up to {}", size - 1), &format!("{} embeddings", size - 1)],
    );
}

#[test]
fn no_room_for_text() {
    let tokenizer = Tokenizer::from_bytes(builtin::tokenizer_json().as_bytes(), "t.json").expect("our own file");
    assert_refused(tokenizer.encode("good", None, 2), &["2 special tokens", "2 tokens"]);
    assert_refused(tokenizer.encode("good", Some("bad"), 0), &["3 special tokens"]);
    assert_eq!(tokenizer.encode("good film", Some("bad film"), 5).expect("room for two").ids.len(), 5);
}

#[test]
fn more_sentences_than_the_language_has_is_an_error_and_an_odd_split_is_not() {
    assert_eq!(builtin::task(1, 3, 1, 0).expect("small splits").train.len(), 3);
    assert_eq!(builtin::task(1, 0, 0, 0).expect("nothing").train.len(), 0);
}

/// Damage of every kind: bytes changed, cut out, doubled. What comes back does not matter, that it
/// comes back does.
#[test]
fn damaged_files_never_panic() {
    use rand::{RngExt as _, SeedableRng as _};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut damaged = |sound: &[u8]| {
        let mut bytes = sound.to_vec();
        for _ in 0..rng.random_range(1..4u32) {
            let at = rng.random_range(0..bytes.len() as u64) as usize;
            match rng.random_range(0..4u32) {
                0 => bytes[at] = rng.random(),
                1 => bytes.truncate(at.max(1)),
                2 => bytes.extend_from_within(at..),
                _ => drop(bytes.drain(at..bytes.len().min(at + 3).max(1))),
            }
            if bytes.is_empty() {
                bytes.push(b'\n');
            }
        }
        bytes
    };
    let csv = "text,label,text2\n\"a, b\",1,x\nc,0,\"y\nz\"\n";
    let jsonl = "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\",\"label\":0}\n";
    let mut refused = 0;
    for _ in 0..2000 {
        refused += u32::from(sst2(&damaged(TRAIN.as_bytes())).is_err());
        for (name, sound) in [("train.csv", csv), ("train.jsonl", jsonl)] {
            let dev = (name.replace("train", "dev"), sound.as_bytes().to_vec());
            let files = [(name.to_owned(), damaged(sound.as_bytes())), dev];
            refused += u32::from(parse_task("text", &files, &Reading::default()).is_err());
        }
    }
    assert!(refused > 1000, "{refused} of 6000 damaged files were refused");
    let sound = builtin::tokenizer_json();
    for _ in 0..150 {
        if let Ok(tokenizer) = Tokenizer::from_bytes(&damaged(sound.as_bytes()), "t.json") {
            drop(tokenizer.encode("The soup was not good.", Some("it was"), 16));
        }
    }
}
