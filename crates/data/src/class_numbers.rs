//! What the numbers of a label column stand for. Copies of a data set number its classes in different ways, and a
//! number does not say in which. Of the numberings in use, those are out that lack a number of the file; if several are
//! left, those that give a text another class than a file of the task does that names its classes. The one that is
//! left is taken, and said; otherwise the file is refused.

use std::collections::BTreeMap;

use crate::error::DataError;
use crate::labels::LabelCell;
use crate::numbering::Numbering;

/// Texts with the class that some file names; `None` where they name two.
pub(crate) type NamedTexts<'a> = BTreeMap<String, Option<&'a str>>;

/// Which of the numberings `in_use` a label column follows, given as its cells with their rows' texts; `None` if it
/// holds no number. `named` is asked for only if the numbers leave several.
///
/// # Errors
/// [`DataError::ClassNumbers`] if not exactly one is left.
pub(crate) fn settle<'n>(
    in_use: &[Numbering],
    rows: &[(LabelCell<'_>, String)],
    named: impl FnOnce() -> &'n NamedTexts<'n>,
) -> Result<Option<Numbering>, DataError> {
    let numbers = || rows.iter().filter_map(|(cell, text)| Some((cell, cell.class_number()?, text)));
    let Some((first, ..)) = numbers().next() else {
        return Ok(None);
    };
    let refused = |cell: &LabelCell<'_>, what: String| {
        let numberings: Vec<String> = in_use.iter().map(|numbering| format!("({numbering})")).collect();
        let order = in_use.first().map_or(&[][..], |numbering| numbering.order);
        Err(DataError::ClassNumbers {
            file: cell.file.to_owned(),
            line: cell.line,
            what: format!("{what}; in use are {}", numberings.join(" and ")),
            classes: order.iter().map(|&class| class.to_owned()).collect(),
        })
    };
    let mut left = in_use.to_vec();
    for (cell, number, _) in numbers() {
        left.retain(|numbering| numbering.class(number).is_some());
        if left.is_empty() {
            return refused(cell, format!("no numbering of the classes has {number} beside the numbers before it"));
        }
    }
    if left.len() > 1 {
        let named = named();
        for (cell, number, text) in numbers() {
            let Some(class) = named.get(text).copied().flatten() else { continue };
            left.retain(|numbering| numbering.class(number) == Some(class));
            if left.is_empty() {
                let what = "no numbering of the classes agrees with the files that name them";
                return refused(cell, format!("{what}: this text, number {number} here, is {class} there"));
            }
        }
    }
    match left.as_slice() {
        [one] => Ok(Some(*one)),
        _ => refused(first, "the classes are numbers, and nothing tells which number is which class".to_owned()),
    }
}
