//! Comparisons: estimators, algorithms, methods on problems whose answer is known.

pub(crate) mod algorithms;
pub(crate) mod audit_report;
pub(crate) mod estimators;
pub(crate) mod quadratic_preset;
