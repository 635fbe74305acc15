//! An operator that keeps the product at the solution.

use std::cell::RefCell;

use burn::tensor::backend::Backend;

use super::{LinearOperator, reached};
use crate::vector::{largest, norms};
use crate::{Solution, Status, Tolerance, Vector};

/// `A`, with `A q` of the last [`apply_at_solution`](LinearOperator::apply_at_solution) kept.
///
/// A solver that hands another operator to an inner solver gets the residual of its own system from
/// it without a further product, unless the inner solver made none at its solution.
pub(super) struct CachedProduct<'a, B: Backend> {
    a: &'a dyn LinearOperator<B>,
    product: RefCell<Option<Vector<B>>>,
}

impl<'a, B: Backend> CachedProduct<'a, B> {
    pub fn new(a: &'a dyn LinearOperator<B>) -> Self {
        Self {
            a,
            product: RefCell::new(None),
        }
    }

    /// The largest `‖b − A q‖` over the rows, for the q that a solver returned.
    pub fn residual(self, b: Vector<B>, q: &Vector<B>) -> f64 {
        largest(&self.residuals(b, q))
    }

    /// What a solve of another system by a solver with that `tolerance` is for this one: `solution`
    /// with the residual of this one, and converged only if that is within the tolerance in every
    /// row. Of a solver without a tolerance the status is left as it is.
    pub fn judged(
        self,
        b: Vector<B>,
        tolerance: Option<Tolerance>,
        solution: Solution<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let sizes = norms(b.clone());
        let residuals = self.residuals(b, &solution.value);
        let solved = tolerance.is_none_or(|tolerance| {
            let goals: Vec<f64> = sizes.iter().map(|&size| tolerance.bound(size)).collect();
            reached(&residuals, &goals)
        });
        let status = match solution.status {
            Status::Converged if !solved => Status::MaxSteps,
            // The inner system is harder to solve than this one.
            Status::MaxSteps | Status::Breakdown if solved && tolerance.is_some() => {
                Status::Converged
            }
            status => status,
        };
        Solution {
            status,
            residual: largest(&residuals),
            ..solution
        }
    }

    fn residuals(self, b: Vector<B>, q: &Vector<B>) -> Vec<f64> {
        let cached = self.product.into_inner();
        let product = cached.unwrap_or_else(|| self.a.apply_at_solution(q.clone()));
        norms(b - product)
    }
}

impl<B: Backend> LinearOperator<B> for CachedProduct<'_, B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.a.apply(v)
    }

    fn apply_transposed(&self, v: Vector<B>) -> Vector<B> {
        self.a.apply_transposed(v)
    }

    fn apply_at_solution(&self, q: Vector<B>) -> Vector<B> {
        let product = self.a.apply_at_solution(q);
        *self.product.borrow_mut() = Some(product.clone());
        product
    }
}
