//! A case of the benchmark, ready to run.

use crate::cases::{Case, Size, tokens};
use crate::training::Training;
use anyhow::Result;
use apt_nn::checkpoint::read_back;
use apt_nn::{Init, ModelConfig, Transformer, inference};
use burn::tensor::Device;
use pollster::block_on;
use std::time::{Duration, Instant};

/// A case ready to run on a device.
pub enum Workload {
    /// A run that trains.
    Train(Box<Training>),
    /// A model that infers.
    Infer(Box<(Transformer, Size, Device)>),
}

impl Workload {
    /// Random weights of the shapes of `dense`.
    ///
    /// # Errors
    /// Settings that the session refuses.
    pub fn new(case: Case, dense: &ModelConfig, size: Size, device: &Device) -> Result<Self> {
        let config = case.config(dense);
        Ok(match case {
            Case::Infer | Case::InferCompact => {
                let model = Transformer::new(&config, &mut Init::new(1, device));
                Self::Infer(Box::new((model, size, device.clone())))
            }
            Case::Train | Case::TrainSalience | Case::TrainDistil => {
                Self::Train(Box::new(Training::new(case, &config, size, device)?))
            }
        })
    }

    /// Runs it `times` times; the mean time of one. Every run ends with its result on the host.
    ///
    /// # Errors
    /// When the device does not give its results.
    pub fn run(&mut self, times: usize) -> Result<Duration> {
        let began = Instant::now();
        for _ in 0..times {
            match self {
                Self::Train(training) => training.step()?,
                Self::Infer(parts) => {
                    let (model, size, device) = &**parts;
                    let logits = inference::logits(model, &tokens(&model.config, *size), device)?;
                    block_on(read_back(logits, "logits"))?;
                }
            }
        }
        Ok(began.elapsed() / times.max(1) as u32)
    }
}
