//! What a knob is: its description, and the ways in and out of a [`Knobs`] that follow from it.

mod check;
mod choices;
mod config;
mod error;
mod kind;
mod listing;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use check::CheckedKnobs;
pub use choices::{Adapters, Device, Keep, MuOver, ObjectiveChoice, OptimizerState};
pub use error::{KnobError, SettingLocation};
pub(crate) use error::{did_you_mean, nearest};
pub use kind::KnobKind;
pub(crate) use kind::KnobValue;
pub use listing::{schema, table, table_json};

use crate::{KNOBS, Knobs};
use kind::Rejection;

/// The part of an experiment a knob belongs to. The last four are the paper's ablation axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// The model and its adapters.
    Model,
    /// The task and its data.
    Task,
    /// Optimiser and length of training.
    Training,
    /// Device, seed, evaluation, checkpoints.
    Run,
    /// Ablation: how blocks are scored.
    Salience,
    /// Ablation: where ranks grow.
    Tuning,
    /// Ablation: the teacher.
    Distillation,
    /// Ablation: when and how much is pruned.
    Schedule,
}

impl Axis {
    /// The snake_case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Task => "task",
            Self::Training => "training",
            Self::Run => "run",
            Self::Salience => "salience",
            Self::Tuning => "tuning",
            Self::Distillation => "distillation",
            Self::Schedule => "schedule",
        }
    }
}

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
    pub(crate) fn new(
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

    fn set_json_at(&self, knobs: &mut Knobs, value: &Value, location: &SettingLocation) -> Result<(), KnobError> {
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

    fn refusal(&self, rejection: Rejection, value: String, location: &SettingLocation) -> KnobError {
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

fn knob_at(name: &str, location: &SettingLocation) -> Result<&'static Knob, KnobError> {
    let wanted = name.trim_start_matches("--").replace('-', "_");
    KNOBS.iter().find(|knob| knob.name == wanted).ok_or_else(|| KnobError::Unknown {
        name: name.to_owned(),
        suggestion: nearest(&wanted, KNOBS.iter().map(|knob| knob.name)),
        location: location.clone(),
    })
}

impl Knobs {
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
