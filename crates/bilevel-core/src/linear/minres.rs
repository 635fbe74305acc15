//! The minimal residual method.

use burn::tensor::backend::Backend;

use super::units::in_units;
use super::{LinearOperator, LinearSolver, begin, reached, residuals};
use crate::read_every::Reads;
use crate::setters;
use crate::vector::{dot, epsilon, largest, norm, quotient, read};
use crate::{ReadEvery, Solution, Status, Tolerance, Vector, WithTolerance};

/// Minimal residuals for symmetric `A`, definite or not, one recursion per row.
///
/// ```text
/// Lanczos:   β₊ v₊ = A v − α v − β v₋,   α = vᵀA v
/// rotation:  δ = c δ̄ + s α,  γ̄ = s δ̄ − c α,  ε = s β₊,  δ̄ ← −c β₊,  γ = √(γ̄² + β₊²),  c = γ̄/γ,  s = β₊/γ
/// update:    w ← (v − ε₋ w₋₋ − δ w₋)/γ,   q ← q + φ̄ c w,   φ̄ ← φ̄ s
/// ```
///
/// `φ̄ = ‖b − A q‖` is the smallest over the Krylov space and never grows. A row stops when it is
/// at most the tolerance. For a singular `A` it tends to a least squares solution, whose residual
/// stays; for a lower Hessian that is singular or not positive definite, where conjugate gradients
/// break down. Exact in `dim` steps. Costs one product a step, one for the final residual, one more
/// for a warm start, and one read a step.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{LinearSolver, Minres, Status, Tolerance, Vector};
///
/// Cpu::use_f64().expect("the first tensors");
/// type B = Cpu;
/// let d = Vector::<B>::from_data([[1.0, -2.0]], &Default::default()); // indefinite
/// let b = Vector::<B>::from_data([[3.0, 4.0]], &Default::default());
/// let q = Minres { max_steps: 2, tolerance: Tolerance::Relative(1e-12) }.solve(&|v: Vector<B>| v * d.clone(), b, None);
/// let value = q.value.into_data().to_vec::<f64>().unwrap();
/// assert!((value[0] - 3.0).abs() < 1e-12 && (value[1] + 2.0).abs() < 1e-12);
/// assert_eq!((q.status, q.steps), (Status::Converged, 2));
/// ```
///
/// # References
/// Paige, Saunders (1975), "Solution of Sparse Indefinite Systems of Linear Equations", SIAM J.
/// Numer. Anal. 12(4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minres {
    /// Steps at most.
    pub max_steps: usize,
    /// Stop when `‖b − A q‖` is that small in every row.
    pub tolerance: Tolerance,
}

/// 50 steps at most, to a millionth of `‖b‖`.
impl Default for Minres {
    fn default() -> Self {
        Self {
            max_steps: 50,
            tolerance: Tolerance::Relative(1e-6),
        }
    }
}

setters!(Minres {
    max_steps: usize,
    tolerance: Tolerance
});

impl WithTolerance for Minres {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            tolerance: other(self.tolerance),
            ..*self
        }
    }
}

impl Minres {
    /// [`LinearSolver::solve`], with a look at the device only when a read is due.
    fn solve_reading<B: Backend>(
        &self,
        reads: Reads,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
        units: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let epsilon = epsilon(&b);
        let goal = self.tolerance.bounds(&b, units);
        let goals = read(goal.clone());
        let (mut q, r) = begin(a, &b, start);
        let mut last_good = q.clone();
        let mut beta = norm(r.clone());
        let mut phi_bar = beta.clone();
        let mut v = quotient(r, beta.clone());
        let mut v_last = v.zeros_like();
        let (mut w, mut w_last) = (v.zeros_like(), v.zeros_like());
        let (mut c, mut s) = (beta.zeros_like() - 1.0, beta.zeros_like());
        let (mut delta_bar, mut eps) = (beta.zeros_like(), beta.zeros_like());
        beta = beta.zeros_like(); // v₋ = 0
        // The largest entry of the tridiagonal matrix so far, and rows that have nothing left to gain.
        let (mut scale, mut closed) = (beta.clone(), beta.clone());
        // Of each row: whether nothing more will move it, steps that it made, zero while all is finite.
        let mut idle = phi_bar.clone().lower_equal(goal.clone()).float();
        let (mut made, mut poison) = (beta.clone(), beta.clone());
        let mut steps = 0;
        let mut finite = true;
        let mut checked = q.clone();
        let max_steps = if read(idle.clone()).iter().all(|idle| *idle > 0.5) {
            0
        } else {
            self.max_steps
        };
        for step in 1..=max_steps {
            let av = a.apply(v.clone());
            let alpha = dot(v.clone(), av.clone());
            let next = av - v.clone() * alpha.clone() - v_last * beta;
            let beta_next = norm(next.clone());

            let delta = c.clone() * delta_bar.clone() + s.clone() * alpha.clone();
            let gamma_bar = s.clone() * delta_bar - c.clone() * alpha.clone();
            let eps_last = eps;
            eps = s * beta_next.clone();
            delta_bar = -c * beta_next.clone();
            let gamma = norm(Vector::cat(vec![gamma_bar.clone(), beta_next.clone()], 1));
            c = quotient(gamma_bar.clone(), gamma.clone());
            s = quotient(beta_next.clone(), gamma.clone());

            // ‖A r‖ = φ̄ √(γ̄² + δ̄²): where it is rounding, r is orthogonal to the range of A, and
            // nothing is left to gain.
            let ar = norm(Vector::cat(vec![gamma_bar, delta_bar.clone()], 1));
            scale = scale.max_pair(alpha.clone().abs() + beta_next.clone());
            let orthogonal = ar.lower_equal(scale.clone() * (8.0 * epsilon));
            closed = closed.mask_fill(orthogonal, 1.0);
            // A row at its goal, or closed, stands still.
            let open = phi_bar.clone().greater(goal.clone()).float() * (-closed.clone() + 1.0);
            let w_next = quotient(v.clone() - w_last * eps_last - w.clone() * delta, gamma);
            let moved = q.clone() + w_next.clone() * (open * phi_bar.clone() * c.clone());
            let still = closed.clone().greater_elem(0.5);
            phi_bar = (phi_bar.clone() * s.clone())
                .abs()
                .mask_where(still, phi_bar);

            // A Krylov space that is complete: what is left of the next vector is rounding.
            let complete = beta_next.clone().lower_equal(scale.clone() * epsilon);
            let complete = complete.float().max_pair(closed.clone());
            v_last = v;
            v = quotient(next, beta_next.clone())
                .mask_fill(complete.clone().greater_elem(0.5).expand(q.shape()), 0.0);
            beta = beta_next;
            made = made - idle.clamp_max(1.0) + 1.0;
            idle = phi_bar.clone().lower_equal(goal.clone()).float() + complete;
            poison = poison + phi_bar.clone() * 0.0;
            (w_last, w) = (w, w_next);
            q = moved;
            if reads.due(step) || step == max_steps {
                let columns = [&poison, &idle, &made].map(Clone::clone);
                let flags = read(Vector::cat(columns.to_vec(), 1));
                let rows = || flags.chunks(3);
                finite = rows().all(|row| row[0].is_finite());
                if !finite {
                    q = checked;
                    break;
                }
                steps = rows().map(|row| row[2] as usize).max().unwrap_or(0);
                last_good = checked;
                checked = q.clone();
                if rows().all(|row| row[1] > 0.5) {
                    break;
                }
            }
        }
        let mut residuals_now = residuals(a, &b, &q);
        if residuals_now.iter().any(|r| !r.is_finite()) {
            finite = false;
            q = last_good;
            residuals_now = residuals(a, &b, &q);
        }
        let status = if !finite {
            Status::NonFinite
        } else if reached(&residuals_now, &goals) {
            Status::Converged
        } else {
            Status::MaxSteps
        };
        Solution {
            value: q,
            status,
            steps,
            residual: largest(&residuals_now),
        }
    }
}

impl<B: Backend> LinearSolver<B> for Minres {
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
        9 // q, the last q, v, v₋, A v, w, w₋, the next w, b
    }

    fn tolerance(&self) -> Option<Tolerance> {
        Some(self.tolerance)
    }
}

impl<B: Backend> LinearSolver<B> for ReadEvery<Minres> {
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
        LinearSolver::<B>::vectors(&self.solver, dim) + 1 // q at the last read
    }

    fn tolerance(&self) -> Option<Tolerance> {
        Some(self.solver.tolerance)
    }
}
