//! Gradient descent.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::{Goal, LowerSolver, residual, solution};
use crate::read_every::Reads;
use crate::setters;
use crate::{Differentiable, LowerObjective, Point, ReadEvery, Solution, Tolerance, WithTolerance};

/// Gradient descent with a fixed step.
///
/// ```text
/// y ← y − η ∇y g(x, y)
/// ```
///
/// For `g` μ-strongly convex with L-Lipschitz gradient and `η ≤ 1/L` the error falls by `1 − η μ` a
/// step. Costs one gradient a step and one read of its norm.
///
/// # References
/// Nesterov (2004), "Introductory Lectures on Convex Optimization", Theorem 2.1.15.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientDescent {
    /// Step size η.
    pub step_size: f64,
    /// Steps at most.
    pub max_steps: usize,
    /// Stop when `‖∇y g‖` is that small in every system.
    pub tolerance: Tolerance,
}

impl GradientDescent {
    /// The step size η; 1,000 steps at most, to `‖∇y g‖ ≤ 1e-5`.
    pub fn new(step_size: f64) -> Self {
        Self {
            step_size,
            max_steps: 1000,
            tolerance: Tolerance::Absolute(1e-5),
        }
    }
}

setters!(GradientDescent {
    max_steps: usize,
    tolerance: Tolerance
});

impl WithTolerance for GradientDescent {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            tolerance: other(self.tolerance),
            ..*self
        }
    }
}

impl GradientDescent {
    /// [`LowerSolver::solve`], with a look at the device only when a read is due.
    fn solve_reading<B, P>(
        &self,
        reads: Reads,
        point: Point<'_, B, P>,
    ) -> Solution<P::Lower<Tape<B>>>
    where
        B: Backend,
        P: Differentiable<B>,
    {
        let objective = LowerObjective::new(point);
        let mut y = objective.start();
        let mut gradient = objective.gradient(y.clone());
        let mut last = None;
        let mut goal = Goal::new(self.tolerance);
        let mut steps = 0;
        while steps < self.max_steps {
            if reads.due(steps) {
                let norm = residual(gradient.clone());
                if norm <= goal.at(norm) || !norm.is_finite() {
                    break;
                }
                last = Some((y.clone(), gradient.clone()));
            }
            y = y - gradient * self.step_size;
            gradient = objective.gradient(y.clone());
            steps += 1;
        }
        solution(&objective, (y, gradient), last, steps, goal)
    }
}

impl<B: Backend, P: Differentiable<B>> LowerSolver<B, P> for GradientDescent {
    fn solve(&self, point: Point<'_, B, P>) -> Solution<P::Lower<Tape<B>>> {
        self.solve_reading(Reads::ALWAYS, point)
    }
}

impl<B: Backend, P: Differentiable<B>> LowerSolver<B, P> for ReadEvery<GradientDescent> {
    fn solve(&self, point: Point<'_, B, P>) -> Solution<P::Lower<Tape<B>>> {
        self.solver.solve_reading(self.reads(), point)
    }
}
