//! Counting what an oracle is asked.

use std::cell::Cell;
use std::ops::Add;

use super::Block;

/// What an oracle was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OracleCalls {
    /// Gradients of `g`, in y or in both variables.
    pub lower_gradients: u64,
    /// Gradients of `f`.
    pub upper_gradients: u64,
    /// Products with `∇²yy g`.
    pub hessian_products: u64,
    /// Products with `∇²xy g`.
    pub cross_products: u64,
    /// Blocks that all of them looked at; a call on all samples looks at every block.
    pub blocks: u64,
}

impl OracleCalls {
    /// All of them, whatever they looked at.
    pub fn total(self) -> u64 {
        self.lower_gradients + self.upper_gradients + self.hessian_products + self.cross_products
    }
}

impl Add for OracleCalls {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            lower_gradients: self.lower_gradients + other.lower_gradients,
            upper_gradients: self.upper_gradients + other.upper_gradients,
            hessian_products: self.hessian_products + other.hessian_products,
            cross_products: self.cross_products + other.cross_products,
            blocks: self.blocks + other.blocks,
        }
    }
}

/// Counts behind a shared reference, for oracles to keep.
#[derive(Debug, Default)]
pub struct Counter(Cell<OracleCalls>);

impl Counter {
    /// Counts what `add` adds to the calls, all of it `on` a block out of `blocks`, or on all.
    pub fn count(&self, on: Block, blocks: usize, add: impl FnOnce(&mut OracleCalls)) {
        let mut calls = self.0.get();
        let before = calls.total();
        add(&mut calls);
        let seen = match on {
            Block::One(_) => 1,
            Block::All => blocks as u64,
        };
        calls.blocks += (calls.total() - before) * seen;
        self.0.set(calls);
    }

    /// What was counted so far.
    pub fn calls(&self) -> OracleCalls {
        self.0.get()
    }
}
