//! Questions with several endings, in the columns that data sets of the hub have: ARC (`question`, `choices` with `text` and
//! `label`, `answerKey`), HellaSwag (`ctx`, `endings`, `label`) and MMLU (`question`, `choices`, `answer`). How a question is
//! put is that of EleutherAI's lm-evaluation-harness (tasks arc, hellaswag and mmlu, without examples before the question).

use std::borrow::Cow;

use serde_json::Value;

use super::Read;
use super::rows::{Row, Rows, texts};
use crate::error::{DataError, shortened};
use crate::label_sets::written;
use crate::labels::plain;
use crate::target::{Spoken, Target};
use crate::task::RawExample;

/// Names of columns by which a header is recognised.
pub(super) const NAMES: &[&str] =
    &["question", "choices", "answerKey", "ctx", "ctx_a", "ctx_b", "endings", "activity_label", "subject"];

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const REMEDY: &str = "write the row as ARC, HellaSwag or MMLU have it";

/// The examples of all rows and the columns that are used.
///
/// # Errors
/// Missing columns, and rows without a right ending.
pub(super) fn examples(rows: &Rows) -> Result<Read<'_>, DataError> {
    let column = |name: &str| rows.column(&[name]);
    let (read, used) =
        if let (Some(context), Some(endings), Some(label)) = (column("ctx"), column("endings"), column("label")) {
            let activity = column("activity_label");
            let example = |row: &Row| hellaswag(rows, row, [context, endings, label], activity)?.example(rows, row);
            let others = [activity, column("ctx_a"), column("ctx_b")];
            (rows.examples(example)?, [vec![context, label, endings], others.into_iter().flatten().collect()].concat())
        } else if let (Some(question), Some(choices), Some(key)) =
            (column("question"), column("choices"), column("answerKey"))
        {
            let example = |row: &Row| arc(rows, row, [question, choices, key])?.example(rows, row);
            (rows.examples(example)?, vec![question, key, choices])
        } else {
            let (question, choices, answer) = columns_of_mmlu(rows).ok_or_else(|| no_columns(rows))?;
            let subject = column("subject");
            let example = |row: &Row| mmlu(rows, row, [question, answer], &choices, subject)?.example(rows, row);
            let read = rows.examples(example)?;
            (read, [vec![question, answer], choices, subject.into_iter().collect()].concat())
        };
    let (examples, left_out) = read;
    Ok(Read { examples, left_out, used, notes: Vec::new() })
}

const NO_ANSWER: &str = "without a right ending";

/// Columns of the question, of the choices (a list, or one a column) and of the answer, as MMLU has them: with their names,
/// with a column a letter, or without a header as its own files are.
fn columns_of_mmlu(rows: &Rows) -> Option<(&str, Vec<&str>, &str)> {
    let column = |name: &str| rows.column(&[name]);
    if let (Some(question), Some(answer)) = (column("question"), column("answer")) {
        if let Some(choices) = column("choices") {
            return Some((question, vec![choices], answer));
        }
        let letters: Vec<&str> = (0..LETTERS.len()).map_while(|at| column(&LETTERS[at..=at])).collect();
        return (letters.len() > 1).then_some((question, letters, answer));
    }
    let is_numbered = rows.columns.iter().zip(1..).all(|(name, number): (_, usize)| *name == number.to_string());
    match rows.columns.as_slice() {
        [question, choices @ .., answer] if is_numbered && choices.len() > 1 => {
            Some((question.as_str(), choices.iter().map(String::as_str).collect(), answer.as_str()))
        }
        _ => None,
    }
}

fn no_columns(rows: &Rows) -> DataError {
    let found = rows.columns.iter().map(|column| format!("'{}'", shortened(column))).collect::<Vec<_>>().join(", ");
    DataError::LabelSet {
        file: rows.file.clone(),
        what: format!("its columns are those of no known kind of question with several endings; found {found}"),
        remedy: "call them question, choices and answer (MMLU), question, choices and answerKey (ARC), or ctx, endings and \
                 label (HellaSwag); without a header, question, choices and answer in this order, say --no-header",
    }
}

/// A question with its endings.
struct Question {
    text: String,
    endings: Vec<String>,
    /// What the row says of the right one; nothing where it says nothing.
    said: Option<String>,
    /// Which is the right one.
    right: Option<usize>,
}

impl Question {
    /// The example; why there is none where the row does not say which ending is right, as test files do not.
    fn example(self, rows: &Rows, row: &Row) -> Result<Result<RawExample, &'static str>, DataError> {
        let Self { text, endings, said, right } = self;
        if endings.len() < 2 || endings.iter().any(|ending| ending.trim().is_empty()) {
            return Err(rows.bad(row, "there are not two endings or more, all with a text".to_owned(), REMEDY));
        }
        let Some(said) = said.filter(|said| !["", "-1"].contains(&plain(said))) else { return Ok(Err(NO_ANSWER)) };
        let right = right.filter(|right| *right < endings.len()).ok_or_else(|| {
            let what = format!("'{}' does not say which of {} endings is right", shortened(&said), endings.len());
            rows.bad(row, what, "correct the answer, or remove the row")
        })?;
        Ok(Ok(RawExample { a: text, b: None, target: Target::Text(Spoken::Endings { endings, right }) }))
    }
}

/// What a row says of the right ending.
fn said(row: &Row, column: &str) -> Option<String> {
    row.text(column).map(Cow::into_owned).or_else(|| match row.get(column) {
        Value::Null => None,
        other => Some(other.to_string()),
    })
}

/// The number of an ending, from 0.
fn number(said: Option<&String>) -> Option<usize> {
    plain(said?).parse().ok()
}

/// The text in a column, which must not be blank.
fn filled<'r>(rows: &Rows, row: &'r Row, column: &str) -> Result<Cow<'r, str>, DataError> {
    rows.filled(row, column)?.ok_or_else(|| rows.bad(row, format!("the column '{column}' is empty"), REMEDY))
}

fn arc(rows: &Rows, row: &Row, [question, choices, key]: [&str; 3]) -> Result<Question, DataError> {
    let part = |name: &str| row.get(choices).get(name).and_then(texts);
    let (Some(endings), Some(labels)) = (part("text"), part("label")) else {
        let what = format!("the column '{choices}' has no lists text and label");
        return Err(rows.bad(row, what, REMEDY));
    };
    if endings.len() != labels.len() {
        let what = format!("the column '{choices}' has {} texts and {} labels", endings.len(), labels.len());
        return Err(rows.bad(row, what, REMEDY));
    }
    let said = said(row, key);
    let right = said.as_ref().and_then(|key| labels.iter().position(|label| label.trim() == key.trim()));
    Ok(Question { text: asked(&filled(rows, row, question)?), endings, said, right })
}

fn asked(question: &str) -> String {
    format!("Question: {}\nAnswer:", question.trim())
}

fn mmlu(
    rows: &Rows,
    row: &Row,
    [question, answer]: [&str; 2],
    choices: &[&str],
    subject: Option<&str>,
) -> Result<Question, DataError> {
    let choices = match choices {
        [one] => list(rows, row, one)?,
        several => several
            .iter()
            .map(|choice| Ok(filled(rows, row, choice)?.into_owned()))
            .collect::<Result<_, DataError>>()?,
    };
    if choices.iter().any(|choice| choice.trim().is_empty()) {
        return Err(rows.bad(row, "one of the choices is empty".to_owned(), REMEDY));
    }
    let letters: Vec<String> = LETTERS.chars().take(choices.len()).map(String::from).collect();
    let said = said(row, answer);
    let by_letter = || letters.iter().position(|letter| Some(letter.as_str()) == said.as_deref().map(str::trim));
    let right = number(said.as_ref()).or_else(by_letter);
    let listed: String = letters.iter().zip(&choices).map(|(letter, choice)| format!("{letter}. {choice}\n")).collect();
    let about = subject.and_then(|subject| row.text(subject)).filter(|subject| !subject.trim().is_empty());
    let about = about.map_or_else(String::new, |subject| {
        let subject = subject.replace('_', " ");
        format!("The following are multiple choice questions (with answers) about {}.\n\n", subject.trim())
    });
    let text = format!("{about}{}\n{listed}Answer:", filled(rows, row, question)?.trim());
    Ok(Question { text, endings: letters, said, right })
}

fn hellaswag(
    rows: &Rows,
    row: &Row,
    [context, endings, label]: [&str; 3],
    activity: Option<&str>,
) -> Result<Question, DataError> {
    let part = |name: &str| {
        let text = rows.column(&[name]).and_then(|column| row.text(column));
        text.filter(|text| !text.trim().is_empty())
    };
    let context = match (part("ctx_a"), part("ctx_b")) {
        (Some(first), Some(second)) => Cow::Owned(format!("{first} {}", capitalised(&second))),
        _ => filled(rows, row, context)?,
    };
    let text = match activity.and_then(|activity| row.text(activity)).filter(|activity| !activity.trim().is_empty()) {
        Some(activity) => format!("{activity}: {context}"),
        None => context.into_owned(),
    };
    let endings = list(rows, row, endings)?.iter().map(|ending| without_marks(ending)).collect();
    let said = said(row, label);
    let right = number(said.as_ref());
    Ok(Question { text: without_marks(&text), endings, said, right })
}

/// As Python's `str.capitalize`: the first letter in upper case, the others in lower case.
fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + &characters.as_str().to_lowercase()
}

/// Without what WikiHow's part of HellaSwag has in brackets, such as `[header]`; ` [title]` ends a sentence.
fn without_marks(text: &str) -> String {
    let text = text.trim().replace(" [title]", ". ");
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, marked)) = rest.split_once('[') {
        let Some((_, after)) = marked.split_once(']') else { break };
        plain.push_str(before);
        rest = after;
    }
    plain.push_str(rest);
    plain.replace("  ", " ").trim().to_owned()
}

/// A list of texts, or a cell in which one is written as JSON or Python has it.
fn list(rows: &Rows, row: &Row, column: &str) -> Result<Vec<String>, DataError> {
    let value = row.get(column);
    let found = value.as_str().map_or_else(|| texts(value), |text| written(text.trim()));
    found.ok_or_else(|| rows.bad(row, format!("the column '{column}' holds no list of texts"), REMEDY))
}
