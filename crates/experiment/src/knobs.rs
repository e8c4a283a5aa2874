//! The one table of knobs. Everything that names, parses, limits, documents or stores a setting of
//! an experiment (flags, config files, JSON schema, forms, the `knobs` command) is derived from it.
//!
//! An entry reads: one line of help, then `#[knob(axis, symbol in the paper, range; live)]`, then
//! `name: type = default`. `live` marks what may be changed while a run goes on.

use std::sync::LazyLock;

use apt_core::arms::{
    Curve, Distillation, HeadKurtosis, KindWeighing, OutlierScale, Padding, PruneSchedule, RankGrowth, RankImportance,
    Salience,
};
use apt_core::lr::LrDecay;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::inputs::{BUILTIN_MODEL, BUILTIN_TASK, TaskName};
use crate::knob::axis::Axis;
use crate::knob::choices::{Adapters, Device, Keep, MuOver, ObjectiveChoice, OptimizerState, PoolingChoice};
use crate::knob::densities::Densities;
use crate::knob::error::{KnobError, SettingLocation, nearest};
use crate::knob::kind::{KnobKind, KnobValue, Rejection};

/// One setting of an experiment, described once.
#[derive(Debug)]
pub struct Knob {
    /// Field of [`Knobs`], key in files and URLs (snake_case).
    pub name: &'static str,
    /// Type and range.
    pub kind: KnobKind,
    /// The default, as text that [`Knob::set`] takes.
    pub default: String,
    /// One line for a human.
    pub help: &'static str,
    /// The paper's symbol, or empty.
    pub symbol: &'static str,
    /// What it belongs to.
    pub axis: Axis,
    /// Whether it may be changed while a run goes on; the new value counts from the next step.
    pub live: bool,
    read: fn(&Knobs) -> Value,
    write: fn(&mut Knobs, Value) -> Result<(), serde_json::Error>,
}

impl Knob {
    #[expect(clippy::too_many_arguments, reason = "called by the knob table's macro alone")]
    fn new(
        name: &'static str,
        kind: KnobKind,
        help: &'static str,
        symbol: &'static str,
        axis: Axis,
        live: bool,
        read: fn(&Knobs) -> Value,
        write: fn(&mut Knobs, Value) -> Result<(), serde_json::Error>,
        defaults: &Knobs,
    ) -> Self {
        let default = kind.text(&read(defaults));
        Self { name, kind, default, help, symbol, axis, live, read, write }
    }

    /// The command-line flag without its dashes: `prune-fraction`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// This knob's value in `knobs`, as JSON; an absent optional value is `null`.
    #[must_use]
    pub fn get(&self, knobs: &Knobs) -> Value {
        (self.read)(knobs)
    }

    /// This knob's value in `knobs`, as text that [`Knob::set`] takes back.
    #[must_use]
    pub fn text(&self, knobs: &Knobs) -> String {
        self.kind.text(&self.get(knobs))
    }

    /// Sets this knob from text (a flag, a URL, a form).
    ///
    /// # Errors
    /// [`KnobError::WrongType`] or [`KnobError::OutOfRange`]; `knobs` is then unchanged.
    pub fn set(&self, knobs: &mut Knobs, text: &str) -> Result<(), KnobError> {
        self.put(knobs, self.kind.parse(text), || text.to_owned(), &SettingLocation::default())
    }

    /// Sets this knob from a JSON value.
    ///
    /// # Errors
    /// As [`Knob::set`].
    pub fn set_json(&self, knobs: &mut Knobs, value: &Value) -> Result<(), KnobError> {
        self.set_json_at(knobs, value, &SettingLocation::default())
    }

    pub(crate) fn set_json_at(
        &self,
        knobs: &mut Knobs,
        value: &Value,
        location: &SettingLocation,
    ) -> Result<(), KnobError> {
        self.put(knobs, self.kind.accept(value), || value.to_string(), location)
    }

    fn put(
        &self,
        knobs: &mut Knobs,
        value: Result<Value, Rejection>,
        shown: impl Fn() -> String,
        location: &SettingLocation,
    ) -> Result<(), KnobError> {
        let rejection = match value {
            // The kind has accepted the value; what the field's own type still refuses is a matter of type.
            Ok(value) => match (self.write)(knobs, value) {
                Ok(()) => return Ok(()),
                Err(_) => Rejection::WrongType,
            },
            Err(rejection) => rejection,
        };
        Err(self.refusal(rejection, shown(), location))
    }

    pub(crate) fn refusal(&self, rejection: Rejection, value: String, location: &SettingLocation) -> KnobError {
        let (knob, expected, location) = (self.name, self.kind.expected(), location.clone());
        match rejection {
            Rejection::WrongType => KnobError::WrongType { knob, value, expected, location },
            Rejection::OutOfRange => KnobError::OutOfRange { knob, value, expected, location },
        }
    }
}

/// The knob of this name, in snake_case or as a flag in kebab-case.
///
/// # Errors
/// [`KnobError::Unknown`], with the nearest name there is.
pub fn knob(name: &str) -> Result<&'static Knob, KnobError> {
    knob_at(name, &SettingLocation::default())
}

pub(crate) fn knob_at(name: &str, location: &SettingLocation) -> Result<&'static Knob, KnobError> {
    let wanted = name.trim_start_matches("--").replace('-', "_");
    KNOBS.iter().find(|knob| knob.name == wanted).ok_or_else(|| KnobError::Unknown {
        name: name.to_owned(),
        suggestion: nearest(&wanted, KNOBS.iter().map(|knob| knob.name)),
        location: location.clone(),
    })
}

/// The knobs that say what is read as the task.
pub const DATA_KNOBS: [&str; 8] =
    ["task", "objective", "data", "text", "text_pair", "label", "label_separator", "no_header"];

/// The settings of [`DATA_KNOBS`]: equal ones read the same examples.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataSource {
    task: TaskName,
    objective: ObjectiveChoice,
    data: Option<String>,
    columns: [Option<String>; 4],
    no_header: bool,
}

impl Knobs {
    /// What is read as the task.
    #[must_use]
    pub fn data_source(&self) -> DataSource {
        DataSource {
            task: self.task.clone(),
            objective: self.learned(),
            data: self.data.clone(),
            columns: [&self.text, &self.text_pair, &self.label, &self.label_separator].map(Clone::clone),
            no_header: self.no_header,
        }
    }

    /// Sets the knob `name` from text.
    ///
    /// # Errors
    /// [`KnobError`] for an unknown name, a wrong type or a value out of range; nothing changes then.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), KnobError> {
        knob(name)?.set(self, text)
    }

    /// The value of the knob `name` as text.
    ///
    /// # Errors
    /// [`KnobError::Unknown`].
    pub fn text(&self, name: &str) -> Result<String, KnobError> {
        Ok(knob(name)?.text(self))
    }
}

/// The largest whole number every reader of our JSON (JavaScript too) holds exactly, 2⁵³ − 1.
const EXACT: i64 = (1 << 53) - 1;

macro_rules! limits {
    () => {
        ()
    };
    ($range:expr) => {
        $range
    };
}

macro_rules! knobs {
    ($(
        #[doc = $help:literal]
        #[knob($axis:ident, $symbol:literal $(, $range:expr)? $(; $live:ident)?)]
        $name:ident: $type:ty = $default:expr,
    )*) => {
        /// Every setting of one experiment; [`KNOBS`] describes each field.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Knobs {
            $(#[doc = $help] pub $name: $type,)*
        }

        impl Default for Knobs {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// The description of every knob, in the order of the table.
        pub static KNOBS: LazyLock<Vec<Knob>> = LazyLock::new(|| {
            let defaults = Knobs::default();
            vec![$(
                Knob::new(
                    stringify!($name),
                    <$type as KnobValue>::kind(limits!($($range)?)),
                    $help.trim(),
                    $symbol,
                    Axis::$axis,
                    [$(stringify!($live))?].contains(&"live"),
                    |knobs| knobs.$name.to_json(),
                    |knobs, value| {
                        knobs.$name = serde_json::from_value(value)?;
                        Ok(())
                    },
                    &defaults,
                ),
            )*]
        });
    };
}

impl Knobs {
    /// Settings that a run has left, where `saved` is what stands there: a knob that there was not yet had a value all the
    /// same, which need not be today's default.
    #[must_use]
    pub fn of_its_time(self, saved: &Value) -> Self {
        match saved.get("padding") {
            Some(_) => self,
            None => Self { padding: Padding::Counted, ..self },
        }
    }
}

/// Reads settings that a run has left, as [`Knobs::of_its_time`] takes them.
///
/// # Errors
/// What cannot be read as settings.
pub fn left_by_a_run<'de, D: Deserializer<'de>, K: From<Knobs>>(from: D) -> Result<K, D::Error> {
    let saved = Value::deserialize(from)?;
    let knobs = Knobs::deserialize(&saved).map_err(D::Error::custom)?;
    Ok(knobs.of_its_time(&saved).into())
}

knobs! {
    /// Model to start from: `builtin`, `builtin-decoder`, `nano` or `nano-decoder` (tiny, random), a folder, or org/name of the hub.
    #[knob(Model, "")]
    model: String = BUILTIN_MODEL.to_owned(),
    /// Linear layers that carry an adapter, by comma: query, key, value, output, gate, up, down.
    #[knob(Model, "")]
    adapters: Adapters = Adapters::default(),
    /// Rank every adapter starts with, or has on average at the end if ranks are allotted.
    #[knob(Model, "r_apt", 1..=1024)]
    rank: usize = 8,
    /// Factor on the adapter branch; it stays the same when the rank changes.
    #[knob(Model, "s", 0.001..=1000.0)]
    rank_scale: f64 = 2.0,
    /// Train every parameter but the embeddings, without adapters (full fine-tuning).
    #[knob(Model, "")]
    train_base: bool = false,
    /// Leave the classification head as it was initialised.
    #[knob(Model, "")]
    freeze_head: bool = false,
    /// What the classifier reads: pooler (first token through a dense layer), cls, mean of the tokens, or auto (as the model).
    #[knob(Model, "")]
    pooling: PoolingChoice = PoolingChoice::Auto,

    /// Task to learn: `builtin`, sst2, cola, mrpc, rte, stsb, trec, agnews, or `text` (also `csv`) for a file of your own.
    #[knob(Task, "")]
    task: TaskName = BUILTIN_TASK.into(),
    /// What is learned: classification, multi_label, regression; causal_lm (texts), multiple_choice; auto: what task or decoder has.
    #[knob(Task, "")]
    objective: ObjectiveChoice = ObjectiveChoice::Auto,
    /// Folder or file with the task's data; the built-in task needs none.
    #[knob(Task, "")]
    data: Option<String> = None,
    /// Column of the text; none finds it by its name. Where it is named, only text_pair names a second one.
    #[knob(Task, "")]
    text: Option<String> = None,
    /// Column of the second text of a pair.
    #[knob(Task, "")]
    text_pair: Option<String> = None,
    /// Column of the label; none finds it by its name. In multi_label also several by comma, with 0 or 1 each.
    #[knob(Task, "")]
    label: Option<String> = None,
    /// Stands between the labels of a cell in multi_label; none reads lists as ["a", "b"].
    #[knob(Task, "")]
    label_separator: Option<String> = None,
    /// The first line of the data is an example and names no columns; they are then called 1, 2, 3 and so on.
    #[knob(Task, "")]
    no_header: bool = false,
    /// Train on this many examples only; none takes all.
    #[knob(Task, "", 1..=1_000_000_000)]
    train_examples: Option<usize> = None,
    /// Longest input in tokens; longer ones are cut. In causal_lm texts are joined and cut into pieces of this length.
    #[knob(Task, "", 4..=8192)]
    max_length: usize = 128,

    /// Peak learning rate.
    #[knob(Training, "η", 1e-6..=1.0; live)]
    learning_rate: f64 = 1e-3,
    /// Share of the steps in which the learning rate climbs to its peak.
    #[knob(Training, "", 0.0..=0.5)]
    lr_warmup: f64 = 0.06,
    /// How the learning rate falls after its peak: linear or cosine to zero, or constant.
    #[knob(Training, "")]
    lr_curve: LrDecay = LrDecay::Linear,
    /// Weight decay of AdamW.
    #[knob(Training, "λ", 0.0..=1.0; live)]
    weight_decay: f64 = 0.1,
    /// Share of hidden states, attention weights and the classifier's input that a training step sets to zero.
    #[knob(Training, "", 0.0..=0.9)]
    dropout: f64 = 0.0,
    /// Largest global norm of the gradients.
    #[knob(Training, "", 0.001..=1e6; live)]
    clip_norm: f64 = 1.0,
    /// Optimiser moments when shapes change: carry what survives, or reset all as the paper did.
    #[knob(Training, "")]
    optimizer_state: OptimizerState = OptimizerState::Carry,
    /// Weights of the finished model: best on validation since the last pruning, or last.
    #[knob(Training, "")]
    keep: Keep = Keep::Best,
    /// Examples in one training step.
    #[knob(Training, "", 1..=4096)]
    batch_size: usize = 32,
    /// Times the training examples are gone through.
    #[knob(Training, "", 0.001..=10_000.0)]
    epochs: f64 = 3.0,
    /// Train this many steps and ignore epochs.
    #[knob(Training, "", 1..=100_000_000)]
    steps: Option<usize> = None,

    /// Share of the model's parameters to keep; 1 prunes nothing.
    #[knob(Schedule, "γ_T", 0.05..=1.0)]
    density: f64 = 0.4,
    /// Densities on the way, by comma and falling: each is reached and tuned like the last; none goes there at once.
    #[knob(Schedule, "")]
    via: Option<Densities> = None,
    /// When blocks are removed: early, late, gradual over the run, or one_shot before training (ranks grow as in early).
    #[knob(Schedule, "")]
    schedule: PruneSchedule = PruneSchedule::Early,
    /// How density falls from 1 to its target.
    #[knob(Schedule, "γ_t")]
    curve: Curve = Curve::Cubic,
    /// Tuning before early and gradual pruning: a share of the steps, or from 1 on steps; none waits until the loss moves.
    #[knob(Schedule, "", 0.0..=1e8)]
    tune_first: Option<f64> = None,
    /// Share of the steps that pruning takes under the early and late schedules.
    #[knob(Schedule, "", 0.001..=1.0)]
    prune_fraction: f64 = 0.2,
    /// Pruning points: times at which blocks really leave the model.
    #[knob(Schedule, "n", 1..=1000)]
    num_prunings: usize = 10,
    /// Share of the steps kept for tuning after the last pruning and distillation.
    #[knob(Schedule, "", 0.0..=0.95)]
    tuning_fraction: f64 = 0.3,
    /// How far a mask moves in one step of a decay window; 1 leaves masks alone and cuts hard at the pruning point.
    #[knob(Schedule, "α", 0.0001..=1.0; live)]
    mask_step: f64 = 0.01,
    /// How heads, neurons and hidden dims are weighed against each other: paper, equal, or measured by the training loss.
    #[knob(Schedule, "")]
    kind_weights: KindWeighing = KindWeighing::Paper,
    /// Share of its heads that every layer keeps, one at least; 0 lets a layer lose its whole attention.
    #[knob(Schedule, "", 0.0..=1.0)]
    head_floor: f64 = 0.33,
    /// Prune hidden dims too, and not heads and neurons alone.
    #[knob(Schedule, "")]
    prune_hidden: bool = true,
    /// Neurons kept per layer are a multiple of this, for the sake of fast kernels.
    #[knob(Schedule, "", 1..=1024)]
    round_neurons: usize = 16,
    /// Hidden dims kept are a multiple of this.
    #[knob(Schedule, "", 1..=1024)]
    round_hidden: usize = 8,

    /// How blocks are scored for removal.
    #[knob(Salience, "S")]
    salience: Salience = Salience::OutlierAware,
    /// Units of √kurtosis in outlier_aware: balanced with the first term, or raw as printed in the paper.
    #[knob(Salience, "")]
    outlier_scale: OutlierScale = OutlierScale::Balanced,
    /// Over what a head's kurtosis is taken: per_head, all its entries; published, the code's mixture of all heads' entries.
    #[knob(Salience, "")]
    head_kurtosis: HeadKurtosis = HeadKurtosis::PerHead,
    /// Padding in scores and in the loss between hidden states: left_out, or counted as in the published code (slower).
    #[knob(Salience, "")]
    padding: Padding = Padding::LeftOut,
    /// Memory of the running mean of scores; 0 looks at the last batch alone.
    #[knob(Salience, "β", 0.0..=0.9999; live)]
    beta: f64 = 0.85,
    /// Batches scored before the first step under the one_shot schedule.
    #[knob(Salience, "", 1..=10_000)]
    calibration_batches: usize = 8,

    /// Where ranks grow: adaptive (where they matter most), uniform, static (nowhere); or allocate, which takes them away.
    #[knob(Tuning, "")]
    rank_growth: RankGrowth = RankGrowth::Adaptive,
    /// Adapter parameters at the end of growth, as a multiple of those at the start.
    #[knob(Tuning, "Δ_T/Δ_0", 1.0..=64.0)]
    expand: f64 = 4.0,
    /// An adapter's rank never exceeds this multiple of its first rank.
    #[knob(Tuning, "", 1..=128)]
    max_rank_factor: usize = 8,
    /// How an adapter's importance is measured: by its B (paper) or as the mean over ranks of A (code).
    #[knob(Tuning, "I")]
    rank_importance: RankImportance = RankImportance::AdapterB,

    /// Teacher: shared (own adapters on the same frozen weights), separate (a full copy), or off.
    #[knob(Distillation, "D_S"; live)]
    distillation: Distillation = Distillation::Shared,
    /// Share of the steps in which the teacher is distilled.
    #[knob(Distillation, "", 0.01..=1.0)]
    distill_fraction: f64 = 0.25,
    /// Temperature of the teacher's and the student's logits.
    #[knob(Distillation, "T", 0.05..=20.0; live)]
    distill_temperature: f64 = 0.6667,
    /// Weight of the loss on logits within the distillation loss.
    #[knob(Distillation, "L_pred", 0.0..=100.0; live)]
    distill_logit_weight: f64 = 0.1,
    /// Weight of the loss on hidden states within the distillation loss.
    #[knob(Distillation, "L_layer", 0.0..=100.0)]
    distill_layer_weight: f64 = 0.9,
    /// Where the distillation share μ climbs from 0 to 1: over distillation (paper) or pruning_window (code).
    #[knob(Distillation, "μ")]
    mu_over: MuOver = MuOver::Distillation,
    /// Rank of the map from student to teacher hidden states.
    #[knob(Distillation, "Tr", 1..=1024)]
    transform_rank: usize = 8,

    /// Where to compute; auto takes a GPU that passes its self-test, in a browser if it is faster, else the CPU.
    #[knob(Run, "")]
    device: Device = Device::Auto,
    /// Parts of a batch computed side by side and added up, by threads or workers; 0 takes 1, more in a browser if it pays.
    #[knob(Run, "", 0..=64)]
    shards: usize = 0,
    /// Everything random follows from this number.
    #[knob(Run, "", 0..=EXACT)]
    seed: u64 = 1,
    /// Steps between evaluations; 0 makes about 25 evaluations in a run.
    #[knob(Run, "", 0..=100_000_000; live)]
    eval_every: usize = 0,
    /// Steps between checkpoints; 0 chooses by itself.
    #[knob(Run, "", 0..=100_000_000; live)]
    checkpoint_every: usize = 0,
    /// Share of the reference metric that counts as reached when time to target is measured.
    #[knob(Run, "", 0.01..=1.0)]
    target_metric_fraction: f64 = 0.97,
    /// Metric of the dense reference against which time to target is measured.
    #[knob(Run, "", 0.0..=1e9)]
    reference_metric: Option<f64> = None,
}
