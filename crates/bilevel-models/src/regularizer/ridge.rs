//! Convex and weakly convex ridge regularizers: learned filters under learned splines.

use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::filter_bank::{
    SIGMA, dct_filters, first_log_weight, largest_response, responses, synthesis, weighted,
    weighted_sum, zero_mean,
};
use super::spline::EvenSpline;
use super::{Hessian, Potential, Regularizer, constrained};

/// A ridge regularizer: sums of learned one-dimensional functions of filter responses.
///
/// ```text
/// R(u) = Σᵢ e^{wᵢ} Σ_p ψᵢ( (kᵢ * u)_p / e^{sᵢ} )        kᵢ = cᵢ − mean cᵢ
/// ```
///
/// Learned: filters `cᵢ`, log weights `wᵢ`, log distances between knots `sᵢ`, and the potentials
/// `ψᵢ`, even functions whose slope is a linear spline with `knots` intervals on each side of zero.
/// Evaluation costs two look-ups an entry, however many knots there are. `*` is correlation with
/// zeros outside the image.
///
/// With `weak_convexity` 0 the curvatures of the `ψᵢ` are kept non-negative and `R` is convex: the
/// convex ridge regularizer (CRR). They are then learned in units of the smoothed absolute value's,
/// see [`curvatures`](Ridge::curvatures): those far from zero are a hundredth of those near it, and
/// an optimizer that takes steps of one size for all, as Adam does, would step past zero, where a
/// potential stays. With `ρ` in its place the most negative eigenvalue of `∇²R` is kept above `−ρ`:
/// the weakly convex one (WCRR); below 1 the lower problem of denoising stays strongly convex. Both
/// by [`project`](Regularizer::project).
///
/// # References
/// Goujon, Neumayer, Bohra, Ducotterd, Unser (2023), "A neural-network-based convex regularizer for
/// inverse problems", IEEE TCI 9, arXiv:2211.12461; Goujon, Neumayer, Unser (2024), "Learning
/// weakly convex regularizers for convergent image-reconstruction algorithms", SIIMS 17,
/// arXiv:2308.10542.
///
/// # Differences from the papers
/// One layer of filters instead of a chain of three, whose product it is; a potential for each
/// filter; the bound on the negative curvature is that of the whole sum, by its spectrum, instead
/// of one each for potentials and filters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ridge {
    /// Number of filters K, at most `size² − 1`.
    pub filters: usize,
    /// Side of a filter in pixels, odd.
    pub size: usize,
    /// Intervals M of a spline on each side of zero.
    pub knots: usize,
    /// `ρ ≥ 0` with `∇²R ⪰ −ρ`; not limited if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weak_convexity: Option<f64>,
}

/// What [`Ridge`] learns.
#[derive(Module, Debug)]
pub struct RidgeParameters<B: Backend> {
    /// Filters before their mean is taken off: `[K, 1, size, size]`.
    pub filters: Param<Tensor<B, 4>>,
    /// Logarithms of the weights: `[K]`.
    pub log_weights: Param<Tensor<B, 1>>,
    /// Logarithms of the distances between knots: `[K]`.
    pub log_scales: Param<Tensor<B, 1>>,
    /// Curvatures of the potentials between their knots, in the units of [`Ridge::curvatures`]:
    /// `[K, knots]`.
    pub curvatures: Param<Tensor<B, 2>>,
}

/// Smoothing of the potential that the splines resemble at the start, in image units.
const SMOOTHING: f64 = 0.03;
/// Distance between knots at the start, in smoothings.
const KNOT_DISTANCE: f64 = 0.5;

impl Ridge {
    /// Parameters to start from when the noise has standard deviation `sigma` (pixels in `[0, 1]`).
    ///
    /// The filters are the K lowest frequencies of the two-dimensional DCT without the constant
    /// one; the splines follow the smoothed absolute value if `R` has to be convex, Student's t if
    /// not.
    ///
    /// # Panics
    /// If `size` is even or `filters` is not between 1 and `size² − 1`.
    pub fn init_for<B: Backend>(&self, sigma: f64, device: &B::Device) -> RidgeParameters<B> {
        let k = self.filters;
        let constant = |value: f64| Param::from_tensor(Tensor::full([k], value, device));
        let start = if self.is_convex() {
            Tensor::ones([k, self.knots], device)
        } else {
            self.profile(Potential::StudentT, device).repeat_dim(0, k)
        };
        let x = RidgeParameters {
            filters: Param::from_tensor(dct_filters(k, self.size, device)),
            log_weights: constant(first_log_weight(sigma, k)),
            log_scales: constant((SMOOTHING * KNOT_DISTANCE).ln()),
            curvatures: Param::from_tensor(start),
        };
        self.project(x)
    }

    fn is_convex(&self) -> bool {
        self.weak_convexity == Some(0.0)
    }

    /// The curvatures of the spline that follows `potential`: `[1, knots]`.
    fn profile<B: Backend>(&self, potential: Potential, device: &B::Device) -> Tensor<B, 2> {
        let (h, m) = (KNOT_DISTANCE, self.knots);
        let knots: Vec<f64> = (0..=m).map(|j| j as f64 * h).collect();
        let knots = Tensor::<B, 2>::from_data(TensorData::new(knots, [1, m + 1]), device);
        // ψ(t) = φ(h t), so ψ' = h φ'(h t); a spline's curvature is the difference of its slopes.
        let slopes = potential.slope(knots) * h;
        slopes.clone().narrow(1, 1, m) - slopes.narrow(1, 0, m)
    }

    /// The curvatures `dᵢⱼ` of the potentials between their knots: `[K, knots]`.
    ///
    /// What is learned, but for a convex regularizer, where it is `cᵢⱼ` of
    ///
    /// ```text
    /// dᵢⱼ = cᵢⱼ h (φ'(h(j + 1)) − φ'(hj))        φ'(t) = t / √(1 + t²),  h = ½
    /// ```
    pub fn curvatures<B: Backend>(&self, x: &RidgeParameters<B>) -> Tensor<B, 2> {
        let c = x.curvatures.val();
        if self.is_convex() {
            let units = self.profile(Potential::SmoothedAbs, &c.device());
            c * units
        } else {
            c
        }
    }

    /// The filters as they act: `[K, 1, size, size]`, zero mean.
    pub fn zero_mean_filters<B: Backend>(&self, x: &RidgeParameters<B>) -> Tensor<B, 4> {
        zero_mean(x.filters.val())
    }

    /// `kᵢ / e^{sᵢ}`: with these as filters the responses are the potentials' arguments.
    pub fn scaled_filters<B: Backend>(&self, x: &RidgeParameters<B>) -> Tensor<B, 4> {
        let scale = x.log_scales.val().exp().reshape([self.filters, 1, 1, 1]);
        self.zero_mean_filters(x) / scale
    }

    /// `max_ω Σᵢ cᵢ e^{wᵢ − 2sᵢ} |k̂ᵢ(ω)|²` for the curvatures `cᵢ`: `[K]`.
    fn spectrum<B: Backend>(&self, x: &RidgeParameters<B>, curvatures: Tensor<B, 1>) -> f64 {
        let factors = (x.log_weights.val() - x.log_scales.val() * 2.0).exp();
        largest_response(self.zero_mean_filters(x), factors * curvatures)
    }

    /// The smallest `ρ ≥ 0` known with `∇²R ⪰ −ρ`.
    fn weak_convexity_bound<B: Backend>(&self, x: &RidgeParameters<B>) -> f64 {
        let negative = self.curvatures(x).clamp_max(0.0).min_dim(1);
        self.spectrum(x, -negative.reshape([self.filters]))
    }
}

impl Regularizer for Ridge {
    type Parameters<B: Backend> = RidgeParameters<B>;

    /// [`init_for`](Ridge::init_for) noise of 25/255.
    fn init<B: Backend>(&self, device: &B::Device) -> RidgeParameters<B> {
        self.init_for(SIGMA, device)
    }

    fn value<B: Backend>(&self, x: &RidgeParameters<B>, images: Tensor<B, 4>) -> Tensor<B, 1> {
        let t = responses(images, self.scaled_filters(x));
        weighted_sum(
            x.log_weights.val(),
            EvenSpline::new(self.curvatures(x)).value(t),
        )
    }

    /// `Σᵢ Kᵢᵀ e^{wᵢ − sᵢ} ψᵢ'(Kᵢ u / e^{sᵢ})`: one convolution each way.
    fn gradient<B: Backend>(
        &self,
        x: &RidgeParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Tensor<B, 4>> {
        let k = self.scaled_filters(x);
        let slope = EvenSpline::new(self.curvatures(x)).slope(responses(images, k.clone()));
        Some(synthesis(slope, weighted(x.log_weights.val(), k)))
    }

    /// `v ↦ Σᵢ Kᵢᵀ e^{wᵢ − 2sᵢ} ψᵢ''(Kᵢ u / e^{sᵢ}) Kᵢ v`: one convolution each way.
    fn hessian<'a, B: Backend>(
        &'a self,
        x: &RidgeParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Hessian<'a, B>> {
        let k = self.scaled_filters(x);
        let spline = EvenSpline::new(self.curvatures(x));
        let curvature = spline.curvature(responses(images, k.clone()));
        let weighted = weighted(x.log_weights.val(), k.clone());
        Some(Box::new(move |v| {
            let kv = responses(v, k.clone());
            synthesis(curvature.clone() * kv, weighted.clone())
        }))
    }

    fn directional<B: Backend>(
        &self,
        x: &RidgeParameters<B>,
        images: Tensor<B, 4>,
        v: Tensor<B, 4>,
    ) -> Option<Tensor<B, 1>> {
        let k = self.scaled_filters(x);
        let slope = EvenSpline::new(self.curvatures(x)).slope(responses(images, k.clone()));
        Some(weighted_sum(x.log_weights.val(), slope * responses(v, k)))
    }

    /// `max_ω Σᵢ max_t ψᵢ'' e^{wᵢ − 2sᵢ} |k̂ᵢ(ω)|²`, at most 4 % more than it has to be for images
    /// that repeat periodically.
    fn curvature_bound<B: Backend>(&self, x: &RidgeParameters<B>) -> Option<f64> {
        let largest = self.curvatures(x).clamp_min(0.0).max_dim(1);
        Some(self.spectrum(x, largest.reshape([self.filters])))
    }

    /// `min_ω Σᵢ min_t ψᵢ'' e^{wᵢ − 2sᵢ} |k̂ᵢ(ω)|²`, and at most 0.
    fn convexity<B: Backend>(&self, x: &RidgeParameters<B>) -> Option<f64> {
        Some(-self.weak_convexity_bound(x))
    }

    /// Negative curvatures are scaled until `∇²R ⪰ −ρ`; for `ρ = 0` they become zero, which is
    /// nearest.
    fn project<B: Backend>(&self, mut x: RidgeParameters<B>) -> RidgeParameters<B> {
        let Some(limit) = self.weak_convexity else {
            return x;
        };
        let bound = if limit > 0.0 {
            self.weak_convexity_bound(&x)
        } else {
            f64::INFINITY
        };
        if bound > limit {
            let scale = limit / bound;
            x.curvatures = x
                .curvatures
                .map(|c| constrained(c, |c| c.clone().clamp_min(0.0) + c.clamp_max(0.0) * scale));
        }
        x
    }
}
