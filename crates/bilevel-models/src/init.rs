//! Initial weights.

use burn::module::Param;
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::classification::LinearParameters;

/// Normal numbers with mean zero: the same seed gives the same numbers on every backend.
pub(crate) fn normal<B: Backend, const D: usize>(
    shape: [usize; D],
    deviation: f64,
    rng: &mut ChaCha8Rng,
    device: &B::Device,
) -> Tensor<B, D> {
    let normal = Distribution::Normal(0.0, deviation);
    let data = TensorData::random::<f32, _, _>(shape, normal, rng);
    Tensor::from_data(data, device)
}

/// Normal weights of variance `2 / fan_in`.
///
/// # References
/// He, Zhang, Ren, Sun (2015), "Delving Deep into Rectifiers", ICCV, arXiv:1502.01852.
pub(crate) fn he<B: Backend, const D: usize>(
    shape: [usize; D],
    fan_in: usize,
    rng: &mut ChaCha8Rng,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    let deviation = (2.0 / fan_in as f64).sqrt();
    Param::from_tensor(normal(shape, deviation, rng, device))
}

/// Biases of zero.
pub(crate) fn no_bias<B: Backend>(outputs: usize, device: &B::Device) -> Param<Tensor<B, 1>> {
    Param::from_tensor(Tensor::zeros([outputs], device))
}

/// An affine map with [`he`] weights and [`no_bias`].
pub(crate) fn affine<B: Backend>(
    inputs: usize,
    outputs: usize,
    rng: &mut ChaCha8Rng,
    device: &B::Device,
) -> LinearParameters<B> {
    LinearParameters {
        weight: he([inputs, outputs], inputs, rng, device),
        bias: no_bias(outputs, device),
    }
}

/// The affine map to zero: all classes begin alike.
pub(crate) fn zero_affine<B: Backend>(
    inputs: usize,
    outputs: usize,
    device: &B::Device,
) -> LinearParameters<B> {
    LinearParameters {
        weight: Param::from_tensor(Tensor::zeros([inputs, outputs], device)),
        bias: no_bias(outputs, device),
    }
}

/// A source of initial filters on a device.
pub(crate) struct Initializer<B: Backend> {
    rng: ChaCha8Rng,
    device: B::Device,
}

impl<B: Backend> Initializer<B> {
    pub fn new(seed: u64, device: &B::Device) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            device: device.clone(),
        }
    }

    /// See [`normal`].
    pub fn normal(&mut self, shape: [usize; 4], deviation: f64) -> Tensor<B, 4> {
        normal(shape, deviation, &mut self.rng, &self.device)
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
