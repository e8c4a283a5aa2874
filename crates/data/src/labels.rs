//! The set of labels a task has: fixed for the known tasks, found in the training file for a user's own.

use std::collections::BTreeSet;

use crate::error::{DataError, shortened};

/// More classes than this is a column of something else.
const MOST_LABELS: usize = 256;

/// Names of the classes; a label's index is its class.
#[derive(Debug, Clone)]
pub(crate) struct LabelSet {
    names: Vec<String>,
    /// Where the names come from, for messages.
    from: String,
    /// Whether a file may give the index instead of the name.
    indices_too: bool,
}

/// A label cell and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelCell<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: u64,
    pub(crate) text: &'a str,
}

impl LabelSet {
    /// The labels of a known task: files may use the names or their indices.
    pub(crate) fn of_task(task: &str, names: &[&str]) -> Self {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Self { names, from: format!("task '{task}'"), indices_too: true }
    }

    /// The labels that occur in a training file: numbers in numeric order, names in alphabetic order.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for an empty cell or NaN, [`DataError::LabelSet`] for a set that cannot be
    /// classified into: one label, hundreds, or two that differ only in upper and lower case.
    pub(crate) fn of_training_file<'a>(
        file: &str,
        cells: impl Iterator<Item = LabelCell<'a>>,
    ) -> Result<Self, DataError> {
        let names = cells.map(LabelCell::value).collect::<Result<BTreeSet<String>, _>>()?;
        let refused = |what: String, remedy| Err(DataError::LabelSet { file: file.to_owned(), what, remedy });
        match names.len() {
            0 | 1 => {
                let only = names.iter().map(|name| format!("'{}'", shortened(name))).collect::<String>();
                return refused(
                    format!("every row has the same label {only}"),
                    "two labels at least are needed to classify",
                );
            }
            n if n > MOST_LABELS => {
                return refused(
                    format!("{n} different labels (at most {MOST_LABELS})"),
                    "is the label column the right one?",
                );
            }
            _ => {}
        }
        let mut folded: Vec<(String, &String)> = names.iter().map(|name| (name.to_lowercase(), name)).collect();
        folded.sort();
        if let Some(twins) = folded.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let what = format!("labels '{}' and '{}' differ only in upper and lower case", twins[0].1, twins[1].1);
            return refused(what, "write each label in one way");
        }
        let numbers: Option<BTreeSet<(i64, String)>> =
            names.iter().map(|name| name.parse().ok().map(|number| (number, name.clone()))).collect();
        let names = match numbers {
            Some(numbers) => numbers.into_iter().map(|(_, name)| name).collect(),
            None => names.into_iter().collect(),
        };
        Ok(Self { names, from: format!("the training file {file}"), indices_too: false })
    }

    /// The class of a cell.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for an empty cell or NaN, [`DataError::UnknownLabel`] otherwise.
    pub(crate) fn class(&self, cell: LabelCell<'_>) -> Result<u32, DataError> {
        let value = cell.value()?;
        let known = self.names.iter().position(|name| name.eq_ignore_ascii_case(&value));
        let index = || value.parse().ok().filter(|index| self.indices_too && *index < self.names.len());
        known.or_else(index).map(|class| class as u32).ok_or_else(|| DataError::UnknownLabel {
            file: cell.file.to_owned(),
            line: cell.line,
            label: shortened(&value),
            from: self.from.clone(),
            known: self.names.clone(),
        })
    }

    pub(crate) fn into_names(self) -> Vec<String> {
        self.names
    }
}

impl LabelCell<'_> {
    /// The label as it is compared: trimmed, and `1.0` (as spreadsheets write it) as `1`.
    pub(crate) fn value(self) -> Result<String, DataError> {
        let trimmed = self.text.trim();
        let missing = ["", "nan", "null", "none", "na", "n/a"];
        if missing.iter().any(|word| trimmed.eq_ignore_ascii_case(word)) {
            let what =
                if trimmed.is_empty() { "the label is empty".into() } else { format!("the label is '{trimmed}'") };
            let (file, line) = (self.file.to_owned(), self.line);
            return Err(DataError::BadRow { file, line, what, remedy: "give the row a label or remove it" });
        }
        let whole = trimmed.strip_suffix(".0").filter(|whole| whole.parse::<i64>().is_ok());
        Ok(whole.unwrap_or(trimmed).to_owned())
    }
}
