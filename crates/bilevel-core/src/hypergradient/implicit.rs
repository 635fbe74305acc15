//! The hypergradient by the implicit function theorem.

use burn::tensor::backend::Backend;

use super::{Estimate, Hypergradient};
use crate::{Differentiable, LinearSolver, Point, SecondOrder, Vector};

/// Approximate implicit differentiation (AID).
///
/// ```text
/// ∇F = ∇x f − ∇²xy g · q      where      ∇²yy g · q = ∇y f
/// ```
///
/// Exact at `y = y*(x)` with an exact linear solver. With `‖y − y*‖ ≤ ε` and `‖∇²yy g · q − ∇y f‖ ≤ δ`
/// the error is `O(ε + δ/μ)`. Memory does not grow with the lower solver's steps. Costs one gradient
/// of `f`, the linear solver's Hessian products and one cross term.
///
/// # References
/// Pedregosa (2016), "Hyperparameter optimization with approximate gradient", ICML, arXiv:1602.02355;
/// error bound: Ehrhardt, Roberts (2024), "Analyzing inexact hypergradients for bilevel learning",
/// IMA J. Appl. Math. 89, arXiv:2301.04764.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImplicitDifferentiation<D, S> {
    /// How second derivatives are made.
    pub second_order: D,
    /// The solver for the adjoint.
    pub solver: S,
}

impl<B, P, D, S> Hypergradient<B, P> for ImplicitDifferentiation<D, S>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    S: LinearSolver<B>,
{
    fn estimate(&self, point: Point<'_, B, P>, warm: Option<Vector<B>>) -> Estimate<B> {
        let f = point.upper_gradients();
        let g = self.second_order.at(point);
        let q = self.solver.solve(&*g, f.y, warm);
        Estimate {
            loss: f.loss,
            gradient: f.x - g.cross(q.value.clone()),
            adjoint_outcome: q.outcome(),
            adjoint: Some(q.value),
        }
    }
}
