//! Estimators of the hypergradient on one small problem.

pub(crate) mod comparison;
pub(crate) mod estimator;
pub(crate) mod problem;
