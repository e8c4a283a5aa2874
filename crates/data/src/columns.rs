//! Which column is the text, which the second text, which the label. Columns that the settings name are taken; others are
//! found by the names that published files have. Where a second text may be meant, nothing is guessed.

use crate::error::DataError;
use crate::reading::Reading;
use crate::registry::{Files, Labels, Second};
use crate::table::{Cell, Cut, Table, json, same_name};

/// Names of two columns that are a text and its second text, in this order.
const PAIRS: &[(&str, &str)] = &[
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text", "text_pair"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("q1", "q2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "context"),
    ("question", "answer"),
    ("query", "passage"),
    ("query", "document"),
    ("claim", "evidence"),
    ("#1 String", "#2 String"),
];

/// Names of a text where none of the task's is there.
const TEXTS: &[&str] = &[
    "content",
    "body",
    "comment",
    "comment_text",
    "tweet",
    "message",
    "sms",
    "utterance",
    "document",
    "review_text",
    "review_body",
    "question",
    "query",
    "title",
    "headline",
    "description",
    "abstract",
    "input",
    "premise",
    "claim",
];

/// Names of a label where none of the task's is there.
const LABELS: &[&str] = &[
    "is_duplicate",
    "sentiment",
    "polarity",
    "emotion",
    "intent",
    "topic",
    "stance",
    "similarity_score",
    "similarity",
    "relatedness_score",
    "score",
    "rating",
    "stars",
    "coarse_label",
    "class_index",
    "quality",
    "output",
];

/// Where in a table texts and labels stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) a: usize,
    pub(crate) b: Option<usize>,
    /// Whether `b` is the rest of the text of `a`.
    pub(crate) continued: bool,
    pub(crate) label: Option<usize>,
}

/// Every name by which a header may be known.
pub(crate) fn known_names(layout: &Files) -> Vec<&'static str> {
    let second = match layout.b {
        Second::Never => &[][..],
        Second::Optional(names) | Second::Always(names) => names,
        Second::Continued { by, .. } => by,
    };
    let mut names: Vec<&str> = [layout.a, second, layout.label].concat();
    if is_own(layout) {
        names.extend(PAIRS.iter().flat_map(|(a, b)| [a, b]).chain(TEXTS).chain(LABELS));
    }
    names
}

/// Names under which a label is looked for.
pub(crate) fn label_names(layout: &Files) -> Vec<String> {
    layout.label.iter().map(|&name| name.to_owned()).collect()
}

fn is_own(layout: &Files) -> bool {
    matches!(layout.labels, Labels::Own(_))
}

/// Finds the columns of `table`.
///
/// # Errors
/// [`DataError::MissingColumn`], [`DataError::AmbiguousColumn`], [`DataError::SameColumn`], and
/// [`DataError::SecondText`] where a column that is not used may be a second text.
pub(crate) fn find(table: &Table<'_>, file: &str, layout: &Files, reading: &Reading) -> Result<Columns, DataError> {
    let finder = Finder { table, file, layout, reading };
    let label = finder.label()?;
    let (a, b, continued) = finder.texts(label)?;
    let columns = Columns { a, b, continued, label };
    let roles = [("text", Some(a)), ("second text", b), ("label", label)];
    for (index, (role, column)) in roles.iter().enumerate() {
        if let Some((other, _)) = roles[..index].iter().find(|(_, other)| column.is_some() && other == column) {
            let column = column.map_or_else(String::new, |at| table.columns[at].clone());
            return Err(DataError::SameColumn {
                file: file.to_owned(),
                column,
                roles: [other, role],
                columns: table.columns.clone(),
            });
        }
    }
    if reading.text.is_none() && b.is_none() {
        finder.refuse_a_second_text(columns)?;
    }
    Ok(columns)
}

struct Finder<'a> {
    table: &'a Table<'a>,
    file: &'a str,
    layout: &'a Files,
    reading: &'a Reading,
}

impl Finder<'_> {
    fn label(&self) -> Result<Option<usize>, DataError> {
        if let Some(name) = &self.reading.label {
            return self.named(name, "label").map(Some);
        }
        let own = self.one_of(self.layout.label, "label")?;
        if own.is_some() || !is_own(self.layout) {
            return Ok(own);
        }
        self.one_of(LABELS, "label")
    }

    /// The text, the second one, and whether that is the rest of the first.
    fn texts(&self, label: Option<usize>) -> Result<(usize, Option<usize>, bool), DataError> {
        let named_pair = || self.reading.pair.as_ref().map(|name| self.named(name, "second text")).transpose();
        if let Some(name) = &self.reading.text {
            let a = self.named(name, "text")?;
            let b = named_pair()?;
            return match self.layout.b {
                Second::Always(names) if b.is_none() => Err(self.missing(names, "second text")),
                Second::Always(_) | Second::Never | Second::Optional(_) | Second::Continued { .. } => Ok((a, b, false)),
            };
        }
        if let Some(b) = named_pair()? {
            let others: Vec<&str> = self.text_names().into_iter().filter(|name| !self.is(b, name)).collect();
            let a = self.one_of(&others, "text")?.ok_or_else(|| self.missing(self.layout.a, "text"))?;
            return Ok((a, Some(b), false));
        }
        if is_own(self.layout)
            && let Some((a, b)) = self.pair(label)?
        {
            return Ok((a, Some(b), false));
        }
        let mut a = self.one_of(self.layout.a, "text")?;
        if a.is_none() && is_own(self.layout) {
            a = self.one_of(TEXTS, "text")?;
        }
        let a = a.ok_or_else(|| self.missing(self.layout.a, "text"))?;
        let needed = |names| self.one_of(names, "second text")?.ok_or_else(|| self.missing(names, "second text"));
        match self.layout.b {
            Second::Never => Ok((a, None, false)),
            Second::Optional(names) => Ok((a, self.one_of(names, "second text")?, false)),
            Second::Always(names) => Ok((a, Some(needed(names)?), false)),
            Second::Continued { first, by } if same_name(&self.table.columns[a], first) => {
                Ok((a, Some(needed(by)?), true))
            }
            Second::Continued { .. } => Ok((a, None, false)),
        }
    }

    /// The two columns that are a known pair, if there is one.
    fn pair(&self, label: Option<usize>) -> Result<Option<(usize, usize)>, DataError> {
        let at =
            |name: &str| (0..self.table.columns.len()).find(|&column| Some(column) != label && self.is(column, name));
        let mut found = PAIRS.iter().filter_map(|(a, b)| at(a).zip(at(b)));
        let Some(first) = found.next() else { return Ok(None) };
        match found.find(|other| *other != first) {
            Some((a, b)) => {
                let mut all = vec![first.0, first.1, a, b];
                all.sort_unstable();
                all.dedup();
                Err(self.second_text(all.into_iter().map(|at| self.table.columns[at].clone()).collect()))
            }
            None => Ok(Some(first)),
        }
    }

    fn text_names(&self) -> Vec<&'static str> {
        let firsts = PAIRS.iter().map(|(first, _)| *first);
        let more = firsts.chain(TEXTS.iter().copied()).filter(|_| is_own(self.layout));
        self.layout.a.iter().copied().chain(more).collect()
    }

    /// Stops where a column that is not used is called like a second text or holds texts.
    fn refuse_a_second_text(&self, used: Columns) -> Result<(), DataError> {
        let mut texts = vec![self.table.columns[used.a].clone()];
        for (at, name) in self.table.columns.iter().enumerate() {
            let is_second = || PAIRS.iter().any(|(_, second)| self.is(at, second));
            if at != used.a && Some(at) != used.label && (is_second() || is_own(self.layout) && self.holds_texts(at)) {
                texts.push(name.clone());
            }
        }
        if texts.len() > 1 { Err(self.second_text(texts)) } else { Ok(()) }
    }

    /// Whether a column holds sentences, most of them different.
    fn holds_texts(&self, at: usize) -> bool {
        const LOOKED_AT: usize = 200;
        const WORDS: usize = 4;
        let texts: Vec<&str> = self.table.rows.iter().take(LOOKED_AT).map(|row| row.cells[at].text()).collect();
        let is_word = |word: &&str| word.chars().any(char::is_alphabetic) && !word.contains("://");
        let words: usize = texts.iter().map(|text| text.split_whitespace().filter(is_word).count()).sum();
        let mut different = texts.clone();
        different.sort_unstable();
        different.dedup();
        words >= WORDS * texts.len() && 2 * different.len() > texts.len()
    }

    fn is(&self, column: usize, name: &str) -> bool {
        same_name(&self.table.columns[column], name)
    }

    /// The column that the settings name.
    fn named(&self, name: &str, role: &'static str) -> Result<usize, DataError> {
        self.one_of(&[name], role)?.ok_or_else(|| self.missing(&[name], role))
    }

    /// The one column with one of these names, if there is one; of several, the one that is written so.
    fn one_of(&self, names: &[&str], role: &'static str) -> Result<Option<usize>, DataError> {
        let fits = |column: &usize| names.iter().any(|name| self.is(*column, name));
        let mut fitting: Vec<usize> = (0..self.table.columns.len()).filter(fits).collect();
        if fitting.len() > 1
            && let [name] = names
        {
            let exact: Vec<usize> = fitting.iter().copied().filter(|&at| self.table.columns[at] == *name).collect();
            fitting = if exact.len() == 1 { exact } else { fitting };
        }
        match fitting.as_slice() {
            [first, second, ..] => Err(DataError::AmbiguousColumn {
                file: self.file.to_owned(),
                role,
                first: self.table.columns[*first].clone(),
                second: self.table.columns[*second].clone(),
                columns: self.table.columns.clone(),
            }),
            one => Ok(one.first().copied()),
        }
    }

    fn missing(&self, wanted: &[&str], role: &'static str) -> DataError {
        // One object around all examples looks like one example.
        if let ([row], Cut::Json) = (self.table.rows.as_slice(), self.table.cut)
            && self.reading.text.is_none()
            && self.table.notes.is_empty()
        {
            let is_list = |cell: &Cell<'_>| matches!(cell, Cell::Nested(json::LIST));
            let lists = self.table.columns.iter().zip(&row.cells).filter(|(_, cell)| is_list(cell));
            let lists: Vec<&str> = lists.map(|(name, _)| name.as_str()).collect();
            if !lists.is_empty() {
                return json::one_object(self.file, &lists);
            }
        }
        let wanted = wanted.iter().map(|&name| name.to_owned()).collect();
        let (file, found) = (self.file.to_owned(), self.table.columns.clone());
        DataError::MissingColumn { file, role, wanted, found, first: self.table.first_row() }
    }

    fn second_text(&self, texts: Vec<String>) -> DataError {
        DataError::SecondText { file: self.file.to_owned(), texts, columns: self.table.columns.clone() }
    }
}

/// Refuses a column of texts in which lists stand, as JSON or as Python prints them.
///
/// # Errors
/// [`DataError::BadRow`].
pub(crate) fn refuse_lists(table: &Table<'_>, file: &str, column: usize) -> Result<(), DataError> {
    let is_printed = |text: &str| text.ends_with(']') && ["['", "[\""].iter().any(|start| text.starts_with(start));
    let cells = || table.rows.iter().map(|row| (row.line, &row.cells[column]));
    let all_printed = cells().all(|(_, cell)| is_printed(cell.text()));
    let nested = cells().find_map(|(line, cell)| match cell {
        Cell::Nested(what) => Some((line, *what)),
        Cell::List(_) => Some((line, "a list")),
        Cell::Text(_) if all_printed => Some((line, "a list")),
        Cell::Text(_) | Cell::None => None,
    });
    let Some((line, what)) = nested else { return Ok(()) };
    let what = format!("the column '{}' holds {what} and no text", table.columns[column]);
    let remedy = if what.contains("list") {
        "join the words to one text, with blanks between them"
    } else {
        "name the column of the text with --text COLUMN"
    };
    Err(DataError::BadRow { file: file.to_owned(), line, what, remedy })
}
