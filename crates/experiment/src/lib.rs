//! The experiment as data: what a run is asked to do (knobs, presets), what it says while it runs
//! (events), what it leaves behind (records), and how that is shown to people (reports).
//!
//! Nothing here trains, reads a clock or touches a file, so a browser page can link it alone.

mod differences;
mod event;
mod finite;
mod knob;
mod knobs;
mod names;
mod presets;
mod record;
mod report;
mod study;

pub use apt_core::{
    display_problem,
    problem::{Explain, Problem},
};
pub use differences::{Difference, differences};
pub use event::{AdapterInfo, Event, EventError, LayerSalience, Parameters, Phase, is_time, without_times};
pub use knob::{
    Adapters, Axis, Device, Keep, Knob, KnobError, KnobKind, LrCurve, MuOver, OptimizerState, SettingLocation, Site,
    knob, schema, table, table_json,
};
pub use knobs::{KNOBS, Knobs};
pub use names::run_name;
pub use presets::{PRESETS, Preset, ablation_axes, preset, preset_entry};
pub use record::{
    BatchTimes, CurvePoint, DenseKept, Evaluation, Growth, Inference, Measures, MetricMeasure, ModelShape, Params,
    Provenance, PruningPoint, RECORD_SCHEMA, Record, RecordBuilder, RecordError, Split, TeacherUpdate, TrainMeasure,
    Turn,
};
pub use report::{
    comparison_markdown, comparison_table, layer_markdown, layer_picture, record_picture, summary, summary_markdown,
};
pub use study::{
    Arm, ArmFile, AxisFile, Cell, CellState, MOST_SEEDS, STUDIES, Seeds, Sources, Study, StudyAxis, StudyError,
    StudyFile, compared, data_digest, same_experiment, setting, time_left,
};
