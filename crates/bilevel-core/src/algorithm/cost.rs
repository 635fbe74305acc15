//! What a run costs.

use std::ops::AddAssign;

/// The cost of all solves of a run, rejected steps and failed solves included.
///
/// ```text
/// steps = Σ over all solves of (lower steps + linear solver's steps) · systems
/// ```
///
/// Systems are images where every image is its own lower problem. For an estimator without a linear
/// solver its products with `∇²yy g` take the place of linear steps.
///
/// ```
/// use bilevel_core::Cost;
///
/// let mut cost = Cost { steps: 10, truncated_solves: 0 };
/// cost += Cost { steps: 5, truncated_solves: 1 };
/// assert_eq!(cost, Cost { steps: 15, truncated_solves: 1 });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Lower and linear steps times systems.
    pub steps: u64,
    /// Lower solves (one a task) that ended at their limit of steps, short of their tolerance.
    pub truncated_solves: u64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.truncated_solves += other.truncated_solves;
    }
}
