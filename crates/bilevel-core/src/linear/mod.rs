//! Linear systems `A q = b`, known only by products with `A`.

mod conjugate_gradient;

pub use conjugate_gradient::ConjugateGradient;

use burn::tensor::backend::Backend;

use crate::{Solution, Vector};

/// A square linear map on each row: `[systems, dim] → [systems, dim]`.
pub trait LinearOperator<B: Backend> {
    /// `A v`. Rows do not mix.
    fn apply(&self, v: Vector<B>) -> Vector<B>;
}

/// Any closure is an operator.
impl<B: Backend, F: Fn(Vector<B>) -> Vector<B>> LinearOperator<B> for F {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self(v)
    }
}

/// Solves `A q = b` for every row at once.
pub trait LinearSolver<B: Backend> {
    /// The solution, from `start` (zero if `None`).
    ///
    /// `residual` is the largest `‖b − A q‖₂` over the rows, recomputed at the returned `q`.
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>>;
}
