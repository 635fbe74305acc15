//! The potential of a gradient-step denoiser.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::Regularizer;
use super::filter_bank::{dct_filters, responses, synthesis, zero_mean};
use super::residual_network::ResidualNetwork;
use crate::init::Initializer;

/// The squared residual of a denoising network, a small relative of the gradient-step DRUNet.
///
/// ```text
/// R(u) = e^w/2 ‖u − D(u)‖²        u − D(u) = Hᵀ N(K u)
/// ```
///
/// `K` and `H` are m zero-mean filters each, `N` a [`ResidualNetwork`] on `scales` scales: `D`
/// takes off what it thinks is noise, and `R` is how much that is. Not convex. The gradient `e^w Kᵀ
/// Jᵀ H (u − D(u))` is in closed form, `J` the Jacobian of `N`.
///
/// # References
/// Hurault, Leclaire, Papadakis (2022), "Gradient step denoiser for convergent plug-and-play",
/// ICLR, arXiv:2110.03220.
///
/// # Differences from the paper
/// A small network without biases, noise level or concatenations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidualPrior {
    /// Channels m, at most `size² − 1`.
    pub channels: usize,
    /// Side of the first and last filters in pixels, odd.
    pub size: usize,
    /// Scales, each half as fine as the one before.
    pub scales: usize,
}

/// What [`ResidualPrior`] learns.
#[derive(Module, Debug)]
pub struct ResidualPriorParameters<B: Backend> {
    /// `K` before its means are taken off: `[m, 1, size, size]`.
    pub first: Param<Tensor<B, 4>>,
    /// `N`.
    pub network: ResidualNetwork<B>,
    /// `H` before its means are taken off: `[m, 1, size, size]`.
    pub last: Param<Tensor<B, 4>>,
    /// `w`: `[1]`.
    pub log_weight: Param<Tensor<B, 1>>,
}

/// Size of `H` at the start, of filters of norm 1.
const LAST: f64 = 0.3;
/// Seed of the first weights.
const SEED: u64 = 0;

impl ResidualPrior {
    /// `u − D(u)`, and what its adjoint needs.
    fn residual<B: Backend>(
        &self,
        x: &ResidualPriorParameters<B>,
        images: Tensor<B, 4>,
    ) -> (Tensor<B, 4>, super::residual_network::Trace<B>) {
        let (features, trace) = x
            .network
            .forward(responses(images, zero_mean(x.first.val())));
        (synthesis(features, zero_mean(x.last.val())), trace)
    }

    /// `D(u)`, the denoiser: `[n, 1, height, width]`.
    pub fn denoise<B: Backend>(
        &self,
        x: &ResidualPriorParameters<B>,
        images: Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        let (residual, _) = self.residual(x, images.clone());
        images - residual
    }
}

impl Regularizer for ResidualPrior {
    type Parameters<B: Backend> = ResidualPriorParameters<B>;

    /// `K` and `H` are the lowest frequencies of the DCT, `N` is nearly the identity.
    fn init<B: Backend>(&self, device: &B::Device) -> ResidualPriorParameters<B> {
        let (m, size) = (self.channels, self.size);
        let filters = dct_filters::<B>(m, size, device);
        ResidualPriorParameters {
            first: Param::from_tensor(filters.clone()),
            network: ResidualNetwork::identity(m, self.scales, &mut Initializer::new(SEED, device)),
            last: Param::from_tensor(filters * LAST),
            log_weight: Param::from_tensor(Tensor::zeros([1], device)),
        }
    }

    fn value<B: Backend>(
        &self,
        x: &ResidualPriorParameters<B>,
        images: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        let (residual, _) = self.residual(x, images);
        (residual.clone() * residual).sum() * 0.5 * x.log_weight.val().exp()
    }

    fn gradient<B: Backend>(
        &self,
        x: &ResidualPriorParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Tensor<B, 4>> {
        let (residual, trace) = self.residual(x, images);
        let back = responses(residual, zero_mean(x.last.val()));
        let gradient = synthesis(x.network.pull_back(trace, back), zero_mean(x.first.val()));
        Some(gradient * x.log_weight.val().exp().reshape([1, 1, 1, 1]))
    }

    fn curvature_bound<B: Backend>(&self, _: &ResidualPriorParameters<B>) -> Option<f64> {
        None
    }

    fn convexity<B: Backend>(&self, _: &ResidualPriorParameters<B>) -> Option<f64> {
        None
    }
}
