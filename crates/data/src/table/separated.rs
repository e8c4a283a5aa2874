//! Cells between separators. CSV follows RFC 4180. TSV is taken literally, since GLUE's files hold stray quotes, unless
//! all its quotes are as pandas writes them.

use std::borrow::Cow;

use super::{Cell, Row, check_lines, lines};
use crate::error::DataError;

/// Rows of cells.
type Rows<'a> = Vec<Row<'a>>;

/// The rows of `text`, and what was decided to get them. `words`: a line without tabs is one cell.
///
/// # Errors
/// [`DataError::UnknownFormat`], [`DataError::LineTooLong`], and what is no CSV.
pub(super) fn rows<'a>(
    text: &'a str,
    file: &str,
    format: &str,
    words: bool,
) -> Result<(Rows<'a>, Vec<String>), DataError> {
    check_lines(text, file)?;
    let extension = format.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    let usual = match extension.as_str() {
        "tsv" | "txt" | "label" => '\t',
        "csv" => ',',
        _ => return Err(DataError::UnknownFormat { file: file.to_owned() }),
    };
    let first = lines(text).next().map_or("", |(_, line)| line);
    if let Some(separator) = told(first).filter(|_| !words) {
        let mut rows = csv_rows(text, file, separator)?;
        // The line that tells of it.
        rows.remove(0);
        return Ok((rows, vec![format!("cells are separated by '{separator}', as the first line says")]));
    }
    let separator = if words { usual } else { separator(first, usual) };
    let mut notes = Vec::new();
    if separator != usual && separator != '\t' {
        notes.push(format!("cells are separated by '{separator}'"));
    }
    if separator != '\t' {
        return Ok((csv_rows(text, file, separator)?, notes));
    }
    let literal = tsv_rows(text);
    if literal.iter().flat_map(|row| &row.cells).any(|cell| cell.text().starts_with('"'))
        && let Ok(quoted) = csv_rows(text, file, '\t')
        && is_as_pandas_writes(text, &quoted)
    {
        notes.push("quotes around cells are read as such, since all are written as CSV writes them".to_owned());
        return Ok((quoted, notes));
    }
    Ok((literal, notes))
}

/// What a first line of a spreadsheet program says: `sep=;`.
fn told(first: &str) -> Option<char> {
    let mut rest = first.trim_end_matches('\r').strip_prefix("sep=")?.chars();
    rest.next().filter(|separator| separator.is_ascii() && rest.next().is_none())
}

/// What separates the cells of the first line: of the usual separators the one that occurs there most, `usual` if none
/// does, and a tab in a `.tsv` if there is one.
fn separator(first: &str, usual: char) -> char {
    let mut outside = String::new();
    let mut is_quoted = false;
    for character in first.chars() {
        is_quoted ^= character == '"';
        if !is_quoted {
            outside.push(character);
        }
    }
    let count = |separator: char| outside.matches(separator).count();
    if usual == '\t' && first.contains('\t') {
        return usual;
    }
    let others = [usual, '\t', ',', ';', '|'].into_iter();
    others.fold(usual, |best, other| if count(other) > count(best) { other } else { best })
}

fn tsv_rows(text: &str) -> Rows<'_> {
    let mut rows = Vec::new();
    for (line, content) in lines(text) {
        rows.push(Row { line, cells: content.split('\t').map(|cell| Cell::Text(Cow::Borrowed(cell))).collect() });
    }
    rows
}

fn csv_rows<'a>(text: &str, file: &str, separator: char) -> Result<Rows<'a>, DataError> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(separator as u8);
    let mut rows = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for record in reader.from_reader(text.as_bytes()).records() {
        let record = record.map_err(|error| DataError::BadRow {
            file: file.to_owned(),
            line: error.position().map_or(1, csv::Position::line),
            what: format!("not CSV ({error})"),
            remedy: "quote cells that hold separators, quotes or line breaks",
        })?;
        // The reader's own lines are wrong after CRLF and after empty lines.
        let start = record.position().map_or(0, |position| position.byte() as usize);
        let skipped = text.as_bytes()[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += text.as_bytes()[counted..start + skipped].iter().filter(|byte| **byte == b'\n').count() as u64;
        counted = start + skipped;
        rows.push(Row { line, cells: record.iter().map(|cell| Cell::Text(Cow::Owned(cell.to_owned()))).collect() });
    }
    // Of an open quote the reader makes one cell of all that follows.
    let columns = rows.first().map_or(0, |row| row.cells.len());
    let is_cut = |row: &Row<'_>| row.cells.len() != columns || row.cells.iter().any(|cell| cell.text().contains('\n'));
    if text[counted..].matches('"').count() % 2 == 1 && rows.last().is_some_and(is_cut) {
        return Err(DataError::BadRow {
            file: file.to_owned(),
            line,
            what: "a quote that is opened in this row is not closed".to_owned(),
            remedy: "close it, or write a quote inside a quoted cell twice",
        });
    }
    Ok(rows)
}

/// Whether `rows`, read from tab-separated `text` with its quotes, would be written as `text` is: with quotes around the
/// cells that need them, or around all.
fn is_as_pandas_writes(text: &str, rows: &[Row<'_>]) -> bool {
    let columns = rows.first().map_or(0, |row| row.cells.len());
    if rows.iter().any(|row| row.cells.len() != columns) {
        return false;
    }
    let text = text.replace("\r\n", "\n");
    [csv::QuoteStyle::Necessary, csv::QuoteStyle::Always, csv::QuoteStyle::NonNumeric].into_iter().any(|style| {
        let mut writer = csv::WriterBuilder::new().delimiter(b'\t').quote_style(style).from_writer(Vec::new());
        let written = rows.iter().try_for_each(|row| {
            writer.write_record(row.cells.iter().map(|cell| match cell {
                Cell::Text(text) => text.as_ref(),
                Cell::None | Cell::Nested(_) => "",
            }))
        });
        let Some(bytes) = written.ok().and_then(|()| writer.into_inner().ok()) else { return false };
        String::from_utf8(bytes).is_ok_and(|again| again.trim_end() == text.trim_end())
    })
}
