//! Deep variation: a potential of multi-scale features.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::filter_bank::{
    LOG_SMOOTHING, SIGMA, dct_filters, first_log_weight, responses_every, synthesis_every,
    weighted_sum, zero_mean,
};
use super::residual_network::ResidualNetwork;
use super::{Potential, Regularizer};
use crate::init::Initializer;

/// A regularizer in the manner of Total Deep Variation (TDV).
///
/// ```text
/// R(u) = Σᵢ e^{wᵢ} Σ_p φ( N(K u / e^s)ᵢₚ )        φ(t) = log(1 + t²)
/// ```
///
/// `K` are m zero-mean filters at every `stride`-th pixel, `N` a [`ResidualNetwork`] on `scales`
/// scales; learned are all of them, log weights `wᵢ` and log smoothings `sᵢ`. At the start `N` is
/// nearly the identity and `R` Fields of Experts with Student's t. Not convex. The gradient is in
/// closed form: one pass forward, one back.
///
/// # References
/// Kobler, Effland, Kunisch, Pock (2020), "Total Deep Variation for linear inverse problems", CVPR,
/// arXiv:2001.05005.
///
/// # Differences from the paper
/// One macro-block, features add where theirs are concatenated and reduced, the activation is the
/// smoothed absolute value, and the last features go through a potential, so that `R ≥ 0`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TotalDeepVariation {
    /// Channels m, at most `size² − 1`.
    pub channels: usize,
    /// Side of the first filters in pixels, odd.
    pub size: usize,
    /// Scales, each half as fine as the one before.
    pub scales: usize,
    /// Pixels from one response of the first filters to the next, in both directions. With 2 the
    /// features are a quarter as many: twice the channels cost the same and know more (as in
    /// FFDNet: Zhang, Zuo, Zhang, 2018, arXiv:1710.04026).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: usize,
}

/// What [`TotalDeepVariation`] learns.
#[derive(Module, Debug)]
pub struct TotalDeepVariationParameters<B: Backend> {
    /// First filters before their mean is taken off: `[m, 1, size, size]`.
    pub filters: Param<Tensor<B, 4>>,
    /// Logarithms of the smoothings: `[m]`.
    pub log_smoothings: Param<Tensor<B, 1>>,
    /// `N`.
    pub network: ResidualNetwork<B>,
    /// Logarithms of the weights: `[m]`.
    pub log_weights: Param<Tensor<B, 1>>,
}

fn one() -> usize {
    1
}

fn is_one(stride: &usize) -> bool {
    *stride == 1
}

/// Seed of the first weights.
const SEED: u64 = 0;
const PHI: Potential = Potential::StudentT;

impl TotalDeepVariation {
    /// Parameters to start from when the noise has standard deviation `sigma` (pixels in `[0, 1]`).
    ///
    /// # Panics
    /// If `size` is even, `channels` is not between 1 and `size² − 1`, there is no scale, or
    /// `stride` is 0.
    pub fn init_for<B: Backend>(
        &self,
        sigma: f64,
        device: &B::Device,
    ) -> TotalDeepVariationParameters<B> {
        let m = self.channels;
        assert!(
            self.stride > 0,
            "the filters must go on by a pixel at least"
        );
        // The fewer responses weigh the more.
        let log_weight = first_log_weight(sigma, m) + 2.0 * (self.stride as f64).ln();
        let constant = |value: f64| Param::from_tensor(Tensor::full([m], value, device));
        TotalDeepVariationParameters {
            filters: Param::from_tensor(dct_filters(m, self.size, device)),
            log_smoothings: constant(LOG_SMOOTHING),
            network: ResidualNetwork::identity(m, self.scales, &mut Initializer::new(SEED, device)),
            log_weights: constant(log_weight),
        }
    }

    /// `K / e^s`.
    fn scaled_filters<B: Backend>(&self, x: &TotalDeepVariationParameters<B>) -> Tensor<B, 4> {
        let nu = x.log_smoothings.val().exp();
        zero_mean(x.filters.val()) / nu.reshape([self.channels, 1, 1, 1])
    }
}

impl Regularizer for TotalDeepVariation {
    type Parameters<B: Backend> = TotalDeepVariationParameters<B>;

    /// [`init_for`](TotalDeepVariation::init_for) noise of 25/255.
    fn init<B: Backend>(&self, device: &B::Device) -> TotalDeepVariationParameters<B> {
        self.init_for(SIGMA, device)
    }

    fn value<B: Backend>(
        &self,
        x: &TotalDeepVariationParameters<B>,
        images: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        let responses = responses_every(self.stride, images, self.scaled_filters(x));
        let (features, _) = x.network.forward(responses);
        weighted_sum(x.log_weights.val(), PHI.value(features))
    }

    fn gradient<B: Backend>(
        &self,
        x: &TotalDeepVariationParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Tensor<B, 4>> {
        let k = self.scaled_filters(x);
        let [_, _, height, width] = images.dims();
        let responses = responses_every(self.stride, images, k.clone());
        let (features, trace) = x.network.forward(responses);
        let weights = x.log_weights.val().exp().reshape([1, self.channels, 1, 1]);
        let slope = PHI.slope(features) * weights;
        let back = x.network.pull_back(trace, slope);
        Some(synthesis_every(self.stride, back, k, [height, width]))
    }

    fn curvature_bound<B: Backend>(&self, _: &TotalDeepVariationParameters<B>) -> Option<f64> {
        None
    }

    fn convexity<B: Backend>(&self, _: &TotalDeepVariationParameters<B>) -> Option<f64> {
        None
    }
}
