//! How data come about, and the bilevel problem of undoing it.
//!
//! ```text
//! z = A u + noise
//! ```
//!
//! | physics | A | what it is made of | smallest eigenvalue of AᵀA known |
//! |---|---|---|---|
//! | [`Identity`] | the image itself: denoising | nothing | 1 |
//! | [`Blur`] | convolution with a kernel, known or learned | [`Kernel`] | 0 |
//! | [`Inpainting`] | the pixels that are not lost | [`Mask`] | 0 |
//! | [`SuperResolution`] | convolution, then every second pixel | [`Kernel`] | 0 |
//!
//! [`Reconstruction`] is the bilevel problem; [`Denoising`] is its short name where A is the
//! identity. [`CurvatureBound`] tells lower solvers its Lipschitz constant, [`ClosedForm`] makes
//! its second derivatives.

mod blur;
mod boundary;
mod closed_form;
mod convolution;
mod curvature_bound;
mod identity;
mod image;
mod inpainting;
mod kernel;
mod learned;
mod measurement;
mod reconstruction;
mod super_resolution;
mod upper_loss;

pub use blur::Blur;
pub use boundary::Boundary;
pub use closed_form::ClosedForm;
pub use curvature_bound::CurvatureBound;
pub use identity::{Identity, NoOperator};
pub use image::{Image, ImagePairs};
pub use inpainting::{Inpainting, Mask};
pub use kernel::Kernel;
pub use learned::Learned;
pub use measurement::{Measurement, MeasurementOperator};
pub use reconstruction::{Denoising, Reconstruction};
pub use super_resolution::SuperResolution;
pub use upper_loss::UpperLoss;

use std::fmt::Debug;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::Error;

/// How data come about: `z = A u + noise` with a linear A that acts on every image and channel
/// alike.
///
/// The value holds what is chosen once (a boundary, a factor), the [`Operator`](Self::Operator) the
/// numbers. Implementations are made of operations that [`Tape`](bilevel_backend::Tape)
/// differentiates twice.
pub trait Physics: Clone + Debug {
    /// What A is made of: a kernel, a mask. `Param`s that require a gradient are learned,
    /// everything else is fixed.
    type Operator<B: Backend>: Module<B>;

    /// The upper variables: what a regularizer learns, `M`, and what A is made of.
    ///
    /// [`Learned`] for all but [`Identity`], where it is `M` itself.
    type Upper<B: Backend, M: Module<B> + ModuleDisplay>: Module<B>;

    /// The upper variables, of their parts.
    fn join<B: Backend, M: Module<B> + ModuleDisplay>(
        regularizer: M,
        operator: Self::Operator<B>,
    ) -> Self::Upper<B, M>;

    /// The parts of the upper variables.
    fn split<B: Backend, M: Module<B> + ModuleDisplay>(
        x: &Self::Upper<B, M>,
    ) -> (&M, &Self::Operator<B>);

    /// `A u`: images `[n, channels, h, w]` to data `[n, channels, h', w']`.
    ///
    /// # Panics
    /// Where [`data_size`](Self::data_size) is an error.
    fn apply<B: Backend>(&self, a: &Self::Operator<B>, images: Tensor<B, 4>) -> Tensor<B, 4>;

    /// `Aᵀ z`: data `[n, channels, h', w']` to images `[n, channels, h, w]` of `size` `[h, w]`.
    ///
    /// # Panics
    /// Where [`data_size`](Self::data_size) is an error, or the data do not have it.
    fn adjoint<B: Backend>(
        &self,
        a: &Self::Operator<B>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4>;

    /// Height and width of the data of images of `size` `[h, w]`.
    ///
    /// # Errors
    /// If the operator does not fit the images: a kernel that is larger, a mask of another size.
    fn data_size<B: Backend>(
        &self,
        a: &Self::Operator<B>,
        size: [usize; 2],
    ) -> Result<[usize; 2], Error>;

    /// A number that is certainly not below `‖A‖²`, the largest eigenvalue of AᵀA, on images of
    /// `size`.
    ///
    /// Costs some products with A for one image and a read from the device, unless A is simple.
    fn norm_squared_bound<B: Backend>(&self, a: &Self::Operator<B>, size: [usize; 2]) -> f64;

    /// The smallest eigenvalue of AᵀA that is certain whatever the operator: 1 for denoising, 0
    /// else.
    fn strong_convexity(&self) -> f64;

    /// Images of `size` to start reconstruction from, on the scale of the data.
    fn start<B: Backend>(
        &self,
        a: &Self::Operator<B>,
        data: Tensor<B, 4>,
        size: [usize; 2],
    ) -> Tensor<B, 4>;
}

/// Height and width of images `[n, channels, h, w]`.
fn size_of<B: Backend>(images: &Tensor<B, 4>) -> [usize; 2] {
    let [.., h, w] = images.dims();
    [h, w]
}

/// The last check before a product: what a caller could have asked about, as a panic.
fn expect_size(size: Result<[usize; 2], Error>) -> [usize; 2] {
    size.unwrap_or_else(|error| panic!("{error}"))
}

/// The last check before a product with Aᵀ.
fn expect_data<B: Backend>(data: &Tensor<B, 4>, size: Result<[usize; 2], Error>) {
    let (found, expected) = (size_of(data), expect_size(size));
    assert_eq!(
        found, expected,
        "data are {found:?}, the physics makes {expected:?}"
    );
}
