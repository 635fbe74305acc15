//! The Fourier transform of a real signal and its inverse, with their transposes.
//!
//! ```text
//! X_k = Σ_n x_n exp(−2πi kn/N)        x_n = 1/N Σ_k c_k Re(X_k exp(2πi kn/N)),   k = 0 .. N/2
//! c = 1 at the ends k = 0 and k = N/2 (where Im X counts for nothing), 2 between
//! ```
//!
//! As maps between real vectors they are each other's transposes, up to the factors `c` and `N`. In
//! `f64` the synthesis of a signal is done with `rfft` as well, because burn-flex computes `irfft`
//! in `f32` (errors of 1e-4; those of its `rfft` are 1e-8).

use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_backend::ops::FloatTensorOps;
use burn_backend::tensor::FloatTensor;
use burn_backend::{Backend, DType, Slice, TensorData, TensorMetadata};

use super::Tape;
use super::linear::linear;

/// A real and an imaginary part.
type Spectrum<B, C> = (FloatTensor<Tape<B, C>>, FloatTensor<Tape<B, C>>);

/// Real and imaginary part of the transform along `dim`, of length `n` or the signal's.
pub(super) fn rfft<B: Backend, C: CheckpointStrategy>(
    signal: FloatTensor<Tape<B, C>>,
    dim: usize,
    n: Option<usize>,
) -> Spectrum<B, C> {
    let length = signal.shape()[dim];
    let spectrum = linear::<B, C, _>(
        signal,
        |signal| {
            let (re, im) = B::rfft(signal, dim, n);
            B::float_cat(vec![re, im], dim)
        },
        move |grad| {
            let (re, im) = halves::<B>(grad, dim);
            let bins = re.shape()[dim];
            let size = signal_length(bins);
            fit::<B>(synthesis::<B>(re, im, dim, size), dim, length)
        },
    );
    halves::<Tape<B, C>>(spectrum, dim)
}

/// The signal of length `n` (or twice the number of steps between bins) with the given spectrum.
pub(super) fn irfft<B: Backend, C: CheckpointStrategy>(
    re: FloatTensor<Tape<B, C>>,
    im: FloatTensor<Tape<B, C>>,
    dim: usize,
    n: Option<usize>,
) -> FloatTensor<Tape<B, C>> {
    let bins = re.shape()[dim];
    let spectrum = Tape::<B, C>::float_cat(vec![re, im], dim);
    linear::<B, C, _>(
        spectrum,
        |spectrum| {
            let (re, im) = halves::<B>(spectrum, dim);
            if re.dtype() != DType::F64 {
                return B::irfft(re, im, dim, n);
            }
            let size = n.unwrap_or(signal_length(bins));
            let [re, im] = [re, im].map(|part| fit::<B>(part, dim, size / 2 + 1));
            let [ends, between] = [1.0, 2.0].map(|c| c / size as f64);
            let re = scale::<B>(re, dim, size, [ends, between]);
            let im = scale::<B>(im, dim, size, [0.0, between]);
            synthesis::<B>(re, im, dim, size)
        },
        move |grad| {
            let size = grad.shape()[dim];
            let (re, im) = B::rfft(grad, dim, None);
            let [ends, between] = [1.0, 2.0].map(|c| c / size as f64);
            let re = scale::<B>(re, dim, size, [ends, between]);
            let im = scale::<B>(im, dim, size, [0.0, between]);
            let re = fit::<B>(re, dim, bins);
            let im = fit::<B>(im, dim, bins);
            B::float_cat(vec![re, im], dim)
        },
    )
}

/// The transpose of `rfft`: `x_n = Σ_k a_k cos(2π kn/N) − b_k sin(2π kn/N)` for `k = 0 .. N/2`.
fn synthesis<B: Backend>(
    a: FloatTensor<B>,
    b: FloatTensor<B>,
    dim: usize,
    size: usize,
) -> FloatTensor<B> {
    if a.dtype() != DType::F64 {
        let [ends, between] = [1.0, 0.5].map(|c| c * size as f64);
        let a = scale::<B>(a, dim, size, [ends, between]);
        let b = scale::<B>(b, dim, size, [0.0, between]);
        return B::irfft(a, b, dim, Some(size));
    }
    // Both sums are transforms of real sequences; the first half of n gives the second by symmetry.
    let (cosines, _) = B::rfft(fit::<B>(a, dim, size), dim, None);
    let (_, minus_sines) = B::rfft(fit::<B>(b, dim, size), dim, None);
    let first = B::float_add(cosines.clone(), minus_sines.clone());
    if size <= 2 {
        return first;
    }
    let second = B::float_sub(cosines, minus_sines);
    let inside = range(&second, dim, 1..size / 2);
    let second = B::float_flip(B::float_slice(second, &inside), &[dim]);
    B::float_cat(vec![first, second], dim)
}

/// The length of a signal whose transform has `bins` entries.
fn signal_length(bins: usize) -> usize {
    (2 * (bins - 1)).max(1)
}

/// A spectrum times one factor at its ends and another between.
fn scale<B: Backend>(
    spectrum: FloatTensor<B>,
    dim: usize,
    size: usize,
    [ends, between]: [f64; 2],
) -> FloatTensor<B> {
    let bins = size / 2 + 1;
    let is_end = |k: usize| k == 0 || 2 * k == size;
    let factors: Vec<f64> = (0..bins)
        .map(|k| if is_end(k) { ends } else { between })
        .collect();
    let mut shape = vec![1; spectrum.shape().num_dims()];
    shape[dim] = bins;
    let factors = TensorData::new(factors, shape).convert_dtype(spectrum.dtype());
    let factors = B::float_from_data(factors, &B::float_device(&spectrum));
    B::float_mul(spectrum, factors)
}

/// The first and the second half along `dim`.
fn halves<B: Backend>(tensor: FloatTensor<B>, dim: usize) -> (FloatTensor<B>, FloatTensor<B>) {
    let length = tensor.shape()[dim];
    let first = B::float_slice(tensor.clone(), &range(&tensor, dim, 0..length / 2));
    let second = range(&tensor, dim, length / 2..length);
    (first, B::float_slice(tensor, &second))
}

/// Cut or padded with zeros to `length` along `dim`.
fn fit<B: Backend>(tensor: FloatTensor<B>, dim: usize, length: usize) -> FloatTensor<B> {
    let has = tensor.shape()[dim];
    if has >= length {
        let slices = range(&tensor, dim, 0..length);
        return B::float_slice(tensor, &slices);
    }
    let mut missing = tensor.shape();
    missing[dim] = length - has;
    let zeros = B::float_zeros(missing, &B::float_device(&tensor), tensor.dtype().into());
    B::float_cat(vec![tensor, zeros], dim)
}

/// Everything along the other axes, `range` along `dim`.
fn range(tensor: &impl TensorMetadata, dim: usize, range: core::ops::Range<usize>) -> Vec<Slice> {
    let mut slices: Vec<Slice> = tensor.shape().iter().map(|&n| Slice::from(0..n)).collect();
    slices[dim] = Slice::from(range);
    slices
}
