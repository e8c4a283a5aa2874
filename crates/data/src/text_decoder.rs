//! Tokens back to text while they are being written: what is shown once stays as it is, so the bytes of a character wait
//! until all of them are there.

use crate::error::DataError;
use crate::tokenizer::Tokenizer;

/// What stands in a text where bytes are no character, or not yet one.
const INCOMPLETE: char = '\u{FFFD}';

/// Turns tokens into text, one at a time.
#[derive(Debug, Clone)]
pub struct TextDecoder<'t> {
    tokenizer: &'t Tokenizer,
    /// The tokens that were shown last, which decide whether a blank stands before what follows, and those that wait.
    ids: Vec<u32>,
    /// How many of them were shown.
    shown: usize,
}

impl<'t> TextDecoder<'t> {
    /// What follows the tokens `after`, whose text is not given out again; without any, the beginning of a text.
    pub fn new(tokenizer: &'t Tokenizer, after: &[u32]) -> Self {
        // More than any character has bytes: its tokens may be a byte each.
        const CONTEXT: usize = 8;
        let ids = after[after.len().saturating_sub(CONTEXT)..].to_vec();
        Self { tokenizer, shown: ids.len(), ids }
    }

    /// The text that `id` makes whole; empty where it ends within a character, or is a special token.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, id: u32) -> Result<String, DataError> {
        self.ids.push(id);
        self.given(false)
    }

    /// What still waits: bytes that have not become a character, shown as `U+FFFD`.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(mut self) -> Result<String, DataError> {
        self.given(true)
    }

    fn given(&mut self, at_end: bool) -> Result<String, DataError> {
        let before = self.tokenizer.decode(&self.ids[..self.shown])?;
        let whole = self.tokenizer.decode(&self.ids)?;
        if whole.ends_with(INCOMPLETE) && !at_end {
            return Ok(String::new());
        }
        // The text before may end within a character that is whole by now, and of which no part may be forgotten.
        let is_split = before.ends_with(INCOMPLETE);
        let before = before.trim_end_matches(INCOMPLETE);
        let Some(text) = whole.strip_prefix(before).filter(|text| !text.is_empty()).map(str::to_owned) else {
            return Ok(String::new());
        };
        if !is_split {
            self.ids.drain(..self.shown);
        }
        self.shown = self.ids.len();
        Ok(text)
    }
}
