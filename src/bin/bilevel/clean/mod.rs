//! Data cleaning: the experiment, its methods, a run.

pub(crate) mod ball;
pub(crate) mod experiment;
pub(crate) mod method;
pub(crate) mod paper;
pub(crate) mod preset;
pub(crate) mod run;
