//! Everything that turns text into numbers a model can be trained on: tokenisers, tasks, metrics,
//! batches, and the built-in task with its own language. No tensors: a batch is plain vectors.
//!
//! Whatever reads files is absent in a browser; every reader has a form that takes bytes.

pub mod batch;
pub mod builtin;
mod error;
mod labels;
pub mod metric;
pub mod mlm;
mod seeded;
mod table;
pub mod task;
pub mod tokenizer;

pub use batch::{Batch, BatchPlan, Example, TokenizedTask, collate, eval_batches, tokenize_task};
pub use error::DataError;
pub use metric::Metric;
pub use mlm::{MaskPolicy, MaskedBatch, mask_batch};
#[cfg(not(target_family = "wasm"))]
pub use task::load_task;
pub use task::{RawExample, RawTask, TASKS, TaskSpec, parse_task};
pub use tokenizer::{Encoded, Tokenizer};
