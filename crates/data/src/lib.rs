//! Everything that turns text into numbers a model can be trained on: tokenisers, tasks, metrics,
//! batches, and the built-in task with its own language. No tensors: a batch is plain vectors.
//!
//! Whatever reads files is absent in a browser; every reader has a form that takes bytes.

pub mod batch;
pub mod builtin;
mod class_numbers;
mod columns;
mod error;
mod files;
mod hold_out;
mod label_sets;
mod labels;
mod lm;
mod load;
pub mod metric;
pub mod mlm;
mod numbering;
pub mod objective;
mod reading;
mod registry;
mod seeded;
mod split;
mod stream;
mod table;
pub mod target;
pub mod task;
mod text_decoder;
mod text_ends;
pub mod tokenizer;
mod tokenizer_files;
mod unpack;

pub use batch::{BatchPlan, Example, TokenizedTask, collate, collate_next, eval_batches, tokenize_task};
pub use error::DataError;
#[cfg(not(target_family = "wasm"))]
pub use load::{load_task, load_whole};
pub use load::{parse_task, parse_whole};
pub use metric::Metric;
pub use mlm::{MaskPolicy, MaskedBatch, mask_batch};
pub use objective::{Objective, ObjectiveKind};
pub use reading::Reading;
pub use registry::{TASKS, TaskSpec};
pub use seeded::{Stream, generator};
pub use stream::{ColumnsRead, TextFormat, TextRow, TextStream};
pub use target::{ClassSet, Conversation, Endings, Message, NextTokens, Spoken, Target, TokenScore};
pub use task::{RawExample, RawTask};
pub use text_decoder::TextDecoder;
pub use text_ends::TextEnds;
pub use tokenizer::{Encoded, Pieces, Tokenizer};
pub use tokenizer_files::{NORMALIZER_KEYS, TokenizerRead};
