//! Derivatives of the two losses: the only place that knows how they are made.

mod difference;
mod double_backward;
mod gradient_backward;
mod leaves;
mod lower_objective;
mod point;

pub use difference::CentralDifference;
pub use double_backward::{DoubleBackward, RecordedGradient};
pub use gradient_backward::GradientBackward;
pub use lower_objective::LowerObjective;
pub use point::{LossGradients, Point, Unreached};

use burn::tensor::backend::Backend;

use crate::{Differentiable, LinearOperator, Vector};

/// Second derivatives of the lower loss `g` at one point `(x, y)`.
///
/// As an operator it is `v ↦ ∇²yy g · v` on `[systems, dim y]`.
pub trait LowerHessian<B: Backend>: LinearOperator<B> {
    /// The cross term `∇²xy g · v = ∇x (∇y g · v)`: from `[systems, dim y]` to `[1, dim x]`.
    fn cross(&self, v: Vector<B>) -> Vector<B>;

    /// Its transpose `∇²yx g · u`, the change of `∇y g` along `u`: from `[1, dim x]` to
    /// `[systems, dim y]`.
    fn cross_transposed(&self, u: Vector<B>) -> Vector<B>;

    /// `∇y g` at the point: `[systems, dim y]`. May come for nothing after a product.
    fn gradient(&self) -> Vector<B>;

    /// `(∇²yy g · v, ∇²xy g · v)`, where both are wanted: some engines make them in one pass.
    fn both(&self, v: Vector<B>) -> (Vector<B>, Vector<B>) {
        (self.apply(v.clone()), self.cross(v))
    }
}

/// A way to make second derivatives.
pub trait SecondOrder<B: Backend, P: Differentiable<B>> {
    /// The second derivatives of `g` at `point`.
    fn at<'a>(&'a self, point: Point<'a, B, P>) -> Box<dyn LowerHessian<B> + 'a>;
}

/// A reference to an engine is one.
impl<B: Backend, P: Differentiable<B>, D: SecondOrder<B, P>> SecondOrder<B, P> for &D {
    fn at<'a>(&'a self, point: Point<'a, B, P>) -> Box<dyn LowerHessian<B> + 'a> {
        (**self).at(point)
    }
}
