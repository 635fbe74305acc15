//! What a run has spent.

use std::ops::AddAssign;

/// What was spent on solving, everything included: steps that were rejected, solves that failed.
///
/// ```text
/// cost = Σ over all solves of (lower steps + linear solver's steps) · systems
/// ```
///
/// Systems are images where every image is its own lower problem. For an estimator without a linear
/// solver its products with `∇²yy g` take the place of linear steps.
///
/// ```
/// use bilevel_core::Spent;
///
/// let mut spent = Spent { cost: 10, capped: 0 };
/// spent += Spent { cost: 5, capped: 1 };
/// assert_eq!(spent, Spent { cost: 15, capped: 1 });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Lower and linear steps times systems.
    pub cost: u64,
    /// Lower solves (one a task) that ended at their limit of steps, short of their tolerance.
    pub capped: u64,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.cost += other.cost;
        self.capped += other.capped;
    }
}
