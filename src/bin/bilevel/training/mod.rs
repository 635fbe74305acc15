//! Training of a regularizer by a recipe.

pub(crate) mod baseline;
pub(crate) mod driver;
pub(crate) mod metrics;
pub(crate) mod recipe;
pub(crate) mod task;
