//! The decisions of APT (Adaptive Pruning and Tuning, ICML 2024) as pure functions.
//!
//! Slices go in, decisions come out, in `f64`. There are no tensors here, no clock, no input or
//! output and no global randomness, so everything runs anywhere and is tested in milliseconds.
//!
//! | module | answers |
//! |---|---|
//! | [`mod@arms`] | which arms an experiment can choose between |
//! | [`wiring`] | which linear layer reads and writes which prunable axis |
//! | [`blocks`] | what a head, a neuron and a hidden dimension cost |
//! | [`salience`] | how much a block is worth |
//! | [`outliers`] | what of that is √kurtosis |
//! | [`search`] | which blocks stay within a budget |
//! | [`masks`] | how blocks fade out, and come back |
//! | [`schedule`] | when to prune, and to what density |
//! | [`ranks`] | where adapter rank grows |
//! | [`l0`] | which masks to learn, when they are learned |
//! | [`distill`] | which layer learns from which, and the losses |
//! | [`hex()`] | how a digest is written |
//! | [`averages`] | medians and means |
//! | [`lr`] | the learning rate at a step |
//! | [`problem`] | what an error says: what, where, and the remedy |
//! | [`reference`](mod@reference) | the formulas that tensors are tested against |
//! | [`tokens`] | a batch of token sequences |

pub mod arms;
pub mod averages;
pub mod blocks;
pub mod distill;
mod hex;
pub mod l0;
pub mod lr;
pub mod masks;
pub mod outliers;
pub mod problem;
pub mod ranks;
pub mod reference;
pub mod salience;
pub mod schedule;
pub mod search;
pub mod tokens;
pub mod wiring;

pub use hex::hex;
