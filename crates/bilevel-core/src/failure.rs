//! What failed, and why.

/// What went wrong first, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The phase in which it appeared.
    pub phase: Phase,
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
            Cause::NonFinite => write!(f, "{} is not finite", self.phase)?,
            Cause::Diverged => write!(f, "{} diverged: lower its step size", self.phase)?,
            Cause::Unmoved => write!(
                f,
                "{} did not move when x did: enlarge the radius, or lower its tolerance",
                self.phase
            )?,
            Cause::Inaccurate => write!(
                f,
                "{} is needed more accurately than it can be had: allow the solvers more steps and \
                 smaller accuracies, or stop at a larger gradient norm",
                self.phase
            )?,
            Cause::Structural if self.phase == Phase::Lower => {
                write!(f, "the lower loss does not depend on y")?;
            }
            Cause::Structural => write!(
                f,
                "{} is structurally zero: neither loss depends on x",
                self.phase
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

/// The phases of an upper step, in order.
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
