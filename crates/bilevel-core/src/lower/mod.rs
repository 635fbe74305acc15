//! Solvers of the lower problem `y*(x) = argmin_y g(x, y)`.

mod accelerated;
mod gradient_descent;
mod lipschitz;
mod projected_gradient;

pub use accelerated::Accelerated;
pub use gradient_descent::GradientDescent;
pub use lipschitz::{Backtracking, FixedLipschitz, LipschitzConstant, PowerIteration};
pub use projected_gradient::ProjectedGradient;

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use crate::vector::{largest, norms};
use crate::{Differentiable, LowerObjective, Point, Solution, Status, Tolerance, Vector};

/// Solves the lower problem, all systems at once.
pub trait LowerSolver<B: Backend, P: Differentiable<B>> {
    /// A minimiser of `g(x, ·)`, from the point's `y`.
    ///
    /// `residual` is the largest `‖∇y g‖₂` over the systems, at the returned value.
    fn solve(&self, point: Point<'_, B, P>) -> Solution<P::Lower<Tape<B>>>;
}

/// A point and `∇y g` there.
type PointAndGradient<B> = (Vector<B>, Vector<B>);

/// The residual to reach, known from the first one.
#[derive(Clone, Copy)]
struct Goal {
    tolerance: Tolerance,
    bound: Option<f64>,
}

impl Goal {
    fn new(tolerance: Tolerance) -> Self {
        let bound = None;
        Self { tolerance, bound }
    }

    /// The bound, where `norm` is the residual now.
    fn at(&mut self, norm: f64) -> f64 {
        *self.bound.get_or_insert_with(|| self.tolerance.bound(norm))
    }
}

/// The solution at `(y, gradient)`; if that is not finite, at `last`, where it still was.
fn solution<B: Backend, P: Differentiable<B>>(
    objective: &LowerObjective<'_, B, P>,
    (y, gradient): PointAndGradient<B>,
    last: Option<PointAndGradient<B>>,
    steps: usize,
    mut goal: Goal,
) -> Solution<P::Lower<Tape<B>>> {
    let norm = residual(gradient);
    let status = if !norm.is_finite() {
        Status::NonFinite
    } else if norm <= goal.at(norm) {
        Status::Converged
    } else {
        Status::MaxSteps
    };
    let (y, residual) = match last {
        Some((y, gradient)) if status == Status::NonFinite => (y, residual(gradient)),
        _ => (y, norm),
    };
    Solution {
        value: objective.module(y),
        status,
        steps,
        residual,
    }
}

/// The largest `‖∇y g‖₂` over the systems. One read from the device.
fn residual<B: Backend>(gradient: Vector<B>) -> f64 {
    largest(&norms(gradient))
}
