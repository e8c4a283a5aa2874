//! Errors in words: what, where, and what to do.

use std::fmt::Write as _;

use apt_core::problem::{Explain, Problem};

use super::{DataError, shortened};

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
                match kind_of_folder(found) {
                    Some(remedy) => format!("add one of {}, or {remedy}", looked_for.join(", ")),
                    None => format!("add one of {}", looked_for.join(", ")),
                },
            ),
            Self::OtherObjective { task, own, asked } => Problem::new(
                format!("task '{task}'"),
                format!("it is a {} and cannot be learned as a {}", own.name(), asked.name()),
                "leave out --objective, or read the files with --task text",
            ),
            Self::UnknownFormat { file } => {
                let remedy = "rename it to end in .tsv, .csv, .json or .jsonl according to its layout";
                Problem::new(file, "unknown kind of file", remedy)
            }
            Self::NoText { file, what, remedy } => {
                Problem::new(file, format!("this is {what}"), remedy.replace("FILE", file))
            }
            Self::OneObject { file, what, remedy } => Problem::new(file, what, remedy.replace("FILE", file)),
            Self::Packed { file, what } => {
                Problem::new(file, format!("it cannot be unpacked ({what})"), "fetch or compress it again")
            }
            Self::Parquet { file, what, remedy } => Problem::new(file, what, remedy.replace("FILE", file)),
            Self::NoHeader { file, first } => Problem::new(
                at(file, 1),
                format!("there seems to be no header: the first line is an example ({})", numbered(first)),
                "add a first line with the names of the columns, such as text and label; or say --no-header, with the \
                 numbers of the columns: --text 1 --label 2",
            ),
            Self::HeaderAfterAll { file, first } => Problem::new(
                at(file, 1),
                format!("the first line names columns ({}), and --no-header says that it does not", listed(first)),
                "leave out --no-header",
            ),
            Self::MissingPart { file, parts, found } => Problem::new(
                file,
                format!("it is one of {parts} parts, and {found} are there"),
                "add the others, or rename those that are there",
            ),
            Self::SeveralFolders { folders } => Problem::new(
                "the folder of the data",
                format!("it has several folders with training files: {}", listed(folders)),
                "name the one that is meant, with --data",
            ),
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
            Self::MissingColumn { file, role, wanted, found, first } => {
                let shown: Vec<String> =
                    found.iter().zip(first).map(|(name, cell)| format!("{name}: {cell}")).collect();
                let shown = if shown.is_empty() { found } else { &shown };
                Problem::new(
                    file,
                    format!("no column called {}; found {}", alternatives(wanted), listed(shown)),
                    format!("name the column of the {role} with {} COLUMN, or rename it in the first line", flag(role)),
                )
            }
            Self::AmbiguousColumn { file, role, first, second, .. } => Problem::new(
                file,
                format!("columns '{first}' and '{second}' could both be the {role}"),
                format!("name the one that is meant with {} COLUMN", flag(role)),
            ),
            Self::SecondText { file, texts, .. } => {
                let (first, second) =
                    (texts.first().map_or("", String::as_str), texts.get(1).map_or("", String::as_str));
                Problem::new(
                    file,
                    format!("several columns hold texts: {}", listed(texts)),
                    format!(
                        "say which are read: --text '{first}' for one alone, --text '{first}' --text-pair '{second}' \
                         for both"
                    ),
                )
            }
            Self::SameColumn { file, column, roles: [one, other], .. } => Problem::new(
                file,
                format!("the column '{column}' would be {one} and {other} at once"),
                format!("name two columns, with {} and {}", flag(one), flag(other)),
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
                format!("the labels are numbers ('{example}'; {different} different ones), values or classes"),
                "learn them as values with --objective regression, or each as a class with --objective classification",
            ),
            Self::MinusOne { file } => Problem::new(
                file,
                "the labels are -1, 0 and 1: -1 may be a class or mean that there is no label",
                "learn it as a class with --objective classification, or remove the rows that have it",
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
            Self::NothingToHoldOut { place } => Problem::new(
                place,
                "every class has one row, so that none can be held out for validation",
                "check that the label column is the right one; add rows, or a validation file beside the training file",
            ),
        }
    }
}

/// What to do with folders that hold data in another way.
fn kind_of_folder(found: &[String]) -> Option<&'static str> {
    let is_saved = |name: &String| name.ends_with(".arrow") || name == "dataset_dict.json";
    if found.iter().any(is_saved) {
        return Some(
            "convert what datasets' save_to_disk has written: python -c \"import datasets; \
             datasets.load_from_disk('FOLDER').to_json('train.jsonl')\" (of a folder with splits, load each of its folders)",
        );
    }
    found.iter().any(|name| name == "train/").then_some(
        "put texts that are files of their own into one table, with the names of their folders as labels: in train/ there are \
         no tables",
    )
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

/// Cells with the numbers of their columns.
fn numbered(cells: &[String]) -> String {
    let cells: Vec<String> = (1..).zip(cells).map(|(number, cell)| format!("{number}: {cell}")).collect();
    listed(&cells)
}

/// The flag that names the column of a role.
fn flag(role: &str) -> &'static str {
    match role {
        "label" => "--label",
        "second text" => "--text-pair",
        _ => "--text",
    }
}

fn alternatives(names: &[String]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" or ")
}
