//! What an observer of a run receives.

use crate::{Failure, Outcome};

/// One upper step, in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The step, from 1.
    pub step: usize,
    /// `f(x, y)` before the step.
    pub upper_loss: f64,
    /// Euclidean norm of the hypergradient; of [`Maid`](crate::Maid) with a projection, of the step
    /// over its length.
    pub hypergradient_norm: f64,
    /// Learning rate of the step, 0 if it did not move x.
    pub step_size: f64,
    /// How the lower solve ended; residual `‖∇y g‖`.
    pub lower: Outcome,
    /// How the adjoint's solve ended, if the estimator makes one; residual `‖∇²yy g · q − ∇y f‖`.
    pub adjoint: Option<Outcome>,
    /// What the algorithm asked of its solvers, if it decides that itself.
    pub accuracy: Option<Accuracy>,
    /// New points that the step tried and threw away.
    pub rejected: usize,
    /// What the run has spent so far, this step included: lower and linear steps times systems, see
    /// [`Cost`](crate::Cost).
    pub cost: u64,
    /// Lower solves of the run so far that ended at their limit of steps, short of their tolerance.
    pub truncated_solves: u64,
    /// Set if the step was not taken because its numbers are of no use.
    pub failure: Option<Failure>,
}

/// What an algorithm asked of its solvers, and what it knows of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Of the lower solve: `ε`.
    pub lower: f64,
    /// Of the adjoint's solve: `δ`.
    pub adjoint: f64,
    /// A bound `ω` on the error of the hypergradient, where the constants for it are known.
    pub bound: Option<f64>,
}

/// Receives every [`Report`]; changes nothing.
pub trait Observer {
    /// Called after each upper step.
    fn report(&mut self, report: &Report);
}

/// Any closure observes.
impl<F: FnMut(&Report)> Observer for F {
    fn report(&mut self, report: &Report) {
        self(report);
    }
}
