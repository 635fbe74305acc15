//! How often a classifier is right, and where.

use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor};

use super::{Classifier, Minibatch};

/// The share of samples whose largest logit is that of their label. One read.
pub fn accuracy<B: Backend, C: Classifier>(
    classifier: &C,
    y: &C::Parameters<B>,
    part: &Minibatch<B>,
) -> f64 {
    let right = found(classifier, y, part).float().mean();
    right.into_data().iter::<f64>().sum()
}

/// Sample by sample, whether the largest logit is that of its label. One read.
pub fn agreement<B: Backend, C: Classifier>(
    classifier: &C,
    y: &C::Parameters<B>,
    part: &Minibatch<B>,
) -> Vec<bool> {
    let data = found(classifier, y, part).into_data();
    data.iter::<bool>().collect()
}

/// Sample by sample, by how much the largest logit is above that of its label: the log odds of the
/// best class against the label, zero where they are one. One read.
///
/// ```text
/// mᵢ = max_k sₖ − s_label
/// ```
pub fn contradiction<B: Backend, C: Classifier>(
    classifier: &C,
    y: &C::Parameters<B>,
    part: &Minibatch<B>,
) -> Vec<f64> {
    let scores = classifier.logits(y, part.features.clone());
    let of_label = (scores.clone() * part.targets.clone()).sum_dim(1);
    let margins = scores.max_dim(1) - of_label;
    margins.into_data().iter::<f64>().collect()
}

fn found<B: Backend, C: Classifier>(
    classifier: &C,
    y: &C::Parameters<B>,
    part: &Minibatch<B>,
) -> Tensor<B, 2, Bool> {
    let scores = classifier.logits(y, part.features.clone());
    right(scores, part.targets.clone())
}

/// Whether the largest score of a row is where its target has the one: `[samples, 1]`.
pub(crate) fn right<B: Backend>(scores: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 2, Bool> {
    scores.argmax(1).equal(targets.argmax(1))
}
