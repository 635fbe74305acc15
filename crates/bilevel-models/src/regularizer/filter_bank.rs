//! Banks of square filters: correlation, its adjoint, and their spectrum.

use std::f64::consts::PI;

use burn::tensor::backend::Backend;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, TensorData};

/// The noise that `init` has in mind where none is given, on the scale of the pixels.
pub(super) const SIGMA: f64 = 25.0 / 255.0;

/// Log smoothing at the start, in image units: a response of 0.03 bends the potential.
pub(super) const LOG_SMOOTHING: f64 = -3.5;

/// Sum of the weights at the start, in units of σ²: with DCT filters about as good as TV.
const TOTAL_WEIGHT: f64 = 0.5;

/// Logarithm of the weight that each of `count` filters starts with, for noise of `sigma`: equal,
/// and proportional to σ² as a prior's are.
pub(super) fn first_log_weight(sigma: f64, count: usize) -> f64 {
    (TOTAL_WEIGHT * sigma * sigma / count as f64).ln()
}

/// Filters `[K, 1, size, size]` with their means taken off: they do not see brightness.
pub(super) fn zero_mean<B: Backend>(filters: Tensor<B, 4>) -> Tensor<B, 4> {
    let mean = filters.clone().mean_dim(3).mean_dim(2);
    filters - mean
}

/// `W x`: correlation of `[n, m, height, width]` with `[K, m, size, size]`, size odd, zeros
/// outside.
pub(super) fn responses<B: Backend>(x: Tensor<B, 4>, filters: Tensor<B, 4>) -> Tensor<B, 4> {
    responses_every(1, x, filters)
}

/// `Wᵀ g`, the adjoint of [`responses`].
pub(super) fn synthesis<B: Backend>(maps: Tensor<B, 4>, filters: Tensor<B, 4>) -> Tensor<B, 4> {
    let [_, _, height, width] = maps.dims();
    synthesis_every(1, maps, filters, [height, width])
}

/// [`responses`] at every `stride`-th pixel in both directions, from the first.
pub(super) fn responses_every<B: Backend>(
    stride: usize,
    x: Tensor<B, 4>,
    filters: Tensor<B, 4>,
) -> Tensor<B, 4> {
    let half = filters.dims()[2] / 2;
    let options = ConvOptions::new([stride; 2], [half; 2], [1, 1], 1);
    conv2d(x, filters, None, options)
}

/// The adjoint of [`responses_every`] for images of `height`×`width`.
pub(super) fn synthesis_every<B: Backend>(
    stride: usize,
    maps: Tensor<B, 4>,
    filters: Tensor<B, 4>,
    [height, width]: [usize; 2],
) -> Tensor<B, 4> {
    let half = filters.dims()[2] / 2;
    let beyond = [(height - 1) % stride, (width - 1) % stride];
    let options = ConvTransposeOptions::new([stride; 2], [half; 2], beyond, [1, 1], 1);
    conv_transpose2d(maps, filters, None, options)
}

/// `e^{wᵢ} kᵢ` for log weights `wᵢ`: `[K]`.
pub(super) fn weighted<B: Backend>(
    log_weights: Tensor<B, 1>,
    filters: Tensor<B, 4>,
) -> Tensor<B, 4> {
    let [k, ..] = filters.dims();
    filters * log_weights.exp().reshape([k, 1, 1, 1])
}

/// `Σᵢ e^{wᵢ} Σ_p mᵢ_p` of maps `[n, K, height, width]`.
///
/// As a matrix product: a multiplication by weights spread over the maps costs ten times as much.
pub(super) fn weighted_sum<B: Backend>(
    log_weights: Tensor<B, 1>,
    maps: Tensor<B, 4>,
) -> Tensor<B, 1> {
    let [n, k, height, width] = maps.dims();
    let weights = log_weights.exp().reshape([1, 1, k]);
    weights.matmul(maps.reshape([n, k, height * width])).sum()
}

/// The `count` lowest non-constant frequencies of the orthonormal `size`×`size` DCT-II, one after
/// the other: `[count, 1, size, size]`.
///
/// # Panics
/// If `size` is even or `count` is not between 1 and `size² − 1`.
pub(super) fn dct_filters<B: Backend>(
    count: usize,
    size: usize,
    device: &B::Device,
) -> Tensor<B, 4> {
    let (k, s) = (count, size);
    assert!(s % 2 == 1, "the filter size must be odd, got {s}");
    assert!(
        (1..s * s).contains(&k),
        "{s}x{s} filters: 1 to {} of them are independent, got {k}",
        s * s - 1
    );
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
    let filters: Vec<f32> = frequencies[..k]
        .iter()
        .flat_map(|&(v, h)| (0..s * s).map(move |p| (wave(v, p / s) * wave(h, p % s)) as f32))
        .collect();
    Tensor::from_data(TensorData::new(filters, [k, 1, s, s]), device)
}

/// `max_ω Σᵢ fᵢ |k̂ᵢ(ω)|²` for filters `[K, 1, size, size]` and factors `[K]`, at most 4 % too
/// large.
///
/// A bound on the norm of `Σᵢ fᵢ KᵢᵀKᵢ` on images of any size. Reads both from the device.
pub(super) fn largest_response<B: Backend>(filters: Tensor<B, 4>, factors: Tensor<B, 1>) -> f64 {
    // Σ fᵢ |k̂ᵢ|² is a trigonometric polynomial of degree size − 1 in each direction; sampled at
    // N points a period its maximum is at most the sampled one over cos(π degree / N), squared for
    // two directions (Ehlich, Zeller 1964).
    let [count, _, size, _] = filters.dims();
    let k: Vec<f64> = filters.into_data().iter::<f64>().collect();
    let factors: Vec<f64> = factors.into_data().iter::<f64>().collect();
    let n = 16 * size;
    let angle = |j: usize| 2.0 * PI * (j % n) as f64 / n as f64;
    let table: Vec<(f64, f64)> = (0..n).map(|j| angle(j).sin_cos()).collect();
    let mut largest = 0f64;
    // |k̂(ω)| = |k̂(−ω)|: half of the plane is enough.
    for v in 0..=n / 2 {
        // Columns first: Σ_a k[a, b] e^{−i v a} for every filter and column b.
        let columns: Vec<(f64, f64)> = (0..count * size)
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
