//! The method of conjugate gradients.

use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor, TensorData};

use super::units::in_units;
use super::{LinearOperator, LinearSolver, begin};
use crate::read_every::Reads;
use crate::setters;
use crate::vector::{dot, largest, norms, read};
use crate::{ReadEvery, Solution, Status, Tolerance, Vector, WithTolerance};

/// Conjugate gradients for symmetric positive definite `A`, one step size per row.
///
/// ```text
/// r = b − A q,  p = r
/// repeat:  α = rᵀr / pᵀAp,  q ← q + α p,  r₊ = r − α A p,  β = r₊ᵀr₊ / rᵀr,  p ← r₊ + β p
/// ```
///
/// A row stops when `‖r‖` is within the tolerance, or where `pᵀAp ≤ 0` shows that `A` is not
/// positive definite ([`Status::Breakdown`]); the other rows go on. The last iterate is returned:
/// its error is the smallest, even where its residual is not. Only a row that broke down, and all
/// of them after a number that is not finite, return their iterate with the smallest residual. The
/// residual is computed afresh. If rounding made the recursion lie about it, the iteration restarts
/// from the true residual while steps are left and every sweep at least halves it.
///
/// Error after k steps in the A-norm: at most `2 ((√κ−1)/(√κ+1))ᵏ` of the first; exact in `dim`
/// steps. Costs one product a step, one for the final residual, one more for a warm start and for
/// every restart.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{ConjugateGradient, LinearSolver, Status, Tolerance, Vector};
///
/// Cpu::use_f64().expect("the first tensors");
/// let b = Vector::<Cpu>::from_data([[2.0, 4.0]], &Default::default());
/// let twice = |v: Vector<Cpu>| v * 2.0;
/// let q = ConjugateGradient { max_steps: 2, tolerance: Tolerance::Relative(1e-12) }.solve(&twice, b, None);
/// assert_eq!(q.value.into_data().to_vec::<f64>().unwrap(), [1.0, 2.0]);
/// assert_eq!((q.status, q.steps), (Status::Converged, 1));
/// ```
///
/// # References
/// Hestenes, Stiefel (1952), "Methods of Conjugate Gradients for Solving Linear Systems", J. Res.
/// NBS 49(6); residual replacement after van der Vorst, Ye (2000), SIAM J. Sci. Comput. 22(3).
///
/// # Differences from the paper
/// Rows are independent systems.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConjugateGradient {
    /// Steps at most.
    pub max_steps: usize,
    /// Stop when `‖b − A q‖` is that small in every row.
    pub tolerance: Tolerance,
}

/// 50 steps at most, to a millionth of `‖b‖`.
impl Default for ConjugateGradient {
    fn default() -> Self {
        Self {
            max_steps: 50,
            tolerance: Tolerance::Relative(1e-6),
        }
    }
}

setters!(ConjugateGradient {
    max_steps: usize,
    tolerance: Tolerance
});

impl WithTolerance for ConjugateGradient {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            tolerance: other(self.tolerance),
            ..*self
        }
    }
}

impl ConjugateGradient {
    /// [`LinearSolver::solve`], with a look at the device only when a read is due.
    fn solve_reading<B: Backend>(
        &self,
        reads: Reads,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
        units: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let goal = self.tolerance.bounds(&b, units).square();
        let goals = read(goal.clone());
        let (mut q, mut r) = begin(a, &b, start);
        let mut steps = 0;
        let mut broken = vec![false; b.dims()[0]];
        let mut finished = false;
        let mut before: Option<Vec<f64>> = None;
        loop {
            // Here r = b − A q, computed from q itself.
            let rr = read(dot(r.clone(), r.clone()));
            let residual = largest(&rr).sqrt();
            // A restart that did not halve a residual will not get further: rounding is in the way.
            let stuck = |i: usize| before.as_ref().is_some_and(|rr_0| rr[i] > 0.25 * rr_0[i]);
            let open = |i: usize| rr[i] > goals[i] && !broken[i] && !stuck(i);
            if !residual.is_finite() || steps >= self.max_steps || !(0..rr.len()).any(open) {
                let status = if !residual.is_finite() {
                    Status::NonFinite
                } else if rr.iter().zip(&goals).all(|(rr, goal)| rr <= goal) {
                    Status::Converged
                } else if broken.contains(&true) {
                    Status::Breakdown
                } else {
                    Status::MaxSteps
                };
                if !finished {
                    a.apply_at_solution(q.clone());
                }
                return Solution {
                    value: q,
                    status,
                    steps,
                    residual,
                };
            }
            before = finished.then_some(rr);
            let sweep = sweep(a, q, r, &goal, &mut broken, self.max_steps - steps, reads);
            steps += sweep.steps;
            q = sweep.value;
            r = b.clone() - a.apply_at_solution(q.clone());
            finished = true;
            if sweep.non_finite {
                let residual = largest(&norms(r));
                return Solution {
                    value: q,
                    status: Status::NonFinite,
                    steps,
                    residual,
                };
            }
        }
    }
}

impl<B: Backend> LinearSolver<B> for ConjugateGradient {
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
        6 // q, the best q, r, p, A p, b
    }

    fn tolerance(&self) -> Option<Tolerance> {
        Some(self.tolerance)
    }
}

impl<B: Backend> LinearSolver<B> for ReadEvery<ConjugateGradient> {
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

/// What one run of the recursion leaves behind.
struct Sweep<B: Backend> {
    value: Vector<B>,
    steps: usize,
    non_finite: bool,
}

/// The recursion, from `r = b − A q` until every row has `rᵀr ≤ goal`, is broken, or out of steps.
fn sweep<B: Backend>(
    a: &dyn LinearOperator<B>,
    mut q: Vector<B>,
    mut r: Vector<B>,
    goal: &Vector<B>,
    broken: &mut [bool],
    max_steps: usize,
    reads: Reads,
) -> Sweep<B> {
    let mut p = r.clone();
    let mut rr = dot(r.clone(), r.clone());
    let (mut best, mut best_rr) = (q.clone(), rr.clone());
    let mut at_work = rr.clone().greater(goal.clone()).float();
    at_work = at_work.mask_fill(column(broken, &q), 0.0);
    // Of each row: zero while all is finite, whether it broke down, steps that it made.
    let (mut poison, mut broke) = (rr.zeros_like(), rr.zeros_like());
    let mut made = rr.zeros_like();
    let mut steps = 0;
    let mut non_finite = false;
    for step in 1..=max_steps {
        let ap = a.apply(p.clone());
        let pap = dot(p.clone(), ap.clone());
        // Rows that are done or broken stand still: α = 0 there.
        let moves = at_work.clone() * pap.clone().greater_elem(0.0).float();
        broke = broke.max_pair(at_work - moves.clone());
        poison = poison + pap.clone() * 0.0;
        made = made + moves.clone();
        let idle = moves.clone().lower_elem(0.5);
        let alpha = (rr.clone() / pap).mask_fill(idle.clone(), 0.0);
        q = q + p.clone() * alpha.clone();
        r = r - ap * alpha;
        let rr_next = dot(r.clone(), r.clone());
        let done = rr_next.clone().lower_equal(goal.clone());
        let go_on = moves.mask_fill(done, 0.0);
        let better = rr_next.clone().lower(best_rr.clone());
        best_rr = best_rr.mask_where(better.clone(), rr_next.clone());
        best = best.mask_where(better.expand(q.shape()), q.clone());
        // One read, at the end of a step, so that no product is made that nobody needs.
        if reads.due(step) || step == max_steps {
            let columns = [&poison, &broke, &go_on, &made].map(Clone::clone);
            let flags = read(Vector::cat(columns.to_vec(), 1));
            let rows = || flags.chunks(4);
            non_finite = rows().any(|row| !row[0].is_finite());
            for (row, broken) in rows().zip(&mut *broken) {
                *broken |= row[1] > 0.5;
            }
            steps = rows().map(|row| row[3] as usize).max().unwrap_or(0);
            if non_finite || rows().all(|row| row[2] < 0.5) {
                break;
            }
        }
        let beta = (rr_next.clone() / rr).mask_fill(idle, 0.0);
        p = r.clone() + p * beta;
        (rr, at_work) = (rr_next, go_on);
    }
    let value = if non_finite {
        best
    } else {
        let suspect = column(broken, &q).expand(q.shape());
        q.mask_where(suspect, best)
    };
    Sweep {
        value,
        steps,
        non_finite,
    }
}

/// Flags of the rows as a mask: `[systems, 1]`.
fn column<B: Backend>(flags: &[bool], like: &Vector<B>) -> Tensor<B, 2, Bool> {
    let data = TensorData::new(flags.to_vec(), [flags.len(), 1]);
    Tensor::from_data(data, &like.device())
}
