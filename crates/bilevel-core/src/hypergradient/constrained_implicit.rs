//! The hypergradient of a constrained lower problem.

use burn::tensor::backend::Backend;

use super::estimate_builder::{Adjoint, EstimateBuilder, fixed, y_of};
use super::product_counter::{AtSolution, Counted, ProductCounter};
use super::{Estimate, Hypergradient};
use crate::projection::Projection;
use crate::{Differentiable, LinearOperator, LinearSolver, Point, SecondOrder, Vector};

/// Implicit differentiation of `y*(x) = argmin_{y ∈ Y} g(x, y)` through its fixed point.
///
/// ```text
/// y* = P(z),   z = y* − η ∇y g(x, y*),   D ∈ ∂P(z),   H = ∇²yy g,   C = ∇²xy g
/// [I − (I − ηH) D] v = ∇y f,      ∇F = ∇x f − η C D v
/// ```
///
/// Where P is differentiable at z the result does not depend on η; at a kink it is one of the
/// values that Clarke's Jacobian allows, and does. With `Y` everything it is
/// [`ImplicitDifferentiation`](super::ImplicitDifferentiation). The system is not symmetric:
/// [`Gmres`](crate::Gmres), or for `η ≤ 1/L` [`Richardson`](crate::Richardson), whose factor is `1
/// − ημ`. Costs one gradient of each loss, a Hessian product for each step of the solver, one for
/// the residual, and the cross term that comes with it.
///
/// The estimate's adjoint is `v`, the next estimate's warm start. The lower residual in the
/// certificate is that of the fixed point, `‖y − P(z)‖/η`; a bound on the error is not given.
///
/// # References
/// Shi, Chang, Gu (2024), "Double momentum method for lower-level constrained bilevel
/// optimization", ICML, PMLR 235. Blondel et al. (2022), "Efficient and modular implicit
/// differentiation", NeurIPS, arXiv:2105.15183.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConstrainedImplicit<D, S, C> {
    /// How second derivatives are made.
    pub second_order: D,
    /// The solver for v.
    pub solver: S,
    /// The set Y.
    pub projection: C,
    /// Step size η of the fixed point, above 0.
    pub step_size: f64,
}

/// `v ↦ v − (I − ηH) D v`.
struct FixedPoint<'a, B: Backend> {
    hessian: Counted<'a, B>,
    projection: &'a dyn Projection<B>,
    z: Vector<B>,
    eta: f64,
}

impl<B: Backend> LinearOperator<B> for FixedPoint<'_, B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        let d = self.projection.jacobian(&self.z, v.clone());
        v - (d.clone() - self.hessian.apply(d) * self.eta)
    }

    /// The product with `D v` that the residual takes brings the cross term.
    fn apply_at_solution(&self, v: Vector<B>) -> Vector<B> {
        let d = self.projection.jacobian(&self.z, v.clone());
        v - (d.clone() - self.hessian.apply_at_solution(d) * self.eta)
    }

    fn apply_transposed(&self, v: Vector<B>) -> Vector<B> {
        let factor = v.clone() - self.hessian.apply(v.clone()) * self.eta;
        v - self.projection.jacobian(&self.z, factor)
    }
}

impl<B, P, D, S, C> Hypergradient<B, P> for ConstrainedImplicit<D, S, C>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    S: LinearSolver<B>,
    C: Projection<B>,
{
    fn estimate(&self, point: Point<'_, B, P>, warm: Option<Vector<B>>, _seed: u64) -> Estimate<B> {
        let eta = self.step_size;
        let counter = ProductCounter::new();
        let f = point.upper_gradients();
        let g = self.second_order.at(point);
        let y = y_of(point);
        let z = y.clone() - g.gradient() * eta;
        let system = FixedPoint {
            hessian: Counted::new(&*g, &counter),
            projection: &self.projection,
            z: z.clone(),
            eta,
        };
        let v = self.solver.solve(&system, f.y.clone(), warm);
        let d = self.projection.jacobian(&z, v.value.clone());
        let AtSolution { product, cross } = system.hessian.at_solution(&d);
        let product = v.value.clone() - (d - product * eta);
        let memory = fixed(self.solver.vectors(y.dims()[1]) + 2, &y);
        EstimateBuilder {
            gradient: f.x.clone() - cross * eta,
            lower_gradient: (y.clone() - self.projection.project(z)) / eta,
            lower: None,
            adjoint: Some(Adjoint {
                residual: Some(f.y.clone() - product),
                outcome: Some(v.outcome()),
                q: v.value,
            }),
            reversed: None,
            memory,
            f,
            y,
        }
        .build(point, &counter)
    }
}
