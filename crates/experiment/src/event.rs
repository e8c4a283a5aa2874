//! What a run reports while it runs. The stream alone is enough to rebuild every curve, mask picture and
//! table; one event is one line of JSON, tagged by its field `event`.
//!
//! Times (and memory, which depends on the machine as times do) stand only in fields that [`is_time`]
//! knows, so that two runs of one seed can be compared without them.

use std::collections::BTreeMap;

use apt_core::problem::{Explain, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::finite::checked;
use crate::knobs::Knobs;
use crate::located::{self, Failure};
use crate::record::format::{
    CurvePoint, Evaluation, Growth, KnobChange, Measures, ModelShape, Provenance, TeacherUpdate,
};
use crate::record::{Layout, PruningPoint, WatchedExample};

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run begins; everything that was decided before the first step.
    Started {
        /// The preset it started from, if it had a name.
        preset: Option<String>,
        /// The settings.
        #[serde(deserialize_with = "crate::knobs::left_by_a_run")]
        config: Box<Knobs>,
        /// What it runs on and from.
        provenance: Box<Provenance>,
        /// The dense model's blocks.
        shape: Box<ModelShape>,
        /// Counts before training.
        parameters: Parameters,
        /// Every adapter.
        adapters: Vec<AdapterInfo>,
        /// Steps planned.
        steps: usize,
        /// Names of the classes in the order of the head's outputs (`id2label`); empty where there are none.
        #[serde(default)]
        labels: Vec<String>,
        /// The examples that evaluations say the answers to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        examples: Vec<WatchedExample>,
    },
    /// The run goes on from a checkpoint; what was reported after `step` is void.
    Resumed {
        /// The last step that counts.
        step: usize,
    },
    /// Another part of the run begins.
    Phase {
        /// Which.
        name: Phase,
        /// The step at which it begins.
        step: usize,
        /// Seconds since training began.
        #[serde(serialize_with = "checked")]
        seconds: f64,
    },
    /// A training step was made.
    Step(CurvePoint),
    /// The model was evaluated.
    Evaluation(Evaluation),
    /// Pruning is laid out: before the first step, or once the training loss has moved.
    Layout(Box<Layout>),
    /// Blocks were removed, or would be: a pruning point was passed.
    Pruned(Box<PruningPoint>),
    /// Ranks grew.
    Grown(Growth),
    /// The teacher was made or refreshed.
    Teacher(TeacherUpdate),
    /// Scores of all blocks, at a pruning point: in streams of versions whose pruning points did not say them.
    Salience {
        /// The step.
        step: usize,
        /// One entry per layer.
        layers: Vec<LayerSalience>,
        /// One score per hidden dim kept.
        #[serde(serialize_with = "checked")]
        hidden: Vec<f64>,
    },
    /// A knob was changed while the run went on.
    #[serde(rename = "turned")]
    KnobChanged(KnobChange),
    /// A checkpoint was written.
    Checkpoint {
        /// The step.
        step: usize,
        /// Where, relative to the run's folder.
        path: String,
    },
    /// Something to know about that does not end the run.
    Warning {
        /// What.
        message: String,
    },
    /// Everything is measured; what the record calls `final`.
    Measured(Box<Measures>),
    /// The run cannot go on.
    Failed {
        /// The step it failed in.
        step: usize,
        /// What happened, where, and what to do next: the fields `what`, `where` and `remedy`.
        #[serde(flatten)]
        problem: Problem,
    },
    /// The run is complete; always the last event.
    Done {
        /// Path of the record.
        record: String,
    },
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Blocks are scored before training.
    Scoring,
    /// Training without a teacher, before the last pruning point.
    Pruning,
    /// Training with a teacher.
    Distilling,
    /// Training of what is left (or, in dense runs, all training).
    Tuning,
    /// The final metric is taken.
    Evaluating,
    /// Size, speed and memory are measured.
    Measuring,
}

impl Phase {
    /// The snake_case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scoring => "scoring",
            Self::Pruning => "pruning",
            Self::Distilling => "distilling",
            Self::Tuning => "tuning",
            Self::Evaluating => "evaluating",
            Self::Measuring => "measuring",
        }
    }
}

/// Parameter counts before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Without embeddings, head and adapters: what density is a share of.
    pub dense: u64,
    /// All but the adapters.
    pub with_embeddings: u64,
    /// In the adapters.
    pub adapters: u64,
    /// All that training may change.
    pub trainable: u64,
}

/// One adapter before training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterInfo {
    /// Its name, with the layer's number as one part: `layers.3.query`.
    pub name: String,
    /// Inputs of its linear layer.
    pub inputs: usize,
    /// Outputs of its linear layer.
    pub outputs: usize,
    /// Its first rank.
    pub rank: usize,
}

/// Scores of one layer's blocks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerSalience {
    /// One score per head kept.
    #[serde(serialize_with = "checked")]
    pub heads: Vec<f64>,
    /// One score per neuron kept.
    #[serde(serialize_with = "checked")]
    pub neurons: Vec<f64>,
}

/// An event that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A number in it is NaN or infinite.
    Write {
        /// Path of the field.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// The line is no event.
    Read {
        /// Path of the field.
        field: String,
        /// What is wrong.
        message: String,
    },
}

apt_core::display_problem!(EventError);

impl Explain for EventError {
    fn problem(&self) -> Problem {
        let (field, message, remedy) = match self {
            Self::Write { field, message } => {
                (field, message, "stop the run with a `failed` event that names the tensor")
            }
            Self::Read { field, message } => (field, message, "the line is damaged or comes from another version"),
        };
        let place = if field.is_empty() { "an event".to_owned() } else { format!("event field `{field}`") };
        Problem::new(place, message, remedy)
    }
}

impl Event {
    /// One line of JSON, without its line break.
    ///
    /// # Errors
    /// [`EventError::Write`] if a number is NaN or infinite: it never becomes `null` silently.
    pub fn to_line(&self) -> Result<String, EventError> {
        let mut line = Vec::new();
        located::write(self, &mut serde_json::Serializer::new(&mut line))
            .map_err(|Failure { field, message }| EventError::Write { field, message })?;
        String::from_utf8(line).map_err(|error| EventError::Write { field: String::new(), message: error.to_string() })
    }

    /// Reads one line.
    ///
    /// # Errors
    /// [`EventError::Read`] naming the field.
    pub fn from_line(line: &str) -> Result<Self, EventError> {
        let mut json = serde_json::Deserializer::from_str(line);
        let event =
            located::read(&mut json).map_err(|Failure { field, message }| EventError::Read { field, message })?;
        json.end().map_err(|error| EventError::Read { field: ".".to_owned(), message: error.to_string() })?;
        Ok(event)
    }
}

/// Whether a JSON field of this name holds a time, a speed, a date or a peak of memory: what may
/// differ between two runs of one seed.
#[must_use]
pub fn is_time(field: &str) -> bool {
    field == "seconds"
        || field == "phases"
        || field == "started_at"
        || field.starts_with("seconds_")
        || ["_seconds", "_ms", "_per_second"].iter().any(|unit| field.ends_with(unit))
        || field.starts_with("peak_") && field.ends_with("_bytes")
}

/// The value without the fields that [`is_time`] names, at any depth.
#[must_use]
pub fn without_times(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !is_time(name))
            .map(|(name, value)| (name.clone(), without_times(value)))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(values) => values.iter().map(without_times).collect(),
        other => other.clone(),
    }
}
