//! Convolution with one kernel for all channels, every so many pixels: what [`Blur`](super::Blur)
//! and [`SuperResolution`](super::SuperResolution) have in common.

use bilevel_core::vector::epsilon;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use super::{Boundary, Kernel};
use crate::Error;
use crate::error::ErrorKind;

/// `A = S C P`: [`pad`](Boundary::pad), convolve, keep every `stride`-th pixel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Convolution {
    /// What lies outside.
    pub boundary: Boundary,
    /// Keep one of so many rows and columns.
    pub stride: usize,
}

/// Steps towards the vector that gives the smallest bound.
const BOUND_STEPS: usize = 3;

impl Convolution {
    /// Height and width of the data of images of `size`.
    pub fn data_size<B: Backend>(
        self,
        kernel: &Kernel<B>,
        size: [usize; 2],
    ) -> Result<[usize; 2], Error> {
        let k = kernel.size()?;
        if size.iter().any(|&n| n < k) {
            return Err(ErrorKind::KernelTooLarge {
                kernel: k,
                image: size,
            }
            .into());
        }
        let padded = self.boundary.padded_size(size, k / 2);
        Ok(padded.map(|n| (n - k) / self.stride + 1))
    }

    /// `A u`.
    pub fn apply<B: Backend>(self, kernel: Tensor<B, 4>, images: Tensor<B, 4>) -> Tensor<B, 4> {
        let ([n, channels, h, w], [.., k]) = (images.dims(), kernel.dims());
        let padded = self
            .boundary
            .pad(images.reshape([n * channels, 1, h, w]), k / 2);
        // Burn's convolution is a correlation.
        let options = ConvOptions::new([self.stride; 2], [0, 0], [1, 1], 1);
        let data = conv2d(padded, kernel.flip([2, 3]), None, options);
        let [.., h, w] = data.dims();
        data.reshape([n, channels, h, w])
    }

    /// `Aᵀ z = Pᵀ Cᵀ Sᵀ z` for images of `size`.
    pub fn adjoint<B: Backend>(
        self,
        kernel: Tensor<B, 4>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4> {
        let ([n, channels, h, w], [.., k]) = (data.dims(), kernel.dims());
        // Rows and columns after the last one that was kept.
        let rest = self
            .boundary
            .padded_size(size, k / 2)
            .map(|n| (n - k) % self.stride);
        let options = ConvTransposeOptions::new([self.stride; 2], [0, 0], rest, [1, 1], 1);
        let data = data.reshape([n * channels, 1, h, w]);
        let padded = conv_transpose2d(data, kernel.flip([2, 3]), None, options);
        let [h, w] = size;
        self.boundary
            .pad_adjoint(padded, k / 2)
            .reshape([n, channels, h, w])
    }

    /// `M ≥ ‖A‖²`, rounding included. One read from the device.
    ///
    /// `‖A‖² ≤ ‖|A|ᵀ|A|‖ ≤ max_p (|A|ᵀ|A| w)_p / w_p` for every `w > 0`: the weighted Schur test.
    /// It starts from `w = 1` and gets smaller with each step `w ← |A|ᵀ|A| w`.
    pub fn norm_squared_bound<B: Backend>(self, kernel: Tensor<B, 4>, size: [usize; 2]) -> f64 {
        let [.., k] = kernel.dims();
        let kernel = kernel.detach().abs();
        let [h, w] = size;
        let mut weights = Tensor::<B, 4>::ones([1, 1, h, w], &kernel.device());
        let mut quotients = weights.clone();
        for _ in 0..BOUND_STEPS {
            let seen = self.apply(kernel.clone(), weights.clone());
            let next = self.adjoint(kernel.clone(), seen, size);
            quotients = quotient(next.clone(), weights);
            weights = next;
        }
        let bound = quotients.max().into_data().iter::<f64>().next();
        // Of the last product: sums of k² terms of one sign, twice, and of nine in the corners.
        let rounding = 1.0 + (4 * k * k + 16) as f64 * epsilon(&kernel);
        bound.expect("a maximum is one number") * rounding
    }

    /// `|A|ᵀz / |A|ᵀ1`: each pixel is the average of the data that saw it, of all data if none did.
    pub fn average<B: Backend>(
        self,
        kernel: Tensor<B, 4>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4> {
        let kernel = kernel.abs();
        let [.., h, w] = data.dims();
        let ones = Tensor::ones([1, 1, h, w], &data.device());
        let mean = data.clone().mean_dim(3).mean_dim(2);
        let [weights, sums] = [ones, data].map(|z| self.adjoint(kernel.clone(), z, size));
        let unseen = weights.clone().equal_elem(0.0).float();
        let weights = weights.expand(sums.shape());
        quotient(sums, weights) + mean * unseen
    }
}

/// `a / b` entry by entry, zero where `b` is.
fn quotient<B: Backend>(a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 4> {
    let zero = b.clone().equal_elem(0.0);
    (a / b).mask_fill(zero, 0.0)
}
