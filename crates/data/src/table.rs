//! Files of examples as rows with line numbers. TSV is taken literally (GLUE's files hold stray
//! quotes), CSV follows RFC 4180, JSONL has one object a line. A byte order mark and CRLF are accepted.

use std::borrow::Cow;

use crate::error::DataError;

/// The longest line that can be an example. Far beyond any text a model reads; a file without line
/// breaks is refused here instead of filling the memory.
pub(crate) const LONGEST_LINE: usize = 1 << 20;

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Tsv,
    Csv,
    Jsonl,
}

/// A row: its cells, and the 1-based line it begins on.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) line: u64,
    pub(crate) cells: Vec<Cow<'a, str>>,
}

/// A file's columns and rows; every row has as many cells as there are columns.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row<'a>>,
}

/// A layout of files without a header line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Headerless {
    /// What stands in the columns.
    pub(crate) columns: &'static [&'static str],
    /// How a row's cells fill them.
    pub(crate) cells: Cells,
}

/// How the cells of a row fill the columns of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cells {
    /// One a column.
    Exactly,
    /// One a column; a row may have more, which are not read.
    AtLeast,
    /// A row is one cell: its first word is the first column, the rest of it the second.
    FirstWord,
}

impl Headerless {
    fn fits(&self, row: &Row<'_>) -> bool {
        let (cells, columns) = (row.cells.len(), self.columns.len());
        match self.cells {
            Cells::Exactly => cells == columns,
            Cells::AtLeast => cells >= columns,
            Cells::FirstWord => cells == 1 && !first_word(&row.cells[0]).1.is_empty(),
        }
    }

    /// Gives every row the layout's columns.
    fn fill(&self, rows: &mut [Row<'_>], file: &str) -> Result<(), DataError> {
        match self.cells {
            Cells::Exactly => {}
            Cells::AtLeast => rows.iter_mut().for_each(|row| row.cells.truncate(self.columns.len())),
            Cells::FirstWord => {
                check_cells(rows, 1, file)?;
                for row in rows {
                    let (word, rest) = first_word(&row.cells[0]);
                    row.cells = vec![Cow::Owned(word.to_owned()), Cow::Owned(rest.to_owned())];
                }
            }
        }
        Ok(())
    }
}

/// The first word of a line and what follows it.
fn first_word(line: &str) -> (&str, &str) {
    let line = line.trim();
    line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim_start()))
}

/// Whether the first line names the columns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Header {
    /// It does.
    FirstLine,
    /// It does if one of its cells is a name of `text`; otherwise the columns are those of the first layout that it fits
    /// (CoLA, STS-B, TREC and AG News, whose own files have no header while copies of them do).
    Perhaps {
        /// Layouts of a file without a header.
        layouts: &'static [Headerless],
        /// Names by which a header is recognised.
        text: &'static [&'static str],
    },
}

impl<'a> Table<'a> {
    /// # Errors
    /// Everything that can be wrong before the cells are looked at.
    pub(crate) fn read(bytes: &'a [u8], file: &str, header: Header) -> Result<Self, DataError> {
        let text = decode(bytes, file)?;
        let layout = layout_of(file, text)?;
        if text.trim().is_empty() {
            return Err(DataError::Empty { file: file.to_owned() });
        }
        let mut rows = match layout {
            Layout::Tsv => tsv_rows(text),
            Layout::Csv => csv_rows(text, file)?,
            Layout::Jsonl => return jsonl_table(text, file),
        };
        let Some(first) = rows.first() else {
            return Err(DataError::Empty { file: file.to_owned() });
        };
        let columns = match header {
            Header::Perhaps { layouts, text } if !names_one_of(first, text) => {
                let Some(layout) = layouts.iter().find(|layout| layout.fits(first)) else {
                    return Err(unknown_layout(file, first, layouts, text));
                };
                layout.fill(&mut rows, file)?;
                layout.columns.iter().map(|&column| column.to_owned()).collect()
            }
            Header::Perhaps { .. } | Header::FirstLine => {
                rows.remove(0).cells.iter().map(|cell| cell.trim().to_owned()).collect::<Vec<String>>()
            }
        };
        if rows.is_empty() {
            return Err(DataError::NoRows { file: file.to_owned() });
        }
        check_cells(&rows, columns.len(), file)?;
        Ok(Self { columns, rows })
    }
}

fn check_cells(rows: &[Row<'_>], expected: usize, file: &str) -> Result<(), DataError> {
    match rows.iter().find(|row| row.cells.len() != expected) {
        Some(row) => {
            let found = row.cells.len();
            Err(DataError::Ragged { file: file.to_owned(), line: row.line, expected, found })
        }
        None => Ok(()),
    }
}

fn names_one_of(row: &Row<'_>, names: &[&str]) -> bool {
    row.cells.iter().any(|cell| names.iter().any(|name| cell.trim().eq_ignore_ascii_case(name)))
}

fn unknown_layout(file: &str, first: &Row<'_>, layouts: &[Headerless], text: &[&str]) -> DataError {
    DataError::UnknownLayout {
        file: file.to_owned(),
        line: first.line,
        header: text.iter().map(|&name| name.to_owned()).collect(),
        cells: first.cells.len(),
        layouts: layouts.iter().map(|layout| layout.columns.join(", ")).collect(),
    }
}

/// The layout that the file's extension says. A `.csv` whose first line has more tabs than commas is tab separated all
/// the same, as STS-B's own `sts-train.csv` is.
fn layout_of(file: &str, text: &str) -> Result<Layout, DataError> {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "tsv" | "txt" | "label" => Ok(Layout::Tsv),
        "csv" => {
            let count = |separator| lines(text).next().map_or(0, |(_, line)| line.matches(separator).count());
            Ok(if count('\t') > count(',') { Layout::Tsv } else { Layout::Csv })
        }
        "jsonl" | "ndjson" => Ok(Layout::Jsonl),
        _ => Err(DataError::UnknownFormat { file: file.to_owned() }),
    }
}

/// The bytes with those blanked that are `stray` and no UTF-8 where they stand, and how many these are.
pub(crate) fn blanked(bytes: &[u8], stray: Option<u8>) -> (Cow<'_, [u8]>, usize) {
    let (mut bytes, mut count) = (Cow::Borrowed(bytes), 0);
    let mut sound = 0;
    while let Err(error) = std::str::from_utf8(&bytes[sound..]) {
        let at = sound + error.valid_up_to();
        if Some(bytes[at]) != stray {
            break;
        }
        bytes.to_mut()[at] = b' ';
        (sound, count) = (at + 1, count + 1);
    }
    (bytes, count)
}

/// UTF-8 text without its byte order mark, no line longer than [`LONGEST_LINE`].
fn decode<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, DataError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let byte = error.valid_up_to();
        let line = 1 + bytes[..byte].iter().filter(|b| **b == b'\n').count() as u64;
        DataError::Encoding { file: file.to_owned(), line, byte }
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    for (number, line) in (1..).zip(text.split('\n')) {
        if line.len() > LONGEST_LINE {
            let (file, bytes) = (file.to_owned(), line.len());
            return Err(DataError::LineTooLong { file, line: number, bytes, limit: LONGEST_LINE });
        }
    }
    Ok(text)
}

/// Lines that hold something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let numbered = (1..).zip(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)));
    numbered.filter(|(_, line)| !line.trim().is_empty())
}

fn tsv_rows(text: &str) -> Vec<Row<'_>> {
    lines(text).map(|(line, content)| Row { line, cells: content.split('\t').map(Cow::Borrowed).collect() }).collect()
}

fn csv_rows<'a>(text: &'a str, file: &str) -> Result<Vec<Row<'a>>, DataError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| DataError::BadRow {
            file: file.to_owned(),
            line: error.position().map_or(1, csv::Position::line),
            what: format!("not CSV ({error})"),
            remedy: "quote cells that hold commas, quotes or line breaks",
        })?;
        let line = record.position().map_or(1, csv::Position::line);
        rows.push(Row { line, cells: record.iter().map(|cell| Cow::Owned(cell.to_owned())).collect() });
    }
    Ok(rows)
}

/// Columns are the keys of the first object; later objects must have the same (in any order).
fn jsonl_table<'a>(text: &'a str, file: &str) -> Result<Table<'a>, DataError> {
    let mut columns: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for (line, content) in lines(text) {
        let bad = |what: String, remedy| DataError::BadRow { file: file.to_owned(), line, what, remedy };
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(content)
            .map_err(|error| bad(format!("not a JSON object ({error})"), "write one complete {…} object a line"))?;
        if columns.is_empty() {
            columns = object.keys().cloned().collect();
        }
        let mut cells = Vec::with_capacity(columns.len());
        for column in &columns {
            let cell = match object.get(column) {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(serde_json::Value::Number(number)) => number.to_string(),
                Some(serde_json::Value::Bool(flag)) => flag.to_string(),
                Some(serde_json::Value::Null) => String::new(),
                Some(_) => format!("{}", object[column]),
                None => {
                    let what = format!("no key '{column}', which the first object has");
                    return Err(bad(what, "give every object the same keys"));
                }
            };
            cells.push(Cow::Owned(cell));
        }
        rows.push(Row { line, cells });
    }
    Ok(Table { columns, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tsv_keeps_quotes_and_csv_reads_them() {
        let tsv = Table::read(b"a\tb\n\"x\ty\"\n", "f.tsv", Header::FirstLine).expect("valid");
        assert_eq!(tsv.rows[0].cells, ["\"x", "y\""]);
        let csv = Table::read(b"a,b\n\"x, \"\"y\"\"\nz\",1\nq,2\n", "f.csv", Header::FirstLine).expect("valid");
        assert_eq!(csv.rows[0].cells, ["x, \"y\"\nz", "1"]);
        assert_eq!(csv.rows[1].line, 4, "the line after a cell of two lines");
    }

    #[test]
    fn byte_order_mark_and_crlf_leave_no_trace() {
        let table = Table::read("\u{FEFF}a\tb\r\nx\ty\r\n".as_bytes(), "f.tsv", Header::FirstLine).expect("valid");
        assert_eq!(table.columns, ["a", "b"]);
        assert_eq!(table.rows[0].cells, ["x", "y"]);
    }

    #[test]
    fn jsonl_keys_may_come_in_any_order() {
        let text = b"{\"text\":\"x\",\"label\":1}\n\n{\"label\":0,\"text\":\"y\"}\n";
        let table = Table::read(text, "f.jsonl", Header::FirstLine).expect("valid");
        let text_at = table.columns.iter().position(|c| c == "text").expect("a text column");
        assert_eq!(table.rows[1].cells[text_at], "y");
        assert_eq!(table.rows[1].line, 3);
    }
}
