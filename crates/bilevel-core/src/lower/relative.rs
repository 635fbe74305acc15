//! A stopping rule relative to the first gradient.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::{LowerSolver, residual};
use crate::{Differentiable, Inexact, LowerObjective, Point, Solution};

/// Stops the solver at a gradient that is small beside the one it began with.
///
/// ```text
/// ‖∇y g(x, y)‖ ≤ τ ‖∇y g(x, y₀)‖
/// ```
///
/// The tolerance of a lower solver is the norm of a gradient, in the units of `g`. This one has no unit: it is the same for
/// `g` and for `10⁻¹² g`. After a warm start `y₀` is good already, and a relative tolerance asks for more than is needed. Costs
/// one gradient and one read of its norm beside what the solver costs.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// let At { x, y, batch } = scalar(1.0, 0.0); // g = y² − x y
/// let point = Point { problem: &Scalar, x: &x, y: &y, batch: &batch };
/// let descent = GradientDescent { learning_rate: 0.25, max_steps: 50, tolerance: 0.0 };
/// let lower = Relative { solver: descent, tolerance: 1e-3 };
/// // Every step halves the gradient: 2⁻¹⁰ of the first is below a thousandth.
/// assert_eq!(LowerSolver::<B, _>::solve(&lower, point).steps, 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relative<S> {
    /// The solver; its own tolerance is not used.
    pub solver: S,
    /// `τ`: stop at this share of the first `‖∇y g‖`, the largest of the systems.
    pub tolerance: f64,
}

impl<B, P, S> LowerSolver<B, P> for Relative<S>
where
    B: Backend,
    P: Differentiable<B>,
    S: LowerSolver<B, P> + Inexact,
{
    fn solve(&self, point: Point<'_, B, P>) -> Solution<P::Lower<Tape<B>>> {
        let objective = LowerObjective::new(point);
        let first = residual(objective.gradient(objective.start()));
        self.solver.to(self.tolerance * first).solve(point)
    }
}
