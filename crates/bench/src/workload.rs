//! A case of the benchmark, ready to run.

use crate::cases::{Case, DECODED, PROMPT_IDS, Size, tokens};
use crate::training::Training;
use anyhow::Result;
use apt_core::tokens::TokenBatch;
use apt_data::{Stream, generator};
use apt_nn::checkpoint::read_back;
use apt_nn::generation::{Decoder, Sampler, Sampling};
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
    /// A decoder that writes.
    Decode(Box<(Decoder, Sampler)>),
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
            Case::Decode | Case::DecodeCompact => {
                let model = Transformer::new(&config, &mut Init::new(1, device));
                let sampler = Sampler::new(Sampling::GREEDY, generator(1, Stream::Writing, 0));
                Self::Decode(Box::new((Decoder::new(&model)?, sampler)))
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
                Self::Decode(parts) => {
                    let (decoder, sampler) = &mut **parts;
                    decode(decoder, sampler)?;
                }
            }
        }
        Ok(began.elapsed() / times.max(1) as u32)
    }
}

/// Writes [`DECODED`] tokens behind the prompt, whatever they are, as [`apt_train::TextGenerator`] does.
fn decode(decoder: &mut Decoder, sampler: &mut Sampler) -> Result<()> {
    let mut logits = decoder.begin(&TokenBatch::of_one_type(PROMPT_IDS.to_vec(), vec![PROMPT_IDS.len()]))?;
    for _ in 1..DECODED {
        let id = sampler.choose(&block_on(read_back(logits, "logits"))?)?;
        logits = decoder.step(&[id as i32])?;
    }
    sampler.choose(&block_on(read_back(logits, "logits"))?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stories15m;
    use apt_core::blocks::LayerShape;

    /// The shapes of a decoder that is built in no time.
    fn small() -> ModelConfig {
        ModelConfig {
            vocab_size: 10_000,
            hidden: 16,
            head_size: 4,
            layers: vec![LayerShape { heads: 4, neurons: 20 }; 2],
            ..stories15m()
        }
    }

    #[test]
    fn every_case_of_a_decoder_runs() {
        let (size, device) = (Size { batch: 2, length: 8, padded: false, shards: 1 }, Device::flex());
        for case in Case::ALL.into_iter().filter(|case| case.is_of(&small())) {
            let workload = Workload::new(case, &small(), size, &device);
            let time = workload.and_then(|mut workload| workload.run(1));
            assert!(time.is_ok(), "{}: {time:?}", case.key());
        }
    }
}
