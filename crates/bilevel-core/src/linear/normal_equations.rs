//! The normal equations.

use burn::tensor::backend::Backend;

use super::cached_product::CachedProduct;
use super::{LinearOperator, LinearSolver};
use crate::{Solution, Tolerance, Vector, WithTolerance};

/// The operator `AᵀA`.
pub struct NormalOperator<'a, B: Backend>(
    /// `A`.
    pub &'a dyn LinearOperator<B>,
);

impl<B: Backend> LinearOperator<B> for NormalOperator<'_, B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.0.apply_transposed(self.0.apply(v))
    }

    fn apply_at_solution(&self, q: Vector<B>) -> Vector<B> {
        self.0.apply_transposed(self.0.apply_at_solution(q))
    }
}

/// Solves the normal equations with `solver`.
///
/// ```text
/// AᵀA q = Aᵀb
/// ```
///
/// Makes any invertible `A` positive definite, so that conjugate gradients apply, and squares its
/// condition number: for symmetric `A` prefer [`Minres`](super::Minres), for others
/// [`Gmres`](super::Gmres) while its memory lasts. Costs two products where `solver` makes one. The
/// tolerance of `solver` is that of `AᵀA q = Aᵀb`; residual and status are those of `A q = b`.
/// Where that has no solution q is of least squares and not converged; where it is badly
/// conditioned a smaller tolerance helps, and more steps do not.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{ConjugateGradient, LinearSolver, NormalEquations, Tolerance, Vector};
///
/// let b = Vector::<Cpu>::from_data([[6.0]], &Default::default());
/// let minus_two = |v: Vector<Cpu>| v * -2.0; // conjugate gradients alone break down
/// let solver = NormalEquations(ConjugateGradient { max_steps: 1, tolerance: Tolerance::Relative(1e-12) });
/// assert_eq!(solver.solve(&minus_two, b, None).value.into_scalar(), -3.0);
/// ```
///
/// # References
/// Hestenes, Stiefel (1952), J. Res. NBS 49(6), section 10.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormalEquations<S>(
    /// The solver for `AᵀA`.
    pub S,
);

impl<S: WithTolerance> WithTolerance for NormalEquations<S> {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self(self.0.map_tolerance(other))
    }
}

impl<B: Backend, S: LinearSolver<B>> LinearSolver<B> for NormalEquations<S> {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let a = CachedProduct::new(a);
        let right = a.apply_transposed(b.clone());
        let solution = self.0.solve(&NormalOperator(&a), right, start);
        a.judged(b, self.0.tolerance(), solution)
    }

    fn vectors(&self, dim: usize) -> usize {
        self.0.vectors(dim) + 2
    }

    fn tolerance(&self) -> Option<Tolerance> {
        self.0.tolerance()
    }
}
