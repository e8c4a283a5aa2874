//! TREC and AG News: files as they are published and as copies have them, and what becomes of class numbers, which the
//! copies give different meanings.

use apt_data::{DataError, RawTask, Reading, Target, parse_task};

fn read(task: &str, files: &[(&str, &[u8])]) -> Result<RawTask, DataError> {
    let files: Vec<(String, Vec<u8>)> =
        files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    parse_task(task, &files, &Reading::default())
}

/// The task whose files are all `text`, under names with this extension.
fn read_all(task: &str, extension: &str, text: &str) -> Result<RawTask, DataError> {
    let names = ["train", "dev", "test"].map(|split| format!("{split}.{extension}"));
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), text.as_bytes())).collect();
    read(task, &files)
}

/// Texts with the names of their classes.
fn answers<'a>(task: &'a RawTask, split: &'a [apt_data::RawExample]) -> Vec<(&'a str, String)> {
    split.iter().map(|example| (example.a.as_str(), task.objective.text(&example.target))).collect()
}

fn assert_refused(result: Result<RawTask, DataError>, parts: &[&str]) {
    let Err(error) = result else { panic!("accepted; a message with {parts:?} was expected") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
    assert!(message.len() < 1000, "a message of {} bytes", message.len());
}

const QUESTIONS: &str = "DESC:manner How does a kettle boil ?\nENTY:food What is eaten with soup ?\n\
                         ABBR:exp What does RSVP stand for ?\nHUM:ind Who painted the ceiling ?\n\
                         LOC:city Where is the old harbour ?\nNUM:count How many legs has a spider ?\n";

#[test]
fn trec_is_read_as_it_is_published() {
    let train =
        [QUESTIONS.as_bytes(), b"ENTY:other Which sign\xF0is this ?\n", "HUM:gr Who uses \u{1F600} ?\n".as_bytes()];
    let train = train.concat();
    let files = [
        ("train_5500.label", &train[..]),
        ("dev.txt", QUESTIONS.as_bytes()),
        ("TREC_10.label", &b"NUM:date When ?"[..]),
    ];
    let task = read("trec", &files).expect("sound files");
    assert_eq!(task.objective.labels(), ["ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM"], "the hub's order");
    let read = answers(&task, &task.train);
    assert_eq!(read[0], ("How does a kettle boil ?", "DESC".to_owned()));
    assert_eq!(read[6], ("Which sign is this ?", "ENTY".to_owned()), "one byte of the published file is no UTF-8");
    assert_eq!(read[7].0, "Who uses \u{1F600} ?", "the same byte as part of a character");
    assert_eq!(task.read.notes, ["train_5500.label: bytes that are no UTF-8 and are read as blanks: 1"]);
    assert_eq!(task.test.as_deref().map(|test| answers(&task, test)), Some(vec![("When ?", "NUM".to_owned())]));
}

#[test]
fn trec_without_a_validation_file_holds_a_tenth_out_and_says_so() {
    let rows = QUESTIONS.repeat(4);
    let task = read("trec", &[("trec_train.txt", rows.as_bytes()), ("trec_test.txt", QUESTIONS.as_bytes())]);
    let task = task.expect("sound files");
    assert_eq!((task.train.len(), task.validation.len(), task.test.map(|test| test.len())), (22, 2, Some(6)));
    assert_eq!(task.read.notes, ["no validation file: 2 of 24 training rows are held out for it"]);
}

#[test]
fn numbers_of_trec_are_settled_by_texts_that_another_file_names() {
    // As LM-BFF numbers the classes, as the hub did before 2022, and as it does now.
    let tests = [
        (
            "0 How does a kettle boil ?\n4 Where is the old harbour ?\n5 How tall is it ?\n",
            "0 DESC, 1 ENTY, 2 ABBR, 3 HUM, 4 LOC, 5 NUM",
        ),
        (
            "0 How does a kettle boil ?\n5 Where is the old harbour ?\n4 How tall is it ?\n",
            "0 DESC, 1 ENTY, 2 ABBR, 3 HUM, 4 NUM, 5 LOC",
        ),
        (
            "2 How does a kettle boil ?\n4 Where is the old harbour ?\n5 How tall is it ?\n",
            "0 ABBR, 1 ENTY, 2 DESC, 3 HUM, 4 LOC, 5 NUM",
        ),
    ];
    for (test, numbering) in tests {
        let files = [("train.txt", QUESTIONS), ("dev.txt", QUESTIONS), ("trec_test.txt", test)];
        let task = read("trec", &files.map(|(name, text)| (name, text.as_bytes()))).expect("sound files");
        let classes: Vec<String> =
            task.test.iter().flatten().map(|example| task.objective.text(&example.target)).collect();
        assert_eq!(classes, ["DESC", "LOC", "NUM"], "{numbering}");
        assert_eq!(task.read.notes, [format!("trec_test.txt: the classes are numbered {numbering}")]);
    }
}

#[test]
fn numbers_of_trec_that_nothing_settles_are_refused() {
    let refused = |test: &str, parts: &[&str]| {
        let files = [("train.txt", QUESTIONS), ("dev.txt", QUESTIONS), ("test.txt", test)];
        assert_refused(read("trec", &files.map(|(name, text)| (name, text.as_bytes()))), parts);
    };
    let names = "write the names instead: ABBR, ENTY, DESC, HUM, LOC, NUM";
    let nothing =
        ["test.txt, line 1", "nothing tells which number", "(0 DESC, 1 ENTY, 2 ABBR, 3 HUM, 4 NUM, 5 LOC)", names];
    refused("4 Where is the new harbour ?\n5 How tall is it ?\n", &nothing);
    // This text leaves two of the three.
    refused("0 How does a kettle boil ?\n4 Where is the new harbour ?\n", &nothing);
    refused(
        "DESC:def What ?\n1 How does a kettle boil ?\n",
        &["test.txt, line 2", "number 1 here, is DESC there", names],
    );
    refused("0 How ?\n6 How does a kettle boil ?\n", &["test.txt, line 2", "has 6 beside", names]);
    // Where all files are numbered, none names anything.
    let numbered = "0 How ?\n4 Where is the old harbour ?\n";
    assert_refused(read_all("trec", "txt", numbered), &["train.txt, line 1", "nothing tells"]);
    // A text of two classes tells nothing.
    let two = format!("{QUESTIONS}DESC:def Where is the old harbour ?\n");
    let files = [
        ("train.txt", &*two),
        ("dev.txt", QUESTIONS),
        ("test.txt", "0 How does a kettle boil ?\n4 Where is the old harbour ?\n"),
    ];
    assert_refused(
        read("trec", &files.map(|(name, text)| (name, text.as_bytes()))),
        &["test.txt, line 1", "nothing tells"],
    );
}

#[test]
fn columns_of_trec_say_how_they_are_numbered() {
    let now = "text,coarse_label,fine_label\n\"Where, then ?\",4,1\nWhat is it ?,2,0\n";
    let before = "{\"label-coarse\":5,\"label-fine\":1,\"text\":\"Where, then ?\"}\n\
                  {\"label-coarse\":0,\"label-fine\":7,\"text\":\"What is it ?\"}\n";
    let names = "text\tlabel\nWhere, then ?\tLOC:city\nWhat is it ?\tdesc\n";
    for (extension, text, notes) in [("csv", now, 3), ("jsonl", before, 3), ("tsv", names, 0)] {
        let task = read_all("trec", extension, text).expect("sound files");
        let expected = vec![("Where, then ?", "LOC".to_owned()), ("What is it ?", "DESC".to_owned())];
        assert_eq!((answers(&task, &task.train), task.read.notes.len()), (expected, notes), "{extension}");
    }
    let numbers = "text,label\nWhere ?,4\nWhat ?,2\n";
    assert_refused(read_all("trec", "csv", numbers), &["train.csv, line 2", "nothing tells"]);
    assert_refused(read_all("trec", "csv", "text,coarse_label\nWhere ?,6\n"), &["train.csv, line 2", "has 6", "5 NUM"]);
}

#[test]
fn trec_lines_that_are_no_questions_with_a_class() {
    let refused = |train: &str, parts: &[&str]| assert_refused(read_all("trec", "txt", train), parts);
    refused("DESC:manner How ?\nVERB:past What ?\n", &["train.txt, line 2", "unknown label 'VERB:past'", "'ABBR'"]);
    refused("DESC:manner How ?\nDESC: What ?\n", &["train.txt, line 2", "unknown label 'DESC:'"]);
    refused("DESC:manner How ?\nHUM:ind\n", &["train.txt, line 2", "'text' is empty"]);
    refused("DESC:manner How ?\nHUM:ind\tWho ?\n", &["train.txt, line 2", "2 cells where 1"]);
    refused("HUM:ind\tWho ?\n", &["train.txt, line 1", "no known layout", "COARSE:fine, text"]);
    let byte = [("train.txt", &b"DESC:manner How ?\nHUM:ind Wh\xE9 ?\n"[..]), ("dev.txt", QUESTIONS.as_bytes())];
    assert_refused(read("trec", &byte), &["train.txt, line 2", "UTF-8"]);
}

const REPORTS: &str = "\"3\",\"Shares, again\",\"They fell by \"\"half\"\".\"\n\"1\",\"Talks\",\"Both sides met.\"\n";

#[test]
fn ag_news_is_read_as_it_is_published_and_as_copies_have_it() {
    let published = read_all("agnews", "csv", REPORTS).expect("sound files");
    assert_eq!(published.objective.labels(), ["World", "Sports", "Business", "Sci/Tech"]);
    let expected = vec![
        ("Shares, again They fell by \"half\".", "Business".to_owned()),
        ("Talks Both sides met.", "World".to_owned()),
    ];
    assert_eq!(answers(&published, &published.train), expected, "title and description are one text");
    assert!(published.train.iter().all(|example| example.b.is_none()));
    assert_eq!(
        published.read.notes[0],
        "train.csv: the classes are numbered 1 World, 2 Sports, 3 Business, 4 Sci/Tech"
    );
    let headed = format!("Class Index,Title,Description\n{REPORTS}");
    assert_eq!(answers(&read_all("agnews", "csv", &headed).expect("sound files"), &published.train), expected);
    let of_hub = "text,label\n\"Shares, again They fell by \"\"half\"\".\",2\nTalks Both sides met.,0\n";
    let of_hub = read_all("agnews", "csv", of_hub).expect("sound files");
    assert_eq!(
        (&of_hub.train, &of_hub.hash),
        (&published.train, &published.hash),
        "the same data, and so the same hash"
    );
    let names = "Shares, again They fell by \"half\".\tBusiness\nTalks Both sides met.\tworld\n";
    let names = read_all("agnews", "tsv", names).expect("sound files");
    assert_eq!((&names.train, names.read.notes.len()), (&published.train, 0));
    // One of the two may be empty.
    let half = read_all("agnews", "csv", "2,,Won.\n2,Lost,\n").expect("sound files");
    assert_eq!(half.train.iter().map(|example| example.a.as_str()).collect::<Vec<_>>(), ["Won.", "Lost"]);
}

#[test]
fn ag_news_in_a_label_column_is_numbered_from_0_or_from_1() {
    let targets = |rows: &str| {
        let task = read_all("agnews", "csv", &format!("label,text\n{rows}"))?;
        Ok::<_, DataError>((
            task.train.iter().map(|example| example.target.clone()).collect::<Vec<_>>(),
            task.read.notes[0].clone(),
        ))
    };
    let (from_0, note) = targets("0,a\n3,b\n").expect("only counted from 0 has it a 0");
    assert_eq!((from_0, note.contains("0 World")), ([0, 3].map(Target::Class).into(), true), "{note}");
    let (from_1, note) = targets("1,a\n4,b\n").expect("only counted from 1 has it a 4");
    assert_eq!((from_1, note.contains("1 World")), ([0, 3].map(Target::Class).into(), true), "{note}");
    let refused = |rows: &str, parts: &[&str]| {
        let text = format!("label,text\n{rows}");
        assert_refused(read_all("agnews", "csv", &text), parts);
    };
    let names = "write the names instead: World, Sports, Business, Sci/Tech";
    refused("1,a\n3,b\n", &["line 2", "nothing tells", "(0 World, 1 Sports", "(1 World, 2 Sports", names]);
    refused("0,a\n4,b\n", &["train.csv, line 3", "has 4 beside the numbers before it", names]);
    refused("5,a\n", &["train.csv, line 2", "has 5", names]);
}

#[test]
fn ag_news_in_a_layout_that_nobody_published() {
    let refused = |train: &str, parts: &[&str]| assert_refused(read_all("agnews", "csv", train), parts);
    refused("\"0\",\"a\",\"b\"\n", &["train.csv, line 1", "has 0", "1 World, 2 Sports"]);
    refused("1,a,b,c\n", &["train.csv, line 1", "class from 1, title, description; text, class name", "4 cells"]);
    refused("1,a,b\n2,c\n", &["train.csv, line 2", "2 cells where 3"]);
    refused("a,Weather\n", &["train.csv, line 1", "unknown label 'Weather'", "'Sci/Tech'"]);
    refused("title,label\na,World\n", &["train.csv", "'description'", "'title: a', 'label: World'"]);
    refused("1,,\n", &["train.csv, line 1", "is empty"]);
}

#[test]
fn ag_news_without_its_training_file_takes_the_development_set_of_alps_and_says_so() {
    let rows: String = (0..20).map(|n| format!("Report number {n}.\t{}\n", ["Sports", "World"][n % 2])).collect();
    let files = [("alps_dev10k.tsv", rows.as_bytes()), ("test.csv", REPORTS.as_bytes())];
    let task = read("agnews", &files).expect("sound files");
    assert_eq!((task.train.len(), task.validation.len(), task.test.as_ref().map(Vec::len)), (18, 2, Some(2)));
    assert!(task.read.notes[0].contains("alps_dev10k.tsv stands in for the training file"), "{:?}", task.read.notes);
    assert_eq!(task.read.notes.len(), 3, "the numbers of the test file and the rows held out: {:?}", task.read.notes);
    let published = REPORTS.repeat(10);
    let task = read("agnews", &[&files[..], &[("train.csv", published.as_bytes())]].concat()).expect("sound files");
    assert!(task.read.notes.iter().all(|note| !note.contains("stands in")), "{:?}", task.read.notes);
    assert!(task.train.iter().all(|example| !example.a.starts_with("Report")), "rows of the stand-in");
}

#[test]
fn every_damaged_byte_is_refused_or_read_and_none_panics() {
    let numbered = "0 How does a kettle boil ?\n4 Where is the old harbour ?\n";
    let (questions, reports) = ([("train.txt", QUESTIONS), ("dev.txt", QUESTIONS)], [("dev.csv", REPORTS)]);
    let cases = [
        ("trec", "train_5500.label", QUESTIONS, &questions[..]),
        ("trec", "test.txt", numbered, &questions[..]),
        ("agnews", "train.csv", REPORTS, &reports[..]),
    ];
    for (task, name, sound, others) in cases {
        let mut refused = 0;
        for at in 0..sound.len() {
            for byte in [b'\n', b'\t', b' ', b':', b'9', b'"', 0xF0, 0xFF] {
                let mut damaged = sound.as_bytes().to_vec();
                damaged[at] = byte;
                let files = others.iter().map(|(name, text)| (*name, text.as_bytes()));
                let files: Vec<(&str, &[u8])> = files.chain([(name, &damaged[..])]).collect();
                refused += usize::from(read(task, &files).is_err());
            }
        }
        let (broken, all) = (sound.len(), 8 * sound.len());
        assert!((broken..all).contains(&refused), "{name}: {refused} of {all} refused; {broken} hold a byte FF");
    }
}
