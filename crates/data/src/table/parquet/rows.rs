//! The rows of a Parquet file, some at a time, in the order of its row groups. Columns of dates and of nested values are
//! named and not decoded.

use std::collections::BTreeMap;

use ::parquet::basic::Compression;
use ::parquet::column::reader::ColumnReader;
use ::parquet::errors::{ParquetError, Result as Read};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use bytes::Bytes;

use super::caught::caught;
use super::cells::{Shape, cells, shape};
use super::features::{KEY, class_names};
use crate::error::DataError;
use crate::table::{Cell, Cut, Row, Table};
use crate::unpack::MOST;

/// What is said of a file.
pub(super) const ROWS_ARE_COUNTED: &str = "Parquet; where lines are named, rows are counted";

/// So many rows are decoded together.
const TOGETHER: usize = 1024;

/// What is said of a column that is not decoded, or how and from where it is.
type Found = Result<(Shape, usize), &'static str>;

/// A file's rows.
pub(crate) struct ParquetRows {
    file: String,
    reader: SerializedFileReader<Bytes>,
    names: Vec<String>,
    columns: Vec<Found>,
    /// Names of the classes whose numbers stand in a column.
    numbered: BTreeMap<String, Vec<String>>,
    /// What the next row group is.
    group: usize,
    /// What reads the columns of the one before it.
    open: Vec<Option<ColumnReader>>,
    /// Its rows that are left.
    left: usize,
    /// Rows that were read.
    row: u64,
    /// Bytes of the cells that were read last.
    bytes: u64,
}

impl ParquetRows {
    /// Reads what the file says of itself.
    ///
    /// # Errors
    /// [`DataError::Parquet`].
    pub(crate) fn open(bytes: Vec<u8>, file: &str) -> Result<Self, DataError> {
        if bytes.is_empty() {
            return Err(DataError::Empty { file: file.to_owned() });
        }
        if bytes.ends_with(b"PARE") {
            return Err(encrypted(file));
        }
        let reader = sound(file, || SerializedFileReader::new(Bytes::from(bytes)))?;
        let of_file = reader.metadata().file_metadata();
        let schema = of_file.schema_descr();
        let mut names = Vec::new();
        let mut columns: Vec<Found> = Vec::new();
        for (at, field) in schema.root_schema().get_fields().iter().enumerate() {
            let leaves: Vec<usize> =
                (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == at).collect();
            names.push(field.name().to_owned());
            columns.push(leaves.first().map_or(Err("an object"), |&leaf| {
                shape(field, &leaves, &schema.column(leaf)).map(|shape| (shape, leaf))
            }));
        }
        let of_key = of_file.key_value_metadata().into_iter().flatten().find(|entry| entry.key == KEY);
        let numbered = of_key.and_then(|entry| entry.value.as_deref()).map(class_names).unwrap_or_default();
        let file = file.to_owned();
        Ok(Self { file, reader, names, columns, numbered, group: 0, open: Vec::new(), left: 0, row: 0, bytes: 0 })
    }

    /// Bytes of the cells that were read last.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next rows, `None` at the end.
    ///
    /// # Errors
    /// [`DataError::Parquet`], after which there are none.
    pub(crate) fn next_table(&mut self) -> Result<Option<Table<'static>>, DataError> {
        while self.left == 0 {
            if self.group == self.reader.num_row_groups() {
                return Ok(None);
            }
            self.open_group()?;
        }
        let rows = self.left.min(TOGETHER);
        let columns = self.decoded(rows)?;
        self.left -= rows;
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        let line = self.row;
        let row = |row| {
            let cells = columns.iter_mut().map(|cells| cells.next().unwrap_or(Cell::None)).collect();
            Row { line: line + row, cells }
        };
        let all = (1..=rows as u64).map(row).collect();
        self.row += rows as u64;
        Ok(Some(Table {
            columns: self.names.clone(),
            rows: all,
            notes: vec![ROWS_ARE_COUNTED.to_owned()],
            classes: BTreeMap::new(),
            numbered: self.numbered.clone(),
            cut: Cut::Json,
        }))
    }

    /// # Errors
    /// [`DataError::Parquet`] for a compression that is not read, in any column.
    pub(super) fn refuse_unknown_compression(&self) -> Result<(), DataError> {
        let groups = self.reader.metadata().row_groups().iter();
        groups.flat_map(|group| group.columns()).try_for_each(|leaf| self.known_compression(leaf.compression()))
    }

    fn known_compression(&self, compression: Compression) -> Result<(), DataError> {
        unknown(compression).map_or(Ok(()), |method| {
            Err(DataError::Parquet {
                file: self.file.clone(),
                what: format!("it is compressed with {method}, which is not unpacked here"),
                remedy: "write it anew: python -c \"import pyarrow.parquet as p; p.write_table(p.read_table('FILE'), \
                         'train.parquet', compression='zstd')\"",
            })
        })
    }

    /// Opens the next row group.
    fn open_group(&mut self) -> Result<(), DataError> {
        let of_group = self.reader.metadata().row_group(self.group);
        let leaves = self.columns.iter().filter_map(|found| Some(found.ok()?.1));
        for leaf in leaves.map(|leaf| of_group.columns().get(leaf)) {
            let Some(leaf) = leaf else { return Err(damaged(&self.file, "a column is missing")) };
            self.known_compression(leaf.compression())?;
        }
        let rows =
            usize::try_from(of_group.num_rows()).map_err(|_| damaged(&self.file, "a number of rows is negative"));
        let (reader, group) = (&self.reader, self.group);
        self.open = sound(&self.file, || {
            let open = reader.get_row_group(group)?;
            let column = |found: &Found| found.ok().map(|(_, leaf)| open.get_column_reader(leaf)).transpose();
            self.columns.iter().map(column).collect()
        })?;
        (self.left, self.group) = (rows?, group + 1);
        Ok(())
    }

    /// The cells of the next rows, column by column.
    fn decoded(&mut self, rows: usize) -> Result<Vec<Vec<Cell<'static>>>, DataError> {
        self.bytes = 0;
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let mut decoded = Vec::with_capacity(self.columns.len());
        for (found, open) in self.columns.iter().zip(&mut self.open) {
            let cells = match (found, open) {
                (Ok((shape, leaf)), Some(open)) => {
                    sound(&self.file, || cells(open, rows, *shape, &schema.column(*leaf)))?
                }
                (Err(what), _) => vec![Cell::Nested(what); rows],
                (Ok(_), None) => return Err(damaged(&self.file, "a column is missing")),
            };
            self.bytes += cells.iter().map(size_of_cell).sum::<u64>();
            if self.bytes > MOST {
                return Err(damaged(&self.file, &format!("{rows} rows unpack to more than {MOST} bytes")));
            }
            decoded.push(cells);
        }
        Ok(decoded)
    }
}

/// Bytes of memory, or near it.
fn size_of_cell(cell: &Cell<'_>) -> u64 {
    let held = match cell {
        Cell::Text(text) => text.len(),
        Cell::List(items) => items.iter().map(|item| item.len() + size_of::<String>()).sum(),
        Cell::None | Cell::Nested(_) => 0,
    };
    (held + size_of::<Cell<'_>>()) as u64
}

/// The name of a compression that is not read.
fn unknown(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::LZ4
        | Compression::ZSTD(_)
        | Compression::LZ4_RAW => None,
    }
}

/// What `read` gives, if the file is sound.
pub(super) fn sound<T>(file: &str, read: impl FnOnce() -> Read<T>) -> Result<T, DataError> {
    match caught(read) {
        Some(Ok(value)) => Ok(value),
        Some(Err(ParquetError::General(what) | ParquetError::EOF(what))) => Err(damaged(file, &what)),
        Some(Err(error)) => Err(damaged(file, &error.to_string())),
        None => Err(damaged(file, "it points beyond what it holds")),
    }
}

fn damaged(file: &str, what: &str) -> DataError {
    let what = format!("it is damaged, encrypted in part, or no Parquet file ({what})");
    DataError::Parquet { file: file.to_owned(), what, remedy: "fetch it again, or write it anew" }
}

fn encrypted(file: &str) -> DataError {
    let what = "it is encrypted".to_owned();
    DataError::Parquet { file: file.to_owned(), what, remedy: "write it anew without encryption" }
}
