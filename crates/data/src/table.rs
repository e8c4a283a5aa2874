//! Files of examples as rows with line numbers: cells between separators ([`separated`]), JSON ([`json`]), or Parquet
//! ([`parquet`]). A byte order mark and CRLF are accepted.

pub(crate) mod json;
pub(crate) mod parquet;
pub(crate) mod separated;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::error::{DataError, shortened};

/// The longest line that can be an example. Beyond any book; an endless input without line breaks is refused here instead of
/// filling the memory.
pub(crate) const LONGEST_LINE: usize = 1 << 24;

/// What stands in one column of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    /// A text, or a number or truth value as text.
    Text(Cow<'a, str>),
    /// JSON's or Parquet's `null`, or no such key in this object.
    None,
    /// Several single values as text.
    List(Vec<String>),
    /// What is no single value and no list of them, called so: `an object`.
    Nested(&'static str),
}

impl Cell<'_> {
    /// The text, trimmed; empty where there is none.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text.trim(),
            Self::None | Self::List(_) | Self::Nested(_) => "",
        }
    }
}

/// A row: its cells, and the 1-based line it begins on.
#[derive(Debug, Clone)]
pub(crate) struct Row<'a> {
    pub(crate) line: u64,
    pub(crate) cells: Vec<Cell<'a>>,
}

/// A file's columns and rows; every row has as many cells as there are columns.
#[derive(Debug, Clone)]
pub(crate) struct Table<'a> {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row<'a>>,
    /// What was decided in reading it, in words.
    pub(crate) notes: Vec<String>,
    /// Names of the classes in the order that the file gives them, by the column that holds them, where it gives one.
    pub(crate) classes: BTreeMap<String, Vec<String>>,
    /// The same of columns that hold numbers of classes.
    pub(crate) numbered: BTreeMap<String, Vec<String>>,
    /// How its rows were told apart from one another.
    pub(crate) cut: Cut,
}

/// How a text is cut into rows and cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cut {
    /// A JSON object a line; Parquet needs no cutting.
    Json,
    /// Cells between these, which may stand in quotes, with line breaks in them.
    Quoted(char),
    /// The same, with blanks before quotes: `"a", "b"`.
    Spaced(char),
    /// Cells between tabs. No cell that began with a quote has been seen, by which it would be known what quotes mean.
    Tabs,
    /// Cells between tabs, with whatever quotes are in them.
    Literal,
}

impl Table<'_> {
    /// Leaves out rows that are the names of the columns again, as files have them that were put together, and says so.
    pub(crate) fn leave_out_names(&mut self) {
        let Self { columns, rows, notes, cut, .. } = self;
        if *cut == Cut::Json || columns.len() < 2 {
            return;
        }
        let is_names = |row: &Row<'_>| row.cells.iter().map(Cell::text).eq(columns.iter().map(|column| column.trim()));
        let Some(first) = rows.iter().find(|row| is_names(row)).map(|row| row.line) else { return };
        let before = rows.len();
        rows.retain(|row| !is_names(row));
        let some = before - rows.len();
        notes.push(format!("rows left out that repeat the names of the columns: {some}, first in line {first}"));
    }

    /// The cells of the first row, for messages.
    pub(crate) fn first_row(&self) -> Vec<String> {
        let first = self.rows.first();
        first.map_or_else(Vec::new, |row| row.cells.iter().map(|cell| cell.text().to_owned()).collect())
    }
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
            Cells::FirstWord => cells == 1 && !first_word(row.cells[0].text()).1.is_empty(),
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
                    let (word, rest) = first_word(row.cells[0].text());
                    let cells = [word, rest].map(|part| Cell::Text(Cow::Owned(part.to_owned())));
                    row.cells = cells.into();
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

/// How the first line is to be taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    /// Names of columns by which a header is recognised, the user's first.
    pub(crate) names: &'a [&'a str],
    /// Layouts of files without a header, by which their rows are read (CoLA, STS-B, TREC and AG News, whose own files
    /// have none while copies of them do).
    pub(crate) layouts: &'static [Headerless],
    /// The user says that there is none.
    pub(crate) absent: bool,
}

impl<'a> Table<'a> {
    /// `file` is the file's name in messages, `format` one that ends as its layout has it.
    ///
    /// # Errors
    /// Everything that can be wrong before the cells are looked at.
    pub(crate) fn read(bytes: &'a [u8], file: &str, format: &str, header: Header<'_>) -> Result<Self, DataError> {
        if parquet::is_parquet(bytes, format) {
            return parquet::table(bytes, file);
        }
        let text = decode(bytes, file)?;
        if text.trim().is_empty() {
            return Err(DataError::Empty { file: file.to_owned() });
        }
        if let Some(table) = json::table(text, file, format)? {
            return Ok(table);
        }
        let words = header.layouts.iter().any(|layout| layout.cells == Cells::FirstWord);
        let (mut rows, cut, notes) = separated::rows(text, file, format, words)?;
        let Some(first) = rows.first() else {
            return Err(DataError::Empty { file: file.to_owned() });
        };
        let named = names_in(first, header.names);
        let columns: Vec<String> = if header.layouts.is_empty() || named > 0 {
            match (header.absent, named) {
                (true, 2..) => return Err(DataError::HeaderAfterAll { file: file.to_owned(), first: shown(first) }),
                (true, _) => (1..=first.cells.len()).map(|number| number.to_string()).collect(),
                (false, 0) if first.cells.iter().any(|cell| cell.text().starts_with(FASTTEXT)) => {
                    return Err(of_fasttext(file, first));
                }
                (false, 0) if is_data(&rows) => {
                    return Err(DataError::NoHeader { file: file.to_owned(), first: shown(first) });
                }
                (false, _) => rows.remove(0).cells.iter().map(|cell| cell.text().to_owned()).collect(),
            }
        } else {
            let Some(layout) = header.layouts.iter().find(|layout| layout.fits(first)) else {
                return Err(unknown_layout(file, first, &header));
            };
            layout.fill(&mut rows, file)?;
            layout.columns.iter().map(|&column| column.to_owned()).collect()
        };
        if rows.is_empty() {
            return Err(DataError::NoRows { file: file.to_owned() });
        }
        let columns = without_empty_ends(columns, &mut rows);
        check_cells(&rows, columns.len(), file)?;
        Ok(Self { columns, rows, notes, classes: BTreeMap::new(), numbered: BTreeMap::new(), cut })
    }

    /// Further rows of a table that began as one with these `columns`, cut so; `layouts` are those it may have without a
    /// header.
    ///
    /// # Errors
    /// As [`Self::read`], of what is wrong with rows.
    pub(crate) fn read_more(
        bytes: &'a [u8],
        file: &str,
        columns: &[String],
        cut: Cut,
        layouts: &[Headerless],
    ) -> Result<Self, DataError> {
        let text = decode(bytes, file)?;
        let (mut rows, cut) = match cut {
            Cut::Json => (json::rows(text, file, columns)?, cut),
            Cut::Quoted(_) | Cut::Spaced(_) | Cut::Tabs | Cut::Literal => separated::more_rows(text, file, cut)?,
        };
        if let Some(layout) = layouts.iter().find(|layout| layout.columns == columns) {
            layout.fill(&mut rows, file)?;
        }
        without_extra_ends(columns.len(), &mut rows);
        check_cells(&rows, columns.len(), file)?;
        let (columns, notes, classes) = (columns.to_vec(), Vec::new(), BTreeMap::new());
        Ok(Self { columns, rows, notes, classes, numbered: BTreeMap::new(), cut })
    }
}

/// Columns without those at the end that have no name and hold nothing, as spreadsheets leave them; rows lose empty cells
/// beyond the last column.
fn without_empty_ends(mut columns: Vec<String>, rows: &mut [Row<'_>]) -> Vec<String> {
    let is_empty = |cell: Option<&Cell<'_>>| cell.is_none_or(|cell| cell.text().is_empty());
    while columns.last().is_some_and(String::is_empty)
        && rows.iter().all(|row| is_empty(row.cells.get(columns.len() - 1)))
    {
        columns.pop();
    }
    without_extra_ends(columns.len(), rows);
    columns
}

/// Rows without empty cells beyond the last column.
fn without_extra_ends(columns: usize, rows: &mut [Row<'_>]) {
    for row in rows {
        while row.cells.len() > columns && row.cells.last().is_some_and(|cell| cell.text().is_empty()) {
            row.cells.pop();
        }
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

/// How many cells are among `names`.
fn names_in(row: &Row<'_>, names: &[&str]) -> usize {
    row.cells.iter().filter(|cell| names.iter().any(|name| same_name(cell.text(), name))).count()
}

/// Whether two names of columns are the same, but for case and what stands between their words.
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> String {
        let letters = name.trim().chars().filter(|character| !matches!(character, '_' | '-' | ' '));
        letters.flat_map(char::to_lowercase).collect()
    };
    one.trim().eq_ignore_ascii_case(other.trim()) || plain(one) == plain(other)
}

/// Whether the first row looks like an example and not like names of columns: a number, a sentence, or what stands again
/// in the same column.
fn is_data(rows: &[Row<'_>]) -> bool {
    const WORDS: usize = 5;
    const LOOKED_AT: usize = 200;
    let Some((first, rest)) = rows.split_first() else { return false };
    let is_sentence = |text: &str| text.split_whitespace().count() >= WORDS;
    first.cells.iter().enumerate().any(|(column, cell)| {
        let text = cell.text();
        let again = || {
            let same = |row: &&Row<'_>| row.cells.get(column).is_some_and(|cell| cell.text() == text);
            rest.iter().take(LOOKED_AT).filter(same).count() > 1
        };
        !text.is_empty() && (text.parse::<f64>().is_ok() || is_sentence(text) || again())
    })
}

/// What fastText's files put before a label.
const FASTTEXT: &str = "__label__";

fn of_fasttext(file: &str, first: &Row<'_>) -> DataError {
    DataError::BadRow {
        file: file.to_owned(),
        line: first.line,
        what: format!("lines begin with labels as fastText has them ({FASTTEXT}…), and are no cells of a table"),
        remedy: "put a tab between label and text: sed -E 's/^__label__([^ ,]+)[ ,]+/\\1\\t/' FILE > train.tsv, and read \
                 that with --no-header --label 1 --text 2",
    }
}

/// The first row's cells, for messages.
fn shown(row: &Row<'_>) -> Vec<String> {
    row.cells.iter().map(|cell| shortened(cell.text())).collect()
}

fn unknown_layout(file: &str, first: &Row<'_>, header: &Header<'_>) -> DataError {
    DataError::UnknownLayout {
        file: file.to_owned(),
        line: first.line,
        header: header.names.iter().map(|&name| name.to_owned()).collect(),
        cells: first.cells.len(),
        layouts: header.layouts.iter().map(|layout| layout.columns.join(", ")).collect(),
    }
}

/// The bytes with those blanked that are `stray` and no UTF-8 where they stand, and how many these are.
pub(crate) fn blanked(mut bytes: Cow<'_, [u8]>, stray: Option<u8>) -> (Cow<'_, [u8]>, usize) {
    let (mut sound, mut count) = (0, 0);
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

/// UTF-8 text without its byte order mark.
pub(crate) fn decode<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, DataError> {
    let line_at = |byte: usize| 1 + bytes[..byte].iter().filter(|b| **b == b'\n').count() as u64;
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let byte = error.valid_up_to();
        DataError::Encoding { file: file.to_owned(), line: line_at(byte), byte }
    })?;
    if let Some(byte) = text.find('\0') {
        let line = line_at(byte);
        let what = format!("a NUL at byte {byte} of the file, which no text holds");
        return Err(DataError::BadRow { file: file.to_owned(), line, what, remedy: "save the file as UTF-8 text" });
    }
    Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text))
}

/// # Errors
/// [`DataError::LineTooLong`].
pub(crate) fn check_lines(text: &str, file: &str) -> Result<(), DataError> {
    match (1..).zip(text.split('\n')).find(|(_, line)| line.len() > LONGEST_LINE) {
        Some((line, content)) => {
            let (file, bytes) = (file.to_owned(), content.len());
            Err(DataError::LineTooLong { file, line, bytes, limit: LONGEST_LINE })
        }
        None => Ok(()),
    }
}

/// Lines that hold something, with their numbers.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let numbered = (1..).zip(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)));
    numbered.filter(|(_, line)| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(text: &'a str, file: &str) -> Table<'a> {
        let header = Header { names: &["a", "text"], layouts: &[], absent: false };
        Table::read(text.as_bytes(), file, file, header).expect("valid")
    }

    fn texts<'a>(row: &'a Row<'_>) -> Vec<&'a str> {
        row.cells.iter().map(Cell::text).collect()
    }

    #[test]
    fn tsv_keeps_stray_quotes_and_csv_reads_them() {
        assert_eq!(texts(&read("a\tb\n\"x\ty\"\n", "f.tsv").rows[0]), ["\"x", "y\""]);
        let csv = read("a,b\n\"x, \"\"y\"\"\nz\",1\nq,2\n", "f.csv");
        assert_eq!(texts(&csv.rows[0]), ["x, \"y\"\nz", "1"]);
        assert_eq!(csv.rows[1].line, 4, "the line after a cell of two lines");
    }

    #[test]
    fn tsv_with_quotes_as_pandas_writes_them_is_read_as_it_was_meant() {
        let quoted = read("a\tb\n\"he said \"\"no\"\"\nand left\"\tx\nplain\ty\n", "f.tsv");
        assert_eq!(texts(&quoted.rows[0]), ["he said \"no\"\nand left", "x"]);
        assert_eq!((quoted.rows[1].line, quoted.notes.len()), (4, 1), "{:?}", quoted.notes);
        let all = read("\"a\"\t\"b\"\n\"x\"\t\"y\"\n", "f.tsv");
        assert_eq!((all.columns.join(" "), texts(&all.rows[0])), ("a b".into(), vec!["x", "y"]));
        // One quote that pandas would not write so, and all are what they are.
        let literal = read("a\tb\n\"he said \"\"no\"\"\"\tx\n\"good\"\ty\n", "f.tsv");
        assert_eq!(texts(&literal.rows[0]), ["\"he said \"\"no\"\"\"", "x"]);
    }

    #[test]
    fn lines_are_those_of_the_file_after_crlf_empty_lines_and_cells_of_two_lines() {
        let table = read("a,b\r\nx,1\r\n\r\n\"y\r\nz\",2\r\nw,3\r\n", "f.csv");
        assert_eq!(table.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4, 6]);
    }

    #[test]
    fn other_separators_are_found_in_the_first_line() {
        for (text, note) in [("a;b\nx, y;1\n", 1), ("a|b\nx, y|1\n", 1), ("a\tb\nx, y\t1\n", 0)] {
            let table = read(text, "f.csv");
            assert_eq!((texts(&table.rows[0]), table.notes.len()), (vec!["x, y", "1"], note), "{text}");
        }
        assert_eq!(texts(&read("a,b\nx,1\n", "f.tsv").rows[0]), ["x", "1"]);
    }

    #[test]
    fn empty_columns_at_the_end_are_none() {
        let table = read("a,b,,\nx,1,,\ny,2,,,\n", "f.csv");
        assert_eq!((table.columns.join(" "), table.rows[1].cells.len()), ("a b".into(), 2));
        let kept = read("a,b,\nx,1,more\ny,2,\n", "f.csv");
        assert_eq!(kept.columns, ["a", "b", ""], "what holds something is kept");
    }

    #[test]
    fn byte_order_mark_and_crlf_leave_no_trace() {
        let table = read("\u{FEFF}a\tb\r\nx\ty\r\n", "f.tsv");
        assert_eq!((table.columns.join(" "), texts(&table.rows[0])), ("a b".into(), vec!["x", "y"]));
    }

    #[test]
    fn json_objects_may_have_different_keys_in_any_order_in_lines_or_in_a_list() {
        let lines = "{\"text\":\"x\",\"label\":1}\n\n{\"label\":0,\"text\":\"y\",\"by\":null}\n";
        let list = "[{\"text\":\"x\",\"label\":1},\n{\"label\":0,\"text\":\"y\",\"by\":[1]}]";
        for (text, file, line, by) in [
            (lines, "f.jsonl", 3, Cell::None),
            (lines, "f.json", 3, Cell::None),
            (list, "f.jsonl", 2, Cell::List(vec!["1".to_owned()])),
        ] {
            let table = read(text, file);
            let at = |name: &str| table.columns.iter().position(|column| column == name).expect("a column");
            assert_eq!((table.rows[1].cells[at("text")].text(), table.rows[1].line), ("y", line), "{text}");
            assert_eq!((&table.rows[0].cells[at("by")], &table.rows[1].cells[at("by")]), (&Cell::None, &by), "{text}");
        }
    }
}
