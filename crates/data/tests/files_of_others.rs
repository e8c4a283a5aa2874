//! Files as other programs and published data sets have them. Each test is named after what was once misread, and holds
//! the right value.

use std::io::Write as _;

use apt_data::{DataError, ObjectiveKind, RawTask, Reading, Target, load_task, load_whole, parse_task};

/// The task of these files, which are train, and validation as well where they are not split.
fn read_as(reading: &Reading, files: &[(&str, &str)]) -> Result<RawTask, DataError> {
    let files: Vec<(String, Vec<u8>)> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    parse_task("text", &files, reading)
}

/// A file called `train` with this ending, and the same as validation.
fn both_as(reading: &Reading, ending: &str, text: &str) -> Result<RawTask, DataError> {
    read_as(reading, &[(&format!("train.{ending}"), text), (&format!("dev.{ending}"), text)])
}

fn both(ending: &str, text: &str) -> Result<RawTask, DataError> {
    both_as(&Reading::default(), ending, text)
}

fn refused(result: Result<RawTask, DataError>, parts: &[&str]) {
    let Err(error) = result else { panic!("accepted; a message with {parts:?} was expected") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

fn labels(task: &RawTask) -> String {
    task.objective.labels().join(" ")
}

fn columns(text: Option<&str>, pair: Option<&str>, label: Option<&str>) -> Reading {
    let [text, pair, label] = [text, pair, label].map(|name| name.map(str::to_owned));
    Reading { text, pair, label, ..Reading::default() }
}

// Columns.

#[test]
fn the_question_of_qnli_and_both_questions_of_qqp_are_read() {
    for (header, first) in [
        ("index\tquestion\tsentence\tlabel", "question"),
        ("id\tquestion1\tquestion2\tis_duplicate", "question1"),
        ("id\tpremise\thypothesis\tgold_label", "premise"),
        ("id\tSentence 1\tSentence_2\tlabels", "Sentence 1"),
        ("id\ttext\ttext_pair\tlabel", "text"),
        ("id\tq1\tq2\tsimilarity_score", "q1"),
    ] {
        let task = both("tsv", &format!("{header}\n0\twhere ?\tin rome\tyes\n1\twhen ?\tin may\tno\n")).expect(header);
        let example = &task.train[0];
        assert_eq!((example.a.as_str(), example.b.as_deref()), ("where ?", Some("in rome")), "{header}");
        assert_eq!((task.read.files[0].text.as_str(), task.read.files[0].unused.len()), (first, 1), "{header}");
    }
}

#[test]
fn a_second_text_under_an_unknown_name_is_asked_about() {
    let file = "text,remark,label\nshort,the first of several long remarks,a\nbrief,another remark of many words,b\n";
    refused(both("csv", file), &["several columns hold texts: 'text', 'remark'", "--text 'text' --text-pair 'remark'"]);
    let alone = both_as(&columns(Some("text"), None, None), "csv", file).expect("named");
    assert_eq!((alone.train[0].b.as_deref(), alone.read.files[0].unused.join(" ")), (None, "remark".into()));
    let pair = both_as(&columns(Some("text"), Some("remark"), None), "csv", file).expect("named");
    assert_eq!(pair.train[0].b.as_deref(), Some("the first of several long remarks"));
    let guessed = both_as(&columns(None, Some("remark"), None), "csv", file).expect("the text is known");
    assert_eq!((guessed.train[0].a.as_str(), guessed.hash == pair.hash), ("short", true));
    // Single words, numbers and addresses are no texts.
    let words = "text,note,when,label\nshort,checked,2024-01-02 10:00,a\nbrief,open,2024-01-03 11:00,b\n";
    assert_eq!(both("csv", words).expect("no texts").read.files[0].unused.join(" "), "note when");
}

#[test]
fn a_second_text_of_a_task_of_single_texts_is_not_dropped() {
    let file = "sentence1\tsentence2\tlabel\nfine\tpoor\t1\npoor\tfine\t0\n";
    let files = ["train.tsv", "dev.tsv"].map(|name| (name.to_owned(), file.as_bytes().to_vec()));
    refused(parse_task("sst2", &files, &Reading::default()), &["'sentence1', 'sentence2'", "--text"]);
}

#[test]
fn columns_are_named_and_names_that_are_not_there_refused() {
    let file = "a,b,c\nfine,x,0\npoor,y,1\n";
    let task = both_as(&columns(Some("A"), None, Some("c")), "csv", file).expect("named");
    assert_eq!((task.train[1].a.as_str(), labels(&task)), ("poor", "0 1".into()));
    refused(
        both_as(&columns(Some("d"), None, Some("c")), "csv", file),
        &["'d'", "'a: fine', 'b: x', 'c: 0'", "--text"],
    );
    refused(both_as(&columns(Some("a"), None, Some("a")), "csv", file), &["'a' would be text and label", "--label"]);
    refused(both_as(&columns(Some("a"), None, None), "csv", file), &["no column called 'label'", "--label COLUMN"]);
}

#[test]
fn a_file_without_header_loses_no_row() {
    let news = "\"3\",\"stocks fall\",\"markets fell on monday after news\"\n\"1\",\"peace talks\",\"leaders met again in the capital\"\n";
    refused(both("csv", news), &["train.csv, line 1", "no header", "'1: 3'", "--no-header", "--text 1 --label 2"]);
    refused(both("tsv", "good film\t0\nbad film\t1\ngood plot\t0\n"), &["no header"]);
    let numbered = Reading { no_header: true, ..columns(Some("2"), Some("3"), Some("1")) };
    let task = both_as(&numbered, "csv", news).expect("numbered");
    assert_eq!((task.train.len(), task.train[0].a.as_str(), labels(&task)), (2, "stocks fall", "1 3".into()));
    let unnamed = Reading { no_header: true, ..Reading::default() };
    refused(both_as(&unnamed, "csv", news), &["'1: 3', '2: stocks fall'", "--text COLUMN"]);
    refused(both_as(&numbered, "csv", "text,label\nfine,a\n"), &["names columns ('text', 'label')", "leave out"]);
}

// Labels.

#[test]
fn none_and_na_are_classes_among_words() {
    for word in ["NONE", "NA", "null", "nan", "N/A", "None"] {
        let task = both("csv", &format!("text,label\na,{word}\nb,FAVOR\nc,AGAINST\n")).expect(word);
        assert_eq!((task.objective.labels().len(), task.train.len()), (3, 3), "{word}");
    }
    let json =
        "{\"text\":\"a\",\"label\":\"null\"}\n{\"text\":\"b\",\"label\":\"x\"}\n{\"text\":\"c\",\"label\":null}\n";
    let task = both("jsonl", json).expect("one row without a label");
    assert_eq!((labels(&task), task.train.len()), ("null x".into(), 2));
}

#[test]
fn rows_without_a_label_are_left_out_counted_and_told() {
    let none = |rows: &str| {
        let task = both("csv", &format!("text,label\n{rows}")).expect(rows);
        let left_out = &task.read.files[0].left_out;
        let told = left_out.iter().map(|left| format!("{} {} {}", left.rows, left.why, left.line)).collect::<Vec<_>>();
        (labels(&task), told.join("; "))
    };
    assert_eq!(none("a,-1\nb,0\nc,1\nd,2\ne,-1\n"), ("0 1 2".into(), "2 without a label ('-1') 2".into()));
    assert_eq!(none("a,x\nb,-\nc,y\n"), ("x y".into(), "1 without a label ('-') 3".into()));
    assert_eq!(none("a,x\nb,y\nc,\n"), ("x y".into(), "1 without a label 4".into()));
    assert_eq!(none("a,0\nb,1\nc,NA\n"), ("0 1".into(), "1 without a label ('NA') 4".into()));
    // What the others do not show to be no label is one.
    assert_eq!(none("a,-1\nb,1\n"), ("-1 1".into(), String::new()));
    assert_eq!(none("a,-\nb,+\n"), ("+ -".into(), String::new()));
    let values = both_as(&Reading::with_objective(ObjectiveKind::Regression), "csv", "text,label\na,1.5\nb,\nc,-1\n");
    let values = values.expect("numbers");
    assert_eq!((values.train.len(), values.train[1].target.clone()), (2, Target::Value(-1.0)));
}

#[test]
fn minus_one_beside_zero_and_one_is_asked_about() {
    let file = "text,label\na,-1\nb,0\nc,1\n";
    refused(both("csv", file), &["-1, 0 and 1", "--objective classification"]);
    let asked = both_as(&Reading::with_objective(ObjectiveKind::Classification), "csv", file).expect("classes");
    assert_eq!((labels(&asked), asked.train.len()), ("-1 0 1".into(), 3));
}

#[test]
fn lists_are_neither_labels_nor_texts() {
    let lists = "{\"text\":\"a\",\"labels\":[\"joy\"]}\n{\"text\":\"b\",\"labels\":[\"joy\",\"fear\"]}\n";
    refused(both("jsonl", lists), &["train.jsonl, line 1", "the label is a list", "--objective multi_label"]);
    refused(both("csv", "text,label\na,\"['joy']\"\nb,\"['joy', 'fear']\"\n"), &["the labels are lists"]);
    let tokens =
        "{\"tokens\":[\"a\"],\"text\":[\"a\",\"b\"],\"label\":0}\n{\"tokens\":[],\"text\":[\"c\"],\"label\":1}\n";
    refused(both("jsonl", tokens), &["line 1", "'text' holds a list", "join the words"]);
    refused(both("csv", "text,label\n\"['a', 'b']\",0\n\"['c']\",1\n"), &["'text' holds a list"]);
}

#[test]
fn a_thousand_classes_are_trained_and_numbers_asked_about() {
    let rows: String = (0..2000).map(|n| format!("ticket {n},topic_{}\n", n % 1000)).collect();
    let task = both("csv", &format!("text,label\n{rows}")).expect("words");
    assert_eq!((task.objective.outputs(), task.read.classes[0].examples), (1000, 2));
    refused(both("csv", "text,label\na,0.2\nb,0.4\nc,5\n"), &["values or classes", "--objective regression"]);
}

#[test]
fn held_out_rows_are_of_every_class_and_none_is_lost() {
    let rows: String = (0..200).map(|n| format!("text {n},{}\n", if n % 20 == 0 { "rare" } else { "usual" })).collect();
    let task =
        read_as(&Reading::default(), &[("mine.csv", &format!("text,label\n{rows}only,single\n"))]).expect("rows");
    let of = |name: &str| {
        let class = task.objective.labels().iter().position(|label| label == name).expect("a class");
        task.validation.iter().filter(|example| example.target == Target::Class(class as u32)).count()
    };
    assert_eq!((of("rare"), of("usual"), of("single")), (1, 19, 0));
    let single: String = (0..100).map(|n| format!("text {n},class{n}\n")).collect();
    let single = read_as(&Reading::default(), &[("mine.csv", &format!("text,label\n{single}"))]);
    refused(single, &["every class has one row"]);
}

#[test]
fn a_models_classes_are_those_that_the_data_are_read_with() {
    let of = |classes: &[&str], text: &str| {
        let classes = classes.iter().map(|&class| class.to_owned()).collect();
        both_as(&Reading { classes, ..Reading::default() }, "csv", text)
    };
    let task = of(&["pos", "neg"], "text,label\na,neg\nb,neg\n").expect("one of them");
    assert_eq!((&task.train[0].target, labels(&task)), (&Target::Class(1), "pos neg".into()), "the model's order");
    refused(
        of(&["neg", "pos"], "text,label\na,zero_stars\nb,five_stars\n"),
        &["'zero_stars'", "the model has", "'neg'"],
    );
    refused(of(&["neg", "pos"], "text,label\na,3\nb,1\n"), &["'3'", "the model has"]);
    assert_eq!(of(&["neg", "pos"], "text,label\na,1\nb,0\n").expect("numbers").train[0].target, Target::Class(1));
}

// Files.

#[test]
fn json_is_read_as_a_list_as_lines_and_under_any_name() {
    let (list, lines) = (
        "[{\"text\":\"a\",\"label\":\"x\"},{\"text\":\"b\",\"label\":\"y\"}]",
        "{\"text\":\"a\",\"label\":\"x\"}\n{\"id\":2,\"text\":\"b\",\"label\":\"y\"}\n",
    );
    for (ending, text) in [("json", list), ("jsonl", list), ("json", lines), ("jsonl", lines)] {
        assert_eq!(labels(&both(ending, text).expect(ending)), "x y", "{ending}: {text}");
    }
    let by_column = "{\"text\":{\"0\":\"a\"},\"label\":{\"0\":\"x\"}}";
    refused(both("json", by_column), &["one JSON object", "orient='records', lines=True"]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}

const CSV: &str = "text,label\na,x\nb,y\n";

#[test]
fn compressed_files_are_unpacked_whatever_they_are_called() {
    let zstd = ruzstd::encoding::compress_to_vec(CSV.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    for (name, bytes) in
        [("train.csv.gz", gzip(CSV.as_bytes())), ("train.csv", gzip(CSV.as_bytes())), ("train.csv.zst", zstd)]
    {
        let files = [(name.to_owned(), bytes), ("dev.csv".to_owned(), CSV.into())];
        let task = parse_task("text", &files, &Reading::default()).expect(name);
        assert_eq!((task.train.len(), labels(&task)), (2, "x y".into()), "{name}");
    }
    let cut = gzip(CSV.as_bytes());
    let files = [("mine.csv.gz".to_owned(), cut[..cut.len() / 2].to_vec())];
    refused(parse_task("text", &files, &Reading::default()), &["mine.csv.gz", "cannot be unpacked"]);
}

#[test]
fn what_is_no_text_is_called_by_its_name() {
    for (bytes, parts) in [
        (&b"ARROW1\0\0"[..], ["an Arrow file", "read_feather('mine.csv')"]),
        (b"PK\x03\x04", ["a ZIP archive", "CSV"]),
        (b"version https://git-lfs.github.com/spec/v1\n", ["Git LFS pointer", "git lfs pull"]),
        (b"<!DOCTYPE html><html>", ["a web page", "download the file itself"]),
    ] {
        refused(parse_task("text", &[("mine.csv".to_owned(), bytes.to_vec())], &Reading::default()), &parts);
    }
}

#[test]
fn parts_of_a_split_are_read_together_and_in_order() {
    let part = |number: usize| format!("text,label\n{number}a,x\n{number}b,y\n");
    let (one, two) = (part(1), part(2));
    let all = [("train-00001-of-00002.csv", two.as_str()), ("train-00000-of-00002.csv", &one), ("dev.csv", CSV)];
    let task = read_as(&Reading::default(), &all).expect("two parts");
    assert_eq!(task.train.iter().map(|example| example.a.as_str()).collect::<Vec<_>>(), ["1a", "1b", "2a", "2b"]);
    refused(read_as(&Reading::default(), &all[1..]), &["train-00000-of-00002.csv", "one of 2 parts, and 1 are there"]);
}

#[test]
fn a_split_may_be_called_eval_and_files_left_aside_are_named() {
    let files = [("train.csv", CSV), ("eval.csv", CSV), ("other.csv", CSV), ("notes.md", "")];
    let task = read_as(&Reading::default(), &files).expect("sound files");
    assert_eq!((task.validation.len(), task.read.unread.join(" ")), (2, "other.csv".into()));
}

#[test]
fn a_test_file_without_labels_is_said_to_be_left_aside() {
    for test in ["text,label\na,?\nb,?\n", "text,label\na,\nb,\n", "text,label\na,-1\n", "id,text\n1,a\n"] {
        let task =
            read_as(&Reading::default(), &[("train.csv", CSV), ("dev.csv", CSV), ("test.csv", test)]).expect(test);
        assert_eq!(
            (task.test.is_none(), task.read.notes.join("")),
            (true, "test.csv: it has no labels and is not used".into())
        );
    }
}

#[test]
fn a_file_to_evaluate_is_read_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("mine.csv");
    std::fs::write(&path, CSV).expect("a file");
    let whole = load_whole("text", &path, &Reading::default()).expect("a sound file");
    assert_eq!((whole.train.len(), whole.validation.len(), whole.read.classes[1].examples), (0, 2, 1));
    refused(load_task("text", Some(&path), &Reading::default()), &["too few"]);
    std::fs::write(&path, "sentence\tlabel\nfine\t1\n").expect("a file");
    let sst2 = load_whole("sst2", &path, &Reading::default()).expect("one class alone may be evaluated");
    assert_eq!(sst2.validation[0].target, Target::Class(1));
}

#[test]
fn texts_that_are_trained_on_and_held_out_are_counted() {
    let (train, dev) = ("text,label\na,x\na,y\nb,y\n", "text,label\na,x\nc,y\n");
    let task = read_as(&Reading::default(), &[("train.csv", train), ("dev.csv", dev)]).expect("sound files");
    assert_eq!((task.read.trained_on.some, task.read.trained_on.of, task.read.contradicting), (1, 2, 2));
}

#[test]
fn the_first_line_by_which_spreadsheets_name_the_separator_is_no_header() {
    for separator in [";", "|", "\t"] {
        let text = format!("sep={separator}\r\ntext;label\r\nfine, really;yes\r\npoor;no\r\n").replace(';', separator);
        let task = both("csv", &text).expect("a file of Excel");
        assert_eq!((task.train[0].a.as_str(), labels(&task).as_str()), ("fine, really", "no yes"), "{separator:?}");
        assert!(
            task.read.lines().iter().any(|line| line.contains("as the first line says")),
            "{:?}",
            task.read.lines()
        );
    }
}

#[test]
fn one_label_in_two_forms_of_unicode_is_not_two_classes() {
    let text = "text,label\na,s\u{e9}jour\nb,se\u{301}jour\nc,other\n";
    refused(both("csv", text), &["differ only in how Unicode writes their letters", "write each label in one way"]);
}

// How text is written.

#[test]
fn text_of_spreadsheets_in_utf16_and_of_old_macs_is_read() {
    let text = "text\tlabel\r\ncafé\tneg\r\nbon\tpos\r\n";
    let expected = both("tsv", text).expect("UTF-8").train;
    let utf16 = |is_big: bool| -> Vec<u8> {
        let units = "\u{FEFF}".encode_utf16().chain(text.encode_utf16());
        units.flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    for bytes in [utf16(false), utf16(true), text.replace("\r\n", "\r").into_bytes()] {
        let files = ["train.tsv", "dev.tsv"].map(|name| (name.to_owned(), bytes.clone()));
        let task = parse_task("text", &files, &Reading::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(task.train, expected);
        assert!(task.read.notes.iter().any(|note| note.contains("read as")), "{:?}", task.read.notes);
    }
}

#[test]
fn all_frames_of_zstd_are_read_and_those_to_be_skipped_are_not() {
    let frame =
        |text: &str| ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let skipped = [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let parts = [&skipped[..], &frame("text,label\nx,a\ny,b\n"), &skipped, &frame("z,a\n"), &frame("")];
    let files = [("train.csv.zst".to_owned(), parts.concat()), ("dev.csv".to_owned(), b"text,label\nw,a\n".to_vec())];
    let read = |files: &[_]| parse_task("text", files, &Reading::default());
    assert_eq!(read(&files).expect("three rows").train.len(), 3);
    for cut in [4, 9, parts[0].len() + parts[1].len() + 6] {
        let bytes = parts.concat()[..cut].to_vec();
        refused(read(&[("train.csv.zst".to_owned(), bytes), files[1].clone()]), &["train.csv.zst", "unpacked"]);
    }
}

#[test]
fn files_that_hold_no_text_are_called_what_they_are() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, what) in [
        (tar, "a tar archive"),
        (b"\x80\x04\x95abc".to_vec(), "a pickle"),
        (b"\x89HDF\r\n\x1A\n".to_vec(), "HDF5"),
        (b"\xFF\xFF\xFF\xFF\x10\0\0\0".to_vec(), "save_to_disk"),
        (b"\n  <!DOCTYPE html><html>".to_vec(), "a web page"),
        (b"{\\rtf1 text,label}".to_vec(), "RTF"),
    ] {
        refused(parse_task("text", &[("train.csv".to_owned(), bytes)], &Reading::default()), &["train.csv", what]);
    }
}

#[test]
fn a_line_of_megabytes_is_a_text() {
    let long = "word ".repeat(1 << 20);
    let task = both("csv", &format!("text,label\n{long},a\nshort,b\n")).expect("two rows");
    assert_eq!(task.train[0].a.len(), long.len() - 1);
}

// JSON that Python and pandas write.

#[test]
fn json_of_python_with_nan_and_halves_of_characters_is_read_and_told() {
    let rows = "{\"text\": \"a \\ud83d\", \"label\": \"x\"}\n{\"text\": \"b\", \"label\": NaN}\n\
                {\"text\": \"c\", \"label\": \"y\"}\n";
    let task = both("jsonl", rows).expect("two rows have a label");
    assert_eq!((task.train.len(), task.train[0].a.as_str()), (2, "a \u{FFFD}"));
    assert_eq!(task.read.files[0].left_out[0].line, 2);
    let notes = task.read.notes.join("\n");
    assert!(notes.contains("NaN is read as nothing: 1") && notes.contains("halves of characters"), "{notes}");
    refused(both("jsonl", "{\"text\": \"a\", \"label\": Infinity}\n"), &["line 1", "column"]);
    refused(
        both("jsonl", "\"a long text of many words that is no object of course, and goes on\"\n"),
        &["it is a text"],
    );
}

#[test]
fn one_object_around_the_examples_is_told_with_the_key_that_has_them() {
    let rows = "[{\"text\": \"a\", \"label\": 1}, {\"text\": \"b\", \"label\": 0}]";
    let one = ["'data'", "json.load(open('train.json'))['data']"];
    refused(both("json", &format!("{{\"version\": \"1.0\", \"data\": {rows}}}")), &one);
    refused(both("json", &format!("{{\"version\": \"1.0\",\n\"data\": {rows}}}")), &one);
    refused(
        both("json", &format!("{{\"train\": {rows}, \"test\": {rows}}}")),
        &["'test', 'train'", "a file of its own"],
    );
    refused(
        both("json", "{\"text\": {\"0\": \"a\"}, \"label\": {\"0\": 1}}"),
        &["no list of examples", "orient='records'"],
    );
    // One example with a list in it is an example.
    let example = "{\"text\": \"a b\", \"label\": \"x\", \"spans\": [{\"at\": 1}, {\"at\": 2}]}\n";
    refused(both("jsonl", example), &["every row has the same label"]);
}

// Cells.

#[test]
fn blanks_between_separators_and_quotes_are_no_part_of_a_cell() {
    let task = both("csv", "\"text\", \"label\"\n\"a, b\", \"x\"\n\"c \"\"d\"\"\",  \"y\"\n").expect("two rows");
    assert_eq!((labels(&task), task.train[0].a.as_str(), task.train[1].a.as_str()), ("x y".into(), "a, b", "c \"d\""));
    // A quote that does not end its cell is part of a text.
    let kept = both("csv", "text,label\n \"No\" she said,x\nb,y\n").expect("two rows");
    assert_eq!(kept.train[0].a, "\"No\" she said");
}

#[test]
fn rows_that_a_stray_quote_may_have_swallowed_are_told() {
    let rows = |from: usize| (from..from + 4).map(|n| format!("text {n},a\n")).collect::<String>();
    let file = format!("text,label\nx,b\n\"an open quote,a\n{}its end\",b\n{}", rows(1), rows(5));
    let task = both("csv", &file).expect("CSV");
    let told = |task: &RawTask| task.read.notes.iter().any(|note| note.contains("line 3 goes on for 6 lines"));
    assert!(told(&task), "{:?}", task.read.notes);
    let verse = both("csv", "text,label\nx,b\n\"one line\nanother\na third\na fourth\nthe end\",a\n").expect("CSV");
    assert!(!told(&verse) && verse.train.len() == 2, "{:?}", verse.read.notes);
}

#[test]
fn names_of_columns_among_the_rows_are_left_out_and_told() {
    let task = both("csv", "text,label\na,x\nb,y\ntext,label\nc,x\n").expect("three rows");
    assert_eq!((task.train.len(), labels(&task)), (3, "x y".into()));
    assert!(task.read.notes.iter().any(|note| note.contains("first in line 4")), "{:?}", task.read.notes);
    let headless = Reading { no_header: true, ..columns(Some("1"), None, Some("2")) };
    assert_eq!(both_as(&headless, "csv", "1,2\na,x\n1,2\n").expect("rows").train.len(), 3);
}

// Labels.

#[test]
fn labels_that_differ_in_what_does_not_show_are_refused() {
    for other in ["pos\u{200B}", "\u{FEFF}pos", "po\u{AD}s"] {
        refused(both("csv", &format!("text,label\na,pos\nb,{other}\nc,neg\n")), &["characters that do not show"]);
    }
    refused(both("csv", "text,label\na,very good\nb,very  good\nc,bad\n"), &["blanks"]);
}

#[test]
fn numbers_with_commas_or_percent_signs_are_no_classes_in_silence() {
    for labels in [["0,5", "1"], ["0,5", "1,5"], ["10%", "20 %"]] {
        let file = format!("text;label\na;{}\nb;{}\n", labels[0], labels[1]);
        refused(both("csv", &file), &["numbers", "write 0.5", "--objective classification"]);
        let asked = Reading::with_objective(ObjectiveKind::Classification);
        assert_eq!(both_as(&asked, "csv", &file).expect("asked for").objective.labels().len(), 2);
    }
}

#[test]
fn tuples_and_sets_of_python_are_lists_of_labels() {
    for [one, other] in [["('joy',)", "('joy', 'anger')"], ["{'joy'}", "{'joy', 'anger'}"]] {
        let file = format!("text\tlabels\na\t{one}\nb\t{other}\n");
        refused(both("tsv", &file), &["the labels are lists", "multi_label"]);
        let task = both_as(&Reading::with_objective(ObjectiveKind::MultiLabel), "tsv", &file).expect("sets");
        assert_eq!(labels(&task), "anger joy");
    }
    assert_eq!(labels(&both("csv", "text,label\na,(none)\nb,(other)\n").expect("names")), "(none) (other)");
}

#[test]
fn labels_of_a_model_that_differ_in_case_are_each_themselves() {
    let classes = ["Us", "us"].map(str::to_owned).to_vec();
    let reading = Reading { classes, ..Reading::default() };
    let task = both_as(&reading, "csv", "text,label\na,us\nb,Us\n").expect("known labels");
    assert_eq!([&task.train[0].target, &task.train[1].target], [&Target::Class(1), &Target::Class(0)]);
}

// Other layouts.

#[test]
fn layouts_of_other_programs_are_answered_with_what_makes_a_table_of_them() {
    refused(
        read_as(&Reading::default(), &[("mine.txt", "__label__a x y\n__label__b z\n")]),
        &["line 1", "fastText", "sed"],
    );
    let none = |names: &[&str]| {
        let files: Vec<_> = names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
        parse_task("text", &files, &Reading::default())
    };
    refused(none(&["data-00000-of-00001.arrow", "state.json"]), &["load_from_disk"]);
    refused(none(&["README", "train/"]), &["names of their folders as labels"]);
}
