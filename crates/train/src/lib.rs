//! The run: everything between a model with a task and a record.
//!
//! [`Session`] is a resumable state machine: `step().await` gives the next [`apt_experiment::Event`]. It owns no clock
//! ([`Probe`]), prints nothing and writes no file; a desktop blocks on it, a browser awaits it.

mod clock;
pub mod device;
mod error;
mod estimate;
mod evaluate;
mod files;
mod gates;
mod growth;
mod learner;
mod live;
mod losses;
mod measure;
mod optimizer;
pub mod pretrain;
mod pruning;
mod session;
mod setup;
mod snapshot;
mod source;
mod streams;
mod teacher;
mod training;

pub use clock::{Memory, NoProbe, Probe};
pub use error::TrainError;
pub use estimate::estimate;
pub use evaluate::predict;
pub use files::{BUILTIN, ModelFiles, NANO, nano_config, sha256};
pub use learner::{Learner, Transform};
pub use losses::{Targets, cross_entropy, layer_mse, prediction_loss};
pub use optimizer::AdamW;
pub use session::Session;
pub use setup::{CODE, Machine, Setup, check_examples, check_input};
pub use snapshot::{Contents, SNAPSHOT_VERSION, Snapshot};
pub use source::ModelSource;
pub use teacher::{DistillWeights, Lesson, Teacher, distillation_loss};
