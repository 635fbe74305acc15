//! Fields of Experts: learned filters under a potential.

use std::f64::consts::PI;

use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{ClosedFormHessian, Potential, Regularizer};

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

/// Sum of the weights at the start, in units of σ²: with DCT filters about as good as TV.
const TOTAL_WEIGHT: f64 = 0.5;
/// Log smoothing at the start, in image units: a response of 0.03 bends the potential.
const LOG_SMOOTHING: f64 = -3.5;
/// The noise that `init` has in mind, on the scale of the pixels.
const SIGMA: f64 = 25.0 / 255.0;

impl FieldsOfExperts {
    /// Parameters to start from when the noise has standard deviation `sigma` (pixels in `[0, 1]`).
    ///
    /// The filters are the K lowest frequencies of the two-dimensional DCT without the constant one,
    /// with unit norm; the weights are equal, and proportional to σ² as a prior's are.
    ///
    /// # Panics
    /// If `size` is even or `filters` is not between 1 and `size² − 1`.
    pub fn init_for<B: Backend>(
        &self,
        sigma: f64,
        device: &B::Device,
    ) -> FieldsOfExpertsParameters<B> {
        let (k, s) = (self.filters, self.size);
        assert!(s % 2 == 1, "the filter size must be odd, got {s}");
        assert!(
            (1..s * s).contains(&k),
            "{s}x{s} filters: 1 to {} of them are independent, got {k}",
            s * s - 1
        );
        let data = TensorData::new(dct_filters(k, s), [k, 1, s, s]);
        let constant = |value: f64| Param::from_tensor(Tensor::full([k], value, device));
        FieldsOfExpertsParameters {
            filters: Param::from_tensor(Tensor::from_data(data, device)),
            log_weights: constant((TOTAL_WEIGHT * sigma * sigma / k as f64).ln()),
            log_smoothings: constant(LOG_SMOOTHING),
        }
    }

    /// The filters as they act: `[K, 1, size, size]`, zero mean.
    pub fn zero_mean_filters<B: Backend>(&self, x: &FieldsOfExpertsParameters<B>) -> Tensor<B, 4> {
        let c = x.filters.val();
        let mean = c.clone().mean_dim(3).mean_dim(2);
        c - mean
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

    /// `Kᵢ u`: `[n, 1, height, width]` to `[n, K, height, width]`.
    fn responses<B: Backend>(&self, images: Tensor<B, 4>, filters: Tensor<B, 4>) -> Tensor<B, 4> {
        let half = self.size / 2;
        conv2d(
            images,
            filters,
            None,
            ConvOptions::new([1, 1], [half, half], [1, 1], 1),
        )
    }

    /// `Σᵢ Kᵢᵀ mᵢ`, the adjoint of [`responses`](Self::responses).
    fn synthesis<B: Backend>(&self, maps: Tensor<B, 4>, filters: Tensor<B, 4>) -> Tensor<B, 4> {
        let half = self.size / 2;
        let options = ConvTransposeOptions::new([1, 1], [half, half], [0, 0], [1, 1], 1);
        conv_transpose2d(maps, filters, None, options)
    }

    /// `|k̂(ω)|²` of a filter, largest over a frequency grid, weighted and summed over the filters.
    fn largest_response(&self, k: &[f64], factors: &[f64]) -> f64 {
        // Σ fᵢ |k̂ᵢ|² is a trigonometric polynomial of degree size − 1 in each direction; sampled at
        // N points a period its maximum is at most the sampled one over cos(π degree / N), squared for
        // two directions (Ehlich, Zeller 1964).
        let size = self.size;
        let n = 16 * size;
        let angle = |j: usize| 2.0 * PI * (j % n) as f64 / n as f64;
        let table: Vec<(f64, f64)> = (0..n).map(|j| angle(j).sin_cos()).collect();
        let mut largest = 0f64;
        // |k̂(ω)| = |k̂(−ω)|: half of the plane is enough.
        for v in 0..=n / 2 {
            // Columns first: Σ_a k[a, b] e^{−i v a} for every filter and column b.
            let columns: Vec<(f64, f64)> = (0..self.filters * size)
                .map(|ib| {
                    let (i, b) = (ib / size, ib % size);
                    (0..size).fold((0.0, 0.0), |(re, im), a| {
                        let (sin, cos) = table[v * a % n];
                        let k = k[(i * size + a) * size + b];
                        (re + k * cos, im - k * sin)
                    })
                })
                .collect();
            for h in 0..n {
                let mut total = 0.0;
                for (i, factor) in factors.iter().enumerate() {
                    let (mut re, mut im) = (0.0, 0.0);
                    for b in 0..size {
                        let (sin, cos) = table[h * b % n];
                        let (cr, ci) = columns[i * size + b];
                        re += cr * cos + ci * sin;
                        im += ci * cos - cr * sin;
                    }
                    total += factor * (re * re + im * im);
                }
                largest = largest.max(total);
            }
        }
        largest / (PI * (size - 1) as f64 / n as f64).cos().powi(2)
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
        let t = self.responses(images, self.scaled_filters(x));
        weighted_sum(x, self.potential.value(t))
    }

    /// `Σᵢ Kᵢᵀ e^{wᵢ − sᵢ} φ'(Kᵢ u / e^{sᵢ})`: one convolution each way.
    fn gradient<B: Backend>(
        &self,
        x: &FieldsOfExpertsParameters<B>,
        images: Tensor<B, 4>,
    ) -> Option<Tensor<B, 4>> {
        let k = self.scaled_filters(x);
        let t = self.responses(images, k.clone());
        Some(self.synthesis(self.potential.slope(t), weighted(x, k)))
    }

    fn is_convex(&self) -> bool {
        self.potential.is_convex()
    }

    /// `max_ω Σᵢ e^{wᵢ − 2sᵢ} φ''(0) |k̂ᵢ(ω)|²`: exact up to 4 % for images that repeat
    /// periodically, a bound for others.
    fn curvature_bound<B: Backend>(&self, x: &FieldsOfExpertsParameters<B>) -> f64 {
        let read = |t: Tensor<B, 1>| t.into_data().iter::<f64>().collect::<Vec<_>>();
        let entries = self.filters * self.size * self.size;
        let k = read(self.zero_mean_filters(x).reshape([entries]));
        let factors: Vec<f64> = read(x.log_weights.val())
            .iter()
            .zip(read(x.log_smoothings.val()))
            .map(|(w, s)| (w - 2.0 * s).exp() * self.potential.largest_curvature())
            .collect();
        self.largest_response(&k, &factors)
    }
}

impl ClosedFormHessian for FieldsOfExperts {
    /// `v ↦ Σᵢ Kᵢᵀ e^{wᵢ − 2sᵢ} φ''(Kᵢ u / e^{sᵢ}) Kᵢ v`: one convolution each way.
    fn hessian<'a, B: Backend>(
        &'a self,
        x: &FieldsOfExpertsParameters<B>,
        images: Tensor<B, 4>,
    ) -> impl Fn(Tensor<B, 4>) -> Tensor<B, 4> + use<'a, B> {
        let k = self.scaled_filters(x);
        let curvature = self.potential.curvature(self.responses(images, k.clone()));
        let weighted = weighted(x, k.clone());
        move |v| {
            let kv = self.responses(v, k.clone());
            self.synthesis(curvature.clone() * kv, weighted.clone())
        }
    }

    fn directional<B: Backend>(
        &self,
        x: &FieldsOfExpertsParameters<B>,
        images: Tensor<B, 4>,
        v: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        let k = self.scaled_filters(x);
        let slope = self.potential.slope(self.responses(images, k.clone()));
        weighted_sum(x, slope * self.responses(v, k))
    }
}

/// `Σᵢ e^{wᵢ} Σ_p mᵢ_p` of maps `[n, K, height, width]`.
///
/// As a matrix product: a multiplication by weights spread over the maps costs ten times as much.
fn weighted_sum<B: Backend>(x: &FieldsOfExpertsParameters<B>, maps: Tensor<B, 4>) -> Tensor<B, 1> {
    let [n, k, height, width] = maps.dims();
    let weights = x.log_weights.val().exp().reshape([1, 1, k]);
    weights.matmul(maps.reshape([n, k, height * width])).sum()
}

/// `e^{wᵢ} kᵢ`.
fn weighted<B: Backend>(x: &FieldsOfExpertsParameters<B>, filters: Tensor<B, 4>) -> Tensor<B, 4> {
    let [k, ..] = filters.dims();
    filters * x.log_weights.val().exp().reshape([k, 1, 1, 1])
}

/// The `k` lowest non-constant frequencies of the orthonormal `s`×`s` DCT-II, one after the other.
fn dct_filters(k: usize, s: usize) -> Vec<f32> {
    let wave = |f: usize, a: usize| {
        let scale = if f == 0 {
            (1.0 / s as f64).sqrt()
        } else {
            (2.0 / s as f64).sqrt()
        };
        scale * (PI * (2 * a + 1) as f64 * f as f64 / (2 * s) as f64).cos()
    };
    let mut frequencies: Vec<(usize, usize)> = (1..s * s).map(|i| (i / s, i % s)).collect();
    frequencies.sort_by_key(|&(v, h)| (v * v + h * h, v));
    frequencies[..k]
        .iter()
        .flat_map(|&(v, h)| (0..s * s).map(move |p| (wave(v, p / s) * wave(h, p % s)) as f32))
        .collect()
}
