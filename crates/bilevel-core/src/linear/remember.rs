//! An operator that keeps the product at the solution.

use std::cell::RefCell;

use burn::tensor::backend::Backend;

use super::{LinearOperator, reached};
use crate::vector::{largest, norms};
use crate::{Solution, Status, Vector};

/// `A`, with `A q` of the last [`finish`](LinearOperator::finish) kept.
///
/// A solver that hands another operator to an inner solver gets the residual of its own system from
/// it without a further product.
/// A solve that converged and left this share of b solved another system: this one has no solution.
const NO_SOLUTION: f64 = 0.1;

pub(super) struct Remember<'a, B: Backend> {
    a: &'a dyn LinearOperator<B>,
    product: RefCell<Option<Vector<B>>>,
}

impl<'a, B: Backend> Remember<'a, B> {
    pub fn new(a: &'a dyn LinearOperator<B>) -> Self {
        Self {
            a,
            product: RefCell::new(None),
        }
    }

    /// The largest `‖b − A q‖` over the rows, for the q that was finished.
    pub fn residual(self, b: Vector<B>) -> f64 {
        largest(&self.residuals(b))
    }

    /// What a solve of another system by a solver with that `tolerance` is for this one: `solution` with the residual
    /// of this one, and converged only if that is within the tolerance of `‖b‖` in every row.
    pub fn judged<T>(
        self,
        b: Vector<B>,
        tolerance: Option<f64>,
        solution: Solution<T>,
    ) -> Solution<T> {
        let sizes = norms(b.clone());
        let residuals = self.residuals(b);
        let goal = tolerance.unwrap_or(f64::INFINITY);
        let goals: Vec<f64> = sizes.iter().map(|size| size * goal).collect();
        let status = match solution.status {
            Status::Converged if !reached(&residuals, &goals) => {
                let far = |(residual, size): (&f64, &f64)| *residual > NO_SOLUTION * size;
                match residuals.iter().zip(&sizes).any(far) {
                    true => Status::Breakdown,
                    false => Status::MaxSteps,
                }
            }
            status => status,
        };
        Solution {
            status,
            residual: largest(&residuals),
            ..solution
        }
    }

    fn residuals(self, b: Vector<B>) -> Vec<f64> {
        let product = self.product.into_inner();
        let product = product.expect("every solver finishes the value it returns");
        norms(b - product)
    }
}

impl<B: Backend> LinearOperator<B> for Remember<'_, B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        self.a.apply(v)
    }

    fn apply_transposed(&self, v: Vector<B>) -> Vector<B> {
        self.a.apply_transposed(v)
    }

    fn finish(&self, q: Vector<B>) -> Vector<B> {
        let product = self.a.finish(q);
        *self.product.borrow_mut() = Some(product.clone());
        product
    }
}
