//! How a number becomes a weight.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// The weight `w(x)` of a sample, in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighting {
    /// `w(x) = 1 / (1 + e^(−x))`: x is a logit, and nothing has to be projected.
    Sigmoid,
    /// `w(x) = x`, x being projected on [0, 1] after each step.
    Clipped,
}

impl Weighting {
    /// `w(x)`, entry by entry.
    pub fn weight<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            // Not `activation::sigmoid`, which computes in f32 on backends of f64.
            Weighting::Sigmoid => ((-x).exp() + 1.0).recip(),
            Weighting::Clipped => x,
        }
    }

    /// `w'(x)`, where `w` is `w(x)`.
    pub(super) fn slope<B: Backend, const D: usize>(self, w: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Weighting::Sigmoid => w.clone() * (-w + 1.0),
            Weighting::Clipped => w.ones_like(),
        }
    }

    /// The admissible `x` nearest to `x`.
    pub(super) fn project<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Weighting::Sigmoid => x,
            Weighting::Clipped => x.clamp(0.0, 1.0),
        }
    }

    /// The `x` of a weight in (0, 1).
    pub fn value_of(self, weight: f64) -> f64 {
        match self {
            Weighting::Sigmoid => (weight / (1.0 - weight)).ln(),
            Weighting::Clipped => weight,
        }
    }
}
