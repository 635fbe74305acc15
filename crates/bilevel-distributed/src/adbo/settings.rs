//! The settings of ADBO.

use crate::error::{Error, ErrorKind, in_range, not_negative};
use crate::message::Precision;
use crate::{EstimateSettings, Participation, Prune, Regularization};

/// The settings of [`Adbo`](crate::Adbo).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdboSettings {
    /// Step sizes.
    pub steps: Steps,
    /// `c₁`, which holds back `λ`.
    pub lambda_regularization: Regularization,
    /// `c₂`, which holds back `θ`.
    pub theta_regularization: Regularization,
    /// The estimate of the lower solution.
    pub estimate: EstimateSettings,
    /// When planes come and go.
    pub cuts: Cuts,
    /// Who is waited for.
    pub participation: Participation,
    /// How numbers are sent.
    pub precision: Precision,
}

/// Step sizes, and bounds of the multipliers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// `η_x`.
    pub x: f64,
    /// `η_y`.
    pub y: f64,
    /// `η_v`.
    pub v: f64,
    /// `η_z`.
    pub z: f64,
    /// `η_λ`.
    pub lambda: f64,
    /// `η_θ`.
    pub theta: f64,
    /// Largest `λ`; infinite for none, as in the authors' program.
    pub largest_lambda: f64,
    /// Largest `|θ|`; infinite for none, as in the authors' program.
    pub largest_theta: f64,
}

/// When planes come and go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cuts {
    /// `k_pre`: every so many iterations planes are refreshed.
    pub every: usize,
    /// `T₁`: not after so many iterations.
    pub until: usize,
    /// `ε` of `h ≤ ε`. A plane is added where h is larger; the authors' program always adds one,
    /// with ε = 0.
    pub epsilon: f64,
    /// `M`: planes at most.
    pub most: usize,
    /// Which planes go.
    pub prune: Prune,
}

impl Default for Cuts {
    /// Every 50 iterations, `h ≤ 10⁻²`, 50 planes at most.
    fn default() -> Self {
        Self {
            every: 50,
            until: usize::MAX,
            epsilon: 1e-2,
            most: 50,
            prune: Prune::IdleTwice,
        }
    }
}

impl Cuts {
    pub(crate) fn check(&self) -> Result<(), Error> {
        in_range("every", self.every as f64, self.every > 0, "at least 1")?;
        in_range("most", self.most as f64, self.most > 0, "at least 1")?;
        not_negative("epsilon", self.epsilon)?;
        Ok(())
    }

    /// Whether planes are refreshed after iteration `t`, counted from 1.
    pub(crate) fn due(&self, t: usize) -> bool {
        t.is_multiple_of(self.every) && t <= self.until
    }
}

impl AdboSettings {
    pub(super) fn check(&self, workers: usize) -> Result<(), Error> {
        let steps = &self.steps;
        for (name, step) in [
            ("steps.x", steps.x),
            ("steps.y", steps.y),
            ("steps.v", steps.v),
            ("steps.z", steps.z),
            ("steps.lambda", steps.lambda),
            ("steps.theta", steps.theta),
        ] {
            bilevel_core::positive(name, step).map_err(|e| Error::from(ErrorKind::Setting(e)))?;
        }
        for (name, bound) in [
            ("largest_lambda", steps.largest_lambda),
            ("largest_theta", steps.largest_theta),
        ] {
            in_range(name, bound, bound > 0.0, "> 0")?;
        }
        self.lambda_regularization.check("lambda_regularization")?;
        self.theta_regularization.check("theta_regularization")?;
        self.estimate.check()?;
        self.cuts.check()?;
        self.participation.check(workers)
    }
}
