//! Text generation: a decoder goes on with a text, a token at a time, in the program as in a browser; and many texts at
//! once, which make a corpus.

use crate::TrainError;
use apt_core::tokens::TokenBatch;
use apt_data::{Stream, Tokenizer, generator};
use apt_nn::Transformer;
use apt_nn::checkpoint::read_back;
use apt_nn::generation::{Decoder, Sampler, Sampling};
use std::ops::Range;

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
    /// `None` where the text ends ([`apt_data::TextEnds::stops_at`]).
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
        if self.tokenizer.ends().stops_at(id) {
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

/// What a decoder wrote behind a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The text, without the prompt.
    pub text: String,
    /// Its tokens.
    pub tokens: usize,
    /// Whether the decoder ended it, and not the number of tokens asked for.
    pub ended: bool,
}

/// The texts of the numbers `texts` that `decoder` writes behind `prompt`, each of at most `tokens` tokens, in one batch.
/// Each number has draws of its own, of `seed`: a text is the same whichever others are written with it, and that of
/// number 0 is what a [`TextGenerator`] writes.
///
/// # Errors
/// A text that cannot be tokenised, or that has no tokens; more tokens than there are positions behind it.
pub async fn written_texts(
    decoder: &mut Decoder,
    tokenizer: &Tokenizer,
    prompt: &str,
    sampling: Sampling,
    seed: u64,
    (texts, tokens): (Range<u64>, usize),
) -> Result<Vec<Written>, TrainError> {
    let prompt = tokenizer.prompt(prompt)?;
    let ids: Vec<i32> = prompt.iter().map(|&id| id as i32).collect();
    let mut samplers: Vec<Sampler> =
        texts.map(|text| Sampler::new(sampling, generator(seed, Stream::Writing, text))).collect();
    let count = samplers.len();
    let mut written: Vec<(Vec<u32>, bool)> = vec![(Vec::new(), false); count];
    let mut logits = decoder.begin(&TokenBatch::of_one_type(ids.repeat(count), vec![ids.len(); count]))?;
    for made in 1..=tokens {
        let values = read_back(logits, "logits").await?;
        let of_text = values.chunks_exact(values.len() / count.max(1));
        let mut next = Vec::with_capacity(count);
        for ((logits, sampler), (ids, ended)) in of_text.zip(&mut samplers).zip(&mut written) {
            if !*ended {
                let id = sampler.choose(logits)? as u32;
                *ended = tokenizer.ends().stops_at(id);
                ids.extend((!*ended).then_some(id));
            }
            // A text that is over goes on with any token, which nobody reads.
            next.push(ids.last().or(prompt.last()).map_or(0, |&id| id as i32));
        }
        if made == tokens || written.iter().all(|(_, ended)| *ended) {
            break;
        }
        logits = decoder.step(&next)?;
    }
    let text = |(ids, ended): (Vec<u32>, bool)| {
        let mut decoder = tokenizer.text_decoder(&prompt);
        let mut text = String::new();
        for &id in &ids {
            text.push_str(&decoder.push(id)?);
        }
        text.push_str(&decoder.finish()?);
        Ok(Written { text, tokens: ids.len(), ended })
    };
    written.into_iter().map(text).collect()
}
