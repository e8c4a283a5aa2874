//! Label columns whose cells name any number of classes: lists in JSON and Parquet; in a cell of text a list as JSON or
//! Python writes it, or names between a separator that the settings name; 0 or 1 for every class in a list, or in a column
//! of its own.

use std::collections::BTreeSet;

use crate::error::{DataError, shortened};
use crate::labels::{LabelCell, LabelSet, is_integer, plain, real};
use crate::table::{Cell, Table, same_name};
use crate::target::{ClassSet, Target};

/// How such cells are read.
#[derive(Debug, Clone)]
pub(crate) struct SetReader {
    labels: LabelSet,
    separator: Option<String>,
    /// Of so many classes each has a 0 or 1 in every list.
    marked: Option<usize>,
}

impl SetReader {
    /// Reads sets of the classes that occur in the training file `first`, in the order in which it `declares` them, or of
    /// the `model`'s where one is given.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for a cell that is no list, and [`DataError::LabelSet`] for classes that cannot be learned.
    pub(crate) fn new(
        cells: &[LabelCell<'_>],
        first: &str,
        declared: Option<&[String]>,
        model: &[String],
        separator: Option<&str>,
    ) -> Result<Self, DataError> {
        let mut lists = Vec::new();
        for cell in cells {
            lists.extend(listed(*cell, separator)?);
        }
        let separator = separator.map(str::to_owned);
        let marked = marked(&lists);
        if !model.is_empty() {
            let names: BTreeSet<String> = lists.into_iter().flatten().collect();
            return Ok(Self { labels: LabelSet::of_model_names(model, &names), separator, marked });
        }
        let names: BTreeSet<String> = match marked {
            Some(classes) => (0..classes).map(|class| class.to_string()).collect(),
            None => lists.into_iter().flatten().collect(),
        };
        let refused = |what: String, remedy| Err(DataError::LabelSet { file: first.to_owned(), what, remedy });
        if let Some(name) = names.iter().find(|name| real(name).is_some() && !is_integer(name)) {
            let remedy = "name the classes that apply, or write 1 for each that does and 0 for each that does not";
            return refused(format!("the lists of labels hold real numbers ('{}')", shortened(name)), remedy);
        }
        let labels = LabelSet::of_names(first, names)?.in_order_of(declared.unwrap_or_default());
        match labels.names() {
            [] => refused("not one row has a label".to_owned(), "give the rows labels"),
            [only] => {
                let remedy = "learn one label as yes and no, with --objective classification";
                refused(format!("there is one label alone, '{}'", shortened(only)), remedy)
            }
            _ => Ok(Self { labels, separator, marked }),
        }
    }

    /// What was decided about the cells, in words.
    pub(crate) fn note(&self) -> Option<String> {
        let classes = self.marked?;
        Some(format!(
            "each list of labels has 0 or 1 for every one of {classes} classes, which are called by their places"
        ))
    }

    /// The names of the classes.
    pub(crate) fn into_names(self) -> Vec<String> {
        self.labels.into_names()
    }

    /// The classes that a cell names; `None` where it says nothing of them.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for what is no list, [`DataError::UnknownLabel`] for a class that is not among the known ones.
    pub(crate) fn target(&self, cell: LabelCell<'_>) -> Result<Option<Target>, DataError> {
        let Some(items) = listed(cell, self.separator.as_deref())? else { return Ok(None) };
        let of = self.labels.names().len();
        let classes = match self.marked {
            Some(_) if items.len() != of => {
                let what = format!("the list of labels has {} numbers, there are {of} classes", items.len());
                return Err(cell.refused(what, "give every class a 0 or 1"));
            }
            Some(_) => {
                (0..).zip(&items).filter(|(_, item)| is_mark(item) == Some(true)).map(|(class, _)| class).collect()
            }
            None => items.iter().map(|item| self.labels.known(cell, item)).collect::<Result<Vec<u32>, _>>()?,
        };
        Ok(Some(Target::Set(ClassSet::new(classes, of))))
    }

    /// Whether a file whose label cells are these says anything of classes.
    pub(crate) fn are_labels<'a>(&self, mut cells: impl Iterator<Item = LabelCell<'a>>) -> bool {
        cells.any(|cell| {
            let is_blank = matches!(cell.cell, Cell::Text(_)) && cell.cell.text().is_empty();
            !is_blank && !matches!(listed(cell, self.separator.as_deref()), Ok(None))
        })
    }
}

/// How many classes the lists have 0 or 1 for: where all are of one length and hold nothing else, and one holds the same
/// twice, which a list of names does not.
fn marked(lists: &[Vec<String>]) -> Option<usize> {
    let length = lists.first()?.len();
    let is_marks = |list: &Vec<String>| list.len() == length && list.iter().all(|item| is_mark(item).is_some());
    let is_twice = |list: &Vec<String>| list.iter().collect::<BTreeSet<_>>().len() < list.len();
    (length > 1 && lists.iter().all(is_marks) && lists.iter().any(is_twice)).then_some(length)
}

fn is_mark(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// What a cell lists; `None` where it is empty. A separator makes a list of any text, and of an empty one an empty list.
fn listed(cell: LabelCell<'_>, separator: Option<&str>) -> Result<Option<Vec<String>>, DataError> {
    let items = match (cell.cell, separator) {
        (Cell::None, _) => return Ok(None),
        (Cell::Nested(what), _) => {
            let remedy = "list the classes that apply: [\"one\", \"two\"]";
            return Err(cell.refused(format!("the label is {what}"), remedy));
        }
        (Cell::List(items), _) => items.clone(),
        (Cell::Text(_), Some(separator)) => {
            cell.cell.text().split(separator).filter(|item| !item.trim().is_empty()).map(str::to_owned).collect()
        }
        (Cell::Text(_), None) => match cell.cell.text() {
            "" => return Ok(None),
            text => written(text).ok_or_else(|| {
                let remedy =
                    "write it as [\"one\", \"two\"], or name what stands between labels with --label-separator";
                cell.refused(format!("the label '{}' is no list", shortened(text)), remedy)
            })?,
        },
    };
    if items.iter().any(|item| item.trim().is_empty()) {
        return Err(cell.refused("a label in the list is empty".to_owned(), "name it, or leave it out"));
    }
    Ok(Some(items.iter().map(|item| plain(item).to_owned()).collect()))
}

/// The items of a list as JSON writes it, or Python: `['so so', "it's", 3]`, a tuple or a set of it.
pub(crate) fn written(text: &str) -> Option<Vec<String>> {
    let within = |(begin, end)| text.strip_prefix(begin)?.strip_suffix(end);
    let mut rest = [('[', ']'), ('(', ')'), ('{', '}')].into_iter().find_map(within)?.trim();
    let mut items = Vec::new();
    while !rest.is_empty() {
        let after = match rest.chars().next().filter(|first| ['"', '\''].contains(first)) {
            Some(quote) => {
                let mut item = String::new();
                let mut characters = rest.char_indices().skip(1);
                let end = loop {
                    match characters.next()? {
                        (at, character) if character == quote => break at + 1,
                        (_, '\\') => item.push(escaped(&mut characters)?),
                        (_, character) => item.push(character),
                    }
                };
                items.push(item);
                rest.get(end..)?
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (item, after) = rest.split_at(end);
                // Without quotes there are numbers and truth values.
                let is_single = item.trim().parse::<f64>().is_ok() || is_mark(item.trim()).is_some();
                items.push(is_single.then(|| item.trim().to_owned())?);
                after
            }
        };
        let after = after.trim_start();
        rest = if after.is_empty() { after } else { after.strip_prefix(',')?.trim_start() };
    }
    Some(items)
}

/// The character that an escape sequence stands for, after its backslash.
fn escaped(characters: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    Some(match characters.next()?.1 {
        'n' => '\n',
        't' => '\t',
        'u' => {
            let digits: String = characters.take(4).map(|(_, digit)| digit).collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
        }
        other => other,
    })
}

/// Makes of the columns that `names` lists by comma, each with 0 or 1 in its cells, one column of this name with a list of
/// those that have 1. Where all are empty or −1 there is none.
///
/// # Errors
/// [`DataError::MissingColumn`], and [`DataError::BadRow`] for another cell.
pub(crate) fn join_columns(table: &mut Table<'_>, file: &str, names: &str) -> Result<(), DataError> {
    let mut at = Vec::new();
    for name in names.split(',').map(str::trim) {
        let found = table.columns.iter().position(|column| same_name(column, name));
        at.push(found.ok_or_else(|| DataError::MissingColumn {
            file: file.to_owned(),
            role: "label",
            wanted: vec![name.to_owned()],
            found: table.columns.clone(),
            first: table.first_row(),
        })?);
    }
    let classes: Vec<String> = at.iter().filter_map(|&column| table.columns.get(column).cloned()).collect();
    for row in &mut table.rows {
        let cells: Vec<&str> =
            at.iter().filter_map(|&column| row.cells.get(column)).map(Cell::text).map(plain).collect();
        let cell = if cells.iter().all(|cell| ["", "-1"].contains(cell)) {
            Cell::None
        } else {
            let mut apply = Vec::new();
            for (cell, name) in cells.iter().zip(&classes) {
                match is_mark(cell) {
                    Some(true) => apply.push(name.clone()),
                    Some(false) => {}
                    None => {
                        return Err(DataError::BadRow {
                            file: file.to_owned(),
                            line: row.line,
                            what: format!("the column '{name}' holds '{}', neither 0 nor 1", shortened(cell)),
                            remedy: "write 1 where the class applies and 0 where it does not",
                        });
                    }
                }
            }
            Cell::List(apply)
        };
        let mut column = 0..;
        row.cells.retain(|_| column.next().is_some_and(|column| !at.contains(&column)));
        row.cells.push(cell);
    }
    let mut column = 0..;
    table.columns.retain(|_| column.next().is_some_and(|column| !at.contains(&column)));
    table.columns.push(names.to_owned());
    table.classes.insert(names.to_owned(), classes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_json_and_python_write_them() {
        for (text, items) in [
            (r#"["joy", "so so"]"#, &["joy", "so so"][..]),
            ("['joy', \"it's\", 'so\\'s']", &["joy", "it's", "so's"]),
            (r#"["a\"b", "\u00e9", "c\\d"]"#, &["a\"b", "é", "c\\d"]),
            ("[0, 12, 1.0]", &["0", "12", "1.0"]),
            ("[True, false]", &["True", "false"]),
            ("['a, b', 'c]']", &["a, b", "c]"]),
            ("[]", &[]),
            ("['a',]", &["a"]),
            ("('so so',)", &["so so"]),
            ("{'joy', \"it's\"}", &["joy", "it's"]),
        ] {
            assert_eq!(written(text).as_deref(), Some(&items.iter().map(ToString::to_string).collect::<Vec<_>>()[..]));
        }
        for text in [
            "joy",
            "(joy)",
            "{'joy': 1}",
            "['joy')",
            "[joy, anger]",
            "['joy' 'anger']",
            "['joy",
            "[\"joy]",
            "joy]",
            "['a'] ['b']",
            "[0 1]",
            "[['a']]",
        ] {
            assert_eq!(written(text), None, "{text}");
        }
    }
}
