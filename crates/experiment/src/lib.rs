//! The experiment as data: the settings of a run (knobs, presets), what it reports while it runs (events), what it leaves
//! behind (records), and studies, which are grids of runs.
//!
//! Nothing here trains, reads a clock or touches a file, so a browser page can link it alone.

mod differences;
mod direction;
mod event;
mod finite;
mod gallery;
mod inputs;
mod knob;
mod knobs;
mod located;
mod names;
mod presets;
mod record;
mod study;
mod timeline;

pub use apt_core::arms::PruneSchedule;
pub use apt_core::blocks::{Counts, LayerShape as LayerBlocks, ModelShape as Blocks};
pub use apt_core::schedule::Opening;
pub use apt_core::wiring::{Site, Wiring};
pub use apt_core::{
    display_problem,
    problem::{Explain, Problem},
};
pub use differences::{Difference, differences};
pub use direction::{fraction_of, is_better, lower_is_better};
pub use event::{AdapterInfo, Event, EventError, LayerSalience, Parameters, Phase, is_time, without_times};
pub use gallery::{GALLERY, GalleryModel, in_gallery};
pub use inputs::{
    ADAPTER_FILE, BUILTIN_DECODER, BUILTIN_MODEL, BUILTIN_TASK, COMPRESSED_EXTENSIONS, CONFIG_FILE, DATA_EXTENSIONS,
    INDEX_FILE, NANO_DECODER, NANO_MODEL, TASK_NAMES, TEXT_TASK, TOKENIZER_FILE, TOKENIZER_SETTINGS, TaskEntry,
    TaskName, VOCABULARY_FILES, WEIGHTS_FILE, is_model_file, is_own_decoder, is_own_model,
};
pub use knob::{
    Adapters, Axis, CheckedKnobs, Densities, Device, Keep, KnobError, KnobKind, MuOver, ObjectiveChoice,
    OptimizerState, PoolingChoice, SettingLocation, schema, table, table_json,
};
pub use knobs::{DATA_KNOBS, DataSource, KNOBS, Knob, Knobs, knob, left_by_a_run};
pub use names::{content_run_name, run_name};
pub use presets::{PAPER_SCHEDULE, PRESETS, Preset, ablation_axes, preset, preset_entry};
pub use record::{
    BatchTimes, Chance, ClassCount, Constant, CurvePoint, DataRead, Demand, DenseKept, Evaluation, ExampleAnswers,
    FileRead, Growth, Inference, KnobChange, LOSS, Layout, LeftOut, LossChange, MOST_RESERVED, Measures, MetricMeasure,
    ModelRead, ModelShape, NamedMetric, OpenedBy, Params, PartLeftOut, PlannedPoint, Provenance, PruningPoint,
    RECORD_SCHEMA, Record, RecordBuilder, RecordError, Share, Split, StepSeconds, TeacherUpdate, TokensRead,
    TrainMeasure, UnitExceptions, UnitOutliers, UnitSalience, UnitScores, UnitSet, UnitSets, WatchedExample,
};
pub use study::{
    Arm, ArmFile, ArmId, AxisFile, Cell, CellState, Choice, Combination, ExperimentId, MOST_SEEDS, STUDIES, Seeds,
    SettingsId, Sources, Study, StudyAxis, StudyError, StudyFile, TrialOutcome, Tried, Tune, TuneFile, compared,
    duration, setting, time_left,
};
pub use timeline::{leg_timeline, timeline};
