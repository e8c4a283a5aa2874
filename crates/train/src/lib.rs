//! The run: everything between a model with a task and a record.
//!
//! [`Session`] is a resumable state machine: `step().await` gives the next [`apt_experiment::Event`]. It owns no clock
//! ([`Probe`]), prints nothing and writes no file; a desktop blocks on it, a browser awaits it.

mod costs;
pub mod device;
mod distiller;
mod error;
mod estimate;
mod evaluate;
mod evaluator;
mod files;
mod head;
mod language;
mod learner;
mod losses;
mod measure;
mod model_folder;
mod optimizer;
pub mod pretrain;
mod probe;
mod pruner;
mod rank_allocator;
mod readout;
mod session;
mod setup;
mod shard;
mod simd;
mod source;
mod teacher;
pub mod team;
mod text_generator;
mod train_state;
mod training;
mod watched;

pub use error::TrainError;
pub use estimate::estimate;
pub use evaluate::predict;
pub use files::{BUILTIN, ModelFiles, NANO, nano_config, sha256};
pub use head::{adapt_head, head_misfit, pooling_note};
pub use learner::{Learner, Transform};
pub use losses::{PredictionLoss, Targets, mean_squared_error, prediction_loss, task_loss};
pub use model_folder::{ModelFolder, OpenFolder};
pub use optimizer::AdamW;
pub use probe::{Memory, NoProbe, Probe};
pub use session::Session;
pub use session::snapshot::{Contents, SNAPSHOT_VERSION, Snapshot};
pub use setup::{CODE, Machine, Setup, check_examples, check_input, check_objective, pooling_of};
pub use source::{ModelSource, NamedFiles};
pub use teacher::{DistillWeights, Teacher, TeacherOutput, distillation_loss};
pub use text_generator::{TextGenerator, Written, written_texts};
