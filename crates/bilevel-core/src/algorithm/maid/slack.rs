//! What inexact values say about the exact ones.

use super::constants::Complete;

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

impl Complete {
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
