//! The fields of a record.

use std::collections::BTreeMap;

use apt_core::blocks::{LayerShape as LayerBlocks, ModelShape as Blocks};
use apt_core::wiring::Wiring;
use serde::{Deserialize, Serialize};

use crate::direction::{fraction_of, is_better};
use crate::finite::checked;
use crate::knobs::Knobs;

use super::chance::Chance;
use super::data_read::DataRead;
use super::examples::{ExampleAnswers, WatchedExample};
use super::layout::Layout;
use super::model_read::ModelRead;
use super::pruning_point::PruningPoint;
use super::step_seconds::StepSeconds;

/// The version of the format that this crate writes and reads.
pub const RECORD_SCHEMA: &str = "apt-lab/record/1";

/// What [`Evaluation::metrics`] calls the loss, which stands among them and is no metric of the task.
pub const LOSS: &str = "loss";

/// One run, complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_SCHEMA`].
    pub schema: String,
    /// The preset the run started from, if it had a name.
    #[serde(default)]
    pub preset: Option<String>,
    /// The settings.
    pub config: Knobs,
    /// What the run was made on and from.
    pub provenance: Provenance,
    /// The dense model's blocks.
    pub shape: ModelShape,
    /// Names of the classes in the order of the head's outputs (`id2label`); empty where there are none.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The examples that evaluations say the answers to; none where the task has no or many classes, nor in files of
    /// versions that did not watch any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<WatchedExample>,
    /// Every training step.
    pub curve: Vec<CurvePoint>,
    /// Every evaluation.
    #[serde(default)]
    pub evaluations: Vec<Evaluation>,
    /// How pruning was laid out; none where nothing is pruned and no rank changes.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// What was left at every pruning point.
    pub pruning_points: Vec<PruningPoint>,
    /// Every growth of ranks.
    #[serde(default)]
    pub growths: Vec<Growth>,
    /// Every teacher.
    #[serde(default)]
    pub teachers: Vec<TeacherUpdate>,
    /// Every knob changed while the run went on; `config` has the values it began with.
    #[serde(default, rename = "turns")]
    pub changes: Vec<KnobChange>,
    /// What was warned of.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What was measured at the end.
    #[serde(rename = "final")]
    pub measures: Measures,
}

/// What a run was made on and from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Version of this program.
    pub version: String,
    /// Commit it was built from.
    pub commit: Option<String>,
    /// The device, in words.
    pub device: String,
    /// What computes on it: `flex`, `wgpu/vulkan`, …
    pub backend: String,
    /// Digest of the data as they are read, before a sample is drawn.
    pub data_hash: Option<String>,
    /// What was read of the data, and what was not; none in records of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<DataRead>>,
    /// Digest of the model started from.
    pub model_hash: Option<String>,
    /// What was read of the model, and what was not; none in records of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Box<ModelRead>>,
    /// The seed.
    pub seed: u64,
    /// Operating system and architecture.
    pub os: String,
    /// Threads used by the CPU backend.
    pub threads: Option<usize>,
    /// Runs that were made side by side on this machine; times are only comparable when 1.
    pub jobs: Option<usize>,
    /// When the run began (RFC 3339), as the caller gives it.
    pub started_at: Option<String>,
    /// Digest of the sources that computed.
    pub code: Option<String>,
    /// The widest vectors the CPU backend chose when the program ran (`avx512`, `avx2`, `neon`, `simd128`, `relaxed-simd`):
    /// it decides the order of sums, and with it the last bits. Not part of the experiment's identity, as the device is
    /// not.
    pub simd: Option<String>,
    /// Seconds of a step on each device that was timed before the run, by what the knob `device` calls it; the faster was
    /// taken. Of a device that was given up it is the least that one takes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "checked")]
    pub step_seconds: BTreeMap<String, f64>,
}

/// The blocks of a dense model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelShape {
    /// Heads per layer.
    pub heads: Vec<usize>,
    /// Neurons per layer.
    pub neurons: Vec<usize>,
    /// Hidden dims.
    pub hidden: usize,
    /// Size of one head.
    pub head_size: usize,
    /// How layers are wired, where it is not as an encoder's are. A decoder's heads are its key-value heads, each with the
    /// query heads that share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wiring: Option<Wiring>,
}

impl ModelShape {
    /// Query heads that are pruned together with the key-value head that they share.
    #[must_use]
    pub fn queries_per_key(&self) -> usize {
        self.wiring.map_or(1, |wiring| wiring.queries_per_key)
    }

    /// Whether a neuron has a gate, with which it is pruned.
    #[must_use]
    pub fn is_gated(&self) -> bool {
        self.wiring.is_some_and(|wiring| wiring.gated)
    }

    /// The same as blocks whose weights can be counted.
    #[must_use]
    pub fn blocks(&self) -> Blocks {
        let wiring = self.wiring.unwrap_or(Wiring::encoder(self.head_size));
        let layers = self.heads.iter().zip(&self.neurons);
        let layers = layers.map(|(&heads, &neurons)| LayerBlocks { heads, neurons });
        Blocks { hidden: self.hidden, wiring, layers: layers.collect() }
    }
}

/// One training step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The step, from 1.
    pub step: usize,
    /// Epochs gone, with fraction.
    #[serde(serialize_with = "checked")]
    pub epoch: f64,
    /// The loss that was descended.
    #[serde(serialize_with = "checked")]
    pub loss: f64,
    /// Its task part.
    #[serde(serialize_with = "checked")]
    pub task_loss: f64,
    /// Its distillation part, when distilling.
    #[serde(default, serialize_with = "checked")]
    pub distill_loss: Option<f64>,
    /// Learning rate of this step.
    #[serde(serialize_with = "checked")]
    pub learning_rate: f64,
    /// The share of distillation in the loss, when distilling.
    #[serde(default, serialize_with = "checked")]
    pub mu: Option<f64>,
    /// Share of the prunable parameters in the model (masked blocks count as gone).
    #[serde(serialize_with = "checked")]
    pub density: f64,
    /// Global norm of the gradients before clipping.
    #[serde(default, serialize_with = "checked")]
    pub grad_norm: Option<f64>,
    /// Most memory allocated on the device since the step before.
    #[serde(default)]
    pub peak_device_bytes: Option<u64>,
    /// Seconds since training began.
    #[serde(serialize_with = "checked")]
    pub seconds: f64,
}

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Looked at while training.
    Validation,
    /// Looked at once, at the end.
    Test,
}

/// One evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// After this step.
    pub step: usize,
    /// On which part of the data.
    pub split: Split,
    /// The metric that decides.
    #[serde(serialize_with = "checked")]
    pub metric: f64,
    /// All metrics by name, [`LOSS`] included.
    #[serde(default, serialize_with = "checked")]
    pub metrics: BTreeMap<String, f64>,
    /// The answers to each of [`Record::examples`], on validation data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ExampleAnswers>,
    /// Seconds since training began.
    #[serde(serialize_with = "checked")]
    pub seconds: f64,
}

/// A growth of ranks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// After this step.
    pub step: usize,
    /// Adapter parameters allowed.
    pub budget: u64,
    /// Adapter parameters now.
    pub parameters: u64,
    /// Rank of every adapter afterwards, by name.
    pub ranks: BTreeMap<String, usize>,
    /// Importance of every adapter, by name.
    #[serde(default, serialize_with = "checked")]
    pub importance: BTreeMap<String, f64>,
}

/// A teacher was made or refreshed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TeacherUpdate {
    /// After this step.
    pub step: usize,
    /// Its validation metric.
    #[serde(serialize_with = "checked")]
    pub metric: f64,
}

/// A knob was changed while the run went on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnobChange {
    /// After this step.
    pub step: usize,
    /// The knob.
    pub knob: String,
    /// Its value from then on, as text.
    pub value: String,
}

/// The same quantity of the dense and of the compacted model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DenseKept {
    /// Of the dense model.
    pub dense: Option<u64>,
    /// Of the compacted model.
    pub kept: Option<u64>,
}

/// What was measured at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// The task's metrics.
    pub metric: MetricMeasure,
    /// Parameters.
    pub params: Params,
    /// Multiply-accumulates of one example of the length to which the first 32 validation examples are padded.
    pub macs: DenseKept,
    /// Size of the exported model.
    pub file_bytes: DenseKept,
    /// Cost of training.
    pub train: TrainMeasure,
    /// Speed of inference.
    pub inference: Inference,
}

/// The task's metrics on both parts of the data. The first decides which weights are kept and what a run is compared by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricMeasure {
    /// Name of the metric that decides: `accuracy`, `f1`, `matthews`, `pearson`.
    pub name: String,
    /// On validation data.
    #[serde(default, serialize_with = "checked")]
    pub validation: Option<f64>,
    /// On test data.
    #[serde(default, serialize_with = "checked")]
    pub test: Option<f64>,
    /// What a model that has learned nothing scores on the same examples.
    #[serde(default)]
    pub chance: Chance,
    /// Training steps behind the weights that were measured.
    #[serde(default)]
    pub step: Option<usize>,
    /// The task's other metrics.
    #[serde(default)]
    pub others: Vec<NamedMetric>,
}

/// A metric beside the one that decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NamedMetric {
    /// `accuracy`, `spearman`.
    pub name: String,
    /// On validation data.
    #[serde(default, serialize_with = "checked")]
    pub validation: Option<f64>,
    /// On test data.
    #[serde(default, serialize_with = "checked")]
    pub test: Option<f64>,
}

/// Parameters of the dense and of the compacted model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// Dense, without embeddings and head: what density is a share of.
    #[serde(default)]
    pub dense: Option<u64>,
    /// Compacted, without embeddings and head.
    #[serde(default)]
    pub kept: Option<u64>,
    /// Everything.
    #[serde(default)]
    pub with_embeddings: DenseKept,
}

/// Cost of training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainMeasure {
    /// Whole training, evaluations included, warm-up not.
    #[serde(serialize_with = "checked")]
    pub seconds: Option<f64>,
    /// Compilation and first launches.
    #[serde(serialize_with = "checked")]
    pub warmup_seconds: Option<f64>,
    /// Steps made.
    pub steps: Option<usize>,
    /// The validation metric that counts as reached: fraction × reference.
    #[serde(serialize_with = "checked")]
    pub target: Option<f64>,
    /// What scoring and teaching cost in a step.
    pub step_seconds: Option<StepSeconds>,
    /// Steps until it was.
    pub steps_to_target: Option<usize>,
    /// Seconds until it was.
    #[serde(serialize_with = "checked")]
    pub seconds_to_target: Option<f64>,
    /// Most memory allocated on the device.
    pub peak_device_bytes: Option<u64>,
    /// Most memory of the process.
    pub peak_process_bytes: Option<u64>,
    /// Density averaged over all steps.
    #[serde(serialize_with = "checked")]
    pub mean_density: Option<f64>,
    /// Seconds spent in each phase, by its name.
    #[serde(serialize_with = "checked")]
    pub phases: BTreeMap<String, f64>,
}

/// Speed of inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inference {
    /// One example at a time.
    pub batch_1: BatchTimes,
    /// 32 examples at a time.
    pub batch_32: BatchTimes,
}

/// Time of one batch, and examples per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchTimes {
    /// Milliseconds, dense.
    #[serde(serialize_with = "checked")]
    pub dense_ms: Option<f64>,
    /// Milliseconds, compacted.
    #[serde(serialize_with = "checked")]
    pub compact_ms: Option<f64>,
    /// Examples per second, dense.
    #[serde(serialize_with = "checked")]
    pub dense_per_second: Option<f64>,
    /// Examples per second, compacted.
    #[serde(serialize_with = "checked")]
    pub compact_per_second: Option<f64>,
}

impl MetricMeasure {
    /// Whether the model is at chance on all data it was measured on; unknown, and so `false`, in records of versions that
    /// did not say what chance is.
    #[must_use]
    pub fn is_at_chance(&self) -> bool {
        let pairs = [(self.validation, self.chance.validation), (self.test, self.chance.test)];
        let mut known = pairs.into_iter().filter_map(|(metric, chance)| metric.zip(chance)).peekable();
        known.peek().is_some() && known.all(|(metric, chance)| chance.explains(&self.name, metric))
    }
}

impl Record {
    /// Measures against the metric of the dense reference: the steps and seconds until
    /// `target_metric_fraction` of it was reached on validation data, from the evaluations. They are
    /// `None` if it never was, if the reference is not above 0, where a share of it means nothing, or if it or the model
    /// is at chance.
    pub fn set_reference(&mut self, reference: f64) {
        let metric = &self.measures.metric;
        let share = fraction_of(&metric.name, reference, self.config.target_metric_fraction);
        let target = Some(share).filter(|target| *target > 0.0);
        let is_chance = metric.chance.validation.is_some_and(|chance| chance.explains(&metric.name, reference));
        let target = target.filter(|_| !is_chance && !metric.is_at_chance());
        let reached = target.and_then(|target| first_reaching(&self.evaluations, &metric.name, target));
        let train = &mut self.measures.train;
        train.target = target;
        train.steps_to_target = reached.map(|evaluation| evaluation.step);
        train.seconds_to_target = reached.map(|evaluation| evaluation.seconds);
    }

    /// The last pruning point, if anything was pruned.
    #[must_use]
    pub fn last_point(&self) -> Option<&PruningPoint> {
        self.pruning_points.last()
    }

    /// Share of the prunable parameters that the compacted model keeps.
    #[must_use]
    pub fn density(&self) -> Option<f64> {
        let (dense, kept) = (self.measures.params.dense?, self.measures.params.kept?);
        (dense > 0).then(|| kept as f64 / dense as f64)
    }
}

/// The first evaluation on validation data whose metric is `target` or better.
fn first_reaching<'e>(evaluations: &'e [Evaluation], metric: &str, target: f64) -> Option<&'e Evaluation> {
    let reaches = |of: &&Evaluation| of.split == Split::Validation && !is_better(metric, target, of.metric);
    evaluations.iter().find(reaches)
}
