//! Classifiers and the samples they learn from: what the tasks on labelled data share.

mod accuracy;
mod classifier;
mod cnn;
mod data;
mod matrices;
mod partition;

pub use accuracy::{accuracy, agreement, contradiction};
pub use classifier::{Classifier, Linear, LinearParameters, Mlp, MlpParameters};
pub use cnn::{Cnn, CnnParameters, ConvolutionParameters};
pub use data::{Batch, Dataset, Minibatch, TrainValidation};
pub use partition::{LabelledRows, partition};

pub(crate) use accuracy::right;
pub(crate) use classifier::{cross_entropies, cross_entropy, mean_cross_entropy};
pub(crate) use matrices::{check, matrices};
