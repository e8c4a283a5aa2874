//! The rows of a Parquet file with whatever is nested in them, as the objects that JSON would have.

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::cells::written;
use super::rows::{ParquetRows, ROWS_ARE_COUNTED, sound};
use crate::error::DataError;
use crate::table::json::Objects;
use crate::unpack::MOST;

/// All rows, each with its number, and what is to be said of them. A date is nothing.
///
/// # Errors
/// [`DataError::Parquet`] for what cannot be read, and [`DataError::NoRows`].
pub(crate) fn objects(bytes: &[u8], file: &str) -> Result<(Objects, String), DataError> {
    // Refused in the words of other Parquet files.
    ParquetRows::open(bytes.to_vec(), file)?.refuse_unknown_compression()?;
    let mut left = MOST;
    let mut objects = Objects::new();
    let is_whole = sound(file, || {
        let reader = SerializedFileReader::new(Bytes::from(bytes.to_vec()))?;
        let (read, others) = columns(reader.metadata().file_metadata().schema_descr());
        let read = Type::group_type_builder("schema").with_fields(read).build()?;
        for (row, number) in reader.get_row_iter(Some(read))?.zip(1..) {
            let mut object = object(&row?, &mut left);
            object.extend(others.iter().map(|name| (name.clone(), Value::Null)));
            objects.push((number, object));
            if left == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    if !is_whole {
        let what = format!("its rows unpack to more than {MOST} bytes");
        return Err(DataError::Parquet { file: file.to_owned(), what, remedy: "give a part of its rows" });
    }
    if objects.is_empty() {
        return Err(DataError::NoRows { file: file.to_owned() });
    }
    Ok((objects, ROWS_ARE_COUNTED.to_owned()))
}

/// Columns that are read, and the names of those that hold dates and bytes.
fn columns(schema: &SchemaDescriptor) -> (Vec<TypePtr>, Vec<String>) {
    let (mut read, mut others) = (Vec::new(), Vec::new());
    for (at, field) in schema.root_schema().get_fields().iter().enumerate() {
        let leaves = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == at);
        match leaves.map(|leaf| written(&schema.column(leaf))).all(|way| way.is_ok()) {
            true => read.push(field.clone()),
            false => others.push(field.name().to_owned()),
        }
    }
    (read, others)
}

fn object(row: &Row, left: &mut u64) -> Map<String, Value> {
    row.get_column_iter().map(|(name, field)| (name.clone(), value(field, left))).collect()
}

/// A field as JSON; takes the memory that it needs from what is `left`.
fn value(field: &Field, left: &mut u64) -> Value {
    let value = match field {
        Field::Bool(flag) => Value::Bool(*flag),
        Field::Byte(number) => Value::from(*number),
        Field::Short(number) => Value::from(*number),
        Field::Int(number) => Value::from(*number),
        Field::Long(number) => Value::from(*number),
        Field::UByte(number) => Value::from(*number),
        Field::UShort(number) => Value::from(*number),
        Field::UInt(number) => Value::from(*number),
        Field::ULong(number) => Value::from(*number),
        Field::Float16(number) => Value::from(number.to_f32()),
        Field::Float(number) => Value::from(*number),
        Field::Double(number) => Value::from(*number),
        Field::Str(text) => Value::String(text.clone()),
        Field::Bytes(bytes) => bytes.as_utf8().map_or(Value::Null, Value::from),
        Field::Group(row) => Value::Object(object(row, left)),
        Field::ListInternal(list) => list.elements().iter().map(|item| self::value(item, left)).collect(),
        Field::MapInternal(map) => {
            let entry = |(key, item): &(Field, Field)| {
                let key = if let Field::Str(key) = key { key.clone() } else { key.to_string() };
                (key, self::value(item, left))
            };
            Value::Object(map.entries().iter().map(entry).collect())
        }
        // Dates and decimals are no text.
        _ => Value::Null,
    };
    let text = value.as_str().map_or(0, str::len);
    *left = left.saturating_sub((text + size_of::<Value>()) as u64);
    value
}
