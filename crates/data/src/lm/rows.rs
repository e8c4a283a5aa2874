//! Rows of a table with whatever stands in them: unlike labels and single texts, messages and endings are nested.

use std::borrow::Cow;

use serde_json::{Map, Value};

use apt_experiment::LeftOut;

use crate::error::{DataError, shortened};
use crate::reading::Reading;
use crate::table::parquet::{self, is_parquet};
use crate::table::{Cell, Header, Table, json, same_name};
use crate::task::RawExample;

/// A table's rows as JSON objects.
pub(super) struct Rows {
    /// The file's name in messages.
    pub(super) file: String,
    /// Every column, in the order in which they occur.
    pub(super) columns: Vec<String>,
    /// Each with the 1-based line it begins on; in a list of objects with its number.
    pub(super) rows: Vec<Row>,
    /// What was decided in reading it.
    pub(super) notes: Vec<String>,
}

/// One row.
pub(super) struct Row {
    pub(super) line: u64,
    cells: Map<String, Value>,
}

impl Rows {
    /// The rows of a file that is a table by its name or, if it is JSON, by what it begins with; `None` for a text.
    ///
    /// # Errors
    /// What is wrong with the table.
    pub(super) fn read(bytes: &[u8], file: &str, format: &str, reading: &Reading) -> Result<Option<Self>, DataError> {
        let mut names = [&super::conversations::names()[..], super::choices::NAMES].concat();
        if !reading.no_header {
            names.extend([&reading.text, &reading.label].into_iter().flatten().map(String::as_str));
        }
        let header = Header { names: &names, layouts: &[], absent: reading.no_header };
        if is_parquet(bytes, format) {
            let (objects, note) = parquet::objects(bytes, file)?;
            return Ok(Some(Self::of_objects(objects, file, vec![note])));
        }
        let extension = format.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
        let is_json = ["json", "jsonl", "ndjson"].contains(&extension.as_str());
        let is_text = !is_json && !["csv", "tsv"].contains(&extension.as_str());
        if is_text {
            return Ok(None);
        }
        let text = crate::table::decode(bytes, file)?;
        if text.trim().is_empty() {
            return Err(DataError::Empty { file: file.to_owned() });
        }
        if let Some((objects, notes)) = json::objects(text, file, format)? {
            return Ok(Some(Self::of_objects(objects, file, notes)));
        }
        Ok(Some(Self::of_table(Table::read(bytes, file, format, header)?, file)))
    }

    fn of_objects(objects: json::Objects, file: &str, notes: Vec<String>) -> Self {
        let mut columns: Vec<String> = Vec::new();
        for (_, object) in &objects {
            columns.extend(object.keys().filter(|key| !columns.contains(key)).cloned().collect::<Vec<_>>());
        }
        let rows = objects.into_iter().map(|(line, cells)| Row { line, cells }).collect();
        Self { file: file.to_owned(), columns, rows, notes }
    }

    fn of_table(table: Table<'_>, file: &str) -> Self {
        let value = |cell: &Cell<'_>| match cell {
            Cell::Text(text) => Value::String(text.clone().into_owned()),
            Cell::List(items) => items.iter().cloned().map(Value::String).collect(),
            Cell::None | Cell::Nested(_) => Value::Null,
        };
        let rows = table.rows.iter().map(|row| Row {
            line: row.line,
            cells: table.columns.iter().cloned().zip(row.cells.iter().map(value)).collect(),
        });
        Self { file: file.to_owned(), rows: rows.collect(), columns: table.columns, notes: table.notes }
    }

    /// The column of the first of `names` that there is.
    pub(super) fn column(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.columns.iter().find(|column| same_name(column, name))).map(String::as_str)
    }

    /// The column that the settings name.
    ///
    /// # Errors
    /// [`DataError::MissingColumn`].
    pub(super) fn named(&self, name: &str, role: &'static str) -> Result<&str, DataError> {
        self.column(&[name]).ok_or_else(|| self.missing(role, &[name]))
    }

    pub(super) fn missing(&self, role: &'static str, wanted: &[&str]) -> DataError {
        let first = self.rows.first();
        // One object around all examples looks like one example.
        if let ([row], true) = (self.rows.as_slice(), self.notes.is_empty()) {
            let lists: Vec<&str> =
                row.cells.iter().filter(|(_, value)| json::is_rows(value)).map(|(key, _)| key.as_str()).collect();
            if !lists.is_empty() {
                return json::one_object(&self.file, &lists);
            }
        }
        let cell =
            |column: &String| first.map_or_else(String::new, |row| shortened(&row.text(column).unwrap_or_default()));
        DataError::MissingColumn {
            file: self.file.clone(),
            role,
            wanted: wanted.iter().map(|&name| name.to_owned()).collect(),
            found: self.columns.clone(),
            first: self.columns.iter().map(cell).collect(),
        }
    }

    pub(super) fn bad(&self, row: &Row, what: String, remedy: &'static str) -> DataError {
        DataError::BadRow { file: self.file.clone(), line: row.line, what, remedy }
    }

    /// The text of a row, `None` where it is blank.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for something else.
    pub(super) fn filled<'r>(&self, row: &'r Row, column: &str) -> Result<Option<Cow<'r, str>>, DataError> {
        match row.get(column) {
            Value::Null => Ok(None),
            _ => match row.text(column) {
                Some(text) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
                None => {
                    let what = format!("the column '{column}' holds no text");
                    Err(self.bad(row, what, "give the row a text or remove it"))
                }
            },
        }
    }

    /// The examples of all rows and what is left out; `example` gives the reason why a row is.
    ///
    /// # Errors
    /// What is wrong with a row, and [`DataError::LabelSet`] if none is left.
    pub(super) fn examples(
        &self,
        example: impl Fn(&Row) -> Result<Result<RawExample, &'static str>, DataError>,
    ) -> Result<(Vec<RawExample>, Vec<LeftOut>), DataError> {
        let (mut examples, mut left_out) = (Vec::new(), Vec::<LeftOut>::new());
        for row in &self.rows {
            match example(row)? {
                Ok(example) => examples.push(example),
                Err(why) => match left_out.iter_mut().find(|left| left.why == why) {
                    Some(left) => left.rows += 1,
                    None => left_out.push(LeftOut { why: why.to_owned(), rows: 1, line: row.line }),
                },
            }
        }
        if examples.is_empty() {
            let why = left_out.first().map_or("there are none", |left| left.why.as_str());
            let what = format!("not one row can be used: {why}");
            return Err(DataError::LabelSet { file: self.file.clone(), what, remedy: "give the rows what they lack" });
        }
        Ok((examples, left_out))
    }
}

impl Row {
    /// What stands in a column; null where nothing does.
    pub(super) fn get(&self, column: &str) -> &Value {
        self.cells.get(column).unwrap_or(&Value::Null)
    }

    /// The text in a column, or a number as text.
    pub(super) fn text(&self, column: &str) -> Option<Cow<'_, str>> {
        match self.get(column) {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// The texts of a list of texts.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}
