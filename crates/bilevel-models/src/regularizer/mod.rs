//! Image regularizers with learned parameters.

mod fields_of_experts;
mod potential;
mod tv;

pub use fields_of_experts::{FieldsOfExperts, FieldsOfExpertsParameters};
pub use potential::Potential;
pub use tv::{Tv, TvParameters};

use std::fmt::Debug;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A regularizer: its architecture is the value, its learned numbers are a module.
pub trait Regularizer: Clone + Debug {
    /// What is learned.
    type Parameters<B: Backend>: Module<B>;

    /// Parameters to start learning from.
    fn init<B: Backend>(&self, device: &B::Device) -> Self::Parameters<B>;

    /// `R`, summed over images `[n, 1, height, width]` with values around `[0, 1]`.
    fn value<B: Backend>(&self, x: &Self::Parameters<B>, images: Tensor<B, 4>) -> Tensor<B, 1>;

    /// `∇u R` in closed form, in the shape of the images; `None` if there is none.
    fn gradient<B: Backend>(
        &self,
        _x: &Self::Parameters<B>,
        _images: Tensor<B, 4>,
    ) -> Option<Tensor<B, 4>> {
        None
    }

    /// An upper bound on the eigenvalues of the Hessian of `R` in the image, at every image.
    ///
    /// Reads the parameters back from the device.
    fn curvature_bound<B: Backend>(&self, x: &Self::Parameters<B>) -> f64;

    /// Whether `R` is convex in the image, whatever its parameters.
    fn is_convex(&self) -> bool;
}

/// A regularizer that knows its second derivatives.
pub trait ClosedFormHessian: Regularizer {
    /// `v ↦ ∇²R(u) v`: what depends on the images alone is computed once.
    fn hessian<'a, B: Backend>(
        &'a self,
        x: &Self::Parameters<B>,
        images: Tensor<B, 4>,
    ) -> impl Fn(Tensor<B, 4>) -> Tensor<B, 4> + use<'a, Self, B>;

    /// The derivative of `R` along `v`, `∇u R · v`, summed over the images.
    ///
    /// Its gradient in `x` is the cross term, by one recording instead of two.
    fn directional<B: Backend>(
        &self,
        x: &Self::Parameters<B>,
        images: Tensor<B, 4>,
        v: Tensor<B, 4>,
    ) -> Tensor<B, 1>;
}
