//! One error type for everything that can be wrong with data: what is wrong, the file and the place in it, and what to do.

use std::fmt::Write as _;

use apt_core::problem::{Explain, Problem};

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
        /// Names that would have been recognised.
        wanted: Vec<String>,
        /// Names in the header.
        found: Vec<String>,
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
}

apt_core::display_problem!(DataError);

impl Explain for DataError {
    fn problem(&self) -> Problem {
        let at = |file: &str, line: u64| format!("{file}, line {line}");
        match self {
            Self::Unreadable { path, source } => {
                Problem::new(path, format!("cannot be read ({source})"), "check that it exists and may be read")
            }
            Self::UnknownTask { name, known } => Problem::new(
                "task",
                format!("no task is called '{name}'"),
                format!("choose one of {}", known.join(", ")),
            ),
            Self::NoFolder { task, expected } => Problem::new(
                format!("task '{task}'"),
                "its data come from a folder, and none is named",
                format!("name one with --data DIR (expected there: {})", expected.join(", ")),
            ),
            Self::MissingSplit { task, split, place, looked_for, found } => Problem::new(
                place,
                format!("no {split} file of task '{task}'; found {}", listed(found)),
                format!("add one of {}", looked_for.join(", ")),
            ),
            Self::OtherObjective { task, own, asked } => Problem::new(
                format!("task '{task}'"),
                format!("it is a {} and cannot be learned as a {}", own.name(), asked.name()),
                "leave out --objective, or read the files with --task text",
            ),
            Self::UnknownFormat { file } => {
                let remedy = "rename it to end in .tsv, .csv or .jsonl according to its layout";
                Problem::new(file, "unknown kind of file", remedy)
            }
            Self::UnknownLayout { file, line, header, cells, layouts } => Problem::new(
                at(file, *line),
                format!(
                    "no header (a column called {}) and no known layout without one ({}): {cells} cells",
                    alternatives(header),
                    layouts.join("; ")
                ),
                "add a line with the names of the columns",
            ),
            Self::Empty { file } => Problem::new(file, "the file is empty", "give a file with one example a line"),
            Self::NoRows { file } => {
                let what = "there is a header but not one example below it";
                Problem::new(file, what, "add rows, or leave the file out")
            }
            Self::Encoding { file, line, byte } => Problem::new(
                at(file, *line),
                format!("not valid UTF-8 at byte {byte} of the file"),
                "save the file as UTF-8",
            ),
            Self::LineTooLong { file, line, bytes, limit } => Problem::new(
                at(file, *line),
                format!("{bytes} bytes in one line, the limit is {limit}"),
                "check that this is the right file, with line breaks between examples",
            ),
            Self::Ragged { file, line, expected, found } => Problem::new(
                at(file, *line),
                format!("{found} cells where {expected} are expected"),
                "look for a missing or an extra separator",
            ),
            Self::MissingColumn { file, wanted, found } => Problem::new(
                file,
                format!("no column called {}; found {}", alternatives(wanted), listed(found)),
                "rename the column in the first line",
            ),
            Self::AmbiguousColumn { file, role, first, second } => Problem::new(
                file,
                format!("columns '{first}' and '{second}' could both be the {role}"),
                "rename or remove one",
            ),
            Self::BadRow { file, line, what, remedy } => Problem::new(at(file, *line), what, *remedy),
            Self::UnknownLabel { file, line, label, from, known } => Problem::new(
                at(file, *line),
                format!("unknown label '{label}'; {from} has the labels {}", listed(known)),
                "correct the label, or remove the row",
            ),
            Self::ClassNumbers { file, line, what, classes } => {
                Problem::new(at(file, *line), what, format!("write the names instead: {}", classes.join(", ")))
            }
            Self::RealLabels { file, example, different } => Problem::new(
                file,
                format!("the labels are real numbers ('{example}'; {different} different ones)"),
                "learn them as values with --objective regression, or each as a class with --objective classification",
            ),
            Self::LabelSet { file, what, remedy } | Self::Tokenizer { file, what, remedy } => {
                Problem::new(file, what, *remedy)
            }
            Self::Vocabulary { file, largest_id, model_vocab } => Problem::new(
                file,
                format!("the tokenizer makes ids up to {largest_id} but the model has {model_vocab} embeddings"),
                "use the tokenizer.json that came with the model",
            ),
            Self::BuiltinExhausted { wanted, made } => Problem::new(
                "the built-in task",
                format!("{wanted} different sentences were asked for and only {made} found"),
                "ask for fewer",
            ),
            Self::TooFewRows { place, rows } => Problem::new(
                place,
                format!("{rows} rows are too few to hold a tenth out for validation"),
                "add rows, or a validation file beside the training file",
            ),
        }
    }
}

/// How many names a message lists before it says how many more there are.
const LISTED: usize = 12;

fn listed(names: &[String]) -> String {
    let mut text = match names {
        [] => return "nothing".to_owned(),
        _ => names.iter().take(LISTED).map(|name| format!("'{}'", shortened(name))).collect::<Vec<_>>().join(", "),
    };
    if names.len() > LISTED {
        let _ = write!(text, " and {} more", names.len() - LISTED);
    }
    text
}

fn alternatives(names: &[String]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" or ")
}

/// `text` cut to what a one-line message can hold.
pub(crate) fn shortened(text: &str) -> String {
    const KEPT: usize = 60;
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(KEPT).collect();
    if chars.next().is_some() { format!("{head}…") } else { head }
}
