//! Counting what an oracle is asked.

use std::cell::Cell;

/// What an oracle was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Gradients of `g`, in y or in both variables.
    pub lower_gradients: u64,
    /// Gradients of `f`.
    pub upper_gradients: u64,
    /// Products with `∇²yy g`.
    pub hessian_products: u64,
    /// Products with `∇²xy g`.
    pub cross_products: u64,
}

impl Calls {
    /// All of them.
    pub fn total(self) -> u64 {
        self.lower_gradients + self.upper_gradients + self.hessian_products + self.cross_products
    }
}

/// Counts behind a shared reference, for oracles to keep.
#[derive(Debug, Default)]
pub struct Counter(Cell<Calls>);

impl Counter {
    /// `add`s to the calls.
    pub fn count(&self, add: impl FnOnce(&mut Calls)) {
        let mut calls = self.0.get();
        add(&mut calls);
        self.0.set(calls);
    }

    /// What was counted so far.
    pub fn calls(&self) -> Calls {
        self.0.get()
    }
}
