//! What a run tells the world.

use crate::Outcome;

/// One upper step, in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The step, from 1.
    pub step: usize,
    /// `f(x, y)` before the step.
    pub upper_loss: f64,
    /// Euclidean norm of the hypergradient; of [`Maid`](crate::Maid) with a projection, of the step over
    /// its length.
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

/// What went wrong first, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The stage at which it appeared.
    pub level: Phase,
    /// What went wrong.
    pub cause: Cause,
    /// The step of the lower or linear solver after which it appeared, where that is known.
    pub iteration: Option<usize>,
    /// Path of the parameter, where there is one to blame: of y for the lower level, of x else.
    pub parameter: Option<String>,
}

impl std::error::Error for Failure {}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.cause {
            Cause::NonFinite => write!(f, "{} is not finite", self.level)?,
            Cause::Diverged => write!(f, "{} diverged: lower its step size", self.level)?,
            Cause::Unmoved => write!(
                f,
                "{} did not move when x did: enlarge the radius, or lower its tolerance",
                self.level
            )?,
            Cause::Inaccurate => write!(
                f,
                "{} is needed more accurately than it can be had: allow the solvers more steps and \
                 smaller accuracies, or stop at a larger gradient norm",
                self.level
            )?,
            Cause::Structural if self.level == Phase::Lower => {
                write!(f, "the lower loss does not depend on y")?;
            }
            Cause::Structural => write!(
                f,
                "{} is structurally zero: neither loss depends on x",
                self.level
            )?,
        }
        if let Some(iteration) = self.iteration {
            write!(f, " after its step {iteration}")?;
        }
        if let Some(parameter) = &self.parameter {
            write!(f, " (parameter `{parameter}`)")?;
        }
        Ok(())
    }
}

/// Why numbers are of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A NaN or an infinity.
    NonFinite,
    /// A residual that grows.
    Diverged,
    /// A difference whose two sides were solved in no step at all.
    Unmoved,
    /// An error that could not be made small enough for a step that is sure to descend.
    Inaccurate,
    /// A derivative that is zero because nothing connects the two.
    Structural,
}

/// The stages of an upper step, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The lower solve.
    Lower,
    /// The upper loss at the lower solution.
    UpperLoss,
    /// The upper loss's gradient in y there.
    UpperGradient,
    /// The solve for the adjoint.
    Adjoint,
    /// The hypergradient.
    Hypergradient,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Phase::Lower => "the lower solve",
            Phase::UpperLoss => "the upper loss",
            Phase::UpperGradient => "the upper loss's gradient",
            Phase::Adjoint => "the adjoint",
            Phase::Hypergradient => "the hypergradient",
        })
    }
}

/// Sees every [`Report`]; changes nothing.
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
