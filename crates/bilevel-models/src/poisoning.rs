//! How far pictures that were tampered with can mislead what learns from them: a study of defences.
//!
//! Whoever may change each training picture by ε per pixel, and nothing else, chooses the changes
//! so that the classifier trained on them does badly:
//!
//! ```text
//! min_δ −1/m Σ_j ℓ(y*(δ); v_j)      y*(δ) = argmin_{y ∈ Y} 1/n Σ_i ℓ(y; t_i + δ_i) + ρ ‖y‖²      |δ| ≤ ε,   0 ≤ t + δ ≤ 1
//! ```
//!
//! What comes out is a worst case to hold a defence against: one that was only tried on random
//! noise of the same size was not tried. After Muñoz-González et al. (2017), "Towards Poisoning of
//! Deep Learning Algorithms with Back-gradient Optimization", AISec, arXiv:1708.08689; the study
//! with a constrained lower level is that of Shi, Chang, Gu (2024), ICML, PMLR 235.

use bilevel_core::{BilevelProblem, positive};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::classification::{Batch, Classifier, Minibatch, mean_cross_entropy};

/// The two losses.
///
/// ```text
/// f = −1/m Σ_j ℓ(y; v_j)        g = 1/n Σ_i ℓ(y; t_i + δ_i) + ρ ‖y‖²        ℓ: cross-entropy
/// ```
///
/// δ has a row for each training sample; y are the weights of the classifier. On a block of samples
/// the sums are over the block. f has no lower bound: a run ends after a number of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Poisoning<C> {
    /// What is trained.
    pub classifier: C,
    /// ρ.
    regularization: f64,
}

/// What is done to the training pictures.
#[derive(Module, Debug)]
pub struct Perturbation<B: Backend> {
    /// δ: `[samples, features]`.
    pub values: Param<Tensor<B, 2>>,
    /// The least and the largest δ that leave the pictures pictures, and are no further from them
    /// than ε.
    least: Tensor<B, 2>,
    largest: Tensor<B, 2>,
}

impl<B: Backend> Perturbation<B> {
    /// None, of pictures with pixels in [0, 1], `[samples, features]`, which may be changed by
    /// `bound` ε.
    ///
    /// # Errors
    /// If the bound is not above zero.
    pub fn none(pictures: &Tensor<B, 2>, bound: f64) -> Result<Self, bilevel_core::Error> {
        let bound = positive("bound", bound)?;
        Ok(Self {
            values: Param::from_tensor(pictures.zeros_like()),
            least: pictures.clone().neg().clamp_min(-bound),
            largest: (pictures.clone().neg() + 1.0).clamp_max(bound),
        })
    }

    /// The admissible values nearest to these.
    pub fn nearest(&self, values: Tensor<B, 2>) -> Tensor<B, 2> {
        values
            .max_pair(self.least.clone())
            .min_pair(self.largest.clone())
    }
}

impl<C: Classifier> Poisoning<C> {
    /// With `regularization` ρ.
    ///
    /// # Errors
    /// If it is not above zero.
    pub fn new(classifier: C, regularization: f64) -> Result<Self, bilevel_core::Error> {
        Ok(Self {
            classifier,
            regularization: positive("regularization", regularization)?,
        })
    }
}

impl<C: Classifier> BilevelProblem for Poisoning<C> {
    type Upper<B: Backend> = Perturbation<B>;
    type Lower<B: Backend> = C::Parameters<B>;
    type Batch<B: Backend> = Batch<B>;

    fn upper_loss<B: Backend>(
        &self,
        _: &Perturbation<B>,
        y: &C::Parameters<B>,
        batch: &Batch<B>,
    ) -> Tensor<B, 1> {
        -mean_cross_entropy(&self.classifier, y, &batch.validation)
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &Perturbation<B>,
        y: &C::Parameters<B>,
        batch: &Batch<B>,
    ) -> Tensor<B, 1> {
        let part = &batch.training;
        let values = x.values.val().narrow(0, part.first, part.count());
        let changed = Minibatch {
            features: part.features.clone() + values,
            ..part.clone()
        };
        mean_cross_entropy(&self.classifier, y, &changed)
            + self.classifier.squares(y) * self.regularization
    }

    fn project<B: Backend>(&self, x: Perturbation<B>) -> Perturbation<B> {
        let values = x.values.val();
        Perturbation {
            values: x.values.clone().map(|_| x.nearest(values)),
            ..x
        }
    }
}
