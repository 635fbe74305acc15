//! Estimators of the hypergradient `dF/dx`, `F(x) = f(x, y*(x))`.

mod implicit;

pub use implicit::ImplicitDifferentiation;

use burn::tensor::backend::Backend;

use crate::{Differentiable, Outcome, Point, Vector};

/// A hypergradient and how it was come by.
#[derive(Debug, Clone)]
pub struct Estimate<B: Backend> {
    /// `f(x, y)`.
    pub loss: f64,
    /// The estimate of `dF/dx`: `[1, dim x]`.
    pub gradient: Vector<B>,
    /// The adjoint `q` with `∇²yy g · q = ∇y f`, the next estimate's warm start: `[systems, dim y]`.
    pub adjoint: Option<Vector<B>>,
    /// How the solve for the adjoint ended.
    pub adjoint_outcome: Outcome,
}

/// An estimator of the hypergradient at a point whose `y` is (nearly) `y*(x)`.
pub trait Hypergradient<B: Backend, P: Differentiable<B>> {
    /// The estimate at `point`; `warm` is the adjoint of an earlier estimate on the same batch.
    fn estimate(&self, point: Point<'_, B, P>, warm: Option<Vector<B>>) -> Estimate<B>;
}
