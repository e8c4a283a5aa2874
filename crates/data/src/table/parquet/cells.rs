//! A column of a Parquet file as cells: its values as text, put in rows by the levels that Dremel's encoding gives each
//! (Parquet's format, "Nested Encoding").

use std::borrow::Cow;

use ::parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::DataType;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::record::Field;
use ::parquet::schema::types::{ColumnDescPtr, ColumnDescriptor, Type};

use crate::table::Cell;

/// How a column's cells are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A value or none.
    Single,
    /// A list of values, or none.
    List,
}

/// How a value is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written {
    Plainly,
    Unsigned,
    /// With so many digits behind the point.
    Decimal(usize),
}

/// A value as text, or what it is otherwise.
type Value = std::result::Result<String, &'static str>;

const DATE: &str = "a date or a time";
const BYTES: &str = "bytes that are no text in UTF-8";
const MIXED: &str = "a list of nested values or nulls";

/// How the cells of the column `of` are read whose values lie in `leaves`; an error says what they are where they are no
/// single value and no list of such.
pub(super) fn shape(of: &Type, leaves: &[usize], leaf: &ColumnDescriptor) -> std::result::Result<Shape, &'static str> {
    const OBJECT: &str = "an object";
    let info = of.get_basic_info();
    let is_list =
        || info.converted_type() == ConvertedType::LIST || info.logical_type_ref() == Some(&LogicalType::List);
    let shape = match (leaf.max_rep_level(), leaf.path().parts().len()) {
        _ if leaves.len() != 1 => return Err(if is_list() { MIXED } else { OBJECT }),
        (0, 1) => Shape::Single,
        // A bare repeated value, a list of two levels as old programs write it, and one of three.
        (1, 1) => Shape::List,
        (1, 2 | 3) if is_list() => Shape::List,
        _ => return Err(if is_list() { MIXED } else { OBJECT }),
    };
    written(leaf).map(|_| shape)
}

/// How the values of a column are written as text.
pub(super) fn written(leaf: &ColumnDescriptor) -> std::result::Result<Written, &'static str> {
    let scale = || usize::try_from(leaf.type_scale()).map(Written::Decimal).map_err(|_| BYTES);
    match (leaf.logical_type_ref(), leaf.converted_type(), leaf.physical_type()) {
        (Some(LogicalType::Date | LogicalType::Time(_) | LogicalType::Timestamp(_)), ..)
        | (
            _,
            ConvertedType::DATE
            | ConvertedType::TIME_MILLIS
            | ConvertedType::TIME_MICROS
            | ConvertedType::TIMESTAMP_MILLIS
            | ConvertedType::TIMESTAMP_MICROS
            | ConvertedType::INTERVAL,
            _,
        )
        | (.., Physical::INT96) => Err(DATE),
        (Some(LogicalType::Decimal(_)), ..) | (_, ConvertedType::DECIMAL, _) => scale(),
        (Some(LogicalType::Integer(of)), ..) if !of.is_signed => Ok(Written::Unsigned),
        (_, ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64, _) => {
            Ok(Written::Unsigned)
        }
        (Some(LogicalType::Float16), ..) => Ok(Written::Plainly),
        (.., Physical::FIXED_LEN_BYTE_ARRAY) => Err(BYTES),
        _ => Ok(Written::Plainly),
    }
}

/// The cells of the next `rows` rows of a column.
///
/// # Errors
/// What is damaged, or has fewer rows.
pub(super) fn cells(
    reader: &mut ColumnReader,
    rows: usize,
    shape: Shape,
    leaf: &ColumnDescPtr,
) -> Result<Vec<Cell<'static>>> {
    let way = written(leaf).map_err(|what| ParquetError::General(what.to_owned()))?;
    let place = Place { rows, shape, leaf };
    let whole = |value: i128, unsigned: i128| {
        Ok(match way {
            Written::Plainly => value.to_string(),
            Written::Unsigned => unsigned.to_string(),
            Written::Decimal(scale) => decimal(value, scale),
        })
    };
    let bytes = |bytes: &[u8]| match way {
        Written::Decimal(scale) => integer(bytes).map(|value| decimal(value, scale)).ok_or(BYTES),
        Written::Plainly | Written::Unsigned => String::from_utf8(bytes.to_vec()).map_err(|_| BYTES),
    };
    match reader {
        ColumnReader::BoolColumnReader(reader) => place.read(reader, |value| Ok(value.to_string())),
        ColumnReader::Int32ColumnReader(reader) => {
            place.read(reader, |value| whole(i128::from(*value), i128::from(*value as u32)))
        }
        ColumnReader::Int64ColumnReader(reader) => {
            place.read(reader, |value| whole(i128::from(*value), i128::from(*value as u64)))
        }
        ColumnReader::Int96ColumnReader(reader) => place.read(reader, |_| Err(DATE)),
        ColumnReader::FloatColumnReader(reader) => place.read(reader, |value| Ok(format!("{value:?}"))),
        ColumnReader::DoubleColumnReader(reader) => place.read(reader, |value| Ok(format!("{value:?}"))),
        ColumnReader::ByteArrayColumnReader(reader) => place.read(reader, |value| bytes(value.data())),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => place.read(reader, |value| match way {
            Written::Decimal(_) => bytes(value.data()),
            Written::Plainly | Written::Unsigned => match Field::convert_byte_array(leaf, (**value).clone()) {
                Ok(Field::Float16(half)) => Ok(format!("{:?}", half.to_f32())),
                Ok(_) | Err(_) => Err(BYTES),
            },
        }),
    }
}

/// Where values go.
struct Place<'a> {
    rows: usize,
    shape: Shape,
    leaf: &'a ColumnDescriptor,
}

impl Place<'_> {
    fn read<T: DataType>(
        &self,
        reader: &mut ColumnReaderImpl<T>,
        text: impl Fn(&T::T) -> Value,
    ) -> Result<Vec<Cell<'static>>> {
        let (mut values, mut filled, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        let (rows, ..) = reader.read_records(self.rows, Some(&mut filled), Some(&mut repeated), &mut values)?;
        if rows != self.rows {
            let what = format!("the column '{}' has too few rows", self.leaf.path().string());
            return Err(ParquetError::General(what));
        }
        let full = self.leaf.max_def_level();
        let mut values = values.iter();
        let mut next = || {
            let value = values.next().ok_or_else(|| ParquetError::General("a value is missing".to_owned()))?;
            Ok::<_, ParquetError>(text(value))
        };
        let mut cells = Vec::with_capacity(rows);
        match self.shape {
            Shape::Single => {
                for row in 0..rows {
                    let is_filled = full == 0 || filled.get(row) == Some(&full);
                    cells.push(if is_filled { single(next()?) } else { Cell::None });
                }
            }
            Shape::List => {
                // Below it there is no item, one below that no list.
                let item = self.leaf.repeated_ancestor_def_level();
                for (&level, &begun) in filled.iter().zip(&repeated) {
                    if begun == 0 {
                        cells.push(if level + 1 < item { Cell::None } else { Cell::List(Vec::new()) });
                    }
                    let Some(cell) = cells.last_mut().filter(|_| level >= item) else { continue };
                    let value = if level == full { next()? } else { Err(MIXED) };
                    match (cell, value) {
                        (Cell::List(items), Ok(value)) => items.push(value),
                        (cell, Err(_)) => *cell = Cell::Nested(MIXED),
                        (Cell::Text(_) | Cell::None | Cell::Nested(_), Ok(_)) => {}
                    }
                }
                if cells.len() != rows {
                    return Err(ParquetError::General("the rows of a list are miscounted".to_owned()));
                }
            }
        }
        Ok(cells)
    }
}

fn single(value: Value) -> Cell<'static> {
    value.map_or_else(Cell::Nested, |text| Cell::Text(Cow::Owned(text)))
}

/// An integer with its highest byte first, as decimal numbers lie in bytes.
fn integer(bytes: &[u8]) -> Option<i128> {
    let mut all = [if bytes.first()? & 0x80 == 0 { 0 } else { 0xFF }; 16];
    all.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(all))
}

/// `value` with so many digits behind the point.
fn decimal(value: i128, scale: usize) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale.min(64) + 1);
    let (whole, rest) = digits.split_at(digits.len() - scale.min(64));
    let sign = if value < 0 { "-" } else { "" };
    if rest.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers_keep_their_sign_and_their_zeros() {
        assert_eq!(
            [(1234, 2), (-5, 3), (70, 0)].map(|(value, scale)| decimal(value, scale)),
            ["12.34", "-0.005", "70"]
        );
        assert_eq!((integer(&[0xFF, 0x85]), integer(&[0x01, 0x00]), integer(&[1; 17])), (Some(-123), Some(256), None));
    }
}
