//! Formulas on plain slices in `f64` that nothing runs: what tensors compute on a device is tested against them, and they
//! against the published code.
//!
//! | module | holds |
//! |---|---|
//! | [`salience`] | the scorers |
//! | [`distill`] | layer mapping and losses |
//! | [`published`] | what the published code would have counted |

pub mod distill;
pub mod published;
pub mod salience;
