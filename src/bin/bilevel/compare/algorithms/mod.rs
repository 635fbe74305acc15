//! Whole algorithms at the same cost.

pub(crate) mod problem;
pub(crate) mod runner;
