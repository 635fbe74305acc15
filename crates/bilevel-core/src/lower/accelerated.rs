//! Nesterov's accelerated gradient method.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::{Backtracking, Goal, LipschitzConstant, LowerSolver, residual, solution};
use crate::read_every::Reads;
use crate::setters;
use crate::vector::{dot, epsilon, read};
use crate::{
    Differentiable, LowerObjective, Point, ReadEvery, Solution, Status, Tolerance, Vector,
    WithTolerance,
};

/// FISTA for smooth, (strongly) convex `g`, with restarts; one momentum per system.
///
/// ```text
/// τ = 1/L,  q = μ/L,  t₀ = 0
/// t₊ = (1 − q t² + √((1 − q t²)² + 4 t²)) / 2,      β = (t − 1)(1 − q t₊) / (t₊ (1 − q))
/// z  = y + β (y − y₋),                              y₊ = z − τ ∇y g(z)
/// restart (t₊ ← 1) in the systems where ∇y g(z)ᵀ(y₊ − y) > 0
/// ```
///
/// With `μ > 0` the squared error is at most `min{(1+√q)(1−√q)ᵏ, 4/(k+1)²} (L/μ) ‖y₀ − y*‖²` after
/// k steps. With `μ = 0` it is plain FISTA, and the restarts recover a linear rate where there is
/// one; they also keep it stable when `g` is only weakly convex, as learned regularizers are. Costs
/// one gradient a step, one more at the end, and one read of its norm a step.
///
/// # References
/// Beck, Teboulle (2009), SIAM J. Imaging Sci. 2(1); Chambolle, Pock (2016), "An introduction to
/// continuous optimization for imaging", Acta Numerica 25, Algorithm 5; restarts after O'Donoghue,
/// Candès (2015), Found. Comput. Math. 15, the gradient scheme.
///
/// # Differences from the papers
/// No proximal step. If the norm of the gradient is below the tolerance at the extrapolated point
/// `z`, `z` is returned, so that the residual belongs to the value at no extra cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accelerated<S> {
    /// Where `L` comes from.
    pub smoothness: S,
    /// Strong convexity `μ` of `g` in y; 0 if unknown.
    pub strong_convexity: f64,
    /// Steps at most.
    pub max_steps: usize,
    /// Stop when `‖∇y g‖` is that small in every system.
    pub tolerance: Tolerance,
}

/// Backtracking, μ unknown, 1,000 steps at most, to `‖∇y g‖ ≤ 1e-5`.
impl Default for Accelerated<Backtracking> {
    fn default() -> Self {
        Self::new(Backtracking::default())
    }
}

impl<S> Accelerated<S> {
    /// A source of `L`; μ unknown, 1,000 steps at most, to `‖∇y g‖ ≤ 1e-5`.
    pub fn new(smoothness: S) -> Self {
        Self {
            smoothness,
            strong_convexity: 0.0,
            max_steps: 1000,
            tolerance: Tolerance::Absolute(1e-5),
        }
    }
}

setters!(Accelerated<S> { strong_convexity: f64, max_steps: usize, tolerance: Tolerance });

/// Trials of a step size before backtracking gives up.
const MAX_TRIALS: usize = 60;

impl<S: Clone> WithTolerance for Accelerated<S> {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            tolerance: other(self.tolerance),
            ..self.clone()
        }
    }
}

impl<S> Accelerated<S> {
    /// [`LowerSolver::solve`], with a look at the device only when a read is due.
    fn solve_reading<B, P>(
        &self,
        reads: Reads,
        point: Point<'_, B, P>,
    ) -> Solution<P::Lower<Tape<B>>>
    where
        B: Backend,
        P: Differentiable<B>,
        S: LipschitzConstant<B, P>,
    {
        let objective = LowerObjective::new(point);
        let mut y = objective.start();
        let mut l = self.smoothness.constant(&objective, &y);
        let growth = self.smoothness.growth();
        let mut y_last = y.clone();
        let mut t = l.zeros_like();
        let mut last = None;
        let mut goal = Goal::new(self.tolerance);
        for steps in 0..self.max_steps {
            let (t_next, beta) = momentum(t, l.clone().recip() * self.strong_convexity);
            let z = y.clone() + (y.clone() - y_last) * beta;
            let gradient = objective.gradient(z.clone());
            if reads.due(steps) {
                let norm = residual(gradient.clone());
                if norm <= goal.at(norm) || !norm.is_finite() {
                    return solution(&objective, (z, gradient), last, steps, goal);
                }
                last = Some((z.clone(), gradient.clone()));
            }
            let mut y_next = z.clone() - gradient.clone() / l.clone();
            if let Some(growth) = growth {
                let value = read(objective.value(z.clone()).unsqueeze::<2>())[0];
                let mut trials = 0;
                while !descends(&objective, &y_next, value, &gradient, &l) {
                    trials += 1;
                    if trials > MAX_TRIALS {
                        let stuck = solution(&objective, (z, gradient), None, steps, goal);
                        return Solution {
                            status: Status::Breakdown,
                            ..stuck
                        };
                    }
                    l = l * growth;
                    y_next = z.clone() - gradient.clone() / l.clone();
                }
            }
            let uphill = dot(gradient, y_next.clone() - y.clone()).greater_elem(0.0);
            t = t_next.mask_fill(uphill, 1.0);
            y_last = y;
            y = y_next;
        }
        let gradient = objective.gradient(y.clone());
        solution(&objective, (y, gradient), last, self.max_steps, goal)
    }
}

impl<B: Backend, P: Differentiable<B>, S: LipschitzConstant<B, P>> LowerSolver<B, P>
    for Accelerated<S>
{
    fn solve(&self, point: Point<'_, B, P>) -> Solution<P::Lower<Tape<B>>> {
        self.solve_reading(Reads::ALWAYS, point)
    }
}

impl<B: Backend, P: Differentiable<B>, S: LipschitzConstant<B, P>> LowerSolver<B, P>
    for ReadEvery<Accelerated<S>>
{
    fn solve(&self, point: Point<'_, B, P>) -> Solution<P::Lower<Tape<B>>> {
        self.solver.solve_reading(self.reads(), point)
    }
}

/// `(t₊, β)` from `t` and `q = μ/L`, each `[systems, 1]`.
fn momentum<B: Backend>(t: Vector<B>, q: Vector<B>) -> (Vector<B>, Vector<B>) {
    let q = q.clamp_max(0.999); // q = 1 needs no momentum, and 0/0 is not one
    let tt = t.clone().square();
    let a = -(q.clone() * tt.clone()) + 1.0;
    let t_next = (a.clone() + (a.square() + tt * 4.0).sqrt()) * 0.5;
    let ratio = (-(q.clone() * t_next.clone()) + 1.0) / (-q + 1.0);
    let beta = (t - 1.0) / t_next.clone() * ratio;
    (t_next, beta)
}

/// The descent inequality `g(y₊) ≤ g(z) − ‖∇g(z)‖² / 2L`, up to rounding. One read.
fn descends<B: Backend, P: Differentiable<B>>(
    objective: &LowerObjective<'_, B, P>,
    y_next: &Vector<B>,
    value: f64,
    gradient: &Vector<B>,
    l: &Vector<B>,
) -> bool {
    let decrease = (dot(gradient.clone(), gradient.clone()) / (l.clone() * 2.0)).sum();
    let both = Vector::cat(
        vec![
            objective.value(y_next.clone()).unsqueeze::<2>(),
            decrease.unsqueeze::<2>(),
        ],
        1,
    );
    let both = read(both);
    let rounding = 8.0 * epsilon(gradient) * value.abs();
    both[0] <= value - both[1] + rounding
}
