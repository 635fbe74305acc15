//! Activation functions on the tape.

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_backend::TensorMetadata;

use super::Tape;
use crate::delegate::prelude::*;

/// `gelu` is Burn's own composition, `x (1 + erf(x / √2)) / 2`: burn-autodiff would record it as
/// one operation whose gradient, on most backends, belongs to the tanh approximation.
impl<B: Backend, C: CheckpointStrategy> ActivationOps<Self> for Tape<B, C> {
    activation_ops!(Autodiff<B, C>);

    /// In `f64` `exp(−log(1 + exp(−x)))`, because many backends compute it in `f32`.
    ///
    /// Below −700, where the exponential of `−x` is no longer finite, `x` counts as −700.
    fn sigmoid(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        if tensor.dtype() != DType::F64 {
            return Autodiff::<B, C>::sigmoid(tensor);
        }
        let x = Self::float_clamp_min(tensor, (-700.0).into());
        let exp = Self::float_exp(Self::float_neg(x));
        let log = Self::float_log1p(exp);
        Self::float_exp(Self::float_neg(log))
    }

    /// `min(max(αx + β, 0), 1)` in the precision of `x`; Burn computes it in `f32`.
    fn hard_sigmoid(tensor: FloatTensor<Self>, alpha: Scalar, beta: Scalar) -> FloatTensor<Self> {
        if tensor.dtype() != DType::F64 {
            return Autodiff::<B, C>::hard_sigmoid(tensor, alpha, beta);
        }
        let line = Self::float_add_scalar(Self::float_mul_scalar(tensor, alpha), beta);
        Self::float_clamp(line, 0.0.into(), 1.0.into())
    }
}
