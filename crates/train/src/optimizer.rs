//! AdamW over one flat vector of all trainable parameters.
//!
//! One vector instead of a tensor per parameter: a step is a dozen operations whatever the number of adapters, and when
//! shapes change the moments are cut and padded by the very code that cuts and pads the weights
//! ([`crate::learner::Learner`]).

use apt_nn::named::Slot;
use apt_nn::{AdamWStep, adamw};
use burn::tensor::{Device, Tensor, TensorData};

/// First and second moments decay by these (Hugging Face's defaults, which the published code uses).
const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// Decoupled weight decay Adam (Loshchilov & Hutter 2019).
#[derive(Clone, Debug)]
pub struct AdamW {
    /// First moment, `[parameters]`.
    pub first: Tensor<1>,
    /// Second moment, `[parameters]`.
    pub second: Tensor<1>,
    /// Updates made.
    pub updates: u64,
    decay: Tensor<1>,
}

impl AdamW {
    /// Zero moments for `slots`; matrices decay by `weight_decay`, biases and norms do not.
    pub fn new(slots: &[Slot], weight_decay: f64, device: &Device) -> Self {
        let n: usize = slots.iter().map(Slot::len).sum();
        let zeros = Tensor::zeros([n], device);
        Self { first: zeros.clone(), second: zeros, updates: 0, decay: decay_of(slots, weight_decay, device) }
    }

    /// The same optimiser for new shapes: moments already cut and padded to `slots`.
    pub fn carried(self, first: Tensor<1>, second: Tensor<1>, slots: &[Slot], weight_decay: f64) -> Self {
        let decay = decay_of(slots, weight_decay, &first.device());
        Self { first, second, updates: self.updates, decay }
    }

    /// Matrices decay by `weight_decay` from now on.
    pub fn set_weight_decay(&mut self, slots: &[Slot], weight_decay: f64) {
        self.decay = decay_of(slots, weight_decay, &self.first.device());
    }

    /// `values` after one update with `gradient`, which is scaled down to `clip_norm` if its norm is larger, and that norm,
    /// `[1]`.
    pub fn clipped_step(
        &mut self,
        values: Tensor<1>,
        gradient: Tensor<1>,
        clip_norm: f64,
        learning_rate: f64,
    ) -> (Tensor<1>, Tensor<1>) {
        let step = AdamWStep {
            moments: [&self.first, &self.second],
            decay: &self.decay,
            betas: [BETAS.0, BETAS.1],
            epsilon: EPSILON,
            clip_norm,
            learning_rate,
            updates: self.updates + 1,
        };
        if let Some(done) = adamw(&values, &gradient, &step) {
            [self.first, self.second] = done.moments;
            self.updates += 1;
            return (done.values, done.norm);
        }
        let norm = gradient.clone().square().sum().sqrt();
        let clip = (norm.clone() + 1e-6).recip() * clip_norm;
        (self.step(values, gradient * clip.clamp_max(1.0), learning_rate), norm)
    }

    /// `values` after one update with `gradient`.
    pub fn step(&mut self, values: Tensor<1>, gradient: Tensor<1>, learning_rate: f64) -> Tensor<1> {
        self.updates += 1;
        let (b1, b2) = BETAS;
        self.first = self.first.clone() * b1 + gradient.clone() * (1.0 - b1);
        self.second = self.second.clone() * b2 + gradient.square() * (1.0 - b2);
        let t = self.updates as f64;
        let root = (self.second.clone() / (1.0 - b2.powf(t))).sqrt() + EPSILON;
        let update = self.first.clone() / root * (learning_rate / (1.0 - b1.powf(t)));
        values.clone() - values * self.decay.clone() * learning_rate - update
    }
}

fn decay_of(slots: &[Slot], weight_decay: f64, device: &Device) -> Tensor<1> {
    let values: Vec<f32> = slots
        .iter()
        .flat_map(|slot| {
            let decays = slot.dims.len() > 1;
            std::iter::repeat_n(if decays { weight_decay as f32 } else { 0.0 }, slot.len())
        })
        .collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
