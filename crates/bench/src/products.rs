//! Matrix products alone: what a device gives to the plainest work there is, and so the ceiling of everything else.

use anyhow::Result;
use apt_nn::checkpoint::read_back;
use apt_nn::{AptLinear, Init};
use burn::tensor::{Device, Tensor};
use pollster::block_on;
use std::time::{Duration, Instant};

/// Rows, inner dimension and columns: a large square, then the linear layers of the bench's models at `tokens` tokens.
pub fn sizes(hidden: usize, neurons: usize, tokens: usize) -> [[usize; 3]; 4] {
    [[4096; 3], [tokens, hidden, hidden], [tokens, hidden, neurons], [tokens, neurons, hidden]]
}

/// A frozen linear layer and what it is given.
pub struct Product {
    layer: AptLinear,
    x: Tensor<2>,
}

impl Product {
    /// Random numbers of these sizes.
    pub fn new([rows, inner, columns]: [usize; 3], device: &Device) -> Self {
        let mut init = Init::new(1, device);
        let weight = init.normal([inner, columns], 1.0);
        let layer = AptLinear::new(weight, Some(Tensor::zeros([columns], device)));
        Self { layer, x: init.normal([rows, inner], 1.0) }
    }

    /// Multiplies `times` times and waits for the last result; the mean time of one.
    ///
    /// # Errors
    /// When the device does not give its result.
    pub fn run(&self, times: usize) -> Result<Duration> {
        let began = Instant::now();
        let mut last = None;
        for _ in 0..times {
            last = Some(self.layer.forward(self.x.clone()));
        }
        if let Some(last) = last {
            block_on(read_back(last.slice([0..1, 0..1]), "a product"))?;
        }
        Ok(began.elapsed() / times.max(1) as u32)
    }
}
