//! Burn modules of APT.
//!
//! One transformer ([`Transformer`]) made of APT adapters ([`AptLinear`]), whose families are configurations
//! ([`ModelConfig`]); masks that act on the model ([`DeviceMasks`]), salience taps and scorers ([`salience`]),
//! physical removal of blocks ([`compact`]), [`inference`] and checkpoints in the Hugging Face layout ([`checkpoint`]).
//!
//! The hidden stream is kept as a matrix `[tokens, hidden]` with `tokens = batch · seq`: one large matrix product per
//! projection instead of a batch of small ones.

mod activation;
mod attention;
mod batch;
mod cache;
pub mod checkpoint;
pub mod compact;
mod config;
mod dropout;
mod embeddings;
mod error;
mod family;
mod feed_forward;
pub mod foreign;
pub mod generation;
mod head;
pub mod inference;
mod init;
mod kernels;
pub mod language;
mod linear;
mod masks;
pub mod named;
mod norm;
mod readings;
mod residual;
mod rotary;
pub mod salience;
mod select;
mod taps;
mod transformer;

pub use activation::Activation;
pub use attention::{Attention, HeadNorms};
pub use batch::{Batch, Counts, PADDING_SCORE};
pub use config::{ConfigRead, DecoderConfig, HeadConfig, ModelConfig, Pooling};
pub use dropout::Dropout;
pub use embeddings::Embeddings;
pub use error::NnError;
pub use family::{DecoderSpec, Family, FamilySpec, Positions};
pub use feed_forward::FeedForward;
pub use head::{ClassificationHead, MaskedLmHead};
pub use init::Init;
#[cfg(target_family = "wasm")]
pub use kernels::tile;
pub use kernels::{AdamWResult, AdamWStep, adamw, added, cross_entropy, divergence, squared_error};
pub use linear::{Adapter, AptLinear, LinearMasks};
pub use masks::{DeviceMasks, Mask, UnitMasks};
pub use norm::{Norm, NormKind};
pub use readings::{Readings, ShardWeights};
pub use rotary::{Rotary, RotaryScaling};
pub use taps::{TapPoint, Taps};
pub use transformer::{Forward, Layer, Output, Transformer, linear_name};
