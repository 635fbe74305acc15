//! The constants of the method.

use crate::{Error, ErrorKind, Probe, positive};

/// Constants of [`Maid`](super::Maid).
///
/// The defaults of `ρ` and `ν` are those of the authors' program; the others were chosen for fewer
/// rejected steps. The program has `ρ̄ = 10/9`, `ν̄ = 1.05` or `1.25`, `η = 1e-4`, `λ = η² = 1e-8`,
/// 10 step sizes and 3 refinements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaidSettings {
    /// `ρ`, in (0, 1): factor on the step size after a step that was rejected.
    pub backtracking: f64,
    /// `ρ̄`, at least 1: factor on the step size after a step that was taken.
    pub step_growth: f64,
    /// `ν`, in (0, 1): factor on ε and δ where they are too large.
    pub refinement: f64,
    /// `ν̄`, at least 1: factor on ε and δ after a step that was taken.
    pub relaxation: f64,
    /// `η`: whether and how the hypergradient is tested before the line search.
    pub direction: Direction,
    /// `λ`, in (0, η): the decrease that is asked of a step, as a share of the predicted one.
    pub decrease: f64,
    /// Step sizes that the first line search of a step tries; one more after every refinement.
    pub max_backtracks: usize,
    /// Refinements of ε and δ for want of a step size, at most.
    pub max_refinements: usize,
    /// The smallest ε.
    pub eps_min: f64,
    /// The smallest δ.
    pub delta_min: f64,
    /// Whether `f` is convex in y: its value is then known more exactly from below.
    pub convex: bool,
    /// Estimates the constants that the problem does not state: then nothing is certified.
    pub probe: Option<Probe>,
}

/// What must be known of a hypergradient before a step along it is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Direction {
    /// That it descends: `ω ≤ (1 − η) ‖z‖`.
    Certified {
        /// `η`, in (0, 1).
        eta: f64,
    },
    /// Nothing. A step is still certified to decrease the loss, that one exists is not.
    Unchecked,
}

impl Default for MaidSettings {
    fn default() -> Self {
        Self {
            backtracking: 0.5,
            step_growth: 1.2,
            refinement: 0.5,
            relaxation: 1.1,
            direction: Direction::Certified { eta: 0.5 },
            decrease: 0.1,
            max_backtracks: 20,
            max_refinements: 50,
            eps_min: 1e-14,
            delta_min: 1e-14,
            convex: false,
            probe: None,
        }
    }
}

impl MaidSettings {
    /// The settings, if they make sense.
    pub(super) fn checked(self) -> Result<Self, Error> {
        below_one("backtracking", self.backtracking)?;
        below_one("refinement", self.refinement)?;
        from_one("step_growth", self.step_growth)?;
        from_one("relaxation", self.relaxation)?;
        if let Direction::Certified { eta } = self.direction {
            below_one("eta", eta)?;
            if self.decrease >= eta {
                let (name, value) = ("decrease", self.decrease);
                let range = "below eta";
                return Err(ErrorKind::OutOfRange { name, value, range }.into());
            }
        }
        below_one("decrease", self.decrease)?;
        positive("eps_min", self.eps_min)?;
        positive("delta_min", self.delta_min)?;
        positive("max_backtracks", self.max_backtracks as f64)?;
        Ok(self)
    }
}

fn below_one(name: &'static str, value: f64) -> Result<(), Error> {
    in_range(name, value, value > 0.0 && value < 1.0, "in (0, 1)")
}

fn from_one(name: &'static str, value: f64) -> Result<(), Error> {
    in_range(name, value, value >= 1.0 && value.is_finite(), "at least 1")
}

fn in_range(name: &'static str, value: f64, holds: bool, range: &'static str) -> Result<(), Error> {
    match holds {
        true => Ok(()),
        false => Err(ErrorKind::OutOfRange { name, value, range }.into()),
    }
}
