//! Derivatives of the two losses: the only place that knows how they are made.

mod difference;
mod double_backward;
mod lower_objective;
mod point;

pub use difference::CentralDifference;
pub use double_backward::DoubleBackward;
pub use lower_objective::LowerObjective;
pub use point::{LossGradients, Point};

use burn::tensor::backend::Backend;

use crate::{Differentiable, LinearOperator, Vector};

/// Second derivatives of the lower loss `g` at one point `(x, y)`.
///
/// As an operator it is `v ↦ ∇²yy g · v` on `[systems, dim]`.
pub trait LowerHessian<B: Backend>: LinearOperator<B> {
    /// The cross term `∇²xy g · v = ∇x (∇y g · v)`: from `[systems, dim y]` to `[1, dim x]`.
    fn cross(&self, v: Vector<B>) -> Vector<B>;
}

/// A way to make second derivatives.
pub trait SecondOrder<B: Backend, P: Differentiable<B>> {
    /// The second derivatives of `g` at `point`.
    fn at<'a>(&'a self, point: Point<'a, B, P>) -> Box<dyn LowerHessian<B> + 'a>;
}
