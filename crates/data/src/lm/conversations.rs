//! Rows of a table as texts or conversations. Their columns decide which, named as in data sets of the hub:
//! `text`; `messages` with role and content (OpenAI's, TRL's) or `conversations` with from and value (ShareGPT's);
//! `instruction`, `input`, `output` (Alpaca's), or a prompt with its answer.

use std::cell::Cell;

use serde_json::Value;

use super::Read;
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
pub(super) fn names() -> Vec<&'static str> {
    [TEXT, MESSAGES, INSTRUCTION, INPUT, ANSWER].concat()
}

/// The examples of all rows and the columns that are used: that of the text, that of the answer, then others.
///
/// # Errors
/// Missing columns, and rows that are none of what their columns promise.
pub(super) fn examples<'r>(rows: &'r Rows, reading: &Reading) -> Result<Read<'r>, DataError> {
    if let Some(text) = &reading.text {
        let text = rows.named(text, "text")?;
        return match &reading.label {
            Some(answer) => prompted(rows, text, None, rows.named(answer, "label")?),
            None => whole_texts(rows, text),
        };
    }
    if let Some(messages) = rows.column(MESSAGES) {
        let after = Cell::new(0);
        let example = |row: &Row| {
            let (conversation, is_cut) = conversation(rows, row, messages)?;
            let is_blank = |message: &Message| message.role == ASSISTANT && message.content.trim().is_empty();
            if conversation.messages.iter().any(is_blank) {
                return Ok(Err("with an empty answer"));
            }
            after.set(after.get() + usize::from(is_cut));
            Ok(Ok(spoken(conversation)))
        };
        let (examples, left_out) = rows.examples(example)?;
        let notes = match after.get() {
            0 => Vec::new(),
            some => vec![format!("what follows the last answer of a conversation is not read: {some} conversations")],
        };
        return Ok(Read { examples, left_out, used: vec![messages], notes });
    }
    if let (Some(instruction), Some(answer)) = (rows.column(INSTRUCTION), rows.column(ANSWER)) {
        return prompted(rows, instruction, rows.column(INPUT), answer);
    }
    let text = rows.column(TEXT).ok_or_else(|| rows.missing("text", &["text", "messages", "instruction"]))?;
    whole_texts(rows, text)
}

fn whole_texts<'r>(rows: &'r Rows, text: &'r str) -> Result<Read<'r>, DataError> {
    let example =
        |row: &Row| Ok(rows.filled(row, text)?.map_or(Err(NO_TEXT), |text| Ok(RawExample::of_text(text.into_owned()))));
    let (examples, left_out) = rows.examples(example)?;
    Ok(Read { examples, left_out, used: vec![text], notes: Vec::new() })
}

const NO_TEXT: &str = "without a text";

/// A prompt, of Alpaca's with an input behind it, and the answer to it.
fn prompted<'r>(
    rows: &'r Rows,
    prompt: &'r str,
    input: Option<&'r str>,
    answer: &'r str,
) -> Result<Read<'r>, DataError> {
    let example = |row: &Row| {
        let said = |role: &str, content: &str| Message { role: role.to_owned(), content: content.trim().to_owned() };
        let input = input.map(|input| rows.filled(row, input)).transpose()?.flatten();
        let (asked, answered) = (rows.filled(row, prompt)?, rows.filled(row, answer)?);
        let Some(asked) = asked else { return Ok(Err(NO_TEXT)) };
        let Some(answered) = answered else { return Ok(Err("without an answer")) };
        let mut messages = vec![said("user", &asked)];
        messages.extend(input.map(|input| said(INPUT_ROLE, &input)));
        messages.push(said(ASSISTANT, &answered));
        Ok(Ok(spoken(Conversation { messages, file: rows.file.clone(), line: row.line })))
    };
    let (examples, left_out) = rows.examples(example)?;
    let used = [Some(prompt), Some(answer), input].into_iter().flatten().collect();
    Ok(Read { examples, left_out, used, notes: Vec::new() })
}

/// The example whose text is all but the last message, by which examples are compared.
fn spoken(conversation: Conversation) -> RawExample {
    let (_, before) = conversation.messages.split_last().unwrap_or((&NOBODY, &[]));
    let a = before.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n");
    RawExample { a, b: None, target: Target::Text(Spoken::Answers(conversation)) }
}

static NOBODY: Message = Message { role: String::new(), content: String::new() };

/// The messages of a row up to its last answer, and whether there are more.
fn conversation(rows: &Rows, row: &Row, column: &str) -> Result<(Conversation, bool), DataError> {
    const REMEDY: &str = "write messages as [{\"role\": \"user\", \"content\": \"…\"}, {\"role\": \"assistant\", …}]";
    // Tables of text have the list as JSON writes it.
    let parsed = row.get(column).as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Value::Array(items) = parsed.as_ref().unwrap_or(row.get(column)) else {
        return Err(rows.bad(row, format!("the column '{column}' holds no list of messages"), REMEDY));
    };
    let message = |(number, item): (usize, &Value)| {
        let bad = |what: String, remedy| rows.bad(row, format!("message {number} of '{column}' {what}"), remedy);
        let part = |keys: [&str; 2]| keys.iter().find_map(|key| item.get(key));
        let named =
            part(["role", "from"]).and_then(Value::as_str).ok_or_else(|| bad("has no role".to_owned(), REMEDY))?;
        let role = known_role(named).ok_or_else(|| {
            let what = format!("is of an unknown role, '{}'", shortened(named));
            bad(what, "call those who ask user, those who answer assistant, and what is said to both system or tool")
        })?;
        if item.get("weight").and_then(Value::as_f64) == Some(0.0) {
            return Err(bad("has the weight 0".to_owned(), "every answer is learned: remove the row or the weight"));
        }
        let content = part(["content", "value"]).and_then(content).ok_or_else(|| {
            let what = if item.get("tool_calls").is_some() { "calls a tool and has no text" } else { "has no text" };
            bad(what.to_owned(), REMEDY)
        })?;
        Ok(Message { role: role.to_owned(), content })
    };
    let mut messages = (1..).zip(items).map(message).collect::<Result<Vec<Message>, DataError>>()?;
    let Some(last) = messages.iter().rposition(|message| message.role == ASSISTANT) else {
        let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
        let what = format!("no message of '{column}' is an answer (roles: {})", shortened(&roles.join(", ")));
        return Err(rows.bad(row, what, "call those who answer assistant"));
    };
    let is_cut = last + 1 < messages.len();
    messages.truncate(last + 1);
    Ok((Conversation { messages, file: rows.file.clone(), line: row.line }, is_cut))
}

/// A role as templates know it, by any of its names.
fn known_role(name: &str) -> Option<&'static str> {
    Some(match name.trim().to_lowercase().as_str() {
        "user" | "human" | "prompter" => "user",
        ASSISTANT | "gpt" | "chatgpt" | "bot" | "model" | "ai" => ASSISTANT,
        "system" | "developer" => "system",
        "tool" | "function" | "ipython" | "observation" => "tool",
        INPUT_ROLE => INPUT_ROLE,
        _ => return None,
    })
}

/// The text of a message: a text, or parts that are all texts.
fn content(value: &Value) -> Option<String> {
    let part = |part: &Value| part.as_str().or_else(|| part.get("text")?.as_str()).map(str::to_owned);
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().map(part).collect::<Option<Vec<_>>>().map(|texts| texts.join("\n")),
        _ => None,
    }
}

/// Whose messages are learned.
pub(super) const ASSISTANT: &str = "assistant";
/// What a user's message is about, where a file has it in a column of its own.
pub(super) const INPUT_ROLE: &str = "input";
