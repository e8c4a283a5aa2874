//! Texts without labels, out of a file or a pipe of any length: a part of it at a time, and no more of it in memory than
//! that part. What has been read is given out before the reader waits for more, so that someone who types gets an answer
//! to every line.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use crate::error::DataError;
use crate::reading::Reading;
use crate::registry::{Files, Second, TaskSpec};
use crate::split::Split;
use crate::table::parquet::{ParquetRows, is_parquet};
use crate::table::separated::{Quotes, is_spaced, separator};
use crate::table::{Cut, LONGEST_LINE, blanked, check_lines, decode, lines};
use crate::unpack::{MOST, refuse_foreign, unpacking, without};

/// About as many bytes are given out at a time.
const PART: usize = 1 << 16;

/// How texts lie in what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// A text a line.
    Lines,
    /// Cells between commas, or what else the first line has between them, below names of columns.
    Csv,
    /// Cells between tabs, below names of columns.
    Tsv,
    /// A JSON object a line, or a list of objects.
    Json,
    /// Rows of Parquet, which is read whole and decoded a part at a time.
    Parquet,
}

impl TextFormat {
    /// What a file's name says of it, without the ending of what it is compressed with; a text a line where that is not
    /// known.
    pub fn of_name(name: &str) -> Self {
        let name = ["gz", "zst"].iter().fold(name, |name, ending| without(name, ending));
        match name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase().as_str() {
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "json" | "jsonl" | "ndjson" => Self::Json,
            "parquet" => Self::Parquet,
            _ => Self::Lines,
        }
    }

    /// A name of a file that says the same.
    fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines.txt",
            Self::Csv => "table.csv",
            Self::Tsv => "table.tsv",
            Self::Json => "table.jsonl",
            Self::Parquet => "table.parquet",
        }
    }
}

/// A text, or two, with the 1-based line that it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRow {
    /// The line; of a list of objects the number of the object, in Parquet that of the row.
    pub line: u64,
    /// The text.
    pub a: String,
    /// The second text of a pair.
    pub b: Option<String>,
}

/// What is read of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnsRead {
    /// The column of the text.
    pub text: String,
    /// That of the second one.
    pub pair: Option<String>,
    /// Those that are not read.
    pub unused: Vec<String>,
    /// What was decided in reading it, in words.
    pub notes: Vec<String>,
}

/// Texts, a part at a time.
pub struct TextStream<'r> {
    input: BufReader<Box<dyn Read + Send + 'r>>,
    file: String,
    format: TextFormat,
    layout: &'static Files,
    reading: Reading,
    /// What was read and belongs to the next part.
    left: Vec<u8>,
    /// Lines and bytes before the next part.
    before: (u64, usize),
    empty: u64,
    /// Where in a table the texts stand, once its first rows are known.
    table: Option<Split<'static>>,
    /// What reads a file that is not cut into lines.
    parquet: Option<ParquetRows>,
    /// How the stream ends after the rows that were given out.
    end: Option<Result<(), DataError>>,
}

impl<'r> TextStream<'r> {
    /// Texts of `input`, which is called `file` in messages. Columns are found as for `task` and as `reading` says, and
    /// what is compressed is unpacked. Parquet is known by its first bytes. Else, without a `format`, the first byte decides:
    /// `{` and `[{` begin JSON, anything else lines.
    ///
    /// # Errors
    /// Input that cannot be read or holds no text; an unknown task; lines where the task reads two texts.
    pub fn new(
        input: impl Read + Send + 'r,
        file: &str,
        format: Option<TextFormat>,
        task: &str,
        reading: Reading,
    ) -> Result<Self, DataError> {
        let mut input = BufReader::with_capacity(PART, unpacking(input, file)?);
        let first = input.fill_buf().map_err(unreadable(file))?;
        refuse_foreign(file, first)?;
        let format = if is_parquet(first, format.map_or("", TextFormat::name)) {
            TextFormat::Parquet
        } else {
            format.unwrap_or(if begins_json(first) { TextFormat::Json } else { TextFormat::Lines })
        };
        let layout = layout_of(task)?;
        let parquet = (format == TextFormat::Parquet).then(|| ParquetRows::open(whole(&mut input, file)?, file));
        let parquet = parquet.transpose()?;
        if format == TextFormat::Lines && (reading.pair.is_some() || matches!(layout.b, Second::Always(_))) {
            return Err(DataError::BadRow {
                file: file.to_owned(),
                line: 1,
                what: "a line is one text, and pairs of texts are to be read".to_owned(),
                remedy: "give the pairs as JSONL, or as CSV or TSV with the names of the columns",
            });
        }
        let (file, left, before) = (file.to_owned(), Vec::new(), (0, 0));
        Ok(Self { input, file, format, layout, reading, left, before, empty: 0, table: None, parquet, end: None })
    }

    /// The next rows: all that can be read without waiting for more input, as long as they are not too many. `None` at the
    /// end of the input.
    ///
    /// # Errors
    /// What is wrong with the row after those that were given out; nothing comes after it.
    pub fn next_rows(&mut self) -> Result<Option<Vec<TextRow>>, DataError> {
        while self.end.is_none() {
            if let Some(mut parquet) = self.parquet.take() {
                let rows = self.parquet_rows(&mut parquet)?;
                self.parquet = Some(parquet);
                if !rows.is_empty() {
                    return Ok(Some(rows));
                }
                continue;
            }
            let part = self.next_part()?;
            if part.is_empty() {
                self.end.get_or_insert(Ok(()));
            }
            let rows = match self.rows(&part) {
                Ok(rows) => rows,
                Err(error) => self.rows_before(&part, error)?,
            };
            self.before.0 += line_breaks(&part);
            self.before.1 += part.len();
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        self.end.replace(Ok(())).unwrap_or(Ok(())).map(|()| None)
    }

    /// The next rows of Parquet, none at the end.
    fn parquet_rows(&mut self, parquet: &mut ParquetRows) -> Result<Vec<TextRow>, DataError> {
        let Some(table) = parquet.next_table()? else {
            let nothing = || Err(DataError::NoRows { file: self.file.clone() });
            self.end = Some(self.table.as_ref().map_or_else(nothing, |_| Ok(())));
            return Ok(Vec::new());
        };
        let split = match &self.table {
            Some(first) => first.with_rows(table),
            None => {
                self.with_or_without_label(|reading| Split::of(self.file.clone(), table.clone(), self.layout, reading))?
            }
        };
        let mut rows = Vec::new();
        for texts in split.all_texts() {
            match texts {
                Ok((line, a, b)) => rows.push(TextRow { line, a, b }),
                Err(error) => {
                    self.end = Some(Err(error));
                    break;
                }
            }
        }
        self.table.get_or_insert(split.without_rows());
        Ok(rows)
    }

    /// Lines without a text, which were left out.
    pub fn empty_lines(&self) -> u64 {
        self.empty
    }

    /// What is read of a table, once rows of it were given out.
    pub fn columns(&self) -> Option<ColumnsRead> {
        self.table.as_ref().map(Split::columns_read)
    }

    /// Whole rows as they stand in the input: those at hand, and at least so many as can be understood.
    fn next_part(&mut self) -> Result<Vec<u8>, DataError> {
        let mut part = std::mem::take(&mut self.left);
        if self.format == TextFormat::Json && self.table.is_none() && begins(without_mark(self.input.buffer()), b'[') {
            (&mut self.input).take(MOST).read_to_end(&mut part).map_err(unreadable(&self.file))?;
            return Ok(part);
        }
        // Below the names of the columns there has to be a row, or nothing is known of them.
        let is_below_names = matches!(self.format, TextFormat::Csv | TextFormat::Tsv) && self.table.is_none();
        let least = if is_below_names && !self.reading.no_header { 2 } else { 1 };
        let (mut needed, mut rows) = (least, filled_lines(&part));
        loop {
            let mut is_end = false;
            while !is_end && (rows < needed || part.len() < PART && self.input.buffer().contains(&b'\n')) {
                let start = part.len();
                self.read_row(&mut part)?;
                rows += filled_lines(&part[start..]);
                is_end = part.len() == start;
            }
            if is_end || !self.awaits_quotes(&part) {
                return Ok(part);
            }
            // If quotes mean anything, what follows the last line at which none is open is not whole.
            let whole = before_open_quote(&part);
            if whole < part.len() && filled_lines(&part[..whole]) >= least {
                self.left = part.split_off(whole);
            } else if whole < part.len() && part.len() < PART {
                needed = rows + 1;
                continue;
            }
            return Ok(part);
        }
    }

    /// Appends one row with its line breaks to `part`; nothing at the end of the input.
    fn read_row(&mut self, part: &mut Vec<u8>) -> Result<(), DataError> {
        let start = part.len();
        let mut quotes: Option<Quotes> = None;
        loop {
            let line = part.len();
            (&mut self.input).take(LONGEST_LINE as u64 + 2).read_until(b'\n', part).map_err(unreadable(&self.file))?;
            if line == start {
                quotes = self.quotes(part);
            }
            let is_open = quotes.as_mut().is_some_and(|quotes| quotes.open_after(&part[line..]));
            if !is_open {
                return Ok(());
            }
            if part.len() == line || part.len() - start > LONGEST_LINE {
                let what = format!("a quote that is not closed within {} bytes", part.len() - start);
                let remedy = "close it, and double quotes within a cell";
                let line = self.before.0 + line_breaks(&part[..start]) + 1;
                self.end = Some(Err(DataError::BadRow { file: self.file.clone(), line, what, remedy }));
                part.truncate(start);
                return Ok(());
            }
        }
    }

    /// What tells where the rows of a table end whose cells may hold line breaks; `part` begins with the part's first line.
    /// Whether the quotes of tab-separated cells mean anything is only known when there are rows: until then a line is one.
    fn quotes(&self, part: &[u8]) -> Option<Quotes> {
        match self.table.as_ref().map(Split::cut) {
            Some(Cut::Quoted(separator)) => Some(Quotes::new(separator)),
            Some(Cut::Spaced(separator)) => Some(Quotes::spaced(separator)),
            Some(Cut::Json | Cut::Tabs | Cut::Literal) => None,
            None => {
                let separator = self.separator(part).filter(|separator| *separator != '\t')?;
                let names = String::from_utf8_lossy(part);
                Some(if is_spaced(&names, separator) { Quotes::spaced(separator) } else { Quotes::new(separator) })
            }
        }
    }

    /// What stands between the cells of a table, as the first line of `part` has it.
    fn separator(&self, part: &[u8]) -> Option<char> {
        let usual = match self.format {
            TextFormat::Csv => ',',
            TextFormat::Tsv => '\t',
            TextFormat::Lines | TextFormat::Json | TextFormat::Parquet => return None,
        };
        let first = part.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty())?;
        Some(separator(&String::from_utf8_lossy(first), usual))
    }

    /// Whether the cells of `part`, which begins with the next line, are separated by tabs, and it is not known yet what
    /// quotes around them mean.
    fn awaits_quotes(&self, part: &[u8]) -> bool {
        match &self.table {
            Some(table) => table.cut() == Cut::Tabs,
            None => self.separator(part) == Some('\t'),
        }
    }

    /// The rows in `part`.
    fn rows(&mut self, part: &[u8]) -> Result<Vec<TextRow>, DataError> {
        let (lines_before, bytes_before) = self.before;
        let later = |error: DataError| error.after(lines_before, bytes_before);
        let (part, _) = blanked(Cow::Borrowed(part), self.layout.stray);
        if self.format != TextFormat::Lines && part.trim_ascii().is_empty() {
            return Ok(Vec::new());
        }
        if self.format == TextFormat::Lines {
            let text = decode(&part, &self.file).map_err(later)?;
            check_lines(text, &self.file).map_err(later)?;
            let row =
                |(line, text): (u64, &str)| TextRow { line: line + lines_before, a: text.trim().to_owned(), b: None };
            let rows: Vec<TextRow> = lines(text).map(row).collect();
            self.empty += text.lines().count().saturating_sub(rows.len()) as u64;
            return Ok(rows);
        }
        let split = match &self.table {
            Some(table) => table.read_more(&part, self.layout),
            None => self.first_split(&part),
        };
        let split = split.map_err(later)?;
        let row = |(line, a, b)| TextRow { line: line + lines_before, a, b };
        let rows: Result<Vec<TextRow>, DataError> =
            split.all_texts().map(|texts| texts.map(row).map_err(later)).collect();
        let rows = rows?;
        let cut = split.cut();
        match &mut self.table {
            Some(table) => table.set_cut(cut),
            None => self.table = Some(split.without_rows()),
        }
        Ok(rows)
    }

    /// The first rows of a table.
    fn first_split<'p>(&self, part: &'p [u8]) -> Result<Split<'p>, DataError> {
        self.with_or_without_label(|reading| {
            Split::read(self.file.clone(), self.format.name(), part, self.layout, reading)
        })
    }

    /// What `read` gives. A label that the settings name need not be there.
    fn with_or_without_label<'p>(
        &self,
        read: impl Fn(&Reading) -> Result<Split<'p>, DataError>,
    ) -> Result<Split<'p>, DataError> {
        match read(&self.reading) {
            Err(DataError::MissingColumn { role: "label", .. }) => {
                read(&Reading { label: None, ..self.reading.clone() })
            }
            split => split,
        }
    }

    /// The rows of `part` before the one that `error` is about; the error is to be told after them.
    fn rows_before(&mut self, part: &[u8], error: DataError) -> Result<Vec<TextRow>, DataError> {
        let count = error.line().map_or(0, |line| line.saturating_sub(self.before.0 + 1));
        let sound = part.split_inclusive(|byte| *byte == b'\n').take(count as usize).map(<[u8]>::len).sum();
        match self.rows(&part[..sound]) {
            Ok(rows) => {
                self.end = Some(Err(error));
                Ok(rows)
            }
            Err(_) => Err(error),
        }
    }
}

/// How the files of a task look. The built-in task has none: its model reads those that are anyone's own.
fn layout_of(task: &str) -> Result<&'static Files, DataError> {
    let own = || TaskSpec::named(apt_experiment::TEXT_TASK).ok()?.files.as_ref();
    let files = TaskSpec::named(task)?.files.as_ref().or_else(own);
    files.ok_or_else(|| DataError::UnknownTask { name: task.to_owned(), known: Vec::new() })
}

/// All of a file that cannot be read from its beginning on.
fn whole(input: &mut impl Read, file: &str) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    input.take(MOST + 1).read_to_end(&mut bytes).map_err(unreadable(file))?;
    if bytes.len() as u64 > MOST {
        let what = format!("it has more than {MOST} bytes");
        return Err(DataError::Parquet { file: file.to_owned(), what, remedy: "give its parts one after the other" });
    }
    Ok(bytes)
}

/// Whether text begins as an object or a list of objects does.
fn begins_json(bytes: &[u8]) -> bool {
    let text = without_mark(bytes).trim_ascii_start();
    begins(text.strip_prefix(b"[").unwrap_or(text), b'{')
}

/// Without a byte order mark.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

fn begins(bytes: &[u8], with: u8) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&with)
}

/// Lines that hold something.
fn filled_lines(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count()
}

/// Bytes up to the end of the last line at which no quote of a tab-separated cell is open.
fn before_open_quote(part: &[u8]) -> usize {
    let (mut quotes, mut read, mut whole) = (Quotes::new('\t'), 0, 0);
    for line in part.split_inclusive(|byte| *byte == b'\n') {
        read += line.len();
        if !quotes.open_after(line) {
            whole = read;
        }
    }
    whole
}

fn line_breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn unreadable(file: &str) -> impl Fn(std::io::Error) -> DataError + use<> {
    let path = file.to_owned();
    move |source| DataError::Unreadable { path: path.clone(), source }
}
