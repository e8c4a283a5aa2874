//! Files of which each row has any number of labels, in every form in which they are written.

use apt_data::{ClassSet, DataError, ObjectiveKind, RawTask, Reading, Target, parse_task, parse_whole};

fn sets() -> Reading {
    Reading::with_objective(ObjectiveKind::MultiLabel)
}

/// A file called `train` with this ending, and the same as validation.
fn both(reading: &Reading, ending: &str, text: &str) -> Result<RawTask, DataError> {
    let files = ["train", "dev"].map(|stem| (format!("{stem}.{ending}"), text.as_bytes().to_vec()));
    parse_task("text", &files, reading)
}

fn refused(result: Result<RawTask, DataError>, parts: &[&str]) {
    let Err(error) = result else { panic!("accepted; a message with {parts:?} was expected") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

/// The labels of every training row, and the names of the classes.
fn read(task: &RawTask) -> (Vec<String>, String) {
    let rows = task.train.iter().map(|example| task.objective.text(&example.target)).collect();
    (rows, task.objective.labels().join(" "))
}

#[test]
fn labels_are_lists_in_json_and_in_cells_of_text() {
    let expected = (vec![r#"["anger","joy"]"#.to_owned(), "[]".into(), r#"["joy"]"#.into()], "anger joy".to_owned());
    let json = "{\"text\":\"a\",\"label\":[\"joy\",\"anger\"]}\n{\"text\":\"b\",\"label\":[]}\n\
                {\"text\":\"c\",\"label\":[\"joy\",\"joy\"]}\n{\"text\":\"d\",\"label\":null}\n";
    let csv = "text,label\na,\"[\"\"joy\"\", \"\"anger\"\"]\"\nb,[]\nc,['joy']\nd,\n";
    let tsv = "text\tlabel\na\t['joy', \"anger\"]\nb\t[]\nc\t[\"joy\"]\nd\t\n";
    for (ending, text) in [("jsonl", json), ("csv", csv), ("tsv", tsv)] {
        let task = both(&sets(), ending, text).unwrap_or_else(|error| panic!("{ending}: {error}"));
        assert_eq!(read(&task), expected, "{ending}");
        let left_out = &task.read.files[0].left_out[0];
        assert_eq!((left_out.rows, task.train.len()), (1, 3), "{ending}: an empty list is no missing one");
    }
    let separated = Reading { label_separator: Some(";".into()), ..sets() };
    let task = both(&separated, "csv", "text,label\na,joy; anger\nb,\nc,joy;\n").expect("separated");
    assert_eq!(read(&task), expected, "an empty cell is an empty list");
    assert_eq!(task.read.class_line().as_deref(), Some("2 classes: anger 1, joy 2"));
    assert!(task.read.notes.iter().any(|note| note.contains("1.00 classes") && note.contains("none to 1 of 3")));
}

#[test]
fn numbers_in_lists_are_classes_unless_they_mark_each_of_them() {
    let task =
        both(&sets(), "jsonl", "{\"text\":\"a\",\"label\":[10,2]}\n{\"text\":\"b\",\"label\":[3]}\n").expect("numbers");
    assert_eq!(read(&task), (vec![r#"["2","10"]"#.into(), r#"["3"]"#.into()], "2 3 10".into()));
    let marks = "{\"text\":\"a\",\"label\":[0,1,1]}\n{\"text\":\"b\",\"label\":[0.0,0.0,1.0]}\n{\"text\":\"c\",\"label\":[0,0,0]}\n";
    let task = both(&sets(), "jsonl", marks).expect("marks");
    let expected = vec![r#"["1","2"]"#.to_owned(), r#"["2"]"#.into(), "[]".into()];
    assert_eq!(read(&task), (expected, "0 1 2".into()), "0 is a class that none has");
    assert!(
        task.read.notes.iter().any(|note| note.contains("0 or 1 for every one of 3 classes")),
        "{:?}",
        task.read.notes
    );
    // 0 and 1 may as well be the names of two classes, as long as no list has one twice.
    let names = "{\"text\":\"a\",\"label\":[0,1]}\n{\"text\":\"b\",\"label\":[1,0]}\n";
    assert_eq!(read(&both(&sets(), "jsonl", names).expect("names")).0, [r#"["0","1"]"#; 2]);
    let real = "{\"text\":\"a\",\"label\":[0.2,0.8]}\n{\"text\":\"b\",\"label\":[0.5,0.5]}\n";
    refused(both(&sets(), "jsonl", real), &["real numbers ('0.2')"]);
}

#[test]
fn columns_of_0_and_1_are_classes_in_their_order() {
    let columns = Reading { label: Some("toxic,insult,threat".into()), ..sets() };
    let file = "id,text,toxic,threat,insult\n1,a,1,0,1\n2,b,0.0,0,0\n3,c,-1,-1,-1\n";
    let task = both(&columns, "csv", file).expect("columns");
    let expected = (vec![r#"["toxic","insult"]"#.to_owned(), "[]".into()], "toxic insult threat".to_owned());
    assert_eq!(read(&task), expected, "a class that none has is one all the same");
    assert_eq!(task.read.files[0].unused.join(" "), "id");
    refused(both(&columns, "csv", "text,toxic,threat,insult\na,1,2,0\n"), &["line 2", "'threat' holds '2'", "0 nor 1"]);
    refused(both(&columns, "csv", "text,toxic,threat\na,1,0\n"), &["no column called 'insult'"]);
}

#[test]
fn what_is_no_list_is_refused_with_what_to_do() {
    refused(both(&sets(), "csv", "text,label\na,joy\nb,anger\n"), &["line 2", "'joy' is no list", "--label-separator"]);
    refused(both(&sets(), "jsonl", "{\"text\":\"a\",\"label\":\"joy\"}\n"), &["line 1", "'joy' is no list"]);
    refused(
        both(&sets(), "jsonl", "{\"text\":\"a\",\"label\":[[1]]}\n"),
        &["line 1", "a list of nested values or nulls"],
    );
    refused(both(&sets(), "jsonl", "{\"text\":\"a\",\"label\":[\"\"]}\n"), &["line 1", "is empty"]);
    refused(both(&sets(), "jsonl", "{\"text\":\"a\",\"label\":[]}\n"), &["not one row has a label"]);
    refused(
        both(&sets(), "jsonl", "{\"text\":\"a\",\"label\":[\"x\"]}\n"),
        &["one label alone, 'x'", "classification"],
    );
    refused(
        both(&sets(), "jsonl", "{\"text\":\"a\",\"label\":[\"x\",\"X\"]}\n"),
        &["differ only in upper and lower case"],
    );
    // Lists are learned when that is asked for, and then only where a task has them.
    let lists = "{\"text\":\"a\",\"label\":[\"x\",\"y\"]}\n";
    refused(both(&Reading::default(), "jsonl", lists), &["the label is a list", "--objective multi_label"]);
    let files = [("train.tsv".to_owned(), Vec::new())];
    refused(parse_task("sst2", &files, &sets()), &["'sst2'", "is a classification"]);
}

#[test]
fn a_file_is_evaluated_by_the_classes_of_the_model() {
    let reading = Reading { classes: ["joy", "anger", "awe"].map(str::to_owned).to_vec(), ..sets() };
    let whole = |text: &str| parse_whole("text", ("mine.jsonl".to_owned(), text.as_bytes().to_vec()), &reading);
    let set = |classes: &[u32]| Target::Set(ClassSet::new(classes.iter().copied(), 3));
    let task = whole("{\"text\":\"a\",\"label\":[\"Anger\",\"joy\"]}\n{\"text\":\"b\",\"label\":[]}\n").expect("known");
    assert_eq!((&task.validation[0].target, &task.validation[1].target), (&set(&[0, 1]), &set(&[])));
    assert_eq!(task.objective.labels(), ["joy", "anger", "awe"]);
    let task = whole("{\"text\":\"a\",\"label\":[2,0]}\n").expect("their numbers");
    assert_eq!(task.validation[0].target, set(&[0, 2]));
    let message = "{\"text\":\"a\",\"label\":[\"joy\",\"fear\"]}\n";
    refused(whole(message), &["line 1", "unknown label 'fear'", "the model has the labels 'joy', 'anger', 'awe'"]);
    refused(whole("{\"text\":\"a\",\"label\":[0,0]}\n"), &["has 2 numbers, there are 3 classes"]);
}

#[test]
fn every_class_is_held_out_where_rows_have_several() {
    let row = |n: usize| {
        format!("{{\"text\":\"t{n}\",\"label\":[\"all\"{}]}}\n", if n.is_multiple_of(5) { ",\"some\"" } else { "" })
    };
    let file = (0..100).map(row).collect::<String>();
    let task = parse_task("text", &[("own.jsonl".to_owned(), file.into_bytes())], &sets()).expect("one file");
    let some = task.validation.iter().filter(|of| of.target.set().is_some_and(|set| set.contains(1))).count();
    assert_eq!((task.train.len(), task.validation.len(), some), (90, 10, 2));
}
