//! What inexact values say about the exact ones.

use crate::{Constants, Error, ErrorKind};

/// The constants of one task, all of them known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Complete {
    pub all: Constants,
    /// `μ`.
    pub mu: f64,
    /// `L_f`.
    pub l_f: f64,
}

impl Complete {
    /// # Errors
    /// If one is missing.
    pub fn new(all: Constants) -> Result<Self, Error> {
        let missing = || ErrorKind::MissingConstants {
            names: all.missing(),
        };
        match (all.strong_convexity, all.upper_smoothness) {
            (Some(mu), Some(l_f)) if all.missing().is_empty() => Ok(Self { all, mu, l_f }),
            _ => Err(missing().into()),
        }
    }

    /// `Σ ‖∇y f‖ ε` and `(L_f/2) Σ ε²` over systems with norms `(‖∇y g‖, ‖∇y f‖)`, `ε = ‖∇y g‖/μ`.
    pub fn slack(&self, norms: impl Iterator<Item = (f64, f64)>) -> Slack {
        let mut slack = Slack {
            linear: 0.0,
            quadratic: 0.0,
        };
        for (lower_gradient, upper_gradient) in norms {
            let eps = lower_gradient / self.mu;
            slack.linear += upper_gradient * eps;
            slack.quadratic += 0.5 * self.l_f * eps * eps;
        }
        slack
    }
}

/// How far `f(x, y)` can be from `f(x, y*)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slack {
    linear: f64,
    quadratic: f64,
}

impl Slack {
    /// `f(x, y*)` is at most this much larger than `f(x, y)`.
    pub fn above(self) -> f64 {
        self.linear + self.quadratic
    }

    /// `f(x, y*)` is at most this much smaller than `f(x, y)`.
    pub fn below(self, convex: bool) -> f64 {
        if convex {
            self.linear
        } else {
            self.linear + self.quadratic
        }
    }
}
