//! Pretraining of a decoder: every token of a text is to be predicted from those before it.

use super::{Recipe, Training};
use crate::TrainError;
use crate::evaluate::{PAD_MULTIPLE, Part};
use crate::language::{found, mean_loss, scores, token_loss};
use apt_data::{Encoded, Example, NextTokens, Stream, collate, collate_next, generator};
use apt_nn::{Batch, Forward, Init, ModelConfig, Transformer};
use burn::module::Module;
use burn::tensor::Device;

/// A pretraining run of a decoder in progress; all its weights are trained, the table of words too.
pub struct DecoderPretrainer {
    training: Training<Transformer>,
    device: Device,
}

impl DecoderPretrainer {
    /// Random weights on `device` (without autodiff).
    pub fn new(config: &ModelConfig, recipe: Recipe, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let mut init = Init::from_rng(generator(recipe.seed, Stream::Weights, 0), &device);
        let model = Transformer::new(config, &mut init);
        Self { training: Training::new(model, recipe, &device), device }
    }

    /// One step on `examples`; returns the mean loss in nats of their tokens.
    ///
    /// # Errors
    /// When results cannot be read back or are not finite, and what is no decoder.
    pub async fn step(&mut self, examples: &[&Example]) -> Result<f64, TrainError> {
        let model = &self.training.module;
        let sequences: Vec<&Encoded> = examples.iter().map(|example| &example.tokens).collect();
        let tokens = collate(&sequences, model.config.pad_id, PAD_MULTIPLE);
        let next: Vec<&NextTokens> = examples.iter().filter_map(|example| example.target.tokens()).collect();
        let next = collate_next(&next, tokens.length());
        let batch = Batch::new(&tokens, &model.config, &self.device);
        let loss = token_loss(model, model.forward(&batch, Forward::default()).hidden, &next)?;
        self.training.update(loss).await
    }

    /// Mean loss in nats of the tokens of `examples`.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn evaluate(&self, examples: &[Example]) -> Result<f64, TrainError> {
        let found = found(&self.model(), None, examples, Part::WHOLE).await?;
        Ok(mean_loss(&scores(&found, examples), examples))
    }

    /// The model, without autodiff.
    pub fn model(&self) -> Transformer {
        self.training.module.valid()
    }
}
