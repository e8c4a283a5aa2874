//! Parquet files as pandas, `datasets` and the hub have them, written here by the library's own writer.

use std::sync::Arc;

use apt_data::{
    DataError, ObjectiveKind, RawTask, Reading, Spoken, Target, TextFormat, TextStream, load_task, parse_task,
    parse_whole,
};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

/// Writes the values of a column, in one row group.
type Write = Box<dyn Fn(&mut SerializedColumnWriter<'_>)>;

/// A column: its type as Parquet's schemas write it, and its values.
struct Column(&'static str, Write);

/// Values with nulls, of an optional column.
fn column<T: DataType, V: Clone + Into<T::T> + 'static>(schema: &'static str, values: &[Option<V>]) -> Column {
    let filled: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<V> = values.iter().flatten().cloned().collect();
    let write = move |writer: &mut SerializedColumnWriter<'_>| {
        let values: Vec<T::T> = values.iter().cloned().map(Into::into).collect();
        writer.typed::<T>().write_batch(&values, Some(&filled), None).expect("a column");
    };
    Column(schema, Box::new(write))
}

fn texts(schema: &'static str, values: &[Option<&'static str>]) -> Column {
    column::<ByteArrayType, &str>(schema, values)
}

/// The text column of most tests.
fn text(values: &[&'static str]) -> Column {
    texts("optional binary text (STRING)", &values.iter().copied().map(Some).collect::<Vec<_>>())
}

fn numbers(schema: &'static str, values: &[i64]) -> Column {
    column::<Int64Type, i64>(schema, &values.iter().copied().map(Some).collect::<Vec<_>>())
}

/// Lists in three levels, as pyarrow writes them: no list, or its items with nulls.
fn lists<T: DataType, V: Clone + Into<T::T> + 'static>(
    schema: &'static str,
    rows: &[Option<Vec<Option<V>>>],
) -> Column {
    let (mut values, mut filled, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match row.as_deref() {
            None => filled.push(0),
            Some([]) => filled.push(1),
            Some(items) => filled.extend(items.iter().map(|item| if item.is_some() { 3 } else { 2 })),
        }
        repeated.push(0);
        repeated.resize(filled.len(), 1);
        values.extend(row.iter().flatten().flatten().cloned());
    }
    let write = move |writer: &mut SerializedColumnWriter<'_>| {
        let values: Vec<T::T> = values.iter().cloned().map(Into::into).collect();
        writer.typed::<T>().write_batch(&values, Some(&filled), Some(&repeated)).expect("a list");
    };
    Column(schema, Box::new(write))
}

/// A file of these columns in so many row groups, each with all their values.
fn written(properties: WriterPropertiesBuilder, groups: usize, columns: &[Column]) -> Vec<u8> {
    let field =
        |Column(schema, _): &Column| if schema.ends_with('}') { (*schema).to_owned() } else { format!("{schema};") };
    // A column of several leaves stands with the first of them.
    let fields: Vec<String> = columns.iter().filter(|Column(schema, _)| !schema.is_empty()).map(field).collect();
    let schema = parse_message_type(&format!("message schema {{ {} }}", fields.join(" "))).expect("a schema");
    let mut file =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build())).expect("a file");
    for _ in 0..groups {
        let mut group = file.next_row_group().expect("a row group");
        for Column(_, write) in columns {
            let mut next = group.next_column().expect("a column").expect("as many as the schema has");
            write(&mut next);
            next.close().expect("a column");
        }
        group.close().expect("a row group");
    }
    file.into_inner().expect("a file")
}

fn file(columns: &[Column]) -> Vec<u8> {
    written(WriterProperties::builder(), 1, columns)
}

/// A file in which `datasets` describes the column `label` so.
fn described(label: &str, columns: &[Column]) -> Vec<u8> {
    let features = format!(r#"{{"info": {{"features": {{"text": {{"_type": "Value"}}, "label": {label}}}}}}}"#);
    let entry = KeyValue::new("huggingface".to_owned(), features);
    written(WriterProperties::builder().set_key_value_metadata(Some(vec![entry])), 1, columns)
}

const YES_NO: &str = r#"{"names": ["yes", "no", "never"], "_type": "ClassLabel"}"#;

/// The task of a file that is train and validation.
fn both(reading: &Reading, bytes: &[u8]) -> Result<RawTask, DataError> {
    let files = ["train.parquet", "dev.parquet"].map(|name| (name.to_owned(), bytes.to_vec()));
    parse_task("text", &files, reading)
}

fn plainly(bytes: &[u8]) -> RawTask {
    both(&Reading::default(), bytes).unwrap_or_else(|error| panic!("{error}"))
}

/// The labels of every training row.
fn answers(task: &RawTask) -> String {
    let answers: Vec<String> = task.train.iter().map(|of| task.objective.text(&of.target)).collect();
    answers.join(" ")
}

fn refused(result: Result<RawTask, DataError>, parts: &[&str]) {
    let Err(error) = result else { panic!("accepted; a message with {parts:?} was expected") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

#[test]
fn labels_of_every_type_are_read_as_json_has_them() {
    let half = |bits: u16| FixedLenByteArray::from(bits.to_le_bytes().to_vec());
    for (label, answer) in [
        (texts("optional binary label (STRING)", &[Some("b"), Some("a"), None]), "b a"),
        (texts("optional binary label (ENUM)", &[Some("b"), Some("a"), None]), "b a"),
        // As Spark and Hive write texts.
        (texts("optional binary label", &[Some("b"), Some("a"), None]), "b a"),
        (numbers("optional int64 label", &[10, 9, 10]), "10 9 10"),
        (column::<Int32Type, i32>("optional int32 label (INTEGER(8, true))", &[Some(3), None, Some(2)]), "3 2"),
        (
            column::<Int32Type, i32>("optional int32 label (INTEGER(32, false))", &[Some(7), Some(-1), None]),
            "7 4294967295",
        ),
        (column::<BoolType, bool>("optional boolean label", &[Some(true), Some(false), None]), "true false"),
        // As pandas has integers some of which are missing.
        (column::<DoubleType, f64>("optional double label", &[Some(1.0), Some(0.0), None]), "1 0"),
        (column::<FloatType, f32>("optional float label", &[Some(1.0), Some(f32::NAN), Some(0.0)]), "1 0"),
    ] {
        let task = plainly(&file(&[text(&["x", "y", "z"]), label]));
        assert_eq!(answers(&task), answer);
    }
    let values = Reading::with_objective(ObjectiveKind::Regression);
    for (label, expected) in [
        (column::<DoubleType, f64>("optional double label", &[Some(0.1), None, Some(-2.5e-7)]), vec![0.1, -2.5e-7]),
        (column::<FloatType, f32>("optional float label", &[Some(0.1), Some(2.0), Some(3.25)]), vec![0.1, 2.0, 3.25]),
        (
            column::<Int32Type, i32>("optional int32 label (DECIMAL(4, 2))", &[Some(375), None, Some(-5)]),
            vec![3.75, -0.05],
        ),
        (
            column::<ByteArrayType, Vec<u8>>(
                "optional binary label (DECIMAL(4, 1))",
                &[Some(vec![0xFF, 0x85]), None, Some(vec![9])],
            ),
            vec![-12.3, 0.9],
        ),
        (
            column::<FixedLenByteArrayType, FixedLenByteArray>(
                "optional fixed_len_byte_array(2) label (FLOAT16)",
                &[Some(half(0x3E00)), None, Some(half(0xC000))],
            ),
            vec![1.5, -2.0],
        ),
    ] {
        let task = both(&values, &file(&[text(&["x", "y", "z"]), label])).expect("numbers");
        assert_eq!(
            task.train.iter().map(|of| of.target.value()).collect::<Vec<_>>(),
            expected.into_iter().map(Some).collect::<Vec<_>>()
        );
    }
}

#[test]
fn every_encoding_and_compression_gives_the_same_rows_in_order() {
    let columns = || {
        let first = texts("optional binary text (STRING)", &[Some("one"), Some("two"), Some("thrée"), Some("two")]);
        [first, numbers("optional int64 label", &[0, 1, 2, 1])]
    };
    let plain = plainly(&written(WriterProperties::builder().set_dictionary_enabled(false), 3, &columns()));
    assert_eq!(
        plain.train.iter().map(|of| of.a.as_str()).collect::<Vec<_>>(),
        ["one", "two", "thrée", "two"].repeat(3)
    );
    assert_eq!(plain.read.files[0].examples, 12, "row groups follow one another");
    let zstd = ZstdLevel::try_new(3).expect("a level");
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(zstd),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ] {
        for (version, dictionary) in [(WriterVersion::PARQUET_1_0, true), (WriterVersion::PARQUET_2_0, false)] {
            let properties = WriterProperties::builder().set_compression(compression).set_writer_version(version);
            // Pages of two rows.
            let properties =
                properties.set_dictionary_enabled(dictionary).set_data_page_row_count_limit(2).set_write_batch_size(2);
            assert_eq!(plainly(&written(properties, 3, &columns())).hash, plain.hash, "{compression:?} {version:?}");
        }
    }
    let delta = WriterProperties::builder().set_dictionary_enabled(false);
    let delta = delta.set_column_encoding("text".into(), Encoding::DELTA_BYTE_ARRAY);
    let delta = delta.set_column_encoding("label".into(), Encoding::DELTA_BINARY_PACKED);
    assert_eq!(plainly(&written(delta, 3, &columns())).hash, plain.hash);
}

#[test]
fn numbers_of_class_label_are_called_by_the_names_of_the_file() {
    let rows = |labels: &[i64]| [text(&["a", "b", "c", "d"]), numbers("optional int64 label", labels)];
    let task = plainly(&described(YES_NO, &rows(&[1, 0, -1, 1])));
    assert_eq!((task.objective.labels().join(" "), answers(&task)), ("yes no never".into(), "no yes no".into()));
    assert_eq!(task.read.class_line().as_deref(), Some("3 classes: yes 1, no 2, never 0"));
    assert!(
        task.read.lines().iter().any(|line| line.contains("numbers in 'label' are classes")),
        "{:?}",
        task.read.lines()
    );
    refused(
        both(&Reading::default(), &described(YES_NO, &rows(&[1, 0, 3, 1]))),
        &["train.parquet, line 3", "label is 3", "3 classes", "ClassLabel"],
    );
    // Numbers where values are learned, and the model's order where there is a model.
    let values = Reading::with_objective(ObjectiveKind::Regression);
    let task = both(&values, &described(YES_NO, &rows(&[1, -1, 2, 1]))).expect("numbers");
    assert_eq!(task.train.iter().map(|of| of.target.value()).collect::<Vec<_>>(), [1.0, 2.0, 1.0].map(Some));
    let model = Reading { classes: ["never", "no", "yes"].map(str::to_owned).into(), ..Reading::default() };
    let bytes = described(YES_NO, &rows(&[1, 0, 2, 1]));
    let whole = parse_whole("text", ("any.parquet".into(), bytes), &model).expect("its classes");
    assert_eq!(whole.validation.iter().map(|of| of.target.class()).collect::<Vec<_>>(), [1, 2, 0, 1].map(Some));
    let other = Reading { classes: vec!["neg".into(), "pos".into()], ..Reading::default() };
    refused(both(&other, &described(YES_NO, &rows(&[1, 0, 1, 1]))), &["unknown label 'no'", "'neg', 'pos'"]);
    // Without names they are numbers.
    assert_eq!(plainly(&file(&rows(&[1, 0, 2, 1]))).objective.labels().join(" "), "0 1 2");
}

#[test]
fn the_hubs_copy_of_a_task_is_read_by_names_and_its_test_set_without_labels_left() {
    let names = r#"{"names": ["negative", "positive"], "_type": "ClassLabel"}"#;
    let sentences = || texts("optional binary sentence (STRING)", &[Some("fine"), Some("poor")]);
    let labelled = described(names, &[sentences(), numbers("optional int64 label", &[1, 0])]);
    let blank = described(names, &[sentences(), numbers("optional int64 label", &[-1, -1])]);
    let files = [("train", &labelled), ("validation", &labelled), ("test", &blank)];
    let files = files.map(|(split, bytes)| (format!("{split}-00000-of-00001.parquet"), bytes.clone()));
    let task = parse_task("sst2", &files, &Reading::default()).expect("SST-2");
    assert_eq!((answers(&task).as_str(), task.test.is_none()), ("positive negative", true));
    let swapped = r#"{"names": ["pos", "neg"], "_type": "ClassLabel"}"#;
    let labelled = described(swapped, &[sentences(), numbers("optional int64 label", &[1, 0])]);
    let files = ["train", "dev"].map(|split| (format!("{split}.parquet"), labelled.clone()));
    refused(parse_task("sst2", &files, &Reading::default()), &["unknown label 'neg'", "'negative', 'positive'"]);
}

#[test]
fn lists_of_labels_are_sets_of_classes_and_refused_where_one_is_learned() {
    const LISTS: &str = "optional group label (LIST) { repeated group list { optional int64 element; } }";
    let rows = || -> Vec<Option<Vec<Option<i64>>>> {
        vec![Some(vec![Some(2), Some(0)]), Some(vec![]), None, Some(vec![Some(1)])]
    };
    let columns =
        |rows: &[Option<Vec<Option<i64>>>]| [text(&["a", "b", "c", "d"]), lists::<Int64Type, i64>(LISTS, rows)];
    let sets = Reading::with_objective(ObjectiveKind::MultiLabel);
    let feature = format!(r#"{{"feature": {YES_NO}, "length": -1, "_type": "Sequence"}}"#);
    let task = both(&sets, &described(&feature, &columns(&rows()))).expect("sets");
    assert_eq!(
        (task.objective.labels().join(" "), answers(&task)),
        ("yes no never".into(), r#"["yes","never"] [] ["no"]"#.into())
    );
    assert_eq!(task.read.files[0].left_out[0].rows, 1, "no list is no label");
    let task = both(&sets, &file(&columns(&rows()))).expect("numbers");
    assert_eq!(answers(&task), r#"["0","2"] [] ["1"]"#);
    refused(
        both(&Reading::default(), &file(&columns(&rows()))),
        &["line 1", "the label is a list", "--objective multi_label"],
    );
    let with_null = [Some(vec![Some(0)]), Some(vec![Some(1), None]), None, Some(vec![Some(1)])];
    refused(both(&sets, &file(&columns(&with_null))), &["line 2", "a list of nested values or nulls"]);
    // Lists in two levels and bare repeated values, as older programs write them.
    let words = || -> Vec<Option<Vec<Option<&'static str>>>> {
        vec![Some(vec![Some("joy"), Some("anger")]), Some(vec![]), Some(vec![Some("joy")]), Some(vec![])]
    };
    let three = "optional group label (LIST) { repeated group list { optional binary element (STRING); } }";
    let task = both(&sets, &file(&[text(&["a", "b", "c", "d"]), lists::<ByteArrayType, &str>(three, &words())]));
    assert_eq!(answers(&task.expect("words")), r#"["anger","joy"] [] ["joy"] []"#);
    let two = "optional group label (LIST) { repeated binary array (STRING); }";
    let bare = "repeated binary label (STRING)";
    for (schema, filled) in [(two, [2, 2, 1, 2, 0]), (bare, [1, 1, 0, 1, 0])] {
        let write = move |writer: &mut SerializedColumnWriter<'_>| {
            let values = ["joy", "anger", "joy"].map(ByteArray::from);
            writer.typed::<ByteArrayType>().write_batch(&values, Some(&filled), Some(&[0, 1, 0, 0, 0])).expect("lists");
        };
        let bytes = file(&[text(&["a", "b", "c", "d"]), Column(schema, Box::new(write))]);
        let task = both(&sets, &bytes).expect(schema);
        let expected =
            if schema == two { (r#"["anger","joy"] [] ["joy"]"#, 1) } else { (r#"["anger","joy"] [] ["joy"] []"#, 0) };
        assert_eq!((answers(&task).as_str(), task.read.files[0].left_out.len()), expected, "{schema}");
    }
}

#[test]
fn nested_columns_and_dates_are_named_and_left() {
    const IMAGE: &str = "optional group image { optional binary bytes; }";
    let image = || texts(IMAGE, &[None, None]);
    let dated = || numbers("optional int64 at (TIMESTAMP(NANOS, true))", &[1, 2]);
    let old = column::<Int96Type, Int96>("optional int96 old", &[Some(Int96::new()), None]);
    let raw = column::<ByteArrayType, Vec<u8>>("optional binary raw", &[Some(vec![0xFF, 0x00]), None]);
    let words = [Some(vec![Some("a"), Some("b")]), Some(vec![Some("c")])];
    let tokens = "optional group tokens (LIST) { repeated group list { optional binary element (STRING); } }";
    let all = [
        text(&["x", "y"]),
        image(),
        dated(),
        old,
        raw,
        lists::<ByteArrayType, &str>(tokens, &words),
        numbers("optional int64 label", &[0, 1]),
    ];
    let bytes = file(&all);
    let task = plainly(&bytes);
    assert_eq!((task.read.files[0].unused.join(" "), answers(&task)), ("image at old raw tokens".into(), "0 1".into()));
    for (column, what) in [
        ("image", "holds an object and no text"),
        ("at", "holds a date or a time and no text"),
        ("raw", "holds bytes that are no text in UTF-8"),
        ("tokens", "holds a list and no text"),
    ] {
        let reading = Reading { text: Some(column.into()), ..Reading::default() };
        refused(both(&reading, &bytes), &["train.parquet, line 1", column, what]);
    }
    let reading = Reading { label: Some("at".into()), ..Reading::default() };
    refused(both(&reading, &bytes), &["the label is a date or a time"]);
}

/// Texts in lists, two a row, at the depth of a leaf with all its parents.
fn leaf(schema: &'static str, depth: i16, values: &'static [&'static str]) -> Column {
    let write = move |writer: &mut SerializedColumnWriter<'_>| {
        let texts: Vec<ByteArray> = values.iter().map(|&text| text.into()).collect();
        let repeated: Vec<i16> = (0..values.len()).map(|at| (at % 2) as i16).collect();
        writer
            .typed::<ByteArrayType>()
            .write_batch(&texts, Some(&vec![depth; values.len()]), Some(&repeated))
            .expect("it");
    };
    Column(schema, Box::new(write))
}

#[test]
fn what_is_nested_is_read_where_tokens_are_predicted() {
    const MESSAGES: &str = "optional group messages (LIST) { repeated group list { optional group element { \
                            optional binary role (STRING); optional binary content (STRING); } } }";
    const CHOICES: &str = "optional group choices { optional group text (LIST) { repeated group list { optional binary \
                           element (STRING); } } optional group label (LIST) { repeated group list { optional binary \
                           element (STRING); } } }";
    let read = |bytes: Vec<u8>, objective| {
        let file = ("test.parquet".to_owned(), bytes);
        parse_whole("text", file, &Reading::with_objective(objective)).unwrap_or_else(|error| panic!("{error}"))
    };
    let chats = file(&[
        numbers("optional int64 at (TIMESTAMP(NANOS, true))", &[1, 2]),
        leaf(MESSAGES, 4, &["user", "assistant", "user", "assistant"]),
        leaf("", 4, &["a", "b", "c", "d"]),
    ]);
    let task = read(chats, ObjectiveKind::CausalLm);
    let Target::Text(Spoken::Answers(second)) = &task.validation[1].target else { panic!("a conversation") };
    let said: Vec<&str> = second.messages.iter().flat_map(|of| [of.role.as_str(), of.content.as_str()]).collect();
    assert_eq!((said.join(" "), second.line), ("user c assistant d".to_owned(), 2));
    assert_eq!(task.read.files[0].unused, ["at"]);
    let questions = file(&[
        texts("optional binary question (STRING)", &[Some("x"), Some("y")]),
        leaf(CHOICES, 4, &["ice", "wood", "tin", "iron"]),
        leaf("", 4, &["A", "B", "A", "B"]),
        texts("optional binary answerKey (STRING)", &[Some("A"), Some("B")]),
    ]);
    let task = read(questions, ObjectiveKind::MultipleChoice);
    let Target::Text(Spoken::Endings { endings, right }) = &task.validation[1].target else { panic!("endings") };
    assert_eq!((endings.join(" "), *right), ("tin iron".to_owned(), 1));
}

#[test]
fn splits_lie_where_the_hub_has_them() {
    let shard = |first: &'static str, second: &'static str| {
        file(&[text(&[first, second]), texts("optional binary label (STRING)", &[Some("x"), Some("y")])])
    };
    let order = |task: &RawTask| task.train.iter().map(|of| of.a.as_str()).collect::<Vec<_>>().join("");
    let (one, two, dev) = (shard("a", "b"), shard("c", "d"), shard("e", "f"));
    for (folder, names) in [
        ("", ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "validation-00000-of-00001.parquet"]),
        (
            "data/",
            [
                "train-00000-of-00002-6f3a9c.parquet",
                "train-00001-of-00002-b81e02.parquet",
                "validation-00000-of-00001-09ab.parquet",
            ],
        ),
        ("default/", ["train/0000.parquet", "train/0001.parquet", "validation/0000.parquet"]),
        // As Spark writes a table.
        (
            "",
            [
                "train.parquet/part-00000-5e1a-c000.snappy.parquet",
                "train.parquet/part-00001-5e1a-c000.snappy.parquet",
                "validation.parquet/part-00000-77b0-c000.snappy.parquet",
            ],
        ),
    ] {
        let root = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
            std::fs::write(path, bytes).expect("it can be written");
        };
        // In another order than that of their numbers.
        for (name, bytes) in [(names[1], &two), (names[0], &one), (names[2], &dev)] {
            write(&format!("{folder}{name}"), bytes);
        }
        write("README.md", b"of the data");
        write(".cache/train.parquet", &dev);
        let task = load_task("text", Some(root.path()), &Reading::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((order(&task), task.validation.len()), ("abcd".into(), 2), "{folder}");
        let said = task.read.files.iter().zip(names).all(|(of, name)| name.ends_with(&of.file));
        assert!(said && task.read.files[0].file != task.read.files[2].file, "{:?}", task.read.files);
        std::fs::remove_file(root.path().join(format!("{folder}{}", names[0]))).expect("it is there");
        let error = load_task("text", Some(root.path()), &Reading::default()).expect_err("a part is missing");
        assert!(error.to_string().contains("one of 2 parts, and 1 are there"), "{error}");
    }
    let root = tempfile::tempdir().expect("a folder");
    for name in ["plain", "raw"] {
        std::fs::create_dir(root.path().join(name)).expect("a folder");
        std::fs::write(root.path().join(name).join("train-00000-of-00001.parquet"), &one).expect("a file");
    }
    let error = load_task("text", Some(root.path()), &Reading::default()).expect_err("two");
    assert!(error.to_string().contains("several folders with training files: 'plain', 'raw'"), "{error}");
}

#[test]
fn a_damaged_file_is_refused_wherever_the_damage_is() {
    let label = r#"{"names": ["yes", "no"], "_type": "ClassLabel"}"#;
    const LISTS: &str = "optional group tags (LIST) { repeated group list { optional int64 element; } }";
    let tags = || lists::<Int64Type, i64>(LISTS, &[Some(vec![Some(1)]), None, Some(vec![])]);
    let columns = || [text(&["one", "two", "two"]), numbers("optional int64 label", &[0, 1, 1]), tags()];
    let entry = KeyValue::new("huggingface".to_owned(), format!(r#"{{"info": {{"features": {{"label": {label}}}}}}}"#));
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
            let properties = WriterProperties::builder().set_writer_version(version).set_compression(compression);
            let sound = written(properties.set_key_value_metadata(Some(vec![entry.clone()])), 2, &columns());
            let hash = plainly(&sound).hash;
            for end in 0..sound.len() {
                assert!(both(&Reading::default(), &sound[..end]).is_err(), "cut at {end}");
            }
            let mut unchanged = 0;
            for at in 0..sound.len() {
                for flipped in [0x01, 0x80, 0xFF] {
                    let mut bytes = sound.clone();
                    bytes[at] ^= flipped;
                    // What is read is told by its texts; here it is only that nothing stops the program.
                    unchanged += usize::from(both(&Reading::default(), &bytes).is_ok_and(|task| task.hash == hash));
                }
            }
            assert!(unchanged < 3 * sound.len() / 2, "{unchanged} of {} changes are not seen", 3 * sound.len());
        }
    }
    refused(both(&Reading::default(), b"PAR1\x15\x04"), &["train.parquet", "damaged", "fetch it again"]);
    refused(both(&Reading::default(), b"text,label\na,b\n"), &["train.parquet", "or no Parquet file"]);
    refused(both(&Reading::default(), b"PARE12345678PARE"), &["encrypted", "without encryption"]);
    refused(both(&Reading::default(), b"version https://git-lfs.github.com/spec/v1\n"), &["Git LFS pointer"]);
    refused(both(&Reading::default(), &written(WriterProperties::builder(), 0, &columns())), &["not one example"]);
}

#[test]
fn brotli_is_called_by_its_name() {
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED);
    let mut bytes = written(properties, 1, &[text(&["a", "b"]), numbers("optional int64 label", &[0, 1])]);
    // In the footer the name of the column and its codec, the fourth of them, as Thrift's compact protocol has them.
    let codec = b"\x19\x18\x04text\x15\x00";
    let at = bytes.windows(codec.len()).position(|window| window == codec).expect("the codec") + codec.len() - 1;
    bytes[at] = 4 << 1;
    refused(both(&Reading::default(), &bytes), &["compressed with Brotli", "read_table('train.parquet')"]);
}

#[test]
fn texts_to_be_answered_are_decoded_a_part_at_a_time() {
    let columns = || [text(&["a", "b", "c"]), texts("optional binary note (STRING)", &[Some("x"), None, Some("z")])];
    let bytes = written(WriterProperties::builder(), 1000, &columns());
    let open = |format| TextStream::new(&bytes[..], "mine", format, "text", Reading::default()).expect("it begins");
    for format in [None, Some(TextFormat::of_name("mine.parquet")), Some(TextFormat::Lines)] {
        let mut stream = open(format);
        let (mut lines, mut parts) = (Vec::new(), 0);
        while let Some(rows) = stream.next_rows().expect("sound") {
            parts += 1;
            lines.extend(rows.into_iter().map(|row| (row.line, row.a)));
        }
        assert_eq!((lines.len(), lines[2999].clone(), parts), (3000, (3000, "c".into()), 1000));
        let read = stream.columns().expect("columns");
        assert_eq!((read.text.as_str(), read.unused.join(" ")), ("text", "note".into()));
    }
    // The rows before one without a text are answered.
    let bytes = file(&[texts("optional binary text (STRING)", &[Some("a"), Some("b"), None])]);
    let mut stream = TextStream::new(&bytes[..], "mine", None, "text", Reading::default()).expect("it begins");
    assert_eq!(stream.next_rows().expect("two rows").map(|rows| rows.len()), Some(2));
    assert!(stream.next_rows().is_err_and(|error| error.to_string().contains("line 3")));
    assert!(stream.next_rows().expect("nothing comes after it").is_none());
}
