//! Solvers whose accuracy an algorithm sets between calls.

use crate::hypergradient::{ImplicitDifferentiation, JacobianFree};
use crate::linear::{Absolute, ConjugateGradient, Gmres, Jacobi, Minres, Normal, Richardson};
use crate::lower::{Accelerated, GradientDescent};

/// A solver, or an estimator with a solver inside, whose accuracy can be set.
///
/// Algorithms that decide as they go how exactly to solve ask for it. What the number bounds is the
/// solver's to say: `‖∇y g‖` for lower solvers, `‖b − A q‖ / ‖b‖` for linear ones, `‖b − A q‖` within
/// [`Absolute`], and for [`ImplicitDifferentiation`] what its linear solver says.
///
/// ```
/// use bilevel_core::{ConjugateGradient, Inexact};
///
/// let solver = ConjugateGradient { max_steps: 10, tolerance: 1e-2 }.to(1e-6);
/// assert_eq!(solver, ConjugateGradient { max_steps: 10, tolerance: 1e-6 });
/// ```
pub trait Inexact {
    /// The same solver, ending at `tolerance`.
    fn to(&self, tolerance: f64) -> Self;
}

impl<S: Clone> Inexact for Accelerated<S> {
    fn to(&self, tolerance: f64) -> Self {
        Self {
            tolerance,
            ..self.clone()
        }
    }
}

impl Inexact for GradientDescent {
    fn to(&self, tolerance: f64) -> Self {
        Self { tolerance, ..*self }
    }
}

impl Inexact for ConjugateGradient {
    fn to(&self, tolerance: f64) -> Self {
        Self { tolerance, ..*self }
    }
}

impl Inexact for Minres {
    fn to(&self, tolerance: f64) -> Self {
        Self { tolerance, ..*self }
    }
}

impl Inexact for Gmres {
    fn to(&self, tolerance: f64) -> Self {
        Self { tolerance, ..*self }
    }
}

impl Inexact for Richardson {
    fn to(&self, tolerance: f64) -> Self {
        Self { tolerance, ..*self }
    }
}

/// The accuracy of the solver within: relative to `‖Aᵀb‖`.
impl<S: Inexact> Inexact for Normal<S> {
    fn to(&self, tolerance: f64) -> Self {
        Self(self.0.to(tolerance))
    }
}

/// The accuracy of the scaled system.
impl<S: Inexact> Inexact for Jacobi<S> {
    fn to(&self, tolerance: f64) -> Self {
        Self {
            solver: self.solver.to(tolerance),
            ..*self
        }
    }
}

impl<S: Clone> Inexact for Absolute<S> {
    fn to(&self, tolerance: f64) -> Self {
        Self {
            tolerance,
            solver: self.solver.clone(),
        }
    }
}

/// The accuracy of the adjoint.
impl<D: Clone, S: Inexact> Inexact for ImplicitDifferentiation<D, S> {
    fn to(&self, tolerance: f64) -> Self {
        Self {
            second_order: self.second_order.clone(),
            solver: self.solver.to(tolerance),
        }
    }
}

/// There is no accuracy to set: the same estimator.
impl<D: Clone> Inexact for JacobianFree<D> {
    fn to(&self, _: f64) -> Self {
        self.clone()
    }
}
