//! What a run tells the world.

use crate::Outcome;

/// One upper step, in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The step, from 1.
    pub step: usize,
    /// `f(x, y)` before the step.
    pub upper_loss: f64,
    /// Euclidean norm of the hypergradient.
    pub hypergradient_norm: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// How the lower solve ended; residual `‖∇y g‖`.
    pub lower: Outcome,
    /// How the adjoint's solve ended; residual `‖∇²yy g · q − ∇y f‖`.
    pub adjoint: Outcome,
    /// Set if the step was not taken because a number was not finite.
    pub failure: Option<Failure>,
}

/// Where a NaN or an infinity appeared first.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("upper step {step}: {level} is not finite{}", parameter_text(.parameter))]
pub struct Failure {
    /// The upper step at which it appeared, from 1.
    pub step: usize,
    /// The stage at which it appeared.
    pub level: Level,
    /// Path of the parameter, where there is one to blame.
    pub parameter: Option<String>,
}

fn parameter_text(parameter: &Option<String>) -> String {
    parameter
        .as_ref()
        .map(|p| format!(" (parameter `{p}`)"))
        .unwrap_or_default()
}

/// The stages of an upper step, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The lower solve.
    Lower,
    /// The upper loss at the lower solution.
    UpperLoss,
    /// The solve for the adjoint.
    Adjoint,
    /// The hypergradient.
    Hypergradient,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Level::Lower => "the lower solve",
            Level::UpperLoss => "the upper loss",
            Level::Adjoint => "the adjoint",
            Level::Hypergradient => "the hypergradient",
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
