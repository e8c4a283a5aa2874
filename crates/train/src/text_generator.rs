//! Text generation: a decoder goes on with a text, a token at a time, in the program as in a browser.

use crate::TrainError;
use apt_core::tokens::TokenBatch;
use apt_data::{Stream, Tokenizer, generator};
use apt_nn::Transformer;
use apt_nn::checkpoint::read_back;
use apt_nn::generation::{Decoder, Sampler, Sampling};

/// A decoder with a text that it goes on with.
pub struct TextGenerator {
    decoder: Decoder,
    tokenizer: Tokenizer,
    sampler: Sampler,
    /// The longest text that the model takes, in tokens.
    positions: usize,
    /// The prompt, and what was written behind it.
    ids: Vec<u32>,
    /// How many of them are the prompt.
    prompt: usize,
    /// Of how many the text was given out.
    shown: usize,
}

impl TextGenerator {
    /// Behind `prompt`, as [`Tokenizer::prompt`] has it; the same seed draws the same tokens.
    ///
    /// # Errors
    /// An encoder; a text that cannot be tokenised, or that has no tokens.
    pub fn new(
        model: &Transformer,
        tokenizer: Tokenizer,
        prompt: &str,
        sampling: Sampling,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let decoder = Decoder::new(model)?;
        let ids = tokenizer.prompt(prompt)?;
        let sampler = Sampler::new(sampling, generator(seed, Stream::Writing, 0));
        let (prompt, positions) = (ids.len(), model.config.max_length());
        Ok(Self { decoder, tokenizer, sampler, positions, ids, prompt, shown: prompt })
    }

    /// The tokens that it goes on with.
    pub fn prompt(&self) -> &[u32] {
        &self.ids[..self.prompt]
    }

    /// The tokens that it has written.
    pub fn written(&self) -> &[u32] {
        &self.ids[self.prompt..]
    }

    /// Tokens for which the model has positions left.
    pub fn room(&self) -> usize {
        self.positions.saturating_sub(self.ids.len())
    }

    /// Writes a token; the first call reads the prompt. The text that it makes whole, which is empty within a character;
    /// `None` where the text ends, with whatever token ends texts.
    ///
    /// # Errors
    /// Where there is no [`room`](Self::room); values that cannot be read back.
    pub async fn next_token(&mut self) -> Result<Option<String>, TrainError> {
        let logits = match self.written().last() {
            Some(&last) => self.decoder.step(&[last as i32])?,
            None => {
                let ids: Vec<i32> = self.ids.iter().map(|&id| id as i32).collect();
                let length = ids.len();
                self.decoder.begin(&TokenBatch::of_one_type(ids, vec![length]))?
            }
        };
        let id = self.sampler.choose(&read_back(logits, "logits").await?)? as u32;
        if self.tokenizer.ends().eos.contains(&id) {
            return Ok(None);
        }
        self.ids.push(id);
        let text = self.waiting(false)?;
        if !text.is_empty() {
            self.shown = self.ids.len();
        }
        Ok(Some(text))
    }

    /// What is left when nothing more is to come: bytes that have not become a character, shown as `U+FFFD`.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn rest(&self) -> Result<String, TrainError> {
        self.waiting(true)
    }

    /// The text of the tokens that were not given out.
    fn waiting(&self, at_end: bool) -> Result<String, TrainError> {
        let (before, ids) = self.ids.split_at(self.shown);
        let mut decoder = self.tokenizer.text_decoder(before);
        let mut text = String::new();
        for &id in ids {
            text.push_str(&decoder.push(id)?);
        }
        if at_end {
            text.push_str(&decoder.finish()?);
        }
        Ok(text)
    }
}
