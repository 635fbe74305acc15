//! What an iterative solver returns: never a bare value.

use std::fmt;

use crate::vector::largest;

/// How an iteration ended, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// The residual is below the tolerance in every system.
    Converged,
    /// All terms were added up, of a method that has no tolerance to reach:
    /// [`Neumann`](crate::Neumann), [`Nystrom`](crate::Nystrom). The residual says how good the
    /// value is.
    Truncated,
    /// The steps ran out first, a normal result of a truncated solve, or rounding keeps the
    /// residual above the tolerance.
    MaxSteps,
    /// The method cannot go on: a curvature `pᵀAp ≤ 0`, or a step size that shrank to nothing.
    Breakdown,
    /// The residual grows: the step size is too large. The value is where the iteration started.
    Diverged,
    /// A NaN or an infinity appeared; the value is the last one known to be good.
    NonFinite,
}

impl Status {
    /// What to try next.
    pub fn advice(self) -> &'static str {
        match self {
            Status::Converged => "nothing to do",
            Status::Truncated => {
                "the residual says how good it is: more terms, or columns as many as the Hessian has large eigenvalues, \
                 bring it down"
            }
            Status::MaxSteps => "allow more steps or a larger tolerance",
            Status::Breakdown => {
                "the lower Hessian is not positive definite here: solve the lower problem further, \
                 or add damping"
            }
            Status::Diverged => "lower the step size: it must be below 2 / (largest eigenvalue)",
            Status::NonFinite => "lower the learning rate or the step size, and look at the data",
        }
    }
}

impl Status {
    /// Whether the value is of no use: it diverged, or is not finite.
    pub fn is_failure(self) -> bool {
        self >= Status::Diverged
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Converged => "converged",
            Status::Truncated => "truncated",
            Status::MaxSteps => "max_steps",
            Status::Breakdown => "breakdown",
            Status::Diverged => "diverged",
            Status::NonFinite => "non_finite",
        })
    }
}

/// The result of an iterative solve.
#[derive(Debug, Clone)]
pub struct Solution<T> {
    /// The best iterate.
    pub value: T,
    /// How the solve ended.
    pub status: Status,
    /// Iterations made.
    pub steps: usize,
    /// Largest residual norm over the systems, computed afresh at `value`.
    pub residual: f64,
}

impl<T> Solution<T> {
    /// All but the value.
    pub fn outcome(&self) -> Outcome {
        Outcome {
            status: self.status,
            steps: self.steps,
            residual: self.residual,
        }
    }
}

/// A [`Solution`] without its value, for reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// How the solve ended.
    pub status: Status,
    /// Iterations made.
    pub steps: usize,
    /// Largest residual norm over the systems.
    pub residual: f64,
}

impl Outcome {
    /// The worst of several solves: worst status, most steps, largest residual.
    ///
    /// # Panics
    /// If there is none.
    pub fn worst(outcomes: &[Outcome]) -> Outcome {
        let residuals: Vec<f64> = outcomes.iter().map(|o| o.residual).collect();
        Outcome {
            status: outcomes
                .iter()
                .map(|o| o.status)
                .max()
                .expect("at least one solve"),
            steps: outcomes
                .iter()
                .map(|o| o.steps)
                .max()
                .expect("at least one solve"),
            residual: largest(&residuals),
        }
    }
}
