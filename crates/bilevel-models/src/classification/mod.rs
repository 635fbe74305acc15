//! Classifiers and the samples they learn from: what the tasks on labelled data share.

mod accuracy;
mod classifier;
mod data;

pub use accuracy::{accuracy, agreement};
pub use classifier::{Classifier, Linear, LinearParameters, Mlp, MlpParameters};
pub use data::{Batch, Part, Set, TwoSets};

pub(crate) use classifier::{cross_entropies, mean_cross_entropy};
