//! A stopping rule in absolute terms.

use burn::tensor::backend::Backend;

use super::{LinearOperator, LinearSolver};
use crate::vector::{largest, norms};
use crate::{Inexact, Solution, Status, Vector};

/// Lets `solver`, whose tolerance is relative to the right side, stop at an absolute residual.
///
/// ```text
/// ‖b − A q‖ ≤ δ in every row:      the solver runs to the relative tolerance  δ / max ‖b‖
/// ```
///
/// which is at most `δ / ‖b‖` of each row: every row reaches δ, those with a small right side further.
/// [`Status::Converged`] says that the residual recomputed at the end is at most δ. Costs what `solver`
/// costs and one read of the norms of `b`.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{Absolute, ConjugateGradient, LinearSolver, Status, Vector};
///
/// let solver = ConjugateGradient { max_steps: 10, tolerance: 0.0 };
/// let absolute = Absolute { solver, tolerance: 0.1 };
/// let b = Vector::<Cpu>::from_data([[3.0, 4.0], [0.0, 0.05]], &Default::default());
/// let q = absolute.solve(&|v: Vector<Cpu>| v * 2.0, b, None);
/// assert!(q.status == Status::Converged && q.residual <= 0.1);
/// ```
///
/// # References
/// The stopping rule of error bounds for inexact hypergradients: Ehrhardt, Roberts (2024), IMA J. Appl.
/// Math. 89, arXiv:2301.04764.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absolute<S> {
    /// The solver; its own tolerance is not used.
    pub solver: S,
    /// `δ`: stop when `‖b − A q‖ ≤ δ` in every row.
    pub tolerance: f64,
}

impl<B: Backend, S: LinearSolver<B> + Inexact> LinearSolver<B> for Absolute<S> {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let largest = largest(&norms(b.clone()));
        // For b = 0 any tolerance will do.
        let relative = self.tolerance / largest.max(f64::MIN_POSITIVE);
        let relative = relative.min(f64::MAX);
        let solution = self.solver.to(relative).solve(a, b, start);
        // Solvers allow their residual some rounding; this is the promise itself.
        let status = match solution.status {
            _ if solution.residual <= self.tolerance => Status::Converged,
            Status::Converged => Status::MaxSteps,
            other => other,
        };
        Solution { status, ..solution }
    }

    fn vectors(&self, dim: usize) -> usize {
        self.solver.vectors(dim)
    }
}
