//! Projected gradient descent.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::{Goal, LowerSolver, residual, solution};
use crate::projection::Projection;
use crate::{Differentiable, LowerObjective, Point, Solution, Tolerance, Vector, WithTolerance};

/// Gradient descent that stays in a convex set, with or without momentum.
///
/// ```text
/// y₊ = P(z − η ∇y g(x, z)),   G = (z − y₊)/η
/// z  = y                                                  without momentum
/// z  = y + β (y − y₋),   β = (t₋ − 1)/t,   t = (1 + √(1 + 4 t₋²))/2,   t ← 1 where ⟨z − y₊, y₊ − y⟩ > 0     with it
/// ```
///
/// `G` is the gradient where nothing is constrained, and zero exactly at the minimiser over the
/// set: its norm is the residual. For μ-strongly convex g and `η ≤ 1/L` the error falls by `1 − ημ`
/// a step without momentum, by about `1 − √(ημ)` with it. A start outside the set is projected
/// first: how far it was, [`Projection::distance`] says. Every value that is returned is in the
/// set. Costs one gradient and one projection a step, and one read.
///
/// # References
/// Beck, Teboulle (2009), "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse
/// Problems", SIAM J. Imaging Sci. 2(1); restarts after O'Donoghue, Candès (2015), Found. Comput.
/// Math. 15, the gradient scheme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectedGradient<C> {
    /// The set.
    pub projection: C,
    /// Step size η.
    pub step_size: f64,
    /// Whether steps are extrapolated.
    pub momentum: bool,
    /// Steps at most.
    pub max_steps: usize,
    /// Stop when `‖G‖` is that small in every system.
    pub tolerance: Tolerance,
}

impl<C: Clone> WithTolerance for ProjectedGradient<C> {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            tolerance: other(self.tolerance),
            ..self.clone()
        }
    }
}

impl<C> ProjectedGradient<C> {
    /// `(P(z − η ∇y g), G)` at `z`.
    fn step<B, P>(&self, objective: &LowerObjective<'_, B, P>, z: &Vector<B>) -> [Vector<B>; 2]
    where
        B: Backend,
        P: Differentiable<B>,
        C: Projection<B>,
    {
        let gradient = objective.gradient(z.clone());
        let y = z.clone() - gradient * self.step_size;
        let y = self.projection.project(y);
        let mapping = (z.clone() - y.clone()) / self.step_size;
        [y, mapping]
    }
}

impl<B: Backend, P: Differentiable<B>, C: Projection<B>> LowerSolver<B, P>
    for ProjectedGradient<C>
{
    fn solve(&self, point: Point<'_, B, P>) -> Solution<P::Lower<Tape<B>>> {
        let objective = LowerObjective::new(point);
        let mut y = self.projection.project(objective.start());
        let mut z = y.clone();
        let mut t = Vector::ones([y.dims()[0], 1], &y.device());
        let mut last = None;
        let mut goal = Goal::new(self.tolerance);
        let mut steps = 0;
        loop {
            let [next, mapping] = self.step(&objective, &z);
            let norm = residual(mapping.clone());
            // An extrapolated point may be outside the set: the residual is taken at y then.
            if norm <= goal.at(norm) || !norm.is_finite() || steps >= self.max_steps {
                let [_, mapping] = if self.momentum {
                    let at = if norm.is_finite() { next } else { z };
                    let mapping = self.step(&objective, &at);
                    y = at;
                    mapping
                } else {
                    [next, mapping]
                };
                return solution(&objective, (y, mapping), last, steps, goal);
            }
            last = Some((y.clone(), mapping.clone()));
            if self.momentum {
                let uphill =
                    crate::vector::dot(mapping, next.clone() - y.clone()).greater_elem(0.0);
                let t_next = ((t.clone().square() * 4.0 + 1.0).sqrt() + 1.0) * 0.5;
                let beta = ((t - 1.0) / t_next.clone()).mask_fill(uphill.clone(), 0.0);
                t = t_next.mask_fill(uphill, 1.0);
                z = next.clone() + (next.clone() - y) * beta;
            } else {
                z = next.clone();
            }
            y = next;
            steps += 1;
        }
    }
}
