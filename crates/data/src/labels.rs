//! From the cells of a label column to targets: classes, whose names are fixed for the known tasks and found in the
//! training file for a file of one's own, or numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{DataError, shortened};
use crate::label_sets::{SetReader, written};
use crate::metric::Metric;
use crate::numbering::Numbering;
use crate::objective::Objective;
use crate::registry::Classes;
use crate::table::Cell;
use crate::target::Target;

/// More different numbers than this are asked about: they may be values.
const MANY_NUMBERS: usize = 256;

/// Words that in some files mean that there is no label, and in others are one.
const BLANKS: [&str; 6] = ["nan", "null", "none", "na", "n/a", "nil"];
/// Marks of the same kind.
const MARKS: [&str; 2] = ["-", "?"];
/// What `datasets` writes where there is no label.
pub(crate) const MINUS_ONE: &str = "-1";

/// A label cell and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelCell<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: u64,
    pub(crate) cell: &'a Cell<'a>,
    /// What numbers stand for, where that is not the index in class order.
    pub(crate) numbering: Option<Numbering>,
}

/// How label cells are read.
#[derive(Debug, Clone)]
pub(crate) enum LabelReader {
    /// As one of several classes.
    Classes(LabelSet),
    /// As any number of several classes.
    Sets(SetReader),
    /// As numbers.
    Values,
}

impl LabelReader {
    /// What is to be predicted where this is the label; `None` where there is no label.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for a list or, where numbers are read, anything that is no finite number;
    /// [`DataError::UnknownLabel`] for a class that is not among the known ones.
    pub(crate) fn target(&self, cell: LabelCell<'_>) -> Result<Option<Target>, DataError> {
        match self {
            Self::Classes(labels) => Ok(labels.class(cell, &cell.value()?)?.map(Target::Class)),
            Self::Sets(sets) => sets.target(cell),
            Self::Values => match cell.value()? {
                value if is_blank(&value) || is_mark(&value) => Ok(None),
                value => cell.number(&value).map(|number| Some(Target::Value(number))),
            },
        }
    }

    /// Whether a file whose label cells are these has labels at all. A test file as GLUE hands it out has −1 in every
    /// row, others a mark.
    pub(crate) fn are_labels<'a>(&self, mut cells: impl Iterator<Item = LabelCell<'a>>) -> bool {
        if let Self::Sets(sets) = self {
            return sets.are_labels(cells);
        }
        cells.any(|cell| match cell.value() {
            Ok(value) => match self {
                Self::Classes(labels) => labels.find(cell, &value).is_some() || !may_be_none(&value),
                Self::Sets(_) | Self::Values => !may_be_none(&value),
            },
            Err(_) => true,
        })
    }

    /// What is learned from such labels; `metrics` are those of classes.
    pub(crate) fn into_objective(self, metrics: &'static [Metric]) -> Objective {
        match self {
            Self::Classes(labels) => Objective::Classification { labels: labels.names, metrics },
            Self::Sets(sets) => Objective::multi_label(sets.into_names()),
            Self::Values => Objective::regression(),
        }
    }
}

/// A label without what does not show: case, whether a letter and its accent are one character or two, which blanks there
/// are, and characters of no width.
fn folded(label: &str) -> String {
    let visible: String = tokenizers::NormalizedString::from(label).nfc().get().to_lowercase();
    let words = visible.split_whitespace().map(|word| word.replace(is_invisible, ""));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Characters of no width that files carry along: soft hyphens, zero-width blanks and joiners, marks of direction.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{FEFF}')
}

/// Names of the classes; a label's index is its class.
#[derive(Debug, Clone)]
pub(crate) struct LabelSet {
    names: Vec<String>,
    /// Classes by their names, and by these in lower case.
    index: BTreeMap<String, usize>,
    /// Where the names come from, for messages.
    from: String,
    /// Whether a file may give the index instead of the name.
    indices_too: bool,
    /// Whether a finer class may follow the name after a colon.
    finer: bool,
}

impl LabelSet {
    fn new(names: Vec<String>, from: String) -> Self {
        let all = || names.iter().enumerate().rev();
        let mut index: BTreeMap<String, usize> = all().map(|(index, name)| (name.to_lowercase(), index)).collect();
        // Of names that differ in case each is itself.
        index.extend(all().map(|(index, name)| (name.clone(), index)));
        Self { names, index, from, indices_too: false, finer: false }
    }

    /// The labels of a known task: files may use the names or numbers.
    pub(crate) fn of_task(task: &str, classes: &Classes) -> Self {
        let names = classes.names.iter().map(|&name| name.to_owned()).collect();
        Self { indices_too: true, finer: classes.finer, ..Self::new(names, format!("task '{task}'")) }
    }

    /// The labels of a model. `cells` may be their numbers, if all are.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for a list.
    pub(crate) fn of_model<'a>(
        names: &[String],
        cells: impl Iterator<Item = LabelCell<'a>>,
    ) -> Result<Self, DataError> {
        let values = cells.map(LabelCell::value).collect::<Result<BTreeSet<String>, _>>()?;
        Ok(Self::of_model_names(names, &values))
    }

    /// The labels of a model for `values` that occur, which may be their numbers, if all are.
    pub(crate) fn of_model_names(names: &[String], values: &BTreeSet<String>) -> Self {
        let set = Self::new(names.to_vec(), "the model".to_owned());
        let is_index = |value: &String| value.parse().is_ok_and(|index: usize| index < names.len());
        let mut labels = values.iter().filter(|value| !may_be_none(value));
        Self { indices_too: labels.all(is_index), ..set }
    }

    /// The labels that occur in a training file: numbers in numeric order, names in alphabetic order. Unless `asked`
    /// for, real numbers are not taken for classes, and what the others show to be no label is none. Where the file
    /// `declares` its classes these are asked for, in their order.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for a list, [`DataError::RealLabels`] for numbers that may be values,
    /// [`DataError::MinusOne`] where −1 may be a class, [`DataError::LabelSet`] for a set that cannot be classified
    /// into: no label, one, or two that differ only in upper and lower case.
    pub(crate) fn of_training_file<'a>(
        file: &str,
        cells: impl Iterator<Item = LabelCell<'a>>,
        asked: bool,
        declared: Option<&[String]>,
    ) -> Result<Self, DataError> {
        let asked = asked || declared.is_some();
        let mut names = cells.map(LabelCell::value).collect::<Result<BTreeSet<String>, _>>()?;
        names.remove("");
        let refused = |what: String, remedy| Err(DataError::LabelSet { file: file.to_owned(), what, remedy });
        if names.iter().any(|name| is_list(name)) && names.iter().all(|name| is_list(name)) {
            return refused("the labels are lists".to_owned(), ONE_LABEL);
        }
        if !asked {
            remove_what_is_no_label(&mut names, file)?;
        }
        let is_otherwise = |name: &&String| real(name).is_none();
        if let Some(example) = names.iter().find(is_otherwise).filter(|_| !asked && names.iter().all(|n| is_number(n)))
        {
            let what = format!("the labels are numbers, some written as '{}' is", shortened(example));
            return refused(what, OTHER_NUMBERS);
        }
        let numeric = names.iter().all(|name| real(name).is_some());
        let example = names.iter().find(|name| !is_integer(name)).or(names.first());
        let is_real = names.iter().any(|name| !is_integer(name)) || names.len() > MANY_NUMBERS;
        if let Some(example) = example.filter(|_| numeric && !asked && is_real) {
            let (file, example) = (file.to_owned(), shortened(example));
            return Err(DataError::RealLabels { file, example, different: names.len() });
        }
        match names.iter().next() {
            None => return refused("not one row has a label".to_owned(), "give the rows labels"),
            Some(only) if names.len() == 1 => {
                let what = format!("every row has the same label '{}'", shortened(only));
                return refused(what, "give at least two different labels");
            }
            Some(_) => {}
        }
        Ok(Self::of_names(file, names)?.in_order_of(declared.unwrap_or_default()))
    }

    /// These labels: numbers in numeric order, names in alphabetic order.
    ///
    /// # Errors
    /// [`DataError::LabelSet`] for two that do not differ but in how they are written.
    pub(crate) fn of_names(file: &str, names: BTreeSet<String>) -> Result<Self, DataError> {
        let numeric = names.iter().all(|name| real(name).is_some());
        let refused = |what: String, remedy| Err(DataError::LabelSet { file: file.to_owned(), what, remedy });
        let mut folded: Vec<(String, &String)> = names.iter().map(|name| (folded(name), name)).collect();
        folded.sort();
        if let Some(twins) = folded.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let (one, other) = (twins[0].1, twins[1].1);
            let composed = |label: &str| tokenizers::NormalizedString::from(label).nfc().get().to_lowercase();
            let how = if one.to_lowercase() == other.to_lowercase() {
                "in upper and lower case"
            } else if composed(one) == composed(other) {
                "in how Unicode writes their letters"
            } else {
                "in blanks or in characters that do not show"
            };
            let what = format!("labels '{one}' and '{other}' differ only {how}");
            return refused(what, "write each label in one way");
        }
        let mut names: Vec<String> = names.into_iter().collect();
        if numeric {
            names.sort_by(|a, b| real(a).partial_cmp(&real(b)).unwrap_or(std::cmp::Ordering::Equal));
        }
        Ok(Self::new(names, format!("the training file {file}")))
    }

    /// The same classes in the order in which the file gives their names, with those that do not occur in it; unchanged if
    /// others occur.
    #[must_use]
    pub(crate) fn in_order_of(self, declared: &[String]) -> Self {
        let different: BTreeSet<String> = declared.iter().map(|name| folded(name)).collect();
        let is_whole = self.names.iter().all(|name| declared.contains(name)) && different.len() == declared.len();
        if is_whole { Self::new(declared.to_vec(), self.from) } else { self }
    }

    /// The names, in class order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The names, in class order.
    pub(crate) fn into_names(self) -> Vec<String> {
        self.names
    }

    /// The class that a cell names; `None` if it names none.
    pub(crate) fn named(&self, cell: LabelCell<'_>) -> Option<&str> {
        let index = self.index(&cell.value().ok()?)?;
        Some(&self.names[index])
    }

    fn index(&self, name: &str) -> Option<usize> {
        let index = |name: &str| self.index.get(name).or_else(|| self.index.get(&name.to_lowercase())).copied();
        let coarse = || name.split_once(':').filter(|(_, fine)| self.finer && !fine.is_empty());
        index(name).or_else(|| coarse().and_then(|(coarse, _)| index(coarse)))
    }

    /// The class that `value` names or is the number of.
    fn find(&self, cell: LabelCell<'_>, value: &str) -> Option<usize> {
        let numbered = || match cell.numbering {
            Some(numbering) => self.index(numbering.class(value.parse().ok()?)?),
            None => value.parse().ok().filter(|index| self.indices_too && *index < self.names.len()),
        };
        self.index(value).or_else(numbered)
    }

    /// The class of a cell, `None` where it has no label: what may mean that and is none of the classes.
    fn class(&self, cell: LabelCell<'_>, value: &str) -> Result<Option<u32>, DataError> {
        match self.find(cell, value) {
            None if may_be_none(value) => Ok(None),
            Some(_) | None => self.known(cell, value).map(Some),
        }
    }

    /// The class that `value`, which stands in `cell`, names or is the number of.
    ///
    /// # Errors
    /// [`DataError::UnknownLabel`] if it is none.
    pub(crate) fn known(&self, cell: LabelCell<'_>, value: &str) -> Result<u32, DataError> {
        self.find(cell, value).map(|class| class as u32).ok_or_else(|| DataError::UnknownLabel {
            file: cell.file.to_owned(),
            line: cell.line,
            label: shortened(value),
            from: self.from.clone(),
            known: self.names.clone(),
        })
    }
}

/// Takes out of the labels of a training file those that the others show to be no label: −1 beside 0, 1, 2 (or names),
/// a mark beside names, "NA" beside numbers. Beside names "NA" is a name.
fn remove_what_is_no_label(names: &mut BTreeSet<String>, file: &str) -> Result<(), DataError> {
    let others: Vec<&String> = names.iter().filter(|name| !may_be_none(name)).collect();
    let are_numbers = !others.is_empty() && others.iter().all(|name| real(name).is_some());
    let are_words = others.len() > 1 && others.iter().all(|name| name.chars().any(char::is_alphanumeric));
    let count = |first: usize| (first..first + others.len()).all(|number| names.contains(&number.to_string()));
    let is_count = count(0) || count(1);
    if names.contains(MINUS_ONE) && are_numbers && others.len() == 2 && count(0) {
        return Err(DataError::MinusOne { file: file.to_owned() });
    }
    let minus_one = if are_numbers { is_count && others.len() > 2 } else { are_words };
    names.retain(|name| match name.as_str() {
        MINUS_ONE => !minus_one,
        name if is_mark(name) => !are_words,
        name if is_blank(name) => !are_numbers,
        _ => true,
    });
    Ok(())
}

/// Whether a label may mean that there is none.
fn may_be_none(value: &str) -> bool {
    value == MINUS_ONE || is_mark(value) || is_blank(value)
}

fn is_mark(value: &str) -> bool {
    MARKS.contains(&value)
}

fn is_blank(value: &str) -> bool {
    value.is_empty() || BLANKS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether a label is a list as JSON, Python and NumPy print it, or a tuple or set of Python's.
fn is_list(value: &str) -> bool {
    let is_of_python = || value.starts_with(['(', '{']) && value.contains(['\'', '"']) && written(value).is_some();
    value.starts_with('[') && value.ends_with(']') || is_of_python()
}

/// Whether a label is a number, be it with a comma or a percent sign.
fn is_number(value: &str) -> bool {
    real(&value.strip_suffix('%').unwrap_or(value).trim_end().replacen(',', ".", 1)).is_some()
}

/// What to do about numbers that are written otherwise.
const OTHER_NUMBERS: &str = "write 0.5 to learn them as values; or learn each as a class with --objective classification, \
                             or several in a cell with --objective multi_label --label-separator ,";

/// What to do about several labels of one text.
const ONE_LABEL: &str =
    "learn for every class whether it applies with --objective multi_label, or give each row one label";

impl LabelCell<'_> {
    /// The label as it is compared: trimmed, and `1.0` (as spreadsheets write it) as `1`. Empty where there is none.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for a list or an object.
    pub(crate) fn value(self) -> Result<String, DataError> {
        match self.cell {
            Cell::Nested(what) => Err(self.refused(format!("the label is {what}"), ONE_LABEL)),
            Cell::List(_) => Err(self.refused("the label is a list".to_owned(), ONE_LABEL)),
            Cell::Text(_) | Cell::None => Ok(plain(self.cell.text()).to_owned()),
        }
    }

    /// The label as the number of a class; `None` if it is none.
    pub(crate) fn class_number(self) -> Option<u32> {
        self.value().ok()?.parse().ok()
    }

    /// The label as a number that single precision holds.
    fn number(self, value: &str) -> Result<f32, DataError> {
        real(value).map(|number| number as f32).filter(|number| number.is_finite()).ok_or_else(|| {
            let what = format!("the label '{}' is not a number", shortened(value));
            self.refused(what, "write numbers such as 3.8, or learn classes with --objective classification")
        })
    }

    pub(crate) fn refused(self, what: String, remedy: &'static str) -> DataError {
        DataError::BadRow { file: self.file.to_owned(), line: self.line, what, remedy }
    }
}

/// A label as it is compared: trimmed, and `1.0` (as spreadsheets write it) as `1`.
pub(crate) fn plain(text: &str) -> &str {
    let text = text.trim();
    text.strip_suffix(".0").filter(|whole| is_integer(whole)).unwrap_or(text)
}

pub(crate) fn is_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok()
}

/// The finite number that `text` writes.
pub(crate) fn real(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}
