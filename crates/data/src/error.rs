//! One error type for everything that can be wrong with data: each message names the file, the place
//! in it, what is wrong, and what to do next.

use std::fmt::Write as _;

/// Why data could not be used. `Display` gives what, where and the remedy in one or two sentences.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder could not be read at all.
    #[error("{path}: cannot be read ({source}); check that it exists and may be read")]
    Unreadable {
        /// The path as it was given.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No task of this name.
    #[error("no task is called '{name}'; known tasks: {}", .known.join(", "))]
    UnknownTask {
        /// The name that was asked for.
        name: String,
        /// Names that exist.
        known: Vec<String>,
    },
    /// The task reads files, but no folder was named.
    #[error("task '{task}' reads its data from a folder; name one with --data DIR (expected there: {})", .expected.join(", "))]
    NoFolder {
        /// The task.
        task: String,
        /// File names that would be recognised.
        expected: Vec<String>,
    },
    /// A split's file is not in the folder.
    #[error("task '{task}': no {split} file in {place}; looked for {}; found {}", .looked_for.join(", "), listed(.found))]
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
    /// The file name does not say how the file is laid out.
    #[error("{file}: unknown kind of file; rename it to end in .tsv, .csv or .jsonl according to its layout")]
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// The file holds nothing.
    #[error("{file}: the file is empty; give a file with one example a line")]
    Empty {
        /// The file.
        file: String,
    },
    /// The file has a header and nothing below it.
    #[error("{file}: there is a header but not one example below it; add rows, or leave the file out")]
    NoRows {
        /// The file.
        file: String,
    },
    /// Not UTF-8.
    #[error("{file}, line {line}: not valid UTF-8 at byte {byte} of the file; save the file as UTF-8")]
    Encoding {
        /// The file.
        file: String,
        /// 1-based line.
        line: u64,
        /// 0-based offset in the file.
        byte: usize,
    },
    /// A line longer than any example could be.
    #[error(
        "{file}, line {line}: {bytes} bytes in one line, the limit is {limit}; is this the right file, with line breaks between examples?"
    )]
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
    #[error(
        "{file}, line {line}: {found} cells where {expected} are expected; look for a missing or an extra separator"
    )]
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
    #[error("{file}: no column called {}; found {}; rename the column in the first line", alternatives(.wanted), listed(.found))]
    MissingColumn {
        /// The file.
        file: String,
        /// Names that would have been recognised.
        wanted: Vec<String>,
        /// Names in the header.
        found: Vec<String>,
    },
    /// Two columns with one meaning.
    #[error("{file}: columns '{first}' and '{second}' could both be the {role}; rename or remove one")]
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
    #[error("{file}, line {line}: {what}; {remedy}")]
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
    #[error("{file}, line {line}: unknown label '{label}'; {from} has the labels {}", listed(.known))]
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
    /// A label set nobody can classify into.
    #[error("{file}: {what}; {remedy}")]
    LabelSet {
        /// The training file.
        file: String,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A tokenizer file that cannot be used.
    #[error("{file}: {what}; {remedy}")]
    Tokenizer {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The tokenizer can produce ids that the model has no embedding for.
    #[error(
        "{file}: the tokenizer makes ids up to {largest_id} but the model has {model_vocab} embeddings; use the tokenizer.json that came with the model"
    )]
    Vocabulary {
        /// The tokenizer file.
        file: String,
        /// Largest id of the tokenizer.
        largest_id: u32,
        /// Rows of the model's embedding.
        model_vocab: usize,
    },
    /// More built-in sentences were asked for than the generator can tell apart.
    #[error("the built-in task was asked for {wanted} different sentences and found only {made}; ask for fewer")]
    BuiltinExhausted {
        /// Sentences asked for.
        wanted: usize,
        /// Sentences found.
        made: usize,
    },
    /// A number in a request that makes no sense.
    #[error("{what}; {remedy}")]
    BadRequest {
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
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
