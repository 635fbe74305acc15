//! Counts what an estimate costs, and keeps what it sees on the way.

use std::cell::{Cell, RefCell};

use burn::tensor::backend::Backend;

use super::Curvature;
use crate::vector::dot;
use crate::{LinearOperator, LowerHessian, Vector};

/// Counters of one estimate. Nothing here waits for the device.
pub(super) struct ProductCounter<B: Backend> {
    pub gradients: Cell<usize>,
    pub products: Cell<usize>,
    pub crosses: Cell<usize>,
    /// Smallest and largest Rayleigh quotient of each row: `[systems, 2]`.
    curvature: RefCell<Option<Vector<B>>>,
}

impl<B: Backend> ProductCounter<B> {
    pub fn new() -> Self {
        Self {
            gradients: Cell::new(0),
            products: Cell::new(0),
            crosses: Cell::new(0),
            curvature: RefCell::new(None),
        }
    }

    /// Notes a product `Hv`.
    pub fn product(&self, v: &Vector<B>, hv: &Vector<B>) {
        count(&self.products);
        let vv = dot(v.clone(), v.clone());
        let none = vv.clone().equal_elem(0.0);
        let quotient = dot(v.clone(), hv.clone()) / vv;
        let smallest = quotient.clone().mask_fill(none.clone(), f64::INFINITY);
        let largest = quotient.mask_fill(none, f64::NEG_INFINITY);
        // The largest of (−smallest, largest): one comparison for both.
        let now = Vector::cat(vec![-smallest, largest], 1);
        let mut seen = self.curvature.borrow_mut();
        *seen = Some(match seen.take() {
            None => now,
            Some(seen) => seen.max_pair(now),
        });
    }

    /// `[−smallest, largest]` of each row, to be read.
    pub fn seen(&self) -> Option<Vector<B>> {
        self.curvature.borrow().clone()
    }
}

/// One more.
pub(super) fn count(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

impl Curvature {
    /// From the rows `[−smallest, largest]`; `None` if only zero was multiplied.
    pub(super) fn from_rows(rows: &[f64]) -> Option<Self> {
        let smallest = rows
            .iter()
            .step_by(2)
            .map(|v| -v)
            .fold(f64::INFINITY, f64::min);
        let largest = rows
            .iter()
            .skip(1)
            .step_by(2)
            .fold(f64::NEG_INFINITY, |m, v| m.max(*v));
        (smallest <= largest).then_some(Self { smallest, largest })
    }
}

/// A lower Hessian whose use is counted, and which makes the cross term at the end of a solve.
pub(super) struct Counted<'a, B: Backend> {
    pub hessian: &'a dyn LowerHessian<B>,
    pub counter: &'a ProductCounter<B>,
    /// `(q, H q, C q)` of the last `apply_at_solution`.
    at_solution: RefCell<Option<AtSolution<B>>>,
}

/// Products at the solution of an adjoint system.
#[derive(Clone)]
pub(super) struct AtSolution<B: Backend> {
    pub product: Vector<B>,
    pub cross: Vector<B>,
}

impl<'a, B: Backend> Counted<'a, B> {
    pub fn new(hessian: &'a dyn LowerHessian<B>, counter: &'a ProductCounter<B>) -> Self {
        Self {
            hessian,
            counter,
            at_solution: RefCell::new(None),
        }
    }

    /// `(H v, C v)`.
    pub fn both(&self, v: Vector<B>) -> (Vector<B>, Vector<B>) {
        let (product, cross) = self.hessian.both(v.clone());
        self.counter.product(&v, &product);
        count(&self.counter.crosses);
        (product, cross)
    }

    /// The products at the `q` that a solver returned.
    pub fn at_solution(self, q: &Vector<B>) -> AtSolution<B> {
        if let Some(products) = self.at_solution.take() {
            return products;
        }
        let (product, cross) = self.both(q.clone());
        AtSolution { product, cross }
    }
}

impl<B: Backend> LinearOperator<B> for Counted<'_, B> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        let product = self.hessian.apply(v.clone());
        self.counter.product(&v, &product);
        product
    }

    fn apply_at_solution(&self, q: Vector<B>) -> Vector<B> {
        let (product, cross) = self.both(q);
        *self.at_solution.borrow_mut() = Some(AtSolution {
            product: product.clone(),
            cross,
        });
        product
    }
}
