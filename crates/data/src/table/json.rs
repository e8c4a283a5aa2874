//! JSON: one object a line, or one list of objects. What Python writes that JSON has not (`NaN`, halves of characters) is
//! read as what it means.

mod python;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Cell, Cut, Row, Table, check_lines, lines};
use crate::error::{DataError, shortened};
use python::Mended;

pub(crate) type Object = Map<String, Value>;

/// What a list is called in which not all are single values.
pub(crate) const LIST: &str = "a list of nested values or nulls";
const OBJECTS: &str = "write one complete {…} object a line";
const ONE_OBJECT: &str = "write the examples as a list [{…}, {…}], or one object a line (in pandas: to_json(FILE, \
                          orient='records', lines=True))";

/// The table in `text`, if it is JSON by name or by what it begins with. A list is given the number of its object as the
/// line. Columns are all keys that occur; an object without one of them has nothing there.
///
/// # Errors
/// [`DataError::BadRow`] for what is no list of objects.
pub(super) fn table<'a>(text: &str, file: &str, format: &str) -> Result<Option<Table<'a>>, DataError> {
    let Some((objects, notes)) = objects(text, file, format)? else { return Ok(None) };
    let mut columns: Vec<String> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for key in objects.iter().flat_map(|(_, object)| object.keys()) {
        if !known.contains_key(key) {
            known.insert(key.clone(), columns.len());
            columns.push(key.clone());
        }
    }
    let rows = in_columns(objects, &columns);
    Ok(Some(Table { columns, rows, notes, classes: BTreeMap::new(), numbered: BTreeMap::new(), cut: Cut::Json }))
}

/// Objects, each with its line or number.
pub(crate) type Objects = Vec<(u64, Object)>;

/// The objects of [`table`], and what was decided in reading them.
///
/// # Errors
/// As [`table`].
pub(crate) fn objects(text: &str, file: &str, format: &str) -> Result<Option<(Objects, Vec<String>)>, DataError> {
    let extension = format.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    let named = ["json", "jsonl", "ndjson"].contains(&extension.as_str());
    let text = text.trim_start();
    // `[` may begin a text of a table; `[{` is JSON.
    let begins =
        text.starts_with("{\"") || text.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{'));
    if !named && !begins {
        return Ok(None);
    }
    let bad = |line, what: String, remedy| DataError::BadRow { file: file.to_owned(), line, what, remedy };
    let mut objects = Objects::new();
    let mut notes = Vec::new();
    let mut mended = Mended::default();
    if text.starts_with('[') {
        let refused = |line, what: String| bad(line, format!("not a list of JSON objects: {what}"), ONE_OBJECT);
        let list: Vec<Value> = mended
            .parsed(text)
            .map_err(|error| refused(error.line() as u64, format!("{} in column {}", words(&error), error.column())))?;
        for (number, item) in (1..).zip(list) {
            let Value::Object(object) = item else {
                return Err(refused(1, format!("item {number} is {}", kind(&item))));
            };
            objects.push((number, object));
        }
        notes.push("a list of objects; where lines are named, objects are counted".to_owned());
    } else {
        if let Ok(whole) = Mended::default().parsed::<Object>(text)
            && (lines(text).nth(1).is_some() || whole.values().all(is_nested) && !whole.values().any(is_conversation))
        {
            let keys = whole.iter().filter(|(_, value)| is_rows(value)).map(|(key, _)| key.as_str());
            return Err(one_object(file, &keys.collect::<Vec<_>>()));
        }
        objects = objects_in(text, file, &mut mended)?;
    }
    notes.extend(mended.notes());
    if objects.is_empty() {
        return Err(DataError::Empty { file: file.to_owned() });
    }
    Ok(Some((objects, notes)))
}

/// Further lines of a table with these columns.
///
/// # Errors
/// [`DataError::BadRow`] for what is no object.
pub(super) fn rows<'a>(text: &str, file: &str, columns: &[String]) -> Result<Vec<Row<'a>>, DataError> {
    Ok(in_columns(objects_in(text, file, &mut Mended::default())?, columns))
}

/// The objects in `text`, one a line.
fn objects_in(text: &str, file: &str, mended: &mut Mended) -> Result<Vec<(u64, Object)>, DataError> {
    check_lines(text, file)?;
    let object = |(line, content): (u64, &str)| {
        let refused = |what: String| {
            let what = format!("not a JSON object: {what}");
            DataError::BadRow { file: file.to_owned(), line, what, remedy: OBJECTS }
        };
        match mended.parsed::<Value>(content) {
            Ok(Value::Object(object)) => Ok((line, object)),
            Ok(other) => Err(refused(format!("it is {}", kind(&other)))),
            Err(error) => Err(refused(format!("{} in column {}", words(&error), error.column()))),
        }
    };
    lines(text).map(object).collect()
}

/// An error without its place, which is the one in a piece of the file.
fn words(error: &serde_json::Error) -> String {
    let words = error.to_string();
    shortened(words.split(" at line ").next().unwrap_or(&words))
}

/// What a value is called that is no object.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// Whether a value is a list of messages, which an example may be alone.
fn is_conversation(value: &Value) -> bool {
    let is_message = |item: &Value| ["role", "from"].iter().any(|key| item.get(key).is_some());
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(is_message))
}

/// Whether a value is a list of objects.
pub(crate) fn is_rows(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_object))
}

/// A file is one object, in which `lists` of what may be examples stand.
pub(crate) fn one_object(file: &str, lists: &[&str]) -> DataError {
    let (what, remedy) = match lists {
        [] => ("one JSON object, and no list of examples".to_owned(), ONE_OBJECT.to_owned()),
        [one] => (
            format!("one JSON object, which has a list in '{}' and no examples beside it", shortened(one)),
            format!(
                "if that is the examples, write it alone: python -c \"import json; \
                 json.dump(json.load(open('FILE'))['{one}'], open('train.json', 'w'))\""
            ),
        ),
        several => (
            format!("one JSON object, which has lists in '{}'", shortened(&several.join("', '"))),
            "write each list of examples into a file of its own, such as train.json and test.json: python -c \"import \
             json; [json.dump(v, open(k + '.json', 'w')) for k, v in json.load(open('FILE')).items()]\""
                .to_owned(),
        ),
    };
    DataError::OneObject { file: file.to_owned(), what, remedy }
}

fn in_columns<'a>(objects: Vec<(u64, Object)>, columns: &[String]) -> Vec<Row<'a>> {
    let row = |(line, mut object): (u64, Object)| {
        let cells = columns.iter().map(|column| object.remove(column).map_or(Cell::None, cell)).collect();
        Row { line, cells }
    };
    objects.into_iter().map(row).collect()
}

fn cell<'a>(value: Value) -> Cell<'a> {
    match value {
        Value::Null => Cell::None,
        Value::Array(items) => {
            items.into_iter().map(single).collect::<Option<_>>().map_or(Cell::Nested(LIST), Cell::List)
        }
        Value::Object(_) => Cell::Nested("an object"),
        value => single(value).map_or(Cell::None, |text| Cell::Text(Cow::Owned(text))),
    }
}

/// A text, or a number or truth value as text.
fn single(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
