//! Pretraining, with which the built-in checkpoints are made: here of masked words (`cargo xtask pretrain`), in `decoder` of
//! next tokens (`cargo xtask pretrain-decoder`).

mod decoder;

pub use decoder::DecoderPretrainer;

use crate::TrainError;
use crate::losses::{Targets, task_loss};
use crate::optimizer::AdamW;
use apt_core::lr::{LrDecay, LrSchedule};
use apt_core::tokens::TokenBatch;
use apt_data::{MaskPolicy, Stream, generator, mask_batch};
use apt_nn::checkpoint::read_back;
use apt_nn::{Batch, Forward, Init, MaskedLmHead, ModelConfig, Transformer, named};
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// How to pretrain.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Training steps.
    pub steps: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the learning rate climbs.
    pub warmup: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Largest global norm of the gradients.
    pub clip_norm: f64,
    /// Everything random follows from it.
    pub seed: u64,
}

/// A model and its masked-language-model head, all of it trainable.
#[derive(Module, Debug)]
struct Pretraining {
    model: Transformer,
    head: MaskedLmHead,
}

/// A module all of which is trained, and how far it is.
struct Training<M> {
    recipe: Recipe,
    module: M,
    optimizer: AdamW,
    schedule: LrSchedule,
    step: usize,
}

impl<M: Module> Training<M> {
    /// Of `module`, which is on `device` with autodiff.
    fn new(module: M, recipe: Recipe, device: &Device) -> Self {
        let module = named::set_trainable(module, &|_| true);
        let optimizer = AdamW::new(&named::slots(&module), recipe.weight_decay, &device.clone().inner());
        let schedule = LrSchedule::new(recipe.learning_rate, recipe.steps, recipe.warmup, LrDecay::Linear);
        Self { recipe, module, optimizer, schedule, step: 0 }
    }

    /// One step down the gradient of `loss`, whose value is returned.
    ///
    /// # Errors
    /// When it cannot be read back or is not finite.
    async fn update(&mut self, loss: Tensor<1>) -> Result<f64, TrainError> {
        let mut gradients = loss.backward();
        if let (Some(gradient), Some(values)) =
            (named::gradients(&self.module, &mut gradients), named::values(&self.module))
        {
            let learning_rate = self.schedule.at(self.step);
            let (updated, _) = self.optimizer.clipped_step(values, gradient, self.recipe.clip_norm, learning_rate);
            self.module = named::with_values(self.module.clone(), &updated);
        }
        self.step += 1;
        let loss = read_back(loss.without_autodiff(), "loss").await?[0];
        if !loss.is_finite() {
            return Err(TrainError::NotFinite { step: self.step, tensor: "loss".into() });
        }
        Ok(f64::from(loss))
    }
}

/// A pretraining run of an encoder in progress.
pub struct Pretrainer {
    training: Training<Pretraining>,
    device: Device,
}

impl Pretrainer {
    /// Random weights on `device` (without autodiff).
    pub fn new(config: &ModelConfig, recipe: Recipe, device: &Device) -> Self {
        let tracked = device.clone().autodiff();
        let mut init = Init::from_rng(generator(recipe.seed, Stream::Weights, 0), &tracked);
        let model = Transformer::new(config, &mut init);
        let head = MaskedLmHead::new(config.hidden, config.vocab_size, config.norm_eps, &mut init);
        Self { training: Training::new(Pretraining { model, head }, recipe, &tracked), device: tracked }
    }

    /// Sets the bias of the output to the logarithm of how often each word of the vocabulary is hidden, so that what
    /// follows starts from what frequencies alone predict. Without that the first hundreds of steps push every hidden
    /// state towards the frequent words, and beside so large a common part the small one that tells words of praise from
    /// words of blame takes thousands of steps to grow.
    pub fn set_output_bias(&mut self, counts: &[f64]) {
        let total: f64 = counts.iter().sum::<f64>() + 0.5 * counts.len() as f64;
        let logarithms: Vec<f32> = counts.iter().map(|count| ((count + 0.5) / total).ln() as f32).collect();
        let n = logarithms.len();
        let bias = Tensor::from_data(TensorData::new(logarithms, [n]), &self.device);
        self.training.module.head.bias = Param::from_tensor(bias);
    }

    /// One step on `data`; returns the mean cross entropy of the masked positions (`None` if nothing was masked).
    ///
    /// # Errors
    /// When results cannot be read back or are not finite.
    pub async fn step(&mut self, data: &TokenBatch, policy: &MaskPolicy) -> Result<Option<f64>, TrainError> {
        let Training { module, recipe, step, .. } = &self.training;
        match Self::loss(module, data, policy, (recipe.seed, *step as u64), &self.device) {
            Some(loss) => Ok(Some(self.training.update(loss).await?)),
            None => {
                self.training.step += 1;
                Ok(None)
            }
        }
    }

    /// Loss on held-out `data`, masked by `seed`.
    ///
    /// # Errors
    /// When results cannot be read back.
    pub async fn evaluate(&self, data: &TokenBatch, policy: &MaskPolicy, seed: u64) -> Result<Option<f64>, TrainError> {
        let device = self.device.clone().inner();
        match Self::loss(&self.training.module.valid(), data, policy, (seed, u64::MAX), &device) {
            Some(loss) => Ok(Some(f64::from(read_back(loss, "loss").await?[0]))),
            None => Ok(None),
        }
    }

    /// The model, without autodiff.
    pub fn model(&self) -> Transformer {
        self.training.module.model.valid()
    }

    fn loss(
        module: &Pretraining,
        data: &TokenBatch,
        policy: &MaskPolicy,
        (seed, step): (u64, u64),
        device: &Device,
    ) -> Option<Tensor<1>> {
        let masked = mask_batch(data, policy, seed, step);
        if masked.positions.is_empty() {
            return None;
        }
        let model = &module.model;
        let batch = Batch::new(&masked.tokens, &model.config, device);
        let hidden = model.forward(&batch, Forward::default()).hidden;
        let positions: Vec<i32> = masked.positions.iter().map(|&p| p as i32).collect();
        let labels: Vec<i32> = masked.positions.iter().map(|&p| masked.targets[p]).collect();
        let n = positions.len();
        let positions = Tensor::<1, Int>::from_data(TensorData::new(positions, [n]), device);
        let logits = module.head.forward(hidden.select(0, positions), model.embeddings.words.val());
        Some(task_loss(logits, &Targets::classes(&labels, device)))
    }
}
