//! Input-convex neural network.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::filter_bank::{responses, synthesis, zero_mean};
use super::{Regularizer, nonnegative};
use crate::init::Initializer;

/// An input-convex neural network (ICNN) of three layers.
///
/// ```text
/// z₁ = φ(A₁ u + b₁),   z₂ = φ(W z₁ + A₂ u + b₂),   R(u) = Σ_p (wᵀ z₂)_p        W ≥ 0, w ≥ 0
/// φ(t) = (t + √(t² + ν²)) / 2
/// ```
///
/// `A₁`, `A₂` are zero-mean filters from the image to m channels, `W` convolves m channels with m
/// channels. Convex, because `φ` is convex and does not decrease and what comes after it is not
/// negative; [`project`](Regularizer::project) keeps it so. The gradient is in closed form.
///
/// # References
/// Amos, Xu, Kolter (2017), "Input convex neural networks", ICML, arXiv:1609.07152; as a
/// regularizer: Mukherjee, Dittmer, Shumaylov, Lunz, Öktem, Schönlieb (2020), arXiv:2008.02839.
///
/// # Differences from the papers
/// `φ` is a smoothed ReLU, for second derivatives are needed; the filters on the image have zero
/// mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvexNetwork {
    /// Channels m.
    pub channels: usize,
    /// Side of the filters in pixels, odd.
    pub size: usize,
}

/// What [`ConvexNetwork`] learns.
#[derive(Module, Debug)]
pub struct ConvexNetworkParameters<B: Backend> {
    /// `A₁` before its means are taken off: `[m, 1, size, size]`.
    pub first: Param<Tensor<B, 4>>,
    /// `b₁`: `[m]`.
    pub first_bias: Param<Tensor<B, 1>>,
    /// `A₂` before its means are taken off: `[m, 1, size, size]`.
    pub second: Param<Tensor<B, 4>>,
    /// `b₂`: `[m]`.
    pub second_bias: Param<Tensor<B, 1>>,
    /// `W ≥ 0`: `[m, m, size, size]`.
    pub between: Param<Tensor<B, 4>>,
    /// `w ≥ 0`: `[m]`.
    pub last: Param<Tensor<B, 1>>,
}

/// `ν`, in image units.
const SMOOTHING: f64 = 0.02;
/// Sum of the last weights at the start.
const TOTAL_WEIGHT: f64 = 0.05;
/// Seed of the first weights.
const SEED: u64 = 0;

/// `φ(t)`.
fn activation<B: Backend>(t: Tensor<B, 4>) -> Tensor<B, 4> {
    let root = (t.clone() * t.clone() + SMOOTHING * SMOOTHING).sqrt();
    (t + root) * 0.5
}

/// `φ'(t)`.
fn slope<B: Backend>(t: Tensor<B, 4>) -> Tensor<B, 4> {
    let root = (t.clone() * t.clone() + SMOOTHING * SMOOTHING).sqrt();
    (t / root + 1.0) * 0.5
}

impl ConvexNetwork {
    /// `A₁ u + b₁` and `W z₁ + A₂ u + b₂`.
    fn layers<B: Backend>(
        &self,
        x: &ConvexNetworkParameters<B>,
        images: Tensor<B, 4>,
    ) -> [Tensor<B, 4>; 2] {
        let bias = |b: &Param<Tensor<B, 1>>| b.val().reshape([1, self.channels, 1, 1]);
        let first = responses(images.clone(), zero_mean(x.first.val())) + bias(&x.first_bias);
        let second = responses(activation(first.clone()), x.between.val())
            + responses(images, zero_mean(x.second.val()))
            + bias(&x.second_bias);
        [first, second]
    }

    fn last<B: Backend>(&self, x: &ConvexNetworkParameters<B>) -> Tensor<B, 4> {
        x.last.val().reshape([1, self.channels, 1, 1])
    }
}

impl Regularizer for ConvexNetwork {
    type Parameters<B: Backend> = ConvexNetworkParameters<B>;

    /// Random filters of unit norm, no biases, a weak mixing of the channels.
    fn init<B: Backend>(&self, device: &B::Device) -> ConvexNetworkParameters<B> {
        let (m, size) = (self.channels, self.size);
        assert!(size % 2 == 1, "the filter size must be odd, got {size}");
        let mut draw = Initializer::new(SEED, device);
        let zeros = || Param::from_tensor(Tensor::zeros([m], device));
        let entries = (size * size) as f64;
        let mut filters =
            || Param::from_tensor(draw.normal([m, 1, size, size], entries.powf(-0.5)));
        ConvexNetworkParameters {
            first: filters(),
            first_bias: zeros(),
            second: filters(),
            second_bias: zeros(),
            between: Param::from_tensor(
                draw.normal([m, m, size, size], 1.0 / (m as f64 * entries))
                    .abs(),
            ),
            last: Param::from_tensor(Tensor::full([m], TOTAL_WEIGHT / m as f64, device)),
        }
    }

    fn value<B: Backend>(
        &self,
        x: &ConvexNetworkParameters<B>,
        images: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        let [_, second] = self.layers(x, images);
        (activation(second) * self.last(x)).sum()
    }

    fn gradient<B: Backend>(
        &self,
        x: &ConvexNetworkParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Tensor<B, 4>> {
        let [first, second] = self.layers(x, images);
        let second = slope(second) * self.last(x);
        let first = slope(first) * synthesis(second.clone(), x.between.val());
        Some(
            synthesis(first, zero_mean(x.first.val()))
                + synthesis(second, zero_mean(x.second.val())),
        )
    }

    fn curvature_bound<B: Backend>(&self, _: &ConvexNetworkParameters<B>) -> Option<f64> {
        None
    }

    fn convexity<B: Backend>(&self, _: &ConvexNetworkParameters<B>) -> Option<f64> {
        Some(0.0)
    }

    /// Negative entries of `W` and `w` become zero.
    fn project<B: Backend>(&self, mut x: ConvexNetworkParameters<B>) -> ConvexNetworkParameters<B> {
        x.between = x.between.map(nonnegative);
        x.last = x.last.map(nonnegative);
        x
    }
}
