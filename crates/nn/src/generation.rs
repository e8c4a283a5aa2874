//! Writing: what follows a text, one token of every text of a batch at a time.
//!
//! A [`Decoder`] remembers keys and values of what it has read. On the CPU a token costs reading every weight once;
//! elsewhere the layers run as they do in a forward pass.

mod host;
mod sampling;

pub use sampling::{Sampler, Sampling};

use crate::cache::Cache;
use crate::{Batch, Forward, NnError, Transformer};
use apt_core::tokens::TokenBatch;
use burn::tensor::{Device, Int, Tensor, TensorData};
use host::Host;

/// A decoder that writes on.
pub struct Decoder {
    model: Transformer,
    device: Device,
    host: Option<Host>,
    cache: Option<Cache>,
}

impl Decoder {
    /// Of a model without autodiff; its adapters are folded into their weights.
    ///
    /// # Errors
    /// [`NnError::Config`] for an encoder.
    pub fn new(model: &Transformer) -> Result<Self, NnError> {
        model.check_decoder()?;
        let model = model.clone().merge();
        let (device, host) = (model.device(), Host::new(&model));
        Ok(Self { model, device, host, cache: None })
    }

    /// Reads prompts, whatever was read before: logits `[texts, vocab]` of what follows each.
    ///
    /// # Errors
    /// [`NnError::Length`] for a prompt longer than the model takes; [`NnError::Config`] for an empty one.
    pub fn begin(&mut self, prompts: &TokenBatch) -> Result<Tensor<2>, NnError> {
        let length = prompts.length();
        self.model.config.check_length(length)?;
        if prompts.lengths.iter().any(|&n| n == 0 || n > length) {
            return Err(bad("a prompt has no token", "begin it with the model's token for the beginning of a text"));
        }
        let mut cache = Cache::new(&self.model, &prompts.lengths, length);
        let batch = Batch::new(prompts, &self.model.config, &self.device);
        let hidden = self.model.forward_after(&batch, Forward::default(), Some(&mut cache)).hidden;
        let last: Vec<i32> = prompts.lengths.iter().enumerate().map(|(row, n)| (row * length + n - 1) as i32).collect();
        let texts = last.len();
        let last = Tensor::<1, Int>::from_data(TensorData::new(last, [texts]), &self.device);
        let logits = self.model.next_token_logits(hidden.select(0, last))?;
        if let Some(host) = &mut self.host {
            host.begin(&cache);
            cache.forget();
        }
        self.cache = Some(cache);
        Ok(logits)
    }

    /// Reads one more token of every text: logits `[texts, vocab]` of what follows.
    ///
    /// # Errors
    /// [`NnError::Length`] when a text is as long as the model takes; [`NnError::Config`] before [`Self::begin`], for another
    /// number of tokens than there are texts, or for one outside the vocabulary.
    pub fn step(&mut self, ids: &[i32]) -> Result<Tensor<2>, NnError> {
        let Some(cache) = &mut self.cache else { return Err(bad("nothing was read yet", "begin with a prompt")) };
        let vocab = self.model.config.vocab_size;
        if ids.len() != cache.lengths.len() {
            return Err(bad(&format!("{} tokens for {} texts", ids.len(), cache.lengths.len()), "give one of each"));
        }
        if let Some(id) = ids.iter().find(|id| usize::try_from(**id).map_or(true, |id| id >= vocab)) {
            let what = format!("token {id} is outside the vocabulary of {vocab}");
            return Err(bad(&what, "take the model's own tokenizer"));
        }
        let longest = cache.lengths.iter().max().copied().unwrap_or(0);
        self.model.config.check_length(longest + 1)?;
        if let Some(host) = &mut self.host {
            let logits = host.step(ids, &cache.lengths);
            cache.lengths.iter_mut().for_each(|length| *length += 1);
            return Ok(Tensor::from_data(TensorData::new(logits, [ids.len(), vocab]), &self.device));
        }
        let batch = Batch::next(ids, &cache.lengths, &self.model.config, &self.device);
        cache.grow(&self.device);
        let hidden = self.model.forward_after(&batch, Forward::default(), Some(cache)).hidden;
        self.model.next_token_logits(hidden)
    }

    /// Tokens of each text so far.
    pub fn lengths(&self) -> &[usize] {
        self.cache.as_ref().map_or(&[], |cache| &cache.lengths)
    }

    /// Without what makes the CPU fast, so that both ways can be compared; nothing is read yet.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { host: None, cache: None, ..self }
    }
}

fn bad(what: &str, remedy: &str) -> NnError {
    NnError::Config { file: "text".into(), what: what.into(), remedy: remedy.into() }
}
