//! Records as files: written without NaN, read with an error that names file, place and remedy.

use apt_core::problem::{Explain, Problem};
use serde_json::{Value, error::Category};

use super::format::{RECORD_SCHEMA, Record};
use crate::knob::error::KnobError;
use crate::located;

/// A record that cannot be read, written or built.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file ends in the middle.
    Truncated {
        /// The file.
        file: String,
        /// The last line.
        line: usize,
    },
    /// The file is not JSON.
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// The parser's message.
        message: String,
    },
    /// A number is NaN, infinite or too large.
    NotFinite {
        /// The file.
        file: String,
        /// Line and column, or the field.
        place: String,
    },
    /// Another format or version.
    Schema {
        /// The file.
        file: String,
        /// The schema it names.
        found: String,
    },
    /// A field is missing or has another type.
    Field {
        /// The file.
        file: String,
        /// Path of the field.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// The settings inside cannot be meant.
    Config {
        /// The file.
        file: String,
        /// What is wrong.
        source: Box<KnobError>,
    },
    /// The events do not make a whole run.
    Incomplete {
        /// The event that is missing.
        missing: &'static str,
    },
}

apt_core::display_problem!(RecordError);

impl Explain for RecordError {
    fn problem(&self) -> Problem {
        match self {
            Self::Truncated { file, line } => Problem::new(
                file,
                format!("the record ends too early, at line {line}"),
                "it was cut off, run the experiment again",
            ),
            Self::Syntax { file, line, column, message } => Problem::new(
                format!("{file}, line {line}, column {column}"),
                message,
                "this is not a record, name a record.json",
            ),
            Self::NotFinite { file, place } => Problem::new(
                file,
                format!("{place} is not a finite number"),
                "the run that wrote it went wrong, run it again",
            ),
            Self::Schema { file, found } => Problem::new(
                file,
                format!("the schema is {found}, this program reads `{RECORD_SCHEMA}`"),
                "use the version that wrote it",
            ),
            Self::Field { file, field, message } => {
                let of = if field.is_empty() { String::new() } else { format!("field `{field}`: ") };
                Problem::new(file, format!("{of}{message}"), "the record is damaged, run the experiment again")
            }
            Self::Config { file, source } => {
                let Problem { what, remedy, .. } = source.problem();
                Problem::new(file, format!("the record's config is not usable: {what}"), remedy)
            }
            Self::Incomplete { missing } => Problem::new(
                "events",
                format!("the stream has no `{missing}` event"),
                "the run did not come that far, resume it",
            ),
        }
    }
}

impl Record {
    /// Reads a record; `file` is named in errors.
    ///
    /// # Errors
    /// [`RecordError`]: truncated, not JSON, not a finite number, another schema, a field missing or
    /// of another type, or settings that contradict each other.
    pub fn from_json(bytes: &[u8], file: &str) -> Result<Self, RecordError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| syntax(&error, bytes, file))?;
        let file = file.to_owned();
        match value.get("schema") {
            Some(Value::String(schema)) if schema == RECORD_SCHEMA => {}
            found => {
                let found = found.map_or_else(|| "missing".to_owned(), Value::to_string);
                return Err(RecordError::Schema { file, found });
            }
        }
        // Read from the value, not the bytes, so that a wrong schema is reported before a wrong field; where the field is not
        // followed, from the bytes, which say the line.
        #[cfg(not(target_family = "wasm"))]
        let from = &value;
        #[cfg(target_family = "wasm")]
        let from = &mut serde_json::Deserializer::from_slice(bytes);
        let mut record: Self = located::read(from).map_err(|failure| {
            let file = file.clone();
            if failure.message.contains("invalid type: null, expected f64") {
                RecordError::NotFinite { file, place: failure.place() }
            } else {
                RecordError::Field { file, field: failure.field, message: failure.message }
            }
        })?;
        record.config = record.config.of_its_time(&value["config"]);
        record.config.clone().check().map_err(|error| RecordError::Config { file, source: Box::new(error) })?;
        Ok(record)
    }

    /// The record as indented JSON with a line break at its end; `file` is named in errors.
    ///
    /// # Errors
    /// [`RecordError::NotFinite`] naming the field, and [`RecordError::Config`].
    pub fn to_json(&self, file: &str) -> Result<String, RecordError> {
        self.config
            .clone()
            .check()
            .map_err(|error| RecordError::Config { file: file.to_owned(), source: Box::new(error) })?;
        let mut bytes = Vec::new();
        located::write(self, &mut serde_json::Serializer::pretty(&mut bytes))
            .map_err(|failure| RecordError::NotFinite { file: file.to_owned(), place: failure.place() })?;
        bytes.push(b'\n');
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn syntax(error: &serde_json::Error, bytes: &[u8], file: &str) -> RecordError {
    let (file, line, column) = (file.to_owned(), error.line(), error.column());
    if error.classify() == Category::Eof {
        return RecordError::Truncated { file, line };
    }
    let text = bytes.split(|byte| *byte == b'\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let before = text.get(column.saturating_sub(2)..).unwrap_or_default();
    let names_infinity = [&b"NaN"[..], b"Infinity", b"-Infinity", b"inf"]
        .iter()
        .any(|name| before.starts_with(name) || before.get(1..).is_some_and(|rest| rest.starts_with(name)));
    if names_infinity || error.to_string().starts_with("number out of range") {
        return RecordError::NotFinite { file, place: format!("the value at line {line}, column {column}") };
    }
    RecordError::Syntax { file, line, column, message: error.to_string() }
}
