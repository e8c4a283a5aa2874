//! What a file is, told from its first bytes: compressed files are unpacked, and what holds no examples is refused with
//! the command that makes some of it.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use crate::error::DataError;

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
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet", "unpack it, or save the sheet as CSV in UTF-8"),
    (b"\xD0\xCF\x11\xE0", "an old spreadsheet or document", "save it as CSV in UTF-8"),
    (b"BZh", "compressed with bzip2", "unpack it with `bunzip2`, or compress it with gzip or zstd"),
    (b"\xFD7zXZ\0", "compressed with xz", "unpack it with `unxz`, or compress it with gzip or zstd"),
    (b"SQLite format 3\0", "a database", "export the table as CSV"),
    (b"%PDF", "a PDF document", "give a file with one example a line"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file", "fetch the file with `git lfs pull`"),
    (b"<!DOCTYPE", "a web page", "download the file itself, not the page about it"),
    (b"<!doctype", "a web page", "download the file itself, not the page about it"),
    (b"<html", "a web page", "download the file itself, not the page about it"),
];

/// The file's content, and its name without the ending of what it was compressed with.
///
/// # Errors
/// [`DataError::NoText`] for what is no text; [`DataError::Packed`] for a compressed file that cannot be unpacked.
pub(crate) fn unpacked<'a>(name: &'a str, bytes: &'a [u8]) -> Result<(&'a str, Cow<'a, [u8]>), DataError> {
    let packed = |what: String| DataError::Packed { file: name.to_owned(), what };
    let (inner, bytes) = if bytes.starts_with(&[0x1F, 0x8B]) {
        (without(name, "gz"), Cow::Owned(all_of(flate2::read::MultiGzDecoder::new(bytes)).map_err(packed)?))
    } else if bytes.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        let frames = ruzstd::decoding::StreamingDecoder::new(bytes).map_err(|error| packed(error.to_string()))?;
        (without(name, "zst"), Cow::Owned(all_of(frames).map_err(packed)?))
    } else {
        (name, Cow::Borrowed(bytes))
    };
    refuse_foreign(name, &bytes)?;
    Ok((inner, bytes))
}

/// What `input` holds, unpacked as it is read.
///
/// # Errors
/// As [`unpacked`], and input that cannot be read.
pub(crate) fn unpacking<'r>(input: impl Read + Send + 'r, name: &str) -> Result<Box<dyn Read + Send + 'r>, DataError> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let first = input.fill_buf().map_err(|source| DataError::Unreadable { path: name.to_owned(), source })?;
    Ok(match first {
        [0x1F, 0x8B, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => {
            let frames = ruzstd::decoding::StreamingDecoder::new(input);
            Box::new(frames.map_err(|error| DataError::Packed { file: name.to_owned(), what: error.to_string() })?)
        }
        _ => Box::new(input),
    })
}

/// # Errors
/// [`DataError::NoText`] for a file that begins as one that holds no examples.
pub(crate) fn refuse_foreign(name: &str, bytes: &[u8]) -> Result<(), DataError> {
    match FOREIGN.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        Some((_, what, remedy)) => Err(DataError::NoText { file: name.to_owned(), what, remedy }),
        None => Ok(()),
    }
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
