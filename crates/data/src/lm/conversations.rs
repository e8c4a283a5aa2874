//! Rows of a table as texts or conversations. Which they are is told by the columns, as data sets of the hub have them:
//! `text`; `messages` with role and content (OpenAI's, TRL's) or `conversations` with from and value (ShareGPT's);
//! `instruction`, `input`, `output` (Alpaca's), or a prompt with its answer.

use serde_json::Value;

use super::rows::{Row, Rows};
use crate::error::{DataError, shortened};
use crate::reading::Reading;
use crate::target::{Conversation, Message, Spoken, Target};
use crate::task::RawExample;

const TEXT: &[&str] = &["text", "content", "story", "document", "article", "body", "sentence"];
const MESSAGES: &[&str] = &["messages", "conversations", "conversation"];
const INSTRUCTION: &[&str] = &["instruction", "prompt"];
const INPUT: &[&str] = &["input", "context"];
const ANSWER: &[&str] = &["output", "response", "completion", "answer"];

/// Names of columns by which a header is recognised.
pub(super) const NAMES: &[&str] = &[
    "text",
    "content",
    "story",
    "document",
    "article",
    "body",
    "sentence",
    "instruction",
    "prompt",
    "input",
    "context",
    "output",
    "response",
    "completion",
    "answer",
];

/// The examples of all rows and the columns that are used: those of the text first, then of the answer.
///
/// # Errors
/// Missing columns, and rows that are none of what their columns promise.
pub(super) fn examples<'r>(rows: &'r Rows, reading: &Reading) -> Result<(Vec<RawExample>, Vec<&'r str>), DataError> {
    if let Some(text) = &reading.text {
        let text = rows.named(text, "text")?;
        return match &reading.label {
            Some(answer) => prompted(rows, text, None, rows.named(answer, "label")?),
            None => whole_texts(rows, text),
        };
    }
    if let Some(messages) = rows.column(MESSAGES) {
        let example = |row: &Row| Ok(spoken(conversation(rows, row, messages)?));
        return Ok((rows.rows.iter().map(example).collect::<Result<_, DataError>>()?, vec![messages]));
    }
    if let (Some(instruction), Some(answer)) = (rows.column(INSTRUCTION), rows.column(ANSWER)) {
        return prompted(rows, instruction, rows.column(INPUT), answer);
    }
    let text = rows.column(TEXT).ok_or_else(|| rows.missing("text", &["text", "messages", "instruction"]))?;
    whole_texts(rows, text)
}

fn whole_texts<'r>(rows: &'r Rows, text: &'r str) -> Result<(Vec<RawExample>, Vec<&'r str>), DataError> {
    let example = |row| Ok(RawExample::of_text(rows.filled(row, text)?.into_owned()));
    Ok((rows.rows.iter().map(example).collect::<Result<_, DataError>>()?, vec![text]))
}

/// A prompt, of Alpaca's with an input behind it, and the answer to it.
fn prompted<'r>(
    rows: &'r Rows,
    prompt: &'r str,
    input: Option<&'r str>,
    answer: &'r str,
) -> Result<(Vec<RawExample>, Vec<&'r str>), DataError> {
    let example = |row: &Row| {
        let input = input.and_then(|input| row.text(input)).filter(|input| !input.trim().is_empty());
        let said = |role: &str, content: &str| Message { role: role.to_owned(), content: content.trim().to_owned() };
        let mut messages = vec![said("user", &rows.filled(row, prompt)?)];
        messages.extend(input.map(|input| said(INPUT_ROLE, &input)));
        messages.push(said(ASSISTANT, &rows.filled(row, answer)?));
        Ok(spoken(Conversation { messages, file: rows.file.clone(), line: row.line }))
    };
    let examples = rows.rows.iter().map(example).collect::<Result<_, DataError>>()?;
    Ok((examples, [Some(prompt), Some(answer), input].into_iter().flatten().collect()))
}

/// The example whose text is all but the last message, by which examples are compared.
fn spoken(conversation: Conversation) -> RawExample {
    let (_, before) = conversation.messages.split_last().unwrap_or((&NOBODY, &[]));
    let a = before.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n");
    RawExample { a, b: None, target: Target::Text(Spoken::Answers(conversation)) }
}

static NOBODY: Message = Message { role: String::new(), content: String::new() };

fn conversation(rows: &Rows, row: &Row, column: &str) -> Result<Conversation, DataError> {
    const REMEDY: &str = "write messages as [{\"role\": \"user\", \"content\": \"…\"}, {\"role\": \"assistant\", …}]";
    let Value::Array(items) = row.get(column) else {
        return Err(rows.bad(row, format!("the column '{column}' holds no list of messages"), REMEDY));
    };
    let message = |(number, item): (usize, &Value)| {
        let text = |keys: [&str; 2]| keys.iter().find_map(|key| item.get(key)).and_then(Value::as_str);
        let missing = |what: &str| rows.bad(row, format!("message {number} of '{column}' has no {what}"), REMEDY);
        let role = match text(["role", "from"]).ok_or_else(|| missing("role"))? {
            "human" => "user",
            "gpt" | "bot" | "model" => "assistant",
            role => role,
        };
        let content = text(["content", "value"]).ok_or_else(|| missing("content"))?.to_owned();
        Ok(Message { role: role.to_owned(), content })
    };
    let messages = (1..).zip(items).map(message).collect::<Result<Vec<Message>, DataError>>()?;
    if !messages.iter().any(|message| message.role == ASSISTANT) {
        let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
        let what = format!("no message of '{column}' is an answer (roles: {})", shortened(&roles.join(", ")));
        return Err(rows.bad(row, what, "call those who answer assistant"));
    }
    Ok(Conversation { messages, file: rows.file.clone(), line: row.line })
}

/// Whose messages are learned.
pub(super) const ASSISTANT: &str = "assistant";
/// What a user's message is about, where a file has it in a column of its own.
pub(super) const INPUT_ROLE: &str = "input";
