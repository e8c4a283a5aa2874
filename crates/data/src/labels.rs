//! From the cells of a label column to targets: classes, whose names are fixed for the known tasks and found in the
//! training file for a file of one's own, or numbers.

use std::collections::BTreeSet;

use crate::error::{DataError, shortened};
use crate::metric::Metric;
use crate::numbering::Numbering;
use crate::objective::Objective;
use crate::registry::Classes;
use crate::target::Target;

/// More classes than this is a column of something else.
const MOST_LABELS: usize = 256;

/// A label cell and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelCell<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: u64,
    pub(crate) text: &'a str,
    /// What numbers stand for, where that is not the index in class order.
    pub(crate) numbering: Option<Numbering>,
}

/// How label cells are read.
#[derive(Debug, Clone)]
pub(crate) enum LabelReader {
    /// As one of several classes.
    Classes(LabelSet),
    /// As numbers.
    Values,
}

impl LabelReader {
    /// What is to be predicted where this is the label.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for an empty cell, NaN or, where numbers are read, anything that is no finite number;
    /// [`DataError::UnknownLabel`] for a class that is not among the known ones.
    pub(crate) fn target(&self, cell: LabelCell<'_>) -> Result<Target, DataError> {
        match self {
            Self::Classes(labels) => labels.class(cell).map(Target::Class),
            Self::Values => cell.number().map(Target::Value),
        }
    }

    /// What is learned from such labels; `metrics` are those of classes.
    pub(crate) fn into_objective(self, metrics: &'static [Metric]) -> Objective {
        match self {
            Self::Classes(labels) => Objective::Classification { labels: labels.names, metrics },
            Self::Values => Objective::regression(),
        }
    }
}

/// Names of the classes; a label's index is its class.
#[derive(Debug, Clone)]
pub(crate) struct LabelSet {
    names: Vec<String>,
    /// Where the names come from, for messages.
    from: String,
    /// Whether a file may give the index instead of the name.
    indices_too: bool,
    /// Whether a finer class may follow the name after a colon.
    finer: bool,
}

impl LabelSet {
    /// The labels of a known task: files may use the names or numbers.
    pub(crate) fn of_task(task: &str, classes: &Classes) -> Self {
        let names = classes.names.iter().map(|&name| name.to_owned()).collect();
        Self { names, from: format!("task '{task}'"), indices_too: true, finer: classes.finer }
    }

    /// The labels that occur in a training file: numbers in numeric order, names in alphabetic order. Unless `asked`
    /// for, real numbers are not taken for classes.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for an empty cell or NaN, [`DataError::RealLabels`] for real numbers,
    /// [`DataError::LabelSet`] for a set that cannot be classified into: one label, hundreds, or two that differ only
    /// in upper and lower case.
    pub(crate) fn of_training_file<'a>(
        file: &str,
        cells: impl Iterator<Item = LabelCell<'a>>,
        asked: bool,
    ) -> Result<Self, DataError> {
        let names = cells.map(LabelCell::value).collect::<Result<BTreeSet<String>, _>>()?;
        let numeric = names.iter().all(|name| number(name).is_some());
        if let Some(example) = names.iter().find(|name| !is_integer(name)).filter(|_| numeric && !asked) {
            let (file, example) = (file.to_owned(), shortened(example));
            return Err(DataError::RealLabels { file, example, different: names.len() });
        }
        let refused = |what: String, remedy| Err(DataError::LabelSet { file: file.to_owned(), what, remedy });
        match names.len() {
            0 | 1 => {
                let only = names.iter().map(|name| format!("'{}'", shortened(name))).collect::<String>();
                let what = format!("every row has the same label {only}");
                return refused(what, "give at least two different labels");
            }
            n if n > MOST_LABELS => {
                let remedy = if numeric {
                    "learn the numbers as values with --objective regression, or name another label column"
                } else {
                    "check that the label column is the right one"
                };
                return refused(format!("{n} different labels (at most {MOST_LABELS})"), remedy);
            }
            _ => {}
        }
        let mut folded: Vec<(String, &String)> = names.iter().map(|name| (name.to_lowercase(), name)).collect();
        folded.sort();
        if let Some(twins) = folded.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let what = format!("labels '{}' and '{}' differ only in upper and lower case", twins[0].1, twins[1].1);
            return refused(what, "write each label in one way");
        }
        let mut names: Vec<String> = names.into_iter().collect();
        if numeric {
            names.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal));
        }
        Ok(Self { names, from: format!("the training file {file}"), indices_too: false, finer: false })
    }

    /// The class that a cell names; `None` if it names none.
    pub(crate) fn named(&self, cell: LabelCell<'_>) -> Option<&str> {
        let index = self.index(&cell.value().ok()?)?;
        Some(&self.names[index])
    }

    fn index(&self, name: &str) -> Option<usize> {
        let index = |name: &str| self.names.iter().position(|known| known.eq_ignore_ascii_case(name));
        let coarse = || name.split_once(':').filter(|(_, fine)| self.finer && !fine.is_empty());
        index(name).or_else(|| coarse().and_then(|(coarse, _)| index(coarse)))
    }

    /// The class of a cell.
    fn class(&self, cell: LabelCell<'_>) -> Result<u32, DataError> {
        let value = cell.value()?;
        let numbered = || match cell.numbering {
            Some(numbering) => self.index(numbering.class(cell.class_number()?)?),
            None => value.parse().ok().filter(|index| self.indices_too && *index < self.names.len()),
        };
        self.index(&value).or_else(numbered).map(|class| class as u32).ok_or_else(|| DataError::UnknownLabel {
            file: cell.file.to_owned(),
            line: cell.line,
            label: shortened(&value),
            from: self.from.clone(),
            known: self.names.clone(),
        })
    }
}

impl LabelCell<'_> {
    /// The label as it is compared: trimmed, and `1.0` (as spreadsheets write it) as `1`.
    fn value(self) -> Result<String, DataError> {
        let trimmed = self.text.trim();
        let missing = ["", "nan", "null", "none", "na", "n/a"];
        if missing.iter().any(|word| trimmed.eq_ignore_ascii_case(word)) {
            let what = match trimmed {
                "" => "the label is empty".to_owned(),
                _ => format!("the label is '{trimmed}'"),
            };
            return Err(self.refused(what, "give the row a label or remove it"));
        }
        let whole = trimmed.strip_suffix(".0").filter(|whole| is_integer(whole));
        Ok(whole.unwrap_or(trimmed).to_owned())
    }

    /// The label as the number of a class; `None` if it is none.
    pub(crate) fn class_number(self) -> Option<u32> {
        self.value().ok()?.parse().ok()
    }

    /// The label as a number that single precision holds.
    fn number(self) -> Result<f32, DataError> {
        let value = self.value()?;
        number(&value).map(|number| number as f32).filter(|number| number.is_finite()).ok_or_else(|| {
            let what = format!("the label '{}' is not a number", shortened(&value));
            self.refused(what, "write numbers such as 3.8, or learn classes with --objective classification")
        })
    }

    fn refused(self, what: String, remedy: &'static str) -> DataError {
        DataError::BadRow { file: self.file.to_owned(), line: self.line, what, remedy }
    }
}

fn is_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok()
}

/// The finite number that `text` writes.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}
