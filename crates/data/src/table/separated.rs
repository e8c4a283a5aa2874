//! Cells between separators. CSV follows RFC 4180. TSV is taken literally, since GLUE's files hold stray quotes, unless
//! all its quotes are as pandas writes them.

use std::borrow::Cow;

use super::{Cell, Cut, Row, check_lines, lines};
use crate::error::DataError;

/// Rows of cells.
type Rows<'a> = Vec<Row<'a>>;

/// The rows of `text`, how they were cut, and what was decided to get them. `words`: a line without tabs is one cell.
///
/// # Errors
/// [`DataError::UnknownFormat`], [`DataError::LineTooLong`], and what is no CSV.
pub(super) fn rows<'a>(
    text: &'a str,
    file: &str,
    format: &str,
    words: bool,
) -> Result<(Rows<'a>, Cut, Vec<String>), DataError> {
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
        return Ok((
            rows,
            Cut::Quoted(separator),
            vec![format!("cells are separated by '{separator}', as the first line says")],
        ));
    }
    let separator = if words { usual } else { separator(first, usual) };
    let mut notes = Vec::new();
    if separator != usual && separator != '\t' {
        notes.push(format!("cells are separated by '{separator}'"));
    }
    if separator != '\t' {
        if let Some(spaced) = without_blanks_before_quotes(text, separator) {
            let rows = csv_rows(&spaced, file, separator)?;
            if are_even(&rows) {
                notes.push("blanks between separators and quotes are left out".to_owned());
                notes.extend(swallowed(&rows, separator));
                return Ok((rows, Cut::Spaced(separator), notes));
            }
        }
        let rows = csv_rows(text, file, separator)?;
        notes.extend(swallowed(&rows, separator));
        return Ok((rows, Cut::Quoted(separator), notes));
    }
    let (rows, cut) = tab_rows(text, file);
    if cut == Cut::Quoted('\t') {
        notes.push("quotes around cells are read as such, since all are written as CSV writes them".to_owned());
    }
    Ok((rows, cut, notes))
}

/// Rows whose cells are separated by tabs: with quotes read as such if there are some and CSV would write all of them so.
fn tab_rows<'a>(text: &'a str, file: &str) -> (Rows<'a>, Cut) {
    let literal = tsv_rows(text);
    if !literal.iter().flat_map(|row| &row.cells).any(|cell| cell.text().starts_with('"')) {
        return (literal, Cut::Tabs);
    }
    match csv_rows(text, file, '\t') {
        Ok(quoted) if is_as_pandas_writes(text, &quoted) => (quoted, Cut::Quoted('\t')),
        Ok(_) | Err(_) => (literal, Cut::Literal),
    }
}

/// Further rows of a text that was cut so far as `cut` says, and how it is from now on.
///
/// # Errors
/// [`DataError::LineTooLong`], and what is no CSV.
pub(super) fn more_rows<'a>(text: &'a str, file: &str, cut: Cut) -> Result<(Rows<'a>, Cut), DataError> {
    check_lines(text, file)?;
    if let Cut::Spaced(separator) = cut {
        let spaced = without_blanks_before_quotes(text, separator);
        return Ok((csv_rows(spaced.as_deref().unwrap_or(text), file, separator)?, cut));
    }
    let Cut::Quoted(separator) = cut else {
        return Ok(if cut == Cut::Tabs { tab_rows(text, file) } else { (tsv_rows(text), cut) });
    };
    let rows = csv_rows(text, file, separator)?;
    match rows.first() {
        Some(first) if separator == '\t' && !is_as_pandas_writes(text, &rows) => Err(DataError::BadRow {
            file: file.to_owned(),
            line: first.line,
            what: "here or soon after is a quote that CSV would not write, and before are some that it would"
                .to_owned(),
            remedy: "quote cells that hold tabs, quotes or line breaks, and double the quotes in them; or leave all out",
        }),
        _ => Ok((rows, cut)),
    }
}

/// What a first line of a spreadsheet program says: `sep=;`.
fn told(first: &str) -> Option<char> {
    let mut rest = first.trim_end_matches('\r').strip_prefix("sep=")?.chars();
    rest.next().filter(|separator| separator.is_ascii() && rest.next().is_none())
}

/// Whether a line has blanks between a separator and a quote, and nothing behind such quotes.
pub(crate) fn is_spaced(line: &str, separator: char) -> bool {
    without_blanks_before_quotes(line, separator).is_some()
}

/// What separates the cells of the first line: of the usual separators the one that occurs there most, `usual` if none
/// does, and a tab in a `.tsv` if there is one.
pub(crate) fn separator(first: &str, usual: char) -> char {
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

/// Whether all rows have as many cells.
fn are_even(rows: &[Row<'_>]) -> bool {
    rows.iter().all(|row| row.cells.len() == rows[0].cells.len())
}

/// `text` without the blanks between a separator and the quote that follows them, as people write lists: `"a", "b"`. `None`
/// where there are none, or where such quotes are part of a text, since something follows them.
fn without_blanks_before_quotes(text: &str, separator: char) -> Option<String> {
    let mut spaced = String::with_capacity(text.len());
    let mut is_found = false;
    let mut rest = text;
    loop {
        // At the beginning of a cell.
        let cell = rest.trim_start_matches(' ');
        let Some(quoted) = cell.strip_prefix('"') else {
            let Some(end) = rest.find([separator, '\n']) else {
                spaced.push_str(rest);
                return is_found.then_some(spaced);
            };
            let (before, after) = rest.split_at(end + 1);
            spaced.push_str(before);
            rest = after;
            continue;
        };
        let mut end = quoted.find('"')?;
        while quoted[end + 1..].starts_with('"') {
            end += 2 + quoted[end + 2..].find('"')?;
        }
        let after = &quoted[end + 1..];
        let behind = after.trim_start_matches([' ', '\r']);
        let is_spaced = cell.len() < rest.len();
        if is_spaced && !(behind.is_empty() || behind.starts_with([separator, '\n'])) {
            return None;
        }
        is_found |= is_spaced;
        let length = 1 + end + 1 + after.find([separator, '\n']).map_or(after.len(), |at| at + 1);
        spaced.push_str(&cell[..length]);
        rest = &cell[length..];
        if rest.is_empty() {
            return is_found.then_some(spaced);
        }
    }
}

/// Says so where all the lines within a quoted cell look like rows: a quote may be missing before them.
fn swallowed(rows: &[Row<'_>], separator: char) -> Option<String> {
    const LEAST: usize = 3;
    let columns = rows.first().map_or(0, |row| row.cells.len());
    let looks_like_rows = |cell: &Cell<'_>| {
        let within: Vec<&str> = cell.text().split('\n').skip(1).collect();
        let within = within.split_last().map_or(&[][..], |(_, within)| within);
        let is_row = |line: &&str| line.matches(separator).count() + 1 == columns;
        (columns > 1 && within.len() >= LEAST && within.iter().all(is_row)).then_some(within.len() + 2)
    };
    let found = rows.iter().find_map(|row| row.cells.iter().find_map(looks_like_rows).map(|lines| (row.line, lines)));
    found.map(|(line, lines)| {
        format!(
            "a quoted cell in line {line} goes on for {lines} lines that look like rows: a quote may be missing there"
        )
    })
}

/// Whether a cell's quotes are open, read a piece at a time as [`csv_rows`] reads them: a quote opens where a cell begins,
/// and two within quotes are one.
pub(crate) struct Quotes {
    separator: u8,
    /// Whether blanks may stand before a quote that opens.
    is_spaced: bool,
    is_open: bool,
    before: u8,
}

impl Quotes {
    /// Before the first cell of a row whose cells are separated so.
    pub(crate) fn new(separator: char) -> Self {
        Self { separator: separator as u8, is_spaced: false, is_open: false, before: b'\n' }
    }

    /// The same, where blanks may stand before a quote that opens.
    pub(crate) fn spaced(separator: char) -> Self {
        Self { is_spaced: true, ..Self::new(separator) }
    }

    /// Whether a cell goes on after `bytes`, which go on from those before.
    pub(crate) fn open_after(&mut self, bytes: &[u8]) -> bool {
        // Of a quote that has closed a cell the next one is the second.
        const CLOSED: u8 = 0;
        for &byte in bytes {
            let opens = [self.separator, b'\n', CLOSED].contains(&self.before);
            if self.is_spaced && byte == b' ' && !self.is_open && opens {
                continue;
            }
            self.before = byte;
            if byte == b'"' && (self.is_open || opens) {
                self.is_open = !self.is_open;
                self.before = if self.is_open { byte } else { CLOSED };
            }
        }
        self.is_open
    }
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
                Cell::None | Cell::List(_) | Cell::Nested(_) => "",
            }))
        });
        let Some(bytes) = written.ok().and_then(|()| writer.into_inner().ok()) else { return false };
        String::from_utf8(bytes).is_ok_and(|again| again.trim_end() == text.trim_end())
    })
}
