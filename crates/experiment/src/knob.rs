//! What a knob is: its type and range, and the ways in and out of [`Knobs`](crate::Knobs) that follow from the table in
//! `knobs.rs`.

pub(crate) mod axis;
mod check;
pub(crate) mod choices;
mod config;
pub(crate) mod densities;
pub(crate) mod error;
pub(crate) mod kind;
mod listing;

pub use axis::Axis;
pub use check::CheckedKnobs;
pub use choices::{Adapters, Device, Keep, MuOver, ObjectiveChoice, OptimizerState, PoolingChoice};
pub use densities::Densities;
pub use error::{KnobError, SettingLocation};
pub use kind::KnobKind;
pub use listing::{schema, table, table_json};
