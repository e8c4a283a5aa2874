//! Questions with several endings, in the columns that data sets of the hub have: ARC (`question`, `choices` with `text` and
//! `label`, `answerKey`), HellaSwag (`ctx`, `endings`, `label`) and MMLU (`question`, `choices`, `answer`). How a question is
//! put is that of EleutherAI's lm-evaluation-harness (tasks arc, hellaswag and mmlu, without examples before the question).

use std::borrow::Cow;

use serde_json::Value;

use super::rows::{Row, Rows, texts};
use crate::error::DataError;
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
pub(super) fn examples(rows: &Rows) -> Result<(Vec<RawExample>, Vec<&str>), DataError> {
    let column = |name: &str| rows.column(&[name]);
    if let (Some(context), Some(endings), Some(label)) = (column("ctx"), column("endings"), column("label")) {
        let activity = column("activity_label");
        let example = |row: &Row| hellaswag(rows, row, [context, endings, label], activity);
        let used = [Some(context), Some(label), Some(endings), activity].into_iter().flatten().collect();
        return Ok((rows.rows.iter().map(example).collect::<Result<_, DataError>>()?, used));
    }
    let (Some(question), Some(choices)) = (column("question"), column("choices")) else {
        return Err(rows.missing("text", &["question", "ctx"]));
    };
    if let Some(key) = column("answerKey") {
        let example = |row: &Row| arc(rows, row, [question, choices, key]);
        return Ok((rows.rows.iter().map(example).collect::<Result<_, DataError>>()?, vec![question, key, choices]));
    }
    let answer = column("answer").ok_or_else(|| rows.missing("label", &["answer", "answerKey"]))?;
    let subject = column("subject");
    let example = |row: &Row| mmlu(rows, row, [question, choices, answer], subject);
    let used = [Some(question), Some(answer), Some(choices), subject].into_iter().flatten().collect();
    Ok((rows.rows.iter().map(example).collect::<Result<_, DataError>>()?, used))
}

fn example(
    rows: &Rows,
    row: &Row,
    text: String,
    endings: Vec<String>,
    right: Option<usize>,
) -> Result<RawExample, DataError> {
    if endings.len() < 2 || endings.iter().any(|ending| ending.trim().is_empty()) {
        return Err(rows.bad(row, "there are not two endings or more, all with a text".to_owned(), REMEDY));
    }
    let right = right.filter(|right| *right < endings.len()).ok_or_else(|| {
        let what = format!("it does not say which of {} endings is right", endings.len());
        rows.bad(row, what, "give the row its answer, or remove it: test files often have none")
    })?;
    Ok(RawExample { a: text, b: None, target: Target::Text(Spoken::Endings { endings, right }) })
}

fn arc(rows: &Rows, row: &Row, [question, choices, key]: [&str; 3]) -> Result<RawExample, DataError> {
    let part = |name: &str| row.get(choices).get(name).and_then(texts);
    let (Some(endings), Some(labels)) = (part("text"), part("label")) else {
        let what = format!("the column '{choices}' has no lists text and label");
        return Err(rows.bad(row, what, REMEDY));
    };
    let key = row.text(key).unwrap_or_default();
    let right = labels.iter().position(|label| label.trim() == key.trim());
    example(rows, row, asked(&rows.filled(row, question)?), endings, right)
}

fn asked(question: &str) -> String {
    format!("Question: {}\nAnswer:", question.trim())
}

fn mmlu(
    rows: &Rows,
    row: &Row,
    [question, choices, answer]: [&str; 3],
    subject: Option<&str>,
) -> Result<RawExample, DataError> {
    let choices = list(rows, row, choices)?;
    let letters: Vec<String> = LETTERS.chars().take(choices.len()).map(String::from).collect();
    let given = row.text(answer).unwrap_or_default();
    let right = given.trim().parse().ok().or_else(|| letters.iter().position(|letter| *letter == given.trim()));
    let listed: String = letters.iter().zip(&choices).map(|(letter, choice)| format!("{letter}. {choice}\n")).collect();
    let about = subject.and_then(|subject| row.text(subject)).filter(|subject| !subject.trim().is_empty());
    let about = about.map_or_else(String::new, |subject| {
        let subject = subject.replace('_', " ");
        format!("The following are multiple choice questions (with answers) about {}.\n\n", subject.trim())
    });
    let text = format!("{about}{}\n{listed}Answer:", rows.filled(row, question)?.trim());
    example(rows, row, text, letters, right)
}

fn hellaswag(
    rows: &Rows,
    row: &Row,
    [context, endings, label]: [&str; 3],
    activity: Option<&str>,
) -> Result<RawExample, DataError> {
    let part = |name: &str| rows.column(&[name]).and_then(|column| row.text(column));
    let context = match (part("ctx_a"), part("ctx_b").filter(|second| !second.trim().is_empty())) {
        (Some(first), Some(second)) => Cow::Owned(format!("{first} {}", capitalised(&second))),
        _ => rows.filled(row, context)?,
    };
    let text = match activity.and_then(|activity| row.text(activity)).filter(|activity| !activity.trim().is_empty()) {
        Some(activity) => format!("{activity}: {context}"),
        None => context.into_owned(),
    };
    let endings = list(rows, row, endings)?.iter().map(|ending| without_marks(ending)).collect();
    let right = row.text(label).and_then(|label| label.trim().parse().ok());
    example(rows, row, without_marks(&text), endings, right)
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

/// A list of texts, or a cell in which one is written as JSON has it.
fn list(rows: &Rows, row: &Row, column: &str) -> Result<Vec<String>, DataError> {
    let value = row.get(column);
    let parsed = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let found = texts(parsed.as_ref().unwrap_or(value));
    found.ok_or_else(|| rows.bad(row, format!("the column '{column}' holds no list of texts"), REMEDY))
}
