//! Numbers to begin learning with.

use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A source of initial weights on a device; the same seed gives the same numbers on every backend.
pub(super) struct Draw<B: Backend> {
    rng: ChaCha8Rng,
    device: B::Device,
}

impl<B: Backend> Draw<B> {
    pub fn new(seed: u64, device: &B::Device) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            device: device.clone(),
        }
    }

    /// Normal numbers with mean zero.
    pub fn normal(&mut self, shape: [usize; 4], deviation: f64) -> Tensor<B, 4> {
        let normal = Distribution::Normal(0.0, deviation);
        let data = TensorData::random::<f32, _, _>(shape, normal, &mut self.rng);
        Tensor::from_data(data, &self.device)
    }

    pub fn zeros(&self, shape: [usize; 4]) -> Tensor<B, 4> {
        Tensor::zeros(shape, &self.device)
    }

    /// `[1 2 1]ᵀ[1 2 1]/16` from each channel to itself: `[channels, channels, 3, 3]`.
    pub fn binomial(&self, channels: usize) -> Tensor<B, 4> {
        let row = [0.25f32, 0.5, 0.25];
        let entry = |i: usize| {
            let (pair, p) = (i / 9, i % 9);
            let diagonal = pair / channels == pair % channels;
            if diagonal {
                row[p / 3] * row[p % 3]
            } else {
                0.0
            }
        };
        let entries: Vec<f32> = (0..channels * channels * 9).map(entry).collect();
        let shape = [channels, channels, 3, 3];
        Tensor::from_data(TensorData::new(entries, shape), &self.device)
    }
}
