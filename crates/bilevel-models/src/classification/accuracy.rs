//! How often a classifier is right.

use burn::tensor::backend::Backend;

use super::{Classifier, Part};

/// The share of samples whose largest logit is that of their label. One read.
pub fn accuracy<B: Backend, C: Classifier>(
    classifier: &C,
    y: &C::Parameters<B>,
    part: &Part<B>,
) -> f64 {
    let found = classifier.logits(y, part.features.clone()).argmax(1);
    let labels = part.targets.clone().argmax(1);
    let right: Vec<f64> = found
        .equal(labels)
        .float()
        .mean()
        .into_data()
        .iter::<f64>()
        .collect();
    right[0]
}
