//! Total variation, smoothed.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::Regularizer;

/// Smoothed isotropic total variation.
///
/// ```text
/// R(u) = e^w Σ_p √( (u_{p+→} − u_p)² + (u_{p+↓} − u_p)² + ν² ),   ν = e^s
/// ```
///
/// Differences across the border of the image are zero. Learned: log weight `w`, log smoothing `s`.
///
/// # References
/// Rudin, Osher, Fatemi (1992), "Nonlinear total variation based noise removal algorithms", Physica
/// D 60.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tv;

/// What [`Tv`] learns.
#[derive(Module, Debug)]
pub struct TvParameters<B: Backend> {
    /// Logarithm of the weight: `[1]`.
    pub log_weight: Param<Tensor<B, 1>>,
    /// Logarithm of the smoothing, in image units: `[1]`.
    pub log_smoothing: Param<Tensor<B, 1>>,
}

impl Tv {
    /// Parameters with given logarithms.
    pub fn with<B: Backend>(
        log_weight: f64,
        log_smoothing: f64,
        device: &B::Device,
    ) -> TvParameters<B> {
        let constant = |value: f64| Param::from_tensor(Tensor::full([1], value, device));
        TvParameters {
            log_weight: constant(log_weight),
            log_smoothing: constant(log_smoothing),
        }
    }
}

impl Regularizer for Tv {
    type Parameters<B: Backend> = TvParameters<B>;

    /// Weight 0.08, smoothing 0.01: about right for σ = 25/255.
    fn init<B: Backend>(&self, device: &B::Device) -> TvParameters<B> {
        Self::with(-2.5, -4.6, device)
    }

    fn value<B: Backend>(&self, x: &TvParameters<B>, images: Tensor<B, 4>) -> Tensor<B, 1> {
        let [n, c, h, w] = images.dims();
        let u = images;
        let right = u.clone().slice([0..n, 0..c, 0..h, 1..w])
            - u.clone().slice([0..n, 0..c, 0..h, 0..w - 1]);
        let down = u.clone().slice([0..n, 0..c, 1..h, 0..w])
            - u.clone().slice([0..n, 0..c, 0..h - 1, 0..w]);
        let zero = |dims: [usize; 4]| Tensor::<B, 4>::zeros(dims, &u.device());
        let squares = Tensor::cat(vec![right.square(), zero([n, c, h, 1])], 3)
            + Tensor::cat(vec![down.square(), zero([n, c, 1, w])], 2);
        let smoothing = (x.log_smoothing.val() * 2.0).exp().reshape([1, 1, 1, 1]);
        (squares + smoothing).sqrt().sum() * x.log_weight.val().exp()
    }

    /// `8 e^w / ν`: `‖∇‖² ≤ 8` for forward differences in two directions.
    fn curvature_bound<B: Backend>(&self, x: &TvParameters<B>) -> Option<f64> {
        let read = |t: Tensor<B, 1>| t.into_data().iter::<f64>().next().expect("one number");
        Some(8.0 * (read(x.log_weight.val()) - read(x.log_smoothing.val())).exp())
    }

    fn convexity<B: Backend>(&self, _: &TvParameters<B>) -> Option<f64> {
        Some(0.0)
    }
}
