//! JSON: one object a line, or one list of objects.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Cell, Cut, Row, Table, check_lines, lines};
use crate::error::DataError;

type Object = Map<String, Value>;

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
type Objects = Vec<(u64, Object)>;

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
    if text.starts_with('[') {
        let list: Vec<Object> = serde_json::from_str(text)
            .map_err(|error| bad(error.line() as u64, format!("not a list of JSON objects ({error})"), OBJECTS))?;
        objects.extend((1..).zip(list));
        notes.push("a list of objects; where lines are named, objects are counted".to_owned());
    } else {
        if let Ok(whole) = serde_json::from_str::<Object>(text)
            && (lines(text).nth(1).is_some() || whole.values().all(|value| value.is_object() || value.is_array()))
        {
            let what = "one JSON object, and no list of examples".to_owned();
            return Err(bad(1, what, ONE_OBJECT));
        }
        objects = objects_in(text, file)?;
    }
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
    Ok(in_columns(objects_in(text, file)?, columns))
}

/// The objects in `text`, one a line.
fn objects_in(text: &str, file: &str) -> Result<Vec<(u64, Object)>, DataError> {
    check_lines(text, file)?;
    let object = |(line, content): (u64, &str)| {
        let refused = |error| {
            let what = format!("not a JSON object ({error})");
            DataError::BadRow { file: file.to_owned(), line, what, remedy: OBJECTS }
        };
        serde_json::from_str(content).map(|object| (line, object)).map_err(refused)
    };
    lines(text).map(object).collect()
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
        Value::Array(items) => items
            .into_iter()
            .map(single)
            .collect::<Option<_>>()
            .map_or(Cell::Nested("a list of nested values or nulls"), Cell::List),
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
