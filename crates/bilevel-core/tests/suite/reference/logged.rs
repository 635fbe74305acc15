//! An oracle that keeps a list of what it was asked.

use std::cell::RefCell;
use std::fmt;

use bilevel_core::algorithm::rule::{Block, Blocks, OracleCalls, SecondDerivatives};
use bilevel_core::{Iterate, LossGradients, Oracle, Vector};

use crate::B;

/// What was asked, and on which block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `gy` a gradient in y, `g` and `f` gradients in both, `h` and `c` products, `s` both of them
    /// and the gradient.
    pub kind: &'static str,
    /// None for all samples.
    pub block: Option<usize>,
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.block {
            Some(block) => write!(out, "{}{block}", self.kind),
            None => write!(out, "{}*", self.kind),
        }
    }
}

pub struct Logged<'a> {
    pub inner: &'a dyn Oracle<B>,
    calls: RefCell<Vec<Call>>,
}

impl<'a> Logged<'a> {
    pub fn new(inner: &'a dyn Oracle<B>) -> Self {
        let calls = RefCell::default();
        Self { inner, calls }
    }

    /// The calls since the last time.
    pub fn take(&self) -> Vec<Call> {
        self.calls.take()
    }

    fn log(&self, kind: &'static str, on: Block) -> &dyn Oracle<B> {
        let block = match on {
            Block::One(i) => Some(i),
            Block::All => None,
        };
        self.calls.borrow_mut().push(Call { kind, block });
        self.inner
    }
}

impl Oracle<B> for Logged<'_> {
    fn blocks(&self) -> Blocks {
        self.inner.blocks()
    }

    fn lower_gradient(&self, on: Block, at: &Iterate<B>) -> Vector<B> {
        self.log("gy", on).lower_gradient(on, at)
    }

    fn lower_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B> {
        self.log("g", on).lower_gradients(on, at)
    }

    fn upper_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B> {
        self.log("f", on).upper_gradients(on, at)
    }

    fn hessian(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        self.log("h", on).hessian(on, at, v)
    }

    fn cross(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> Vector<B> {
        self.log("c", on).cross(on, at, v)
    }

    fn second(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> SecondDerivatives<B> {
        self.log("s", on).second(on, at, v)
    }

    fn calls(&self) -> OracleCalls {
        self.inner.calls()
    }

    fn project(&self, at: Iterate<B>) -> Iterate<B> {
        self.inner.project(at)
    }
}
