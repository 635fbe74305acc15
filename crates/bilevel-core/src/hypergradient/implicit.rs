//! The hypergradient by the implicit function theorem.

use burn::tensor::backend::Backend;

use super::estimate_builder::{Adjoint, EstimateBuilder, fixed, y_of};
use super::product_counter::{AtSolution, Counted, ProductCounter};
use super::{Estimate, Hypergradient};
use crate::{
    ConjugateGradient, Differentiable, DoubleBackward, LinearSolver, Point, SecondOrder, Tolerance,
    Vector, WithTolerance,
};

/// Approximate implicit differentiation (AID).
///
/// ```text
/// ∇F = ∇x f − ∇²xy g · q      where      ∇²yy g · q = ∇y f
/// ```
///
/// Exact at `y = y*(x)` with an exact linear solver. With `‖y − y*‖ ≤ ε` and `‖∇²yy g · q − ∇y f‖ ≤
/// δ` the error is `O(ε + δ/μ)`; [`Bound`](super::Bound) puts a number to it. Memory does not grow
/// with the lower solver's steps. Costs one gradient of `f`, the linear solver's Hessian products
/// and one cross term, which comes with the product that checks the residual.
///
/// The solver decides the rest: [`ConjugateGradient`](crate::ConjugateGradient) is the default,
/// [`Neumann`](crate::Neumann) the series of hyperparameter optimization,
/// [`Nystrom`](crate::Nystrom) the low-rank inverse.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let method = ImplicitDifferentiation {
///     second_order: DoubleBackward,
///     solver: ConjugateGradient { max_steps: 10, tolerance: Tolerance::Relative(1e-9) },
/// };
/// let estimate = method.estimate(scalar(1.0, 0.5).point(), None, 0);
/// assert_eq!(estimate.certificate.products, 2); // one step, and the check of its residual
/// assert!(is(estimate, 0.15));
/// ```
///
/// # References
/// Pedregosa (2016), "Hyperparameter optimization with approximate gradient", ICML,
/// arXiv:1602.02355; error bound: Ehrhardt, Roberts (2024), "Analyzing inexact hypergradients for
/// bilevel learning", IMA J. Appl. Math. 89, arXiv:2301.04764.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImplicitDifferentiation<D, S> {
    /// How second derivatives are made.
    pub second_order: D,
    /// The solver for the adjoint.
    pub solver: S,
}

/// Exact second derivatives, and at most 50 steps of conjugate gradients to a millionth of `‖∇y
/// f‖`.
impl Default for ImplicitDifferentiation<DoubleBackward, ConjugateGradient> {
    fn default() -> Self {
        Self::new(ConjugateGradient::default())
    }
}

impl<S> ImplicitDifferentiation<DoubleBackward, S> {
    /// Exact second derivatives, and a solver for the adjoint.
    pub fn new(solver: S) -> Self {
        Self {
            second_order: DoubleBackward,
            solver,
        }
    }
}

impl<D, S> ImplicitDifferentiation<D, S> {
    /// The same with second derivatives made another way.
    #[must_use]
    pub fn second_order<E>(self, second_order: E) -> ImplicitDifferentiation<E, S> {
        ImplicitDifferentiation {
            second_order,
            solver: self.solver,
        }
    }
}

impl<D: Clone, S: WithTolerance> WithTolerance for ImplicitDifferentiation<D, S> {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        Self {
            second_order: self.second_order.clone(),
            solver: self.solver.map_tolerance(other),
        }
    }
}

impl<B, P, D, S> Hypergradient<B, P> for ImplicitDifferentiation<D, S>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    S: LinearSolver<B>,
{
    fn estimate(&self, point: Point<'_, B, P>, warm: Option<Vector<B>>, _seed: u64) -> Estimate<B> {
        let counter = ProductCounter::new();
        let f = point.upper_gradients();
        let g = self.second_order.at(point);
        let h = Counted::new(&*g, &counter);
        let q = self.solver.solve(&h, f.y.clone(), warm);
        let AtSolution { product, cross } = h.at_solution(&q.value);
        let y = y_of(point);
        let memory = fixed(self.solver.vectors(y.dims()[1]), &y);
        EstimateBuilder {
            gradient: f.x.clone() - cross,
            lower_gradient: g.gradient(),
            lower: None,
            adjoint: Some(Adjoint {
                residual: Some(f.y.clone() - product),
                outcome: Some(q.outcome()),
                q: q.value,
            }),
            reversed: None,
            memory,
            f,
            y,
        }
        .build(point, &counter)
    }
}
