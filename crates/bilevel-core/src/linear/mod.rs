//! Linear systems `A q = b`, known only by products with `A`.
//!
//! | solver | `A` | products with `A` for K steps, the residual included |
//! |---|---|---|
//! | [`ConjugateGradient`] | symmetric positive definite | K + 1 |
//! | [`Minres`] | symmetric | K + 1 |
//! | [`Gmres`] | any | K + 1 |
//! | [`Neumann`] | eigenvalues in `(0, 2/η)` | K + 1, no reads from the device |
//! | [`Richardson`] | eigenvalues in `(0, 2/η)` | K + 1 |
//! | [`Nystrom`] | symmetric positive semidefinite, few large eigenvalues | rank + 1 |
//! | [`Dense`] | any; a test's oracle | dim + 1 |
//!
//! A warm start costs one product more. Three more solvers wrap a solver: [`NormalEquations`]
//! squares the system, [`Damping`] solves `A + λI`, [`Jacobi`] preconditions with the diagonal.
//! [`ReadEvery`](crate::ReadEvery) lets solvers look at the device only every few steps.

mod cached_product;
mod conjugate_gradient;
mod damping;
mod dense;
mod gmres;
mod jacobi;
mod minres;
mod neumann;
mod normal_equations;
mod nystrom;
mod richardson;
mod units;

pub use conjugate_gradient::ConjugateGradient;
pub use damping::{Damped, Damping};
pub use dense::Dense;
pub use gmres::Gmres;
pub use jacobi::{Jacobi, Scaled};
pub use minres::Minres;
pub use neumann::Neumann;
pub use normal_equations::{NormalEquations, NormalOperator};
pub use nystrom::Nystrom;
pub use richardson::Richardson;

use burn::tensor::backend::Backend;

use crate::vector::{norm, norms};
use crate::{Solution, Tolerance, Vector};

/// A square linear map on each row: `[systems, dim] → [systems, dim]`.
pub trait LinearOperator<B: Backend> {
    /// `A v`. Rows do not mix.
    fn apply(&self, v: Vector<B>) -> Vector<B>;

    /// `Aᵀ v`: the same as [`apply`](Self::apply) unless overridden, for Hessians are symmetric.
    fn apply_transposed(&self, v: Vector<B>) -> Vector<B> {
        self.apply(v)
    }

    /// `A q` at the end of a solve, for the residual: the same as [`apply`](Self::apply) unless
    /// overridden.
    ///
    /// The last product of every solver is this one, with the value it returns. An operator may do
    /// here what has to be done at the solution alone: the cross term of a hypergradient comes with
    /// it for nothing. A solver that never calls it costs one product more.
    fn apply_at_solution(&self, q: Vector<B>) -> Vector<B> {
        self.apply(q)
    }
}

/// Any closure is an operator, a symmetric one.
impl<B: Backend, F: Fn(Vector<B>) -> Vector<B>> LinearOperator<B> for F {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self(v)
    }
}

/// Solves `A q = b` for every row at once.
pub trait LinearSolver<B: Backend> {
    /// The solution, from `start` (zero if `None`).
    ///
    /// `residual` is the largest `‖b − A q‖₂` over the rows, recomputed at the returned `q` by
    /// [`LinearOperator::apply_at_solution`].
    ///
    /// # Panics
    /// If `start` and `b` differ in shape, with both shapes.
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>>;

    /// How many vectors of the size of `b` a solve of `dim` unknowns holds at once, at most.
    fn vectors(&self, dim: usize) -> usize;

    /// When the solver stops: none if it makes a fixed number of steps, or solves another
    /// system.
    fn tolerance(&self) -> Option<Tolerance> {
        None
    }
}

/// A boxed solver solves.
impl<B: Backend, S: LinearSolver<B> + ?Sized> LinearSolver<B> for Box<S> {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        (**self).solve(a, b, start)
    }

    fn vectors(&self, dim: usize) -> usize {
        (**self).vectors(dim)
    }

    fn tolerance(&self) -> Option<Tolerance> {
        (**self).tolerance()
    }
}

/// Where a solve begins: `(q, b − A q)`. Costs a product if there is a start.
fn begin<B: Backend>(
    a: &dyn LinearOperator<B>,
    b: &Vector<B>,
    start: Option<Vector<B>>,
) -> (Vector<B>, Vector<B>) {
    match start {
        None => (b.zeros_like(), b.clone()),
        Some(q) => {
            assert_eq!(q.dims(), b.dims(), "start and right side differ in shape");
            // Where b = 0 the solution is 0.
            let q = q * norm(b.clone()).greater_elem(0.0).float();
            (q.clone(), b.clone() - a.apply(q))
        }
    }
}

/// `‖b − A q‖` of each row, at the end of a solve.
fn residuals<B: Backend>(a: &dyn LinearOperator<B>, b: &Vector<B>, q: &Vector<B>) -> Vec<f64> {
    norms(b.clone() - a.apply_at_solution(q.clone()))
}

/// Whether the recomputed residuals are at their goals, up to a tenth by which rounding lets a
/// recursion drift from them.
fn reached(residuals: &[f64], goals: &[f64]) -> bool {
    let reached = |(r, goal): (&f64, &f64)| *r <= goal * 1.1 + f64::MIN_POSITIVE;
    residuals.iter().zip(goals).all(reached)
}
