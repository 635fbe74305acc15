//! The objective in x alone.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use crate::algorithm::Task;
use crate::algorithm::evaluation::{Evaluation, Solvers};
use crate::parameters::{pack, unpack};
use crate::{Differentiable, Failure, Hypergradient, LowerSolver, Vector};

/// Value and hypergradient at a point, as exact as they come.
#[derive(Debug, Clone)]
pub struct ValueAndGradient<B: Backend> {
    /// `f(x, y)` at the y at hand.
    pub loss: f64,
    /// `dΦ/dx`: `[1, dim x]`.
    pub gradient: Vector<B>,
    /// Set if the numbers are of no use.
    pub failure: Option<Failure>,
}

/// `Φ(x) = f(x, y*(x))` with its gradient, both perhaps inexact or random.
pub trait Objective<B: Backend> {
    /// Value and gradient at `x`, `[1, dim x]`. What is random in them depends on `draw`: two calls
    /// with one `draw` see the same samples.
    fn evaluate(&mut self, x: &Vector<B>, draw: u64) -> ValueAndGradient<B>;
}

/// Any closure is an objective.
impl<B: Backend, F: FnMut(&Vector<B>, u64) -> (f64, Vector<B>)> Objective<B> for F {
    fn evaluate(&mut self, x: &Vector<B>, draw: u64) -> ValueAndGradient<B> {
        let (loss, gradient) = self(x, draw);
        ValueAndGradient {
            loss,
            gradient,
            failure: None,
        }
    }
}

/// Φ of a problem, by a lower solver and an estimator; each point is solved from the y and the
/// adjoint of the one before.
pub struct ReducedObjective<'a, B: Backend, P: Differentiable<B>, L, H> {
    problem: &'a P,
    lower: L,
    hypergradient: H,
    x: P::Upper<Tape<B>>,
    task: Task<B, P>,
}

impl<'a, B, P, L, H> ReducedObjective<'a, B, P, L, H>
where
    B: Backend,
    P: Differentiable<B>,
{
    /// Φ on the data of a task, from whose y the first point is solved; `x` is a module of the
    /// shapes of its points.
    pub fn new(
        problem: &'a P,
        (lower, hypergradient): (L, H),
        x: P::Upper<Tape<B>>,
        task: Task<B, P>,
    ) -> Self {
        Self {
            problem,
            lower,
            hypergradient,
            x,
            task,
        }
    }

    /// The x it was made with, as a vector to begin at.
    pub fn first(&self) -> Vector<B> {
        pack(&self.x, 1)
    }

    /// The y of the last point: `[systems, dim y]`.
    pub fn y(&self) -> Vector<B> {
        pack(&self.task.y, self.problem.systems(&self.task.y))
    }
}

impl<B, P, L, H> Objective<B> for ReducedObjective<'_, B, P, L, H>
where
    B: Backend,
    P: Differentiable<B>,
    L: LowerSolver<B, P>,
    H: Hypergradient<B, P>,
{
    /// After a failure y and adjoint stay what they were.
    fn evaluate(&mut self, x: &Vector<B>, draw: u64) -> ValueAndGradient<B> {
        let x = unpack(self.x.clone(), x.clone());
        let solvers = Solvers {
            problem: self.problem,
            lower: &self.lower,
            hypergradient: &self.hypergradient,
        };
        let solved = solvers.solve(draw, &x, self.task.clone());
        let Evaluation {
            mut tasks,
            loss,
            gradient,
            failure,
            ..
        } = Evaluation::mean(&x, vec![solved], &[1.0]);
        if failure.is_none() {
            self.task = tasks.remove(0);
        }
        ValueAndGradient {
            loss,
            gradient,
            failure,
        }
    }
}
