//! Images as variables and as data.

use bilevel_backend::Tape;
use bilevel_core::Vector;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{Physics, size_of};
use crate::Error;

/// Images that are being reconstructed.
#[derive(Module, Debug)]
pub struct Image<B: Backend> {
    /// `[n, channels, height, width]`.
    pub pixels: Param<Tensor<B, 4>>,
}

impl<B: Backend> Image<B> {
    /// Images as a lower variable, to be built on a tape.
    pub fn new(pixels: Tensor<B, 4>) -> Self {
        Self {
            pixels: Param::from_tensor(pixels),
        }
    }
}

/// Data and the truth behind them.
#[derive(Module, Debug)]
pub struct ImagePairs<B: Backend> {
    /// The truth: `[n, channels, height, width]`.
    pub clean: Tensor<B, 4>,
    /// The data: `[n, channels, height', width']`.
    pub data: Tensor<B, 4>,
}

impl<B: Backend> ImagePairs<B> {
    /// `data = A clean + noise`; `noise` is given the shape of the data and makes numbers of it.
    ///
    /// ```
    /// use bilevel_backend::Cpu;
    /// use bilevel_models::physics::{Boundary, ImagePairs, Kernel, SuperResolution};
    /// use burn::tensor::Tensor;
    ///
    /// type B = Cpu;
    /// let device = Default::default();
    /// let physics = SuperResolution { factor: 2, boundary: Boundary::Reflect };
    /// let kernel = Kernel::<B>::gaussian(3, 0.8, &device)?;
    /// let clean = Tensor::ones([2, 1, 8, 8], &device);
    /// let pairs = ImagePairs::simulate(&physics, &kernel, clean, |shape| Tensor::zeros(shape, &device))?;
    /// assert_eq!(pairs.data.dims(), [2, 1, 4, 4]);
    /// # Ok::<(), bilevel_models::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the operator does not fit the images.
    ///
    /// # Panics
    /// If the noise has another shape.
    pub fn simulate<A: Physics>(
        physics: &A,
        operator: &A::Operator<B>,
        clean: Tensor<B, 4>,
        noise: impl FnOnce([usize; 4]) -> Tensor<B, 4>,
    ) -> Result<Self, Error> {
        physics.data_size(operator, size_of(&clean))?;
        let data = physics.apply(operator, clean.clone());
        let noise = noise(data.dims());
        Ok(Self {
            data: data + noise,
            clean,
        })
    }

    /// Where denoising starts: at the data.
    ///
    /// Other physics: [`Reconstruction::start`](super::Reconstruction::start).
    pub fn start(&self) -> Image<Tape<B>> {
        Image::new(Tensor::from_inner(self.data.clone()))
    }
}

/// Images as rows of a vector.
pub(super) fn rows<B: Backend>(images: Tensor<B, 4>) -> Vector<B> {
    let [n, channels, height, width] = images.dims();
    images.reshape([n, channels * height * width])
}
