//! One error type for everything that can be wrong with data: what is wrong, the file and the place in it, and what to do.

mod words;

use crate::objective::ObjectiveKind;

/// Why data could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder could not be read at all.
    Unreadable {
        /// The path as it was given.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No task of this name.
    UnknownTask {
        /// The name that was asked for.
        name: String,
        /// Names that exist.
        known: Vec<String>,
    },
    /// The task reads files, but no folder was named.
    NoFolder {
        /// The task.
        task: String,
        /// File names that would be recognised.
        expected: Vec<String>,
    },
    /// A split's file is not in the folder.
    MissingSplit {
        /// The task.
        task: String,
        /// `train` or `validation`.
        split: &'static str,
        /// The folder, or "the given files".
        place: String,
        /// File names that would have been recognised.
        looked_for: Vec<String>,
        /// File names that were there.
        found: Vec<String>,
    },
    /// The task has one objective, and another one was asked for.
    OtherObjective {
        /// The task.
        task: String,
        /// Its objective.
        own: ObjectiveKind,
        /// The one that was asked for.
        asked: ObjectiveKind,
    },
    /// The file name does not say how the file is laid out.
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// A first line that is neither a header nor a row of a known layout.
    UnknownLayout {
        /// The file.
        file: String,
        /// 1-based line.
        line: u64,
        /// Names by which a header is recognised.
        header: Vec<String>,
        /// Cells in the line.
        cells: usize,
        /// The layouts of files without a header, each as the names of its columns.
        layouts: Vec<String>,
    },
    /// A file that is no text.
    NoText {
        /// The file.
        file: String,
        /// What it is.
        what: &'static str,
        /// What makes text of it.
        remedy: &'static str,
    },
    /// A file of JSON that is one object.
    OneObject {
        /// The file.
        file: String,
        /// What it holds.
        what: String,
        /// What makes examples of it; `FILE` stands for the file.
        remedy: String,
    },
    /// A compressed file that cannot be unpacked.
    Packed {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A Parquet file that cannot be read.
    Parquet {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A first line that looks like an example.
    NoHeader {
        /// The file.
        file: String,
        /// Its cells.
        first: Vec<String>,
    },
    /// A first line that names columns, although there is said to be no header.
    HeaderAfterAll {
        /// The file.
        file: String,
        /// Its cells.
        first: Vec<String>,
    },
    /// Only some of the parts of a split are there.
    MissingPart {
        /// One that is there.
        file: String,
        /// How many there are to be.
        parts: usize,
        /// How many were found.
        found: usize,
    },
    /// Several folders hold training files.
    SeveralFolders {
        /// The folders.
        folders: Vec<String>,
    },
    /// The file holds nothing.
    Empty {
        /// The file.
        file: String,
    },
    /// The file has a header and nothing below it.
    NoRows {
        /// The file.
        file: String,
    },
    /// Not UTF-8.
    Encoding {
        /// The file.
        file: String,
        /// 1-based line.
        line: u64,
        /// 0-based offset in the file.
        byte: usize,
    },
    /// A line longer than any example could be.
    LineTooLong {
        /// The file.
        file: String,
        /// 1-based line.
        line: u64,
        /// Length of the line.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A row with more or fewer cells than the header.
    Ragged {
        /// The file.
        file: String,
        /// 1-based line.
        line: u64,
        /// Cells in the header (or of the known layout).
        expected: usize,
        /// Cells in the row.
        found: usize,
    },
    /// A needed column is not there.
    MissingColumn {
        /// The file.
        file: String,
        /// What the column would be used as.
        role: &'static str,
        /// Names that would have been recognised.
        wanted: Vec<String>,
        /// Names in the header.
        found: Vec<String>,
        /// The first row.
        first: Vec<String>,
    },
    /// Two columns with one meaning.
    AmbiguousColumn {
        /// The file.
        file: String,
        /// What the column would be used as.
        role: &'static str,
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// Names in the header.
        columns: Vec<String>,
    },
    /// Columns that hold texts, of which it is not known which are to be read.
    SecondText {
        /// The file.
        file: String,
        /// Their names.
        texts: Vec<String>,
        /// Names in the header.
        columns: Vec<String>,
    },
    /// One column in two roles.
    SameColumn {
        /// The file.
        file: String,
        /// Its name.
        column: String,
        /// The roles.
        roles: [&'static str; 2],
        /// Names in the header.
        columns: Vec<String>,
    },
    /// A row that cannot be read as an example.
    BadRow {
        /// The file.
        file: String,
        /// 1-based line.
        line: u64,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A label outside the task's set.
    UnknownLabel {
        /// The file.
        file: String,
        /// 1-based line.
        line: u64,
        /// The label.
        label: String,
        /// Where the known labels come from: "task 'rte'" or "the training file".
        from: String,
        /// The known labels.
        known: Vec<String>,
    },
    /// Numbers of classes, of which it is not known which number is which class.
    ClassNumbers {
        /// The file.
        file: String,
        /// 1-based line.
        line: u64,
        /// What is wrong.
        what: String,
        /// The names of the classes.
        classes: Vec<String>,
    },
    /// Labels that are real numbers, where nothing says whether they are values or classes.
    RealLabels {
        /// The training file.
        file: String,
        /// One of them.
        example: String,
        /// How many different ones there are.
        different: usize,
    },
    /// −1 beside 0 and 1: a class, or no label.
    MinusOne {
        /// The training file.
        file: String,
    },
    /// A set of labels that cannot be classified into.
    LabelSet {
        /// The training file.
        file: String,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A tokenizer file that cannot be used.
    Tokenizer {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The tokenizer can produce ids that the model has no embedding for.
    Vocabulary {
        /// The tokenizer file.
        file: String,
        /// Largest id of the tokenizer.
        largest_id: u32,
        /// Rows of the model's embedding.
        model_vocab: usize,
    },
    /// More built-in sentences were asked for than the generator can tell apart.
    BuiltinExhausted {
        /// Sentences asked for.
        wanted: usize,
        /// Sentences found.
        made: usize,
    },
    /// Too few training rows to hold validation rows out.
    TooFewRows {
        /// The folder, or "the given files".
        place: String,
        /// How many there are.
        rows: usize,
    },
    /// No row can be held out without losing a class.
    NothingToHoldOut {
        /// The folder, or "the given files".
        place: String,
    },
}

apt_core::display_problem!(DataError);

impl DataError {
    /// The line that is wrong, where it is one.
    pub(crate) fn line(&self) -> Option<u64> {
        match self {
            Self::BadRow { line, .. }
            | Self::Ragged { line, .. }
            | Self::LineTooLong { line, .. }
            | Self::Encoding { line, .. } => Some(*line),
            _ => None,
        }
    }

    /// The same of a part of a file that begins after so many lines and bytes.
    #[must_use]
    pub(crate) fn after(mut self, lines: u64, bytes: usize) -> Self {
        match &mut self {
            Self::BadRow { line, .. } | Self::Ragged { line, .. } | Self::LineTooLong { line, .. } => *line += lines,
            Self::Encoding { line, byte, .. } => {
                *line += lines;
                *byte += bytes;
            }
            _ => {}
        }
        self
    }

    /// Where columns can be chosen so that the files can be read: their names, each with what stands there in the first
    /// row, as far as it is known. `None` for errors that no choice of columns mends.
    pub fn columns(&self) -> Option<Vec<(String, String)>> {
        let named = |names: &[String]| names.iter().map(|name| (name.clone(), String::new())).collect();
        match self {
            Self::MissingColumn { found, first, .. } => {
                let cells = first.iter().cloned().chain(std::iter::repeat(String::new()));
                Some(found.iter().cloned().zip(cells).collect())
            }
            Self::AmbiguousColumn { columns, .. } | Self::SecondText { columns, .. } => Some(named(columns)),
            Self::NoHeader { first, .. } => {
                Some((1..).zip(first).map(|(at, cell): (u32, _)| (at.to_string(), cell.clone())).collect())
            }
            Self::HeaderAfterAll { first: columns, .. } | Self::SameColumn { columns, .. } => Some(named(columns)),
            _ => None,
        }
    }
}

/// `text` cut to what a one-line message can hold.
pub(crate) fn shortened(text: &str) -> String {
    const KEPT: usize = 60;
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(KEPT).collect();
    if chars.next().is_some() { format!("{head}…") } else { head }
}
