//! A conversation as one text, and where in it the answers stand: as the model's own chat template writes it, else laid out
//! as the prompts of Alpaca are (github.com/tatsu-lab/stanford_alpaca), with headings for instruction, input and response.

use crate::error::DataError;
use crate::lm::conversations::{ASSISTANT, INPUT_ROLE};
use crate::target::{Conversation, Message};
use crate::tokenizer::Tokenizer;

/// What stands before a conversation that no system message begins.
const OPENING: &str = "An instruction, and a response that does what is asked.";

/// A conversation as a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// All of it.
    pub(crate) text: String,
    /// Where answers begin and end, in bytes.
    pub(crate) answers: Vec<(usize, usize)>,
    /// Whether the tokens around texts and answers still have to be added: a template writes them itself.
    pub(crate) needs_ends: bool,
}

/// Writes conversations.
pub(crate) enum Writer<'t> {
    /// By the model's template.
    #[cfg(not(target_family = "wasm"))]
    Template(Box<template::Template<'t>>),
    /// With Alpaca's headings; whether the model has a template that is not used.
    Headings(std::marker::PhantomData<&'t ()>),
}

impl<'t> Writer<'t> {
    /// The writer for a model with this tokenizer, and what is to be said of it.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] for a template that is none.
    pub(crate) fn of(tokenizer: &'t Tokenizer) -> Result<(Self, String), DataError> {
        const HEADINGS: &str = "conversations are laid out with Alpaca's headings";
        match tokenizer.chat_template() {
            #[cfg(not(target_family = "wasm"))]
            Some(source) => {
                let template = template::Template::new(source, tokenizer)?;
                Ok((
                    Self::Template(Box::new(template)),
                    "conversations are written by the model's chat template".to_owned(),
                ))
            }
            #[cfg(target_family = "wasm")]
            Some(_) => {
                let why = "the model's chat template is not read in a browser";
                Ok((Self::Headings(std::marker::PhantomData), format!("{HEADINGS}: {why}")))
            }
            None => {
                let why = "the model has no chat template";
                Ok((Self::Headings(std::marker::PhantomData), format!("{HEADINGS}: {why}")))
            }
        }
    }

    /// `conversation` as a text.
    ///
    /// # Errors
    /// [`DataError::BadRow`] where the template does not render it.
    pub(crate) fn written(&self, conversation: &Conversation) -> Result<Written, DataError> {
        match self {
            #[cfg(not(target_family = "wasm"))]
            Self::Template(template) => template.written(conversation),
            Self::Headings(_) => Ok(with_headings(&conversation.messages)),
        }
    }
}

fn with_headings(messages: &[Message]) -> Written {
    let begins_with_system = messages.first().is_some_and(|message| message.role == "system");
    let mut text = if begins_with_system { String::new() } else { format!("{OPENING}\n\n") };
    let mut answers = Vec::new();
    for message in messages {
        let heading = match message.role.as_str() {
            "system" => "",
            "user" => "### Instruction:\n",
            INPUT_ROLE => "### Input:\n",
            ASSISTANT => "### Response:\n",
            _ => "### Context:\n",
        };
        text.push_str(heading);
        let start = text.len();
        text.push_str(message.content.trim());
        if message.role == ASSISTANT {
            answers.push((start, text.len()));
        }
        text.push_str("\n\n");
    }
    text.truncate(text.trim_end().len());
    Written { text, answers, needs_ends: true }
}

#[cfg(not(target_family = "wasm"))]
mod template {
    use minijinja::syntax::SyntaxConfig;
    use minijinja::value::Value;
    use minijinja::{Environment, context};

    use super::{ASSISTANT, Conversation, DataError, INPUT_ROLE, Message, Tokenizer, Written};
    use crate::error::shortened;

    const NAME: &str = "chat";

    /// A chat template as transformers renders it (`apply_chat_template`): blocks take their line with them, methods of
    /// Python's strings work, `raise_exception` stops. There is no clock: templates that ask for the date have one of their
    /// own for that case.
    pub(crate) struct Template<'t> {
        environment: Environment<'t>,
        /// The tokens that begin and end texts, which templates may write.
        bos: String,
        eos: String,
    }

    impl<'t> Template<'t> {
        pub(super) fn new(source: &'t str, tokenizer: &Tokenizer) -> Result<Self, DataError> {
            let mut environment = Environment::new();
            let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
            environment.set_syntax(syntax.map_err(|error| tokenizer.refused(words(&error), "report this as a fault"))?);
            environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
            environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
                Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message))
            });
            environment.add_template(NAME, source).map_err(|error| {
                let what = format!("its chat template cannot be read ({})", words(&error));
                tokenizer.refused(what, "correct chat_template in tokenizer_config.json, or remove it")
            })?;
            let ends = tokenizer.ends();
            let token = |id: Option<u32>| id.and_then(|id| tokenizer.token(id)).unwrap_or_default();
            Ok(Self { environment, bos: token(ends.bos), eos: token(ends.eos.first().copied()) })
        }

        /// # Errors
        /// [`DataError::BadRow`] where the template stops, or an answer changes what was written before it.
        pub(super) fn written(&self, conversation: &Conversation) -> Result<Written, DataError> {
            let refused = |what: String| {
                let (file, line) = (conversation.file.clone(), conversation.line);
                let remedy = "correct the row, or remove chat_template from tokenizer_config.json";
                DataError::BadRow { file, line, what, remedy }
            };
            let messages = merged(&conversation.messages);
            let rendered = |messages: &[Message], asks: bool| {
                let failed =
                    |error| refused(format!("the model's chat template does not render it ({})", words(&error)));
                self.render(messages, asks).map_err(failed)
            };
            let text = rendered(&messages, false)?;
            let mut answers = Vec::new();
            for (at, _) in messages.iter().enumerate().filter(|(_, message)| message.role == ASSISTANT) {
                let (before, with) = (rendered(&messages[..at], true)?, rendered(&messages[..=at], false)?);
                if !with.starts_with(&before) || !text.starts_with(&with) {
                    let number = answers.len() + 1;
                    let what = format!("the chat template writes what stands before answer {number} otherwise with it");
                    return Err(refused(what));
                }
                answers.push((before.len(), with.len()));
            }
            Ok(Written { text, answers, needs_ends: false })
        }

        fn render(&self, messages: &[Message], asks: bool) -> Result<String, minijinja::Error> {
            let said =
                |message: &Message| Value::from_pairs([("role", &*message.role), ("content", &*message.content)]);
            let messages: Value = messages.iter().map(said).collect();
            self.environment.get_template(NAME)?.render(context! {
                messages => messages,
                add_generation_prompt => asks,
                bos_token => &self.bos,
                eos_token => &self.eos,
                tools => Value::from(()),
                documents => Value::from(()),
            })
        }
    }

    /// A template knows no messages that only say what a user's message is about: they are part of it.
    fn merged(messages: &[Message]) -> Vec<Message> {
        let mut merged: Vec<Message> = Vec::with_capacity(messages.len());
        for message in messages {
            match merged.last_mut() {
                Some(last) if message.role == INPUT_ROLE => {
                    last.content.push_str("\n\n");
                    last.content.push_str(&message.content);
                }
                Some(_) | None => merged.push(message.clone()),
            }
        }
        merged
    }

    /// An error of the template in a line.
    fn words(error: &minijinja::Error) -> String {
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let line = error.line().map(|line| format!(", line {line} of the template")).unwrap_or_default();
        format!("{}{line}", shortened(&detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: &str, content: &str) -> Message {
        Message { role: role.to_owned(), content: content.to_owned() }
    }

    #[test]
    fn headings_stand_before_messages_and_answers_are_what_follows_theirs() {
        let messages = [
            said("user", "Name a colour."),
            said("input", "Warm."),
            said("assistant", "Red."),
            said("user", "Another."),
        ];
        let written = with_headings(&messages);
        let expected = "An instruction, and a response that does what is asked.\n\n### Instruction:\nName a colour.\n\n\
                        ### Input:\nWarm.\n\n### Response:\nRed.\n\n### Instruction:\nAnother.";
        assert_eq!(written.text, expected);
        let answers: Vec<&str> = written.answers.iter().map(|&(start, end)| &written.text[start..end]).collect();
        assert_eq!((answers, written.needs_ends), (vec!["Red."], true));
    }
}
