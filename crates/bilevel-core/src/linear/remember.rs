//! An operator that keeps the product at the solution.

use std::cell::RefCell;

use burn::tensor::backend::Backend;

use super::LinearOperator;
use crate::Vector;
use crate::vector::{largest, norm, read};

/// `A`, with `A q` of the last [`finish`](LinearOperator::finish) kept.
///
/// A solver that hands another operator to an inner solver gets the residual of its own system from
/// it without a further product.
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
        let product = self.product.into_inner();
        let product = product.expect("every solver finishes the value it returns");
        largest(&read(norm(b - product)))
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
