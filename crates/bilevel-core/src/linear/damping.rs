//! Damping: `A + λI` in place of `A`.

use burn::tensor::backend::Backend;

use super::cached_product::CachedProduct;
use super::{LinearOperator, LinearSolver};
use crate::{Error, Solution, Tolerance, Vector, WithTolerance, positive};

/// The operator `A + λI`.
pub struct Damped<'a, B: Backend> {
    /// `A`.
    pub operator: &'a dyn LinearOperator<B>,
    /// `λ`.
    pub damping: f64,
}

impl<B: Backend> LinearOperator<B> for Damped<'_, B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.operator.apply(v.clone()) + v * self.damping
    }

    fn apply_transposed(&self, v: Vector<B>) -> Vector<B> {
        self.operator.apply_transposed(v.clone()) + v * self.damping
    }

    fn apply_at_solution(&self, q: Vector<B>) -> Vector<B> {
        self.operator.apply_at_solution(q.clone()) + q * self.damping
    }
}

/// Solves the damped system with `solver`.
///
/// ```text
/// (A + λI) q = b
/// ```
///
/// For lower Hessians that are singular or slightly indefinite. The error is `λ/μ` of the solution
/// at most, for `A` with smallest eigenvalue `μ > 0`. The status is that of the damped system, the
/// residual that of `A q = b` itself. Costs what `solver` costs.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{ConjugateGradient, Damping, LinearSolver, Tolerance, Vector};
///
/// let solver = ConjugateGradient { max_steps: 1, tolerance: Tolerance::Relative(1e-12) };
/// let damped = Damping::new(2.0, solver).unwrap();
/// let b = Vector::<Cpu>::from_data([[8.0]], &Default::default());
/// let q = damped.solve(&|v: Vector<Cpu>| v * 2.0, b, None);
/// assert_eq!(q.value.into_scalar(), 2.0); // 8 / (2 + 2)
/// assert_eq!(q.residual, 4.0); // 8 − 2 · 2
/// ```
///
/// # References
/// Levenberg (1944), Q. Appl. Math. 2(2). In bilevel learning: Rajeswaran, Finn, Kakade, Levine
/// (2019), "Meta-Learning with Implicit Gradients", arXiv:1909.04630.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Damping<S> {
    damping: f64,
    solver: S,
}

impl<S> Damping<S> {
    /// `λ = damping`.
    ///
    /// # Errors
    /// If `damping` is not a finite number above zero.
    pub fn new(damping: f64, solver: S) -> Result<Self, Error> {
        positive("damping", damping).map(|damping| Self { damping, solver })
    }
}

impl<S: WithTolerance> WithTolerance for Damping<S> {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            solver: self.solver.map_tolerance(other),
            ..*self
        }
    }
}

impl<B: Backend, S: LinearSolver<B>> LinearSolver<B> for Damping<S> {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let a = CachedProduct::new(a);
        let damped = Damped {
            operator: &a,
            damping: self.damping,
        };
        let solution = self.solver.solve(&damped, b.clone(), start);
        Solution {
            residual: a.residual(b, &solution.value),
            ..solution
        }
    }

    fn vectors(&self, dim: usize) -> usize {
        self.solver.vectors(dim) + 1
    }
}
