//! A finished model in the forms that other programs load.
//!
//! A form is a list of [`File`]s in memory: whoever calls decides where they go, a folder or a browser's download. Values
//! are read back from the device once, awaited ([`Weights::read`]); from there on everything is plain data. Nothing here
//! knows a family: names come from its row in [`apt_nn::FamilySpec`], shapes from [`apt_core::wiring`].

mod config;
mod error;
mod forms;
mod gguf;
mod linears;
mod onnx;
mod padded;
mod peft;
mod tokenizer;
mod transformers;
mod vocabulary;
mod weights;
mod zip;

pub use error::ExportError;
pub use forms::{File, Model, Stored, TextSettings};
pub use peft::{Base, peft};
pub use vocabulary::VocabularyCut;
pub use weights::Weights;
pub use zip::zip;
