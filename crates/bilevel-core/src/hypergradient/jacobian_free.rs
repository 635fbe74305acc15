//! The hypergradient without the inverse.

use burn::tensor::backend::Backend;

use super::estimate_builder::with_adjoint;
use super::product_counter::ProductCounter;
use super::{Estimate, Hypergradient};
use crate::{Differentiable, Point, SecondOrder, Tolerance, Vector, WithTolerance};

/// Jacobian-free backpropagation (JFB): one step of the lower solver stands for all of them.
///
/// ```text
/// ∇F ≈ ∇x f − η ∇²xy g · ∇y f
/// ```
///
/// The inverse Hessian is replaced by `η I`: the first term of its Neumann series. A biased
/// estimate; for `η ≤ 1/L` the adjoint `η ∇y f` is off by `(1 − ημ)` of the exact one at most, and
/// a step along the result still descends when the condition number is small. Costs one gradient of
/// `f` and one pass for the cross term, which brings the adjoint's residual along.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let method = JacobianFree { second_order: DoubleBackward, step_size: 0.1 };
/// let estimate = method.estimate(scalar(1.0, 0.5).point(), None, 0);
/// assert!(is(estimate, 0.1 * (0.5 - 0.2))); // where dF/dx = 0.15
/// ```
///
/// # References
/// Fung, Heaton, Li, McKenzie, Osher, Yin (2022), "JFB: Jacobian-Free Backpropagation for Implicit
/// Networks", AAAI 36(6), arXiv:2103.12803.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JacobianFree<D> {
    /// How second derivatives are made.
    pub second_order: D,
    /// Step size η of the lower map.
    pub step_size: f64,
}

/// It solves nothing: the same estimator.
impl<D: Clone> WithTolerance for JacobianFree<D> {
    fn map_tolerance(&self, _: impl Fn(Tolerance) -> Tolerance) -> Self {
        self.clone()
    }
}

impl<B, P, D> Hypergradient<B, P> for JacobianFree<D>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
{
    fn estimate(&self, point: Point<'_, B, P>, _: Option<Vector<B>>, _: u64) -> Estimate<B> {
        let counter = ProductCounter::new();
        let f = point.upper_gradients();
        let q = f.y.clone() * self.step_size;
        with_adjoint(point, f, q, &self.second_order, 1, &counter)
    }
}
