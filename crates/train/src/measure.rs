//! Final measures, each taken on the model it is about: sizes, files and speed of the compacted model beside the dense.

use crate::TrainError;
use crate::evaluate::PAD_MULTIPLE;
use crate::session::Session;
use apt_core::averages::median;
use apt_data::{Example, collate};
use apt_experiment::{BatchTimes, DenseKept, Inference, Measures, MetricMeasure, Params, Split, TrainMeasure};
use apt_nn::checkpoint::{Precision, read_back, to_safetensors};
use apt_nn::{Init, Transformer, inference};
use burn::module::Module;

/// Repetitions of a timed inference, and seconds after which no more are started.
const REPETITIONS: usize = 30;
const REPETITION_SECONDS: f64 = 6.0;
const WARM_UPS: usize = 3;

impl Session {
    pub(crate) async fn measure(&mut self) -> Result<Measures, TrainError> {
        let compact = self.compacted();
        let dense = self.dense_model()?;
        let sequence = self.sample(32).seq;
        let count = |config: &apt_nn::ModelConfig| {
            let prunable = config.shape().parameters() as u64;
            (prunable, prunable + (config.embedding_parameters() + config.head_parameters()) as u64)
        };
        let (dense_params, dense_all) = count(&dense.config);
        let (kept_params, kept_all) = count(&compact.config);
        let size = |model: Transformer| async move {
            Ok::<_, TrainError>(to_safetensors(&model, Precision::F32).await?.len() as u64)
        };
        let state = &self.state;
        let test = match self.setup.task.test {
            Some(_) => Some(self.evaluated(Split::Test).await?.0),
            None => None,
        };
        let steps = state.step;
        Ok(Measures {
            metric: MetricMeasure {
                name: self.setup.task.objective.metrics().first().map_or("", |metric| metric.name()).into(),
                validation: state.last_validation,
                test,
                step: Some(self.best.as_ref().map_or(steps, |best| best.step)),
                // The record takes them from the evaluations.
                others: Vec::new(),
            },
            params: Params {
                dense: Some(dense_params),
                kept: Some(kept_params),
                with_embeddings: DenseKept { dense: Some(dense_all), kept: Some(kept_all) },
            },
            macs: DenseKept {
                dense: Some(dense.config.shape().macs(sequence)),
                kept: Some(compact.config.shape().macs(sequence)),
            },
            file_bytes: DenseKept { dense: Some(size(dense.clone()).await?), kept: Some(size(compact.clone()).await?) },
            train: TrainMeasure {
                seconds: Some(state.seconds),
                warmup_seconds: Some(state.warmup_seconds),
                steps: Some(steps),
                peak_device_bytes: state.peak_device,
                peak_process_bytes: state.peak_process,
                mean_density: (steps > 0).then(|| state.density_sum / steps as f64),
                phases: state.phase_seconds.clone(),
                ..TrainMeasure::default()
            },
            inference: Inference {
                batch_1: self.time_inference(&dense, &compact, 1).await?,
                batch_32: self.time_inference(&dense, &compact, 32).await?,
            },
        })
    }

    /// The dense model with an untrained head of the same size: what the compacted one is compared with.
    fn dense_model(&self) -> Result<Transformer, TrainError> {
        let device = &self.setup.device;
        let mut model = self.setup.source.model(device)?;
        if model.config.head.is_none_or(|h| h.labels != self.setup.labels) {
            model = model.with_head(self.setup.labels, &mut Init::new(0, device));
        }
        Ok(model.valid())
    }

    fn sample(&self, n: usize) -> apt_data::Batch {
        let examples: Vec<&Example> = self.setup.task.validation.iter().cycle().take(n).collect();
        collate(&examples, self.setup.pad_id, PAD_MULTIPLE)
    }

    /// Median time of one batch, dense and compacted in turn so that a busy machine hurts both alike.
    async fn time_inference(
        &self,
        dense: &Transformer,
        compact: &Transformer,
        size: usize,
    ) -> Result<BatchTimes, TrainError> {
        let sample = self.sample(size);
        let mut times = [Vec::new(), Vec::new()];
        let began = self.probe.seconds();
        for repetition in 0..WARM_UPS + REPETITIONS {
            for (model, times) in [dense, compact].into_iter().zip(&mut times) {
                let start = self.probe.seconds();
                let device = &self.setup.device;
                let logits = inference::logits(model, &sample.ids, &sample.type_ids, &sample.lengths, device)?;
                read_back(logits, "logits").await?;
                if repetition >= WARM_UPS {
                    times.push(self.probe.seconds() - start);
                }
            }
            if repetition > WARM_UPS && self.probe.seconds() - began > REPETITION_SECONDS {
                break;
            }
        }
        let [dense, compact] = times.map(|times| median(times).unwrap_or_default());
        let per_second = |seconds: f64| (seconds > 0.0).then(|| size as f64 / seconds);
        Ok(BatchTimes {
            dense_ms: Some(dense * 1e3),
            compact_ms: Some(compact * 1e3),
            dense_per_second: per_second(dense),
            compact_per_second: per_second(compact),
        })
    }
}
