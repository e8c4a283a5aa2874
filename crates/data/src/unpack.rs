//! What a file is, told from its first bytes: compressed files are unpacked, and what holds no examples is refused with
//! the command that makes some of it.

mod frames;
mod plain;

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use crate::error::DataError;
use crate::table::parquet::is_parquet;
use frames::Frames;
use plain::{Rewritten, Writing};

/// The most that a compressed file may unpack to.
pub(crate) const MOST: u64 = 1 << 30;

/// Beginnings of files that hold no examples, with what they are and what to do.
const FOREIGN: &[(&[u8], &str, &str)] = &[
    (b"PARE", "an encrypted Parquet file", "write it anew without encryption"),
    (
        b"ARROW1",
        "an Arrow file",
        "convert it: python -c \"import pandas; pandas.read_feather('FILE').to_json('train.jsonl', orient='records', \
         lines=True)\"",
    ),
    (
        b"\xFF\xFF\xFF\xFF",
        "an Arrow stream, as datasets' save_to_disk writes it",
        "convert its folder: python -c \"import datasets; datasets.load_from_disk('FOLDER').to_json('train.jsonl')\"",
    ),
    (b"\x89HDF", "a file of HDF5", "export the rows as CSV or JSONL"),
    (b"\x93NUMPY", "an array of NumPy", "give the texts and labels as CSV or JSONL"),
    (b"\x80\x02", PICKLE, EXPORT),
    (b"\x80\x03", PICKLE, EXPORT),
    (b"\x80\x04", PICKLE, EXPORT),
    (b"\x80\x05", PICKLE, EXPORT),
    (b"7z\xBC\xAF", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"{\\rtf", "a document in RTF", "save the table as CSV in UTF-8"),
    (b"<?xml", "XML", "give the texts and labels as CSV or JSONL"),
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet", "unpack it, or save the sheet as CSV in UTF-8"),
    (b"\xD0\xCF\x11\xE0", "an old spreadsheet or document", "save it as CSV in UTF-8"),
    (b"BZh", "compressed with bzip2", "unpack it with `bunzip2`, or compress it with gzip or zstd"),
    (b"\xFD7zXZ\0", "compressed with xz", "unpack it with `unxz`, or compress it with gzip or zstd"),
    (b"SQLite format 3\0", "a database", "export the table as CSV"),
    (b"%PDF", "a PDF document", "give a file with one example a line"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file", "fetch the file with `git lfs pull`"),
    (b"<!doctype", "a web page", "download the file itself, not the page about it"),
    (b"<html", "a web page", "download the file itself, not the page about it"),
];

const PICKLE: &str = "a pickle of Python, which can run any program when it is opened";
const EXPORT: &str = "write its rows as CSV or JSONL where you trust it (in pandas: to_csv, to_json)";

/// A file's content.
pub(crate) struct Unpacked<'a> {
    /// Its name without the ending of what it was compressed with.
    pub(crate) name: &'a str,
    /// Its bytes; text in UTF-8 if it says how it is written.
    pub(crate) bytes: Cow<'a, [u8]>,
    /// What was decided in reading it, in words.
    pub(crate) note: Option<&'static str>,
}

/// The file's content.
///
/// # Errors
/// [`DataError::NoText`] for what is no text; [`DataError::Packed`] for a compressed file that cannot be unpacked.
pub(crate) fn unpacked<'a>(name: &'a str, bytes: &'a [u8]) -> Result<Unpacked<'a>, DataError> {
    let packed = |what: String| DataError::Packed { file: name.to_owned(), what };
    let (inner, bytes) = if bytes.starts_with(&[0x1F, 0x8B]) {
        (without(name, "gz"), Cow::Owned(all_of(flate2::read::MultiGzDecoder::new(bytes)).map_err(packed)?))
    } else if is_zstd(bytes) {
        (without(name, "zst"), Cow::Owned(all_of(Frames::new(bytes)).map_err(packed)?))
    } else {
        (name, Cow::Borrowed(bytes))
    };
    refuse_foreign(name, &bytes)?;
    match Writing::of(&bytes).filter(|_| !is_parquet(&bytes, inner)) {
        Some(writing) => {
            let note = Some(writing.note());
            Ok(Unpacked { name: inner, bytes: writing.rewritten(&bytes), note })
        }
        None => Ok(Unpacked { name: inner, bytes, note: None }),
    }
}

/// What `input` holds, unpacked as it is read.
///
/// # Errors
/// As [`unpacked`], and input that cannot be read.
pub(crate) fn unpacking<'r>(input: impl Read + Send + 'r, name: &str) -> Result<Box<dyn Read + Send + 'r>, DataError> {
    const PART: usize = 1 << 16;
    let unreadable = |source| DataError::Unreadable { path: name.to_owned(), source };
    let mut input = BufReader::with_capacity(PART, input);
    let mut is_packed = true;
    let unpacked: Box<dyn Read + Send + 'r> = match input.fill_buf().map_err(unreadable)? {
        [0x1F, 0x8B, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        first if is_zstd(first) => Box::new(Frames::new(input)),
        _ => {
            is_packed = false;
            Box::new(input)
        }
    };
    let mut input = BufReader::with_capacity(PART, unpacked);
    let first = input.fill_buf().map_err(|error| match is_packed {
        true => DataError::Packed { file: name.to_owned(), what: error.to_string() },
        false => unreadable(error),
    })?;
    Ok(match Writing::of(first).filter(|_| !is_parquet(first, "")) {
        Some(writing) => Box::new(Rewritten::new(input, writing)),
        None => Box::new(input),
    })
}

/// # Errors
/// [`DataError::NoText`] for a file that begins as one that holds no examples.
pub(crate) fn refuse_foreign(name: &str, bytes: &[u8]) -> Result<(), DataError> {
    let refused = |what, remedy| Err(DataError::NoText { file: name.to_owned(), what, remedy });
    // Of tar the name of the first file stands before.
    if bytes.get(257..262) == Some(b"ustar") {
        return refused("a tar archive", "unpack it with `tar -xf`");
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let begins = |magic: &[u8]| {
        bytes.starts_with(magic) || text.get(..magic.len()).is_some_and(|text| text.eq_ignore_ascii_case(magic))
    };
    match FOREIGN.iter().find(|(magic, ..)| begins(magic)) {
        Some((_, what, remedy)) => refused(what, remedy),
        None => Ok(()),
    }
}

/// Whether bytes begin as zstd, with a frame or one to be skipped.
fn is_zstd(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..])
}

/// `name` without `.ending`, in whatever case.
pub(crate) fn without<'a>(name: &'a str, ending: &str) -> &'a str {
    match name.rsplit_once('.') {
        Some((stem, last)) if last.eq_ignore_ascii_case(ending) => stem,
        Some(_) | None => name,
    }
}

fn all_of(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MOST { Err(format!("it unpacks to more than {MOST} bytes")) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_taken_off_in_any_case_and_only_at_the_end() {
        assert_eq!(without("train.csv.GZ", "gz"), "train.csv");
        assert_eq!(without("train.csv", "gz"), "train.csv");
        assert_eq!(without("é", "gz"), "é");
    }
}
