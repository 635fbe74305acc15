//! Fields of Experts: learned filters under a potential.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::filter_bank::{
    LOG_SMOOTHING, SIGMA, dct_filters, first_log_weight, largest_response, responses, synthesis,
    weighted, weighted_sum, zero_mean,
};
use super::{Hessian, Potential, Regularizer};

/// Fields of Experts.
///
/// ```text
/// R(u) = Σᵢ e^{wᵢ} Σ_p φ( (kᵢ * u)_p / e^{sᵢ} )        kᵢ = cᵢ − mean cᵢ
/// ```
///
/// Learned: filters `cᵢ` (used with their mean taken off, so that `R` ignores brightness), log
/// weights `wᵢ`, log smoothings `sᵢ`; `φ` is a [`Potential`]. `*` is correlation with zeros outside
/// the image; a `size`×`size` filter keeps the image's size. A value costs one convolution 1 → K.
///
/// # References
/// Roth, Black (2009), "Fields of Experts", IJCV 82; trained bilevel: Chen, Ranftl, Pock (2014),
/// "Insights into analysis operator learning", IEEE TIP 23(3), arXiv:1401.2804.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldsOfExperts {
    /// Number of filters K, at most `size² − 1`.
    pub filters: usize,
    /// Side of a filter in pixels, odd.
    pub size: usize,
    /// The potential φ.
    pub potential: Potential,
}

/// What [`FieldsOfExperts`] learns.
#[derive(Module, Debug)]
pub struct FieldsOfExpertsParameters<B: Backend> {
    /// Filters before their mean is taken off: `[K, 1, size, size]`.
    pub filters: Param<Tensor<B, 4>>,
    /// Logarithms of the weights: `[K]`.
    pub log_weights: Param<Tensor<B, 1>>,
    /// Logarithms of the smoothings: `[K]`.
    pub log_smoothings: Param<Tensor<B, 1>>,
}

impl FieldsOfExperts {
    /// Parameters to start from when the noise has standard deviation `sigma` (pixels in `[0, 1]`).
    ///
    /// The filters are the K lowest frequencies of the two-dimensional DCT without the constant
    /// one, with unit norm; the weights are equal, and proportional to σ² as a prior's are.
    ///
    /// # Panics
    /// If `size` is even or `filters` is not between 1 and `size² − 1`.
    pub fn init_for<B: Backend>(
        &self,
        sigma: f64,
        device: &B::Device,
    ) -> FieldsOfExpertsParameters<B> {
        let k = self.filters;
        let constant = |value: f64| Param::from_tensor(Tensor::full([k], value, device));
        FieldsOfExpertsParameters {
            filters: Param::from_tensor(dct_filters(k, self.size, device)),
            log_weights: constant(first_log_weight(sigma, k)),
            log_smoothings: constant(LOG_SMOOTHING),
        }
    }

    /// The filters as they act: `[K, 1, size, size]`, zero mean.
    pub fn zero_mean_filters<B: Backend>(&self, x: &FieldsOfExpertsParameters<B>) -> Tensor<B, 4> {
        zero_mean(x.filters.val())
    }

    /// `kᵢ / e^{sᵢ}`: with these as filters the responses are the potential's argument.
    pub fn scaled_filters<B: Backend>(&self, x: &FieldsOfExpertsParameters<B>) -> Tensor<B, 4> {
        let nu = x
            .log_smoothings
            .val()
            .exp()
            .reshape([self.filters, 1, 1, 1]);
        self.zero_mean_filters(x) / nu
    }

    /// `max_ω Σᵢ e^{wᵢ − 2sᵢ} |k̂ᵢ(ω)|²`.
    fn spectrum<B: Backend>(&self, x: &FieldsOfExpertsParameters<B>) -> f64 {
        let factors = (x.log_weights.val() - x.log_smoothings.val() * 2.0).exp();
        largest_response(self.zero_mean_filters(x), factors)
    }
}

impl Regularizer for FieldsOfExperts {
    type Parameters<B: Backend> = FieldsOfExpertsParameters<B>;

    /// [`init_for`](FieldsOfExperts::init_for) noise of 25/255.
    fn init<B: Backend>(&self, device: &B::Device) -> FieldsOfExpertsParameters<B> {
        self.init_for(SIGMA, device)
    }

    fn value<B: Backend>(
        &self,
        x: &FieldsOfExpertsParameters<B>,
        images: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        let t = responses(images, self.scaled_filters(x));
        weighted_sum(x.log_weights.val(), self.potential.value(t))
    }

    /// `Σᵢ Kᵢᵀ e^{wᵢ − sᵢ} φ'(Kᵢ u / e^{sᵢ})`: one convolution each way.
    fn gradient<B: Backend>(
        &self,
        x: &FieldsOfExpertsParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Tensor<B, 4>> {
        let k = self.scaled_filters(x);
        let t = responses(images, k.clone());
        Some(synthesis(
            self.potential.slope(t),
            weighted(x.log_weights.val(), k),
        ))
    }

    /// `max φ'' · max_ω Σᵢ e^{wᵢ − 2sᵢ} |k̂ᵢ(ω)|²`: exact up to 4 % for images that repeat
    /// periodically, a bound for others.
    fn curvature_bound<B: Backend>(&self, x: &FieldsOfExpertsParameters<B>) -> Option<f64> {
        Some(self.potential.largest_curvature() * self.spectrum(x))
    }

    /// `min φ'' · max_ω Σᵢ e^{wᵢ − 2sᵢ} |k̂ᵢ(ω)|²`.
    fn convexity<B: Backend>(&self, x: &FieldsOfExpertsParameters<B>) -> Option<f64> {
        let smallest = self.potential.smallest_curvature();
        Some(if smallest < 0.0 {
            smallest * self.spectrum(x)
        } else {
            0.0
        })
    }

    /// `v ↦ Σᵢ Kᵢᵀ e^{wᵢ − 2sᵢ} φ''(Kᵢ u / e^{sᵢ}) Kᵢ v`: one convolution each way.
    fn hessian<'a, B: Backend>(
        &'a self,
        x: &FieldsOfExpertsParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Hessian<'a, B>> {
        let k = self.scaled_filters(x);
        let curvature = self.potential.curvature(responses(images, k.clone()));
        let weighted = weighted(x.log_weights.val(), k.clone());
        Some(Box::new(move |v| {
            let kv = responses(v, k.clone());
            synthesis(curvature.clone() * kv, weighted.clone())
        }))
    }

    fn directional<B: Backend>(
        &self,
        x: &FieldsOfExpertsParameters<B>,
        images: Tensor<B, 4>,
        v: Tensor<B, 4>,
    ) -> Option<Tensor<B, 1>> {
        let k = self.scaled_filters(x);
        let slope = self.potential.slope(responses(images, k.clone()));
        Some(weighted_sum(x.log_weights.val(), slope * responses(v, k)))
    }
}
