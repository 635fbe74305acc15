//! Image regularizers with learned parameters.
//!
//! | regularizer | convex | gradient | Hessian | curvature bound | source |
//! |---|---|---|---|---|---|
//! | [`Tv`] | yes | recorded | recorded | closed form | Rudin, Osher, Fatemi (1992) |
//! | [`FieldsOfExperts`] | by its [`Potential`] | closed form | closed form | spectrum | Roth, Black (2009) |
//! | [`Ridge`] | yes (CRR), weakly (WCRR) or free | closed form | closed form | spectrum | Goujon et al. (2023, 2024) |
//! | [`ConvexNetwork`] | yes | closed form | one recording | power iteration | Amos, Xu, Kolter (2017) |
//! | [`TotalDeepVariation`] | no | closed form | one recording | power iteration | Kobler et al. (2020) |
//! | [`ResidualPrior`] | no | closed form | one recording | power iteration | Hurault et al. (2022) |
//!
//! All see one channel and sum over the images. [`Architecture`] is any of them.

mod architecture;
mod convex_network;
mod fields_of_experts;
mod filter_bank;
mod potential;
mod residual_network;
mod residual_prior;
mod ridge;
mod spline;
mod total_deep_variation;
mod tv;

pub use architecture::{Architecture, ArchitectureParameters};
pub use convex_network::{ConvexNetwork, ConvexNetworkParameters};
pub use fields_of_experts::{FieldsOfExperts, FieldsOfExpertsParameters};
pub use potential::Potential;
pub use residual_network::{ResidualBlock, ResidualNetwork};
pub use residual_prior::{ResidualPrior, ResidualPriorParameters};
pub use ridge::{Ridge, RidgeParameters};
pub use total_deep_variation::{TotalDeepVariation, TotalDeepVariationParameters};
pub use tv::{Tv, TvParameters};

use std::fmt::Debug;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// A regularizer: its architecture is the value, its learned numbers are a module.
pub trait Regularizer: Clone + Debug {
    /// What is learned.
    type Parameters<B: Backend>: Module<B> + ModuleDisplay;

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

    /// `v ↦ ∇²R(u) v` in closed form; `None` if there is none. What depends on the images alone is
    /// computed once.
    fn hessian<'a, B: Backend>(
        &'a self,
        _x: &Self::Parameters<B>,
        _images: Tensor<B, 4>,
    ) -> Option<Hessian<'a, B>> {
        None
    }

    /// The derivative of `R` along `v`, `∇u R · v`, summed over the images; `None` without a
    /// gradient.
    ///
    /// Its gradient in `x` is the cross term, by one recording instead of two.
    fn directional<B: Backend>(
        &self,
        x: &Self::Parameters<B>,
        images: Tensor<B, 4>,
        v: Tensor<B, 4>,
    ) -> Option<Tensor<B, 1>> {
        self.gradient(x, images)
            .map(|gradient| (gradient * v).sum())
    }

    /// An upper bound on the eigenvalues of the Hessian of `R` in the image, at every image; `None`
    /// if none is known that would be of use.
    ///
    /// Reads the parameters back from the device.
    fn curvature_bound<B: Backend>(&self, x: &Self::Parameters<B>) -> Option<f64>;

    /// The largest known `m` for which `R(u) − m/2 ‖u‖²` is convex in the image: positive if `R` is
    /// strongly convex, 0 if it is convex, negative if it is weakly convex, `None` if nothing is
    /// known.
    ///
    /// May read the parameters back from the device.
    fn convexity<B: Backend>(&self, x: &Self::Parameters<B>) -> Option<f64>;

    /// The nearest parameters that are admissible; all are, unless overridden.
    fn project<B: Backend>(&self, x: Self::Parameters<B>) -> Self::Parameters<B> {
        x
    }
}

/// Multiplies by the Hessian of a regularizer, image by image.
pub type Hessian<'a, B> = Box<dyn Fn(Tensor<B, 4>) -> Tensor<B, 4> + 'a>;

/// Negative entries of a parameter become zero; its place on the tape stays.
fn nonnegative<B: Backend, const D: usize>(t: Tensor<B, D>) -> Tensor<B, D> {
    constrained(t, |t| t.clamp_min(0.0))
}

/// A parameter after `project`, which is not recorded.
fn constrained<B: Backend, const D: usize>(
    t: Tensor<B, D>,
    project: impl FnOnce(Tensor<B, D>) -> Tensor<B, D>,
) -> Tensor<B, D> {
    let requires_gradient = t.is_require_grad();
    project(t.detach())
        .detach()
        .set_require_grad(requires_gradient)
}
