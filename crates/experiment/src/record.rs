//! What a run leaves behind: one JSON file with its settings, on what it ran, what happened at
//! every step and pruning point, and what was measured at the end. The field names are a contract;
//! fields may be added, never renamed.
//!
//! A value that could not be measured is `null`, never 0.

mod again;
mod builder;
mod chance;
mod data_read;
mod examples;
pub(crate) mod format;
mod layout;
mod model_read;
mod pruning_point;
mod read;
mod step_seconds;
mod timing;
mod units;

pub use again::Demand;
pub use builder::{MOST_RESERVED, RecordBuilder};
pub use chance::{Chance, Constant};
pub use data_read::{ClassCount, DataRead, FileRead, LeftOut, Share, TokensRead};
pub use examples::{ExampleAnswers, WatchedExample};
pub use format::{
    BatchTimes, CurvePoint, DenseKept, Evaluation, Growth, Inference, KnobChange, LOSS, Measures, MetricMeasure,
    ModelShape, NamedMetric, Params, Provenance, RECORD_SCHEMA, Record, Split, TeacherUpdate, TrainMeasure,
};
pub use layout::{Layout, LossChange, OpenedBy, PlannedPoint};
pub use model_read::{ModelRead, PartLeftOut};
pub use pruning_point::PruningPoint;
pub use read::RecordError;
pub use step_seconds::StepSeconds;
pub use units::{UnitExceptions, UnitOutliers, UnitSalience, UnitScores, UnitSet, UnitSets};
