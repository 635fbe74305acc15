//! How far an estimate can be trusted.

use std::fmt;

use crate::{Constants, Outcome};

/// What was measured while a hypergradient was estimated.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// What the error bound is computed from, system by system.
    pub evidence: Vec<Evidence>,
    /// How the estimator's own lower steps ended, if it made any.
    pub lower: Option<Outcome>,
    /// How the solve for the adjoint ended, if there was one; residual `‖∇²yy g · q − ∇y f‖`.
    pub adjoint: Option<Outcome>,
    /// `‖a₀‖ / ‖∇y f‖` for the y part a₀ of the adjoint before the first step that was reversed, the largest of the
    /// systems; of estimators that reverse steps. Steps that contract keep it below 1. Far above 1
    /// the estimate is mostly rounding: the step size is too long, or [`Adam`](super::Adam)'s ε too
    /// small for steps near a solution.
    pub adjoint_growth: Option<f64>,
    /// Gradients of `g` computed, the one for `‖∇y g‖` in the evidence not counted.
    pub gradients: usize,
    /// Products with `∇²yy g` computed, those that came with a cross term included.
    pub products: usize,
    /// Cross terms computed.
    pub crosses: usize,
    /// The curvature of `g` along the vectors that were multiplied, if any.
    pub curvature: Option<Curvature>,
    /// Vectors kept between the passes.
    pub memory: Memory,
    /// The error bound with the constants that the problem states.
    pub bound: Bound,
}

/// Norms at the point of one system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// `‖∇y g‖`: how far y is from a solution.
    pub lower_gradient: f64,
    /// `‖∇²yy g · q − ∇y f‖`, where the estimate has the form `∇x f − ∇²xy g · q`.
    pub adjoint_residual: Option<f64>,
    /// `‖∇y f‖`.
    pub upper_gradient: f64,
}

/// Rayleigh quotients `vᵀ ∇²yy g v / vᵀv`: the eigenvalues reach at least this far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curvature {
    /// The smallest seen, an upper bound on the strong convexity `μ`.
    pub smallest: f64,
    /// The largest seen, a lower bound on the smoothness `L`.
    pub largest: f64,
}

/// Bytes of vectors that an estimator keeps between its passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Before it began.
    pub planned: usize,
    /// The most that were kept at once.
    pub actual: usize,
}

/// A bound on `‖estimate − dF/dx‖`.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// The bound.
    Known(f64),
    /// These constants are missing.
    Missing(Vec<&'static str>),
    /// The estimate does not have the form that the theorem is about.
    NotCovered,
}

/// One line: how far from solutions, what it took, and a bound where there is one.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "‖∇y g‖ = {:.1e}", self.lower_gradient_norm())?;
        if let Some(residual) = self.adjoint_residual() {
            write!(f, ", adjoint residual {residual:.1e}")?;
        }
        if let Some(adjoint) = self.adjoint {
            write!(f, " ({} after {} steps)", adjoint.status, adjoint.steps)?;
        }
        if let Some(growth) = self.adjoint_growth.filter(|growth| *growth > 1e3) {
            write!(
                f,
                ", the adjoint grew {growth:.0e}-fold: lower the step size, or enlarge Adam's ε"
            )?;
        }
        write!(f, ", {} Hessian products", self.products)?;
        match &self.bound {
            Bound::Known(omega) => write!(f, ", error at most {omega:.1e}"),
            Bound::Missing(_) | Bound::NotCovered => Ok(()),
        }
    }
}

impl Certificate {
    /// The largest `‖∇y g‖` over the systems.
    pub fn lower_gradient_norm(&self) -> f64 {
        crate::vector::largest(&self.all(|e| e.lower_gradient))
    }

    /// The largest `‖∇²yy g · q − ∇y f‖` over the systems, if the estimate has an adjoint.
    pub fn adjoint_residual(&self) -> Option<f64> {
        let residuals: Option<Vec<f64>> =
            self.evidence.iter().map(|e| e.adjoint_residual).collect();
        residuals.map(|r| crate::vector::largest(&r))
    }

    fn all(&self, what: impl Fn(&Evidence) -> f64) -> Vec<f64> {
        self.evidence.iter().map(what).collect()
    }

    /// The bound for these constants.
    ///
    /// ```text
    /// ε = ‖∇y g‖/μ,   δ = ‖∇²yy g · q − ∇y f‖
    /// ω = c ε + J δ/μ + (L_J L_f/μ) ε²,   c = L_d + L_f J/μ + (L_H/μ²) ‖∇y f‖ J + L_J ‖∇y f‖/μ
    /// ```
    ///
    /// summed over the systems, whose cross terms add up in the hypergradient. `∇y f` is taken at
    /// the y of the estimate. Valid while y is where the constants hold.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
    /// # use example::*;
    /// let method = ImplicitDifferentiation {
    ///     second_order: DoubleBackward,
    ///     solver: ConjugateGradient { max_steps: 10, tolerance: Tolerance::Relative(1e-9) },
    /// };
    /// // y is off by 0.1, and with it the hypergradient by 0.05.
    /// let certificate = method.estimate(scalar(1.0, 0.6).point(), None, 0).certificate;
    /// assert_eq!(certificate.bound, Bound::Missing(Constants::default().missing()));
    /// let constants = Constants {
    ///     strong_convexity: Some(2.0),
    ///     upper_smoothness: Some(1.0),
    ///     cross_norm: Some(1.0),
    ///     cross_lipschitz: Some(0.0),
    ///     hessian_lipschitz: Some(0.0),
    ///     direct_lipschitz: Some(0.0),
    /// };
    /// let Bound::Known(omega) = certificate.bound_for(&constants) else { panic!() };
    /// assert!((omega - 0.05).abs() < 1e-12);
    /// ```
    ///
    /// # References
    /// Salehi, Mukherjee, Roberts, Ehrhardt (2025), "An Adaptively Inexact First-Order Method for
    /// Bilevel Optimization with Application to Hyperparameter Learning", SIMODS 7(3),
    /// arXiv:2308.10098, Theorem 2.1.
    ///
    /// # Differences from the paper
    /// `L_{H⁻¹} = L_H/μ²` is written out, and `L_d ε` is added for an `f` that depends on x
    /// directly.
    pub fn bound_for(&self, constants: &Constants) -> Bound {
        let deltas: Option<Vec<f64>> = self.evidence.iter().map(|e| e.adjoint_residual).collect();
        let Some(deltas) = deltas else {
            return Bound::NotCovered;
        };
        let Constants {
            strong_convexity,
            upper_smoothness,
            cross_norm,
            cross_lipschitz,
            hessian_lipschitz,
            direct_lipschitz,
        } = *constants;
        let (Some(mu), Some(l_f), Some(j), Some(l_j), Some(l_h), Some(l_d)) = (
            strong_convexity,
            upper_smoothness,
            cross_norm,
            cross_lipschitz,
            hessian_lipschitz,
            direct_lipschitz,
        ) else {
            return Bound::Missing(constants.missing());
        };
        let omega = |(e, delta): (&Evidence, f64)| {
            let eps = e.lower_gradient / mu;
            let p = e.upper_gradient;
            let c = l_d + l_f * j / mu + l_h / (mu * mu) * p * j + l_j * p / mu;
            c * eps + j * delta / mu + l_j * l_f / mu * eps * eps
        };
        Bound::Known(self.evidence.iter().zip(deltas).map(omega).sum())
    }
}
