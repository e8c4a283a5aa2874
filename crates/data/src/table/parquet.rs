//! Parquet, the form in which the hub's data sets lie. Its rows become the cells that JSON's would be. What reads it is too
//! large for a page, which says so and how to go on.

#[cfg(not(target_family = "wasm"))]
mod caught;
#[cfg(not(target_family = "wasm"))]
mod cells;
#[cfg(not(target_family = "wasm"))]
mod features;
#[cfg(not(target_family = "wasm"))]
mod objects;
#[cfg(not(target_family = "wasm"))]
mod rows;

#[cfg(not(target_family = "wasm"))]
pub(crate) use objects::objects;
#[cfg(target_family = "wasm")]
pub(crate) use refused::{ParquetRows, objects};
#[cfg(not(target_family = "wasm"))]
pub(crate) use rows::ParquetRows;

use super::Table;
use crate::error::DataError;
use crate::unpack::{MOST, without};

/// Whether a file is, or is called, a Parquet file.
pub(crate) fn is_parquet(bytes: &[u8], name: &str) -> bool {
    bytes.starts_with(b"PAR1") || without(name, "parquet") != name
}

/// All of a file.
///
/// # Errors
/// [`DataError::Parquet`] for what cannot be read, and [`DataError::Empty`] or [`DataError::NoRows`].
pub(super) fn table(bytes: &[u8], file: &str) -> Result<Table<'static>, DataError> {
    let mut rows = ParquetRows::open(bytes.to_vec(), file)?;
    let mut all = rows.next_table()?.ok_or_else(|| DataError::NoRows { file: file.to_owned() })?;
    let mut held = rows.bytes();
    while let Some(more) = rows.next_table()? {
        held += rows.bytes();
        if held > MOST {
            let remedy = "give a part of its rows, or the columns that are read alone";
            let what = format!("its rows unpack to more than {MOST} bytes");
            return Err(DataError::Parquet { file: file.to_owned(), what, remedy });
        }
        all.rows.extend(more.rows);
    }
    Ok(all)
}

#[cfg(target_family = "wasm")]
mod refused {
    use crate::error::DataError;
    use crate::table::{Table, json};

    /// # Errors
    /// As [`ParquetRows::open`].
    pub(crate) fn objects(_: &[u8], file: &str) -> Result<(json::Objects, String), DataError> {
        ParquetRows::open(Vec::new(), file).map(|_| (Vec::new(), String::new()))
    }

    /// There are none.
    pub(crate) enum ParquetRows {}

    impl ParquetRows {
        /// # Errors
        /// [`DataError::NoText`].
        pub(crate) fn open(_: Vec<u8>, file: &str) -> Result<Self, DataError> {
            Err(DataError::NoText {
                file: file.to_owned(),
                what: "a Parquet file, which the program reads and a page does not",
                remedy: "convert it: python -c \"import pandas; pandas.read_parquet('FILE').to_json('train.jsonl', \
                         orient='records', lines=True)\"",
            })
        }

        pub(crate) fn next_table(&mut self) -> Result<Option<Table<'static>>, DataError> {
            match *self {}
        }

        pub(crate) fn bytes(&self) -> u64 {
            match *self {}
        }
    }
}
