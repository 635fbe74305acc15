//! Sine waves to be learned from a few points.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Episode, Samples};

/// `y = A sin(t − φ)` with A in `[0.1, 5]`, φ in `[0, π]`, at points t in `[−5, 5]`, all uniform.
///
/// # References
/// Finn, Abbeel, Levine (2017), arXiv:1703.03400, section 5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sinusoids {
    /// Points to learn from.
    pub shots: usize,
    /// Points to be judged by.
    pub queries: usize,
}

impl Sinusoids {
    /// Wave `index` of `seed`.
    pub fn episode<B: Backend>(&self, seed: u64, index: u64, device: &B::Device) -> Episode<B> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index);
        let mut uniform =
            |low: f64, high: f64| low + (high - low) * (rng.next_u32() as f64 / u32::MAX as f64);
        let (amplitude, phase) = (uniform(0.1, 5.0), uniform(0.0, std::f64::consts::PI));
        let mut samples = |count: usize| {
            let t: Vec<f64> = (0..count).map(|_| uniform(-5.0, 5.0)).collect();
            let y: Vec<f64> = t.iter().map(|t| amplitude * (t - phase).sin()).collect();
            let column = |values: Vec<f64>| {
                let data = TensorData::new(values, [count, 1]);
                Tensor::from_data(data, device)
            };
            Samples {
                inputs: column(t),
                targets: column(y),
            }
        };
        Episode {
            support: samples(self.shots),
            query: samples(self.queries),
        }
    }
}
