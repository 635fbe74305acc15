//! When an iterative solver stops.

use burn::tensor::backend::Backend;

use crate::Vector;
use crate::vector::norm;

/// How small a residual `r` has to be for a solver to stop: the one meaning of `tolerance` in this
/// library.
///
/// ```text
/// Absolute(δ):   ‖r‖ ≤ δ
/// Relative(τ):   ‖r‖ ≤ τ ‖r₀‖
/// ```
///
/// | solver | `r` | `r₀` |
/// |---|---|---|
/// | [`LowerSolver`](crate::LowerSolver) | `∇y g(x, y)`; the gradient mapping of [`ProjectedGradient`](crate::ProjectedGradient) | the same at the first `y`, the largest of the systems |
/// | [`LinearSolver`](crate::LinearSolver) | `b − A q`, in every row | `b` of that row |
///
/// An absolute tolerance has the unit of `g`, or of `b`. A relative one has none: it is the same
/// for `g` and for `10⁻¹² g`. After a warm start the first `y` is good already, so that a relative
/// tolerance asks a lower solver for more than is needed; linear solvers measure against `b`
/// whatever they start from.
///
/// MINRES, GMRES and the solvers around others call a residual converged that rounding has left at most a tenth above
/// its bound. The residual they report is the true one.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// let At { x, y, batch } = scalar(1.0, 0.0); // g = y² − x y
/// let descent = GradientDescent::new(0.25).tolerance(Tolerance::Relative(1e-3));
/// // Every step halves the gradient: 2⁻¹⁰ of the first is below a thousandth.
/// assert_eq!(Point::new(&Scalar, &x, &y, &batch).solve(&descent).steps, 10);
///
/// assert_eq!(Tolerance::Relative(1e-3).bound(2.0), 2e-3);
/// assert_eq!(Tolerance::Absolute(1e-3).bound(2.0), 1e-3);
/// ```
///
/// # References
/// Absolute ones are those of error bounds for inexact hypergradients: Ehrhardt, Roberts (2024),
/// IMA J. Appl. Math. 89, arXiv:2301.04764.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// `δ`.
    Absolute(f64),
    /// `τ`.
    Relative(f64),
}

impl Tolerance {
    /// The largest residual that is small enough, for `r₀` of this size.
    pub fn bound(self, size: f64) -> f64 {
        match self {
            Self::Absolute(delta) => delta,
            Self::Relative(tau) => tau * size,
        }
    }

    /// The bound for every row of `b`, whose entries are in `units`, as it is: `[systems, 1]`.
    pub(crate) fn bounds<B: Backend>(self, b: &Vector<B>, units: Option<Vector<B>>) -> Vector<B> {
        match (self, units) {
            (Self::Absolute(delta), None) => b.clone().narrow(1, 0, 1).full_like(delta),
            (Self::Absolute(delta), Some(units)) => units.recip() * delta,
            (Self::Relative(tau), _) => norm(b.clone()) * tau,
        }
    }

    /// The same kind of tolerance with another number.
    pub fn with_number(self, number: f64) -> Self {
        match self {
            Self::Absolute(_) => Self::Absolute(number),
            Self::Relative(_) => Self::Relative(number),
        }
    }
}

/// A solver, or an estimator with a solver inside, whose tolerance can be set.
///
/// Algorithms that decide as they go how exactly to solve ask for it. A solver around another one
/// sets the inner one's: [`NormalEquations`](crate::NormalEquations) that of `AᵀA q = Aᵀb`,
/// [`Jacobi`](crate::Jacobi) and [`Damping`](crate::Damping) that of the scaled and the damped
/// system, [`ImplicitDifferentiation`](crate::ImplicitDifferentiation) that of the adjoint.
///
/// ```
/// use bilevel_core::{ConjugateGradient, Tolerance, WithTolerance};
///
/// let rough = ConjugateGradient { max_steps: 10, tolerance: Tolerance::Relative(1e-2) };
/// assert_eq!(rough.with_tolerance(Tolerance::Absolute(1e-6)).tolerance, Tolerance::Absolute(1e-6));
/// assert_eq!(rough.with_number(1e-6).tolerance, Tolerance::Relative(1e-6));
/// ```
pub trait WithTolerance: Sized {
    /// The same solver, with another tolerance in place of its own.
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self;

    /// The same solver with this tolerance.
    fn with_tolerance(&self, tolerance: Tolerance) -> Self {
        self.map_tolerance(|_| tolerance)
    }

    /// The same solver with the same kind of tolerance, and another number.
    fn with_number(&self, number: f64) -> Self {
        self.map_tolerance(|tolerance| tolerance.with_number(number))
    }
}
