//! Richardson's iteration: the fixed point of gradient descent on `½ qᵀAq − bᵀq`.

use burn::tensor::backend::Backend;

use super::units::in_units;
use super::{LinearOperator, LinearSolver, begin, residuals};
use crate::read_every::Reads;
use crate::setters;
use crate::vector::{largest, norm, quotient, read};
use crate::{ReadEvery, Solution, Status, Tolerance, Vector, WithTolerance};

/// Richardson's iteration, with a test of its residual at every step.
///
/// ```text
/// r = b − A q        q ← q + η r,   r ← r − η A r
/// ```
///
/// Converges if the eigenvalues of `A` lie in `(0, 2/η)`, the error falling by `1 − η μ` a step for
/// `η ≤ 1/L`. Where a residual grows it never stops growing (for symmetric `A`): that row goes back
/// to where it started and the status is [`Status::Diverged`].
///
/// The fixed-point form of implicit differentiation: with `η` the step of the lower solver, `q / η`
/// is the fixed point of the map's adjoint. Costs one product a step, one for the final residual,
/// one more for a warm start, and one read a step.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{LinearSolver, Richardson, Status, Tolerance, Vector};
///
/// Cpu::use_f64().expect("the first tensors");
/// let solve = |step_size| {
///     let b = Vector::<Cpu>::from_data([[4.0]], &Default::default());
///     let solver = Richardson { step_size: step_size, max_steps: 99, tolerance: Tolerance::Relative(1e-9) };
///     solver.solve(&|v: Vector<Cpu>| v * 2.0, b, None)
/// };
/// assert!((solve(0.25).value.into_data().to_vec::<f64>().unwrap()[0] - 2.0).abs() < 1e-8);
/// assert_eq!(solve(1.01).status, Status::Diverged); // η > 2/L
/// ```
///
/// # References
/// Richardson (1911), Phil. Trans. R. Soc. A 210; for hypergradients: Grazzi, Franceschi, Pontil,
/// Salzo (2020), "On the Iteration Complexity of Hypergradient Computation", ICML,
/// arXiv:2006.16218.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Richardson {
    /// Step size η.
    pub step_size: f64,
    /// Steps at most.
    pub max_steps: usize,
    /// Stop when `‖b − A q‖` is that small in every row.
    pub tolerance: Tolerance,
}

impl Richardson {
    /// The step size η; 50 steps at most, to a millionth of `‖b‖`.
    pub fn new(step_size: f64) -> Self {
        Self {
            step_size,
            max_steps: 50,
            tolerance: Tolerance::Relative(1e-6),
        }
    }
}

setters!(Richardson {
    max_steps: usize,
    tolerance: Tolerance
});

impl WithTolerance for Richardson {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            tolerance: other(self.tolerance),
            ..*self
        }
    }
}

impl Richardson {
    /// [`LinearSolver::solve`], with a look at the device only when a read is due.
    fn solve_reading<B: Backend>(
        &self,
        reads: Reads,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
        units: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let eta = self.step_size;
        let goals = read(self.tolerance.bounds(&b, units));
        let (first, mut r) = begin(a, &b, start);
        let mut q = first.clone();
        let mut grown = r.zeros_like().slice([0..b.dims()[0], 0..1]);
        let mut norm_r = norm(r.clone());
        let mut steps = 0;
        let status = loop {
            if reads.due(steps) || steps >= self.max_steps {
                let flags = read(Vector::cat(vec![norm_r.clone(), grown.clone()], 1));
                let rows = || flags.chunks(2).zip(&goals);
                if flags.iter().any(|v| !v.is_finite()) {
                    break Status::NonFinite;
                }
                if rows().any(|(row, goal)| row[1] > 0.0 && row[0] > *goal) {
                    break Status::Diverged;
                }
                if rows().all(|(row, goal)| row[0] <= *goal) {
                    break Status::Converged;
                }
                if steps >= self.max_steps {
                    break Status::MaxSteps;
                }
            }
            q = q + r.clone() * eta;
            r = r.clone() - a.apply(r) * eta;
            let norm_next = norm(r.clone());
            grown = grown.max_pair(has_grown(&norm_next, &norm_r));
            norm_r = norm_next;
            steps += 1;
        };
        if matches!(status, Status::NonFinite) {
            q = first;
        } else if matches!(status, Status::Diverged) {
            let grown = grown.greater_elem(0.0).expand(q.shape());
            q = q.mask_where(grown, first);
        }
        let residual = largest(&residuals(a, &b, &q));
        Solution {
            value: q,
            status,
            steps,
            residual,
        }
    }
}

impl<B: Backend> LinearSolver<B> for Richardson {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        in_units(a, b, start, |a, b, start, units| {
            self.solve_reading(Reads::ALWAYS, a, b, start, units)
        })
    }

    fn vectors(&self, _: usize) -> usize {
        5 // first, q, r, A r, b
    }

    fn tolerance(&self) -> Option<Tolerance> {
        Some(self.tolerance)
    }
}

impl<B: Backend> LinearSolver<B> for ReadEvery<Richardson> {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        in_units(a, b, start, |a, b, start, units| {
            self.solver.solve_reading(self.reads(), a, b, start, units)
        })
    }

    fn vectors(&self, dim: usize) -> usize {
        LinearSolver::<B>::vectors(&self.solver, dim)
    }

    fn tolerance(&self) -> Option<Tolerance> {
        Some(self.solver.tolerance)
    }
}

/// 1 in the rows where the residual is larger than it was, beyond rounding.
pub(super) fn has_grown<B: Backend>(now: &Vector<B>, before: &Vector<B>) -> Vector<B> {
    let ratio = quotient(now.clone(), before.clone());
    ratio.greater_elem(GROWTH).float()
}

/// A residual grows if it is larger than before by more than this: the residual in the kernel of
/// `A` stays as it is, up to rounding.
const GROWTH: f64 = 1.0 + 1e-5;
