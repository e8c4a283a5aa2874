//! What is measured of a run: each measure with its name, unit, how it is read from a record and which way is better.

use apt_experiment::{Evaluation, Record, Split};
use serde::Serialize;

use crate::figures;

/// The accuracy whose first step is reported: well above chance, and below what the built-in model ends with.
pub const LANDMARK: f64 = 0.9;

/// A measure.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in files.
    pub key: &'static str,
    /// Its name in tables.
    pub name: &'static str,
    /// Its unit in files; tables may take a multiple.
    pub unit: Unit,
    /// Whether less of it is better; `None` where neither is.
    pub lower_is_better: Option<bool>,
    /// Whether it is a time or made of times, which other work on the same machine changes.
    pub timed: bool,
    /// What it is, in a sentence.
    pub meaning: &'static str,
    /// Its value; `None` if the run did not measure it.
    pub read: fn(&Record) -> Option<f64>,
}

/// A unit, and how tables write numbers of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// A metric between 0 and 1 (or −1 and 1).
    #[serde(rename = "")]
    Metric,
    /// A share of 1.
    #[serde(rename = "1")]
    Share,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Bytes.
    #[serde(rename = "B")]
    Bytes,
    /// Gigabytes times seconds.
    #[serde(rename = "GB·s")]
    GigabyteSeconds,
    /// Examples per second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// How many.
    #[serde(rename = "count")]
    Count,
}

impl Unit {
    /// As files write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Metric => "",
            Self::Share => "1",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Bytes => "B",
            Self::GigabyteSeconds => "GB·s",
            Self::PerSecond => "1/s",
            Self::Count => "count",
        }
    }

    /// One number of this unit with as much of a multiple as it needs: `3.40 MB`, `4 min 03 s`.
    #[must_use]
    pub fn text(self, number: f64) -> String {
        match self {
            Self::Metric => figures::metric(number),
            Self::Share => figures::share(number),
            Self::Seconds => figures::seconds(number),
            Self::Milliseconds => figures::milliseconds(number),
            Self::Bytes => figures::bytes(number.max(0.0) as u64),
            Self::Count => figures::count(number.max(0.0) as u64),
            Self::GigabyteSeconds | Self::PerSecond => format!("{} {}", figures::plain(number), self.name()),
        }
    }
}

const LESS: Option<bool> = Some(true);
const MORE: Option<bool> = Some(false);

macro_rules! metrics {
    ($($key:ident $name:literal $unit:ident $better:ident $timed:literal $meaning:literal $read:expr;)*) => {
        /// Every measure.
        pub static METRICS: &[Metric] = &[$(Metric {
            key: stringify!($key),
            name: $name,
            unit: Unit::$unit,
            lower_is_better: $better,
            timed: $timed,
            meaning: $meaning,
            read: $read,
        }),*];
    };
}

metrics! {
    validation "validation" Metric MORE false
        "The task's metric on validation data, of the weights that were kept."
        |run| run.measures.metric.validation;
    test "test" Metric MORE false
        "The task's metric on test data, looked at once."
        |run| run.measures.metric.test;
    training_seconds "training time" Seconds LESS true
        "Time of training, evaluations included, warm-up not."
        |run| run.measures.train.seconds;
    steps_to_target "steps to target" Count LESS false
        "Steps until an evaluation on validation data reached the target."
        |run| run.measures.train.steps_to_target.map(|steps| steps as f64);
    seconds_to_target "time to target" Seconds LESS true
        "Time until an evaluation on validation data reached the target."
        |run| run.measures.train.seconds_to_target;
    steps_to_landmark "steps to 0.9" Count LESS false
        "Steps until an evaluation on validation data reached an accuracy of 0.9."
        |run| landmark(run).map(|first| first.step as f64);
    seconds_to_landmark "time to 0.9" Seconds LESS true
        "Time until an evaluation on validation data reached an accuracy of 0.9."
        |run| landmark(run).map(|first| first.seconds);
    peak_device_bytes "peak device memory" Bytes LESS false
        "Most memory that tensors took on the device in training."
        |run| whole(run.measures.train.peak_device_bytes);
    peak_process_bytes "peak process memory" Bytes LESS false
        "Most memory of the process, program and data included."
        |run| whole(run.measures.train.peak_process_bytes);
    memory_time "memory × time" GigabyteSeconds LESS true
        "Peak device memory of each step times the time since the step before, summed over training."
        memory_time;
    mean_density "mean density" Share LESS false
        "Density averaged over all steps."
        |run| run.measures.train.mean_density;
    density "density" Share LESS false
        "Share of the parameters, embeddings and classification head not counted, that the compacted model keeps."
        Record::density;
    parameters "parameters, no embeddings" Count LESS false
        "Parameters of the compacted model without embeddings and classification head."
        |run| whole(kept(run, run.measures.params.kept, run.measures.params.dense));
    macs "MACs" Count LESS false
        "Multiply-accumulates of one example in the compacted model, at the length the first 32 validation examples are padded to."
        |run| whole(kept(run, run.measures.macs.kept, run.measures.macs.dense));
    file_bytes "model file" Bytes LESS false
        "Size of the exported compacted model. It stands for memory of inference: what the weights take when loaded, \
         embeddings and head included, activations not."
        |run| whole(kept(run, run.measures.file_bytes.kept, run.measures.file_bytes.dense));
    latency_1 "latency, batch 1" Milliseconds LESS true
        "Time of one example in the compacted model."
        |run| kept(run, run.measures.inference.batch_1.compact_ms, run.measures.inference.batch_1.dense_ms);
    latency_32 "latency, batch 32" Milliseconds LESS true
        "Time of a batch of 32 in the compacted model."
        |run| kept(run, run.measures.inference.batch_32.compact_ms, run.measures.inference.batch_32.dense_ms);
    throughput_1 "throughput, batch 1" PerSecond MORE true
        "Examples per second, one at a time, in the compacted model."
        |run| kept(run, run.measures.inference.batch_1.compact_per_second, run.measures.inference.batch_1.dense_per_second);
    throughput_32 "throughput, batch 32" PerSecond MORE true
        "Examples per second in batches of 32, in the compacted model."
        |run| kept(run, run.measures.inference.batch_32.compact_per_second, run.measures.inference.batch_32.dense_per_second);
}

/// The measure of this key.
#[must_use]
pub fn metric(key: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == key)
}

/// The first evaluation on validation data that reached [`LANDMARK`]; none of a run that is judged by another metric than
/// accuracy, or whose model is at chance.
#[must_use]
pub fn landmark(run: &Record) -> Option<&Evaluation> {
    let metric = &run.measures.metric;
    let counts = metric.name == "accuracy" && !metric.is_at_chance();
    let mut all = run.evaluations.iter().filter(|of| counts && of.split == Split::Validation);
    all.find(|of| of.metric >= LANDMARK)
}

/// A dense run has no compacted model of its own: the dense model is the one it leaves.
fn kept<T>(run: &Record, compact: Option<T>, dense: Option<T>) -> Option<T> {
    compact.or(dense.filter(|_| !run.config.prunes()))
}

/// Σ peak of a step × seconds since the step before, in GB·s; `None` unless every step has a peak.
fn memory_time(run: &Record) -> Option<f64> {
    let mut before = 0.0;
    let mut sum = 0.0;
    for point in &run.curve {
        sum += point.peak_device_bytes? as f64 * (point.seconds - before).max(0.0);
        before = point.seconds;
    }
    (!run.curve.is_empty()).then_some(sum / 1e9)
}

fn whole(number: Option<u64>) -> Option<f64> {
    number.map(|number| number as f64)
}
