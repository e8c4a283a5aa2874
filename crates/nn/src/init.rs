//! Seeded initial values, drawn on the host so that every backend starts from the same bits.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A stream of initial values.
pub struct Init {
    rng: ChaCha8Rng,
    device: Device,
}

impl Init {
    /// A stream that depends on `seed` alone; tensors are made on `device`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), device: device.clone() }
    }

    /// A stream that goes on where `rng` is.
    pub fn from_rng(rng: ChaCha8Rng, device: &Device) -> Self {
        Self { rng, device: device.clone() }
    }

    /// The device of the tensors made here.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// `U(−bound, bound)`.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f32) -> Tensor<D> {
        let n = shape.iter().product();
        let values = (0..n).map(|_| (self.rng.random::<f32>() * 2.0 - 1.0) * bound).collect();
        self.tensor(values, shape)
    }

    /// `N(0, std²)` (Box–Muller).
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f32) -> Tensor<D> {
        let n: usize = shape.iter().product();
        let values = (0..n)
            .map(|_| {
                let (u, v): (f32, f32) = (self.rng.random(), self.rng.random());
                std * (-2.0 * (1.0 - u).ln()).sqrt() * (std::f32::consts::TAU * v).cos()
            })
            .collect();
        self.tensor(values, shape)
    }

    /// LoRA's A: Kaiming-uniform with a = √5, that is `U(−1/√d_in, 1/√d_in)` (METHOD §1.2).
    pub fn kaiming(&mut self, d_in: usize, columns: usize) -> Tensor<2> {
        self.uniform([d_in, columns], 1.0 / (d_in.max(1) as f32).sqrt())
    }

    fn tensor<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }
}
