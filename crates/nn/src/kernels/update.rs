//! What an update of AdamW takes and leaves, where it is a kernel of its own.

use burn::tensor::Tensor;

/// The state and the settings of AdamW.
pub struct AdamWStep<'a> {
    /// First and second moment, as long as the values.
    pub moments: [&'a Tensor<1>; 2],
    /// λ of each value.
    pub decay: &'a Tensor<1>,
    /// How the moments decay.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Largest norm of a gradient; a larger one is scaled down to it.
    pub clip_norm: f64,
    /// η.
    pub learning_rate: f64,
    /// Updates made, this one included.
    pub updates: u64,
}

/// What an update leaves.
pub struct AdamWResult {
    /// The new values.
    pub values: Tensor<1>,
    /// The new moments.
    pub moments: [Tensor<1>; 2],
    /// The norm of the gradient before it was clipped, `[1]`.
    pub norm: Tensor<1>,
}
