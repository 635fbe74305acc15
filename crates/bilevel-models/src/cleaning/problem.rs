//! The two losses.

use bilevel_core::{BilevelProblem, positive};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::Weighting;
use crate::classification::{Batch, Classifier, cross_entropies, mean_cross_entropy};

/// Learn the weight of every training sample.
///
/// ```text
/// f = 1/m Σ_j ℓ(y; v_j)        g = 1/n Σ_i w(x_i) ℓ(y; t_i) + ρ ‖y‖²        ℓ: cross-entropy
/// ```
///
/// x has one entry a training sample, `[n]`, y are the weights of the classifier. On a block of
/// samples the sums are over the block and the divisors those of
/// [`Minibatch::share`](crate::classification::Minibatch::share). For
/// [`Linear`](crate::classification::Linear) classifiers `g` is strongly convex but for the biases.
#[derive(Debug, Clone, PartialEq)]
pub struct Cleaning<C> {
    /// What is trained.
    pub classifier: C,
    /// `w`.
    pub weighting: Weighting,
    /// ρ.
    regularization: f64,
}

/// What is learned: `[samples]`.
#[derive(Module, Debug)]
pub struct SampleWeights<B: Backend> {
    /// `x`; the weight of a sample is `w(x)`.
    pub values: Param<Tensor<B, 1>>,
}

impl<B: Backend> SampleWeights<B> {
    /// `count` equal ones.
    pub fn constant(count: usize, value: f64, device: &B::Device) -> Self {
        Self {
            values: Param::from_tensor(Tensor::full([count], value, device)),
        }
    }
}

impl<C: Classifier> Cleaning<C> {
    /// With `regularization` ρ.
    ///
    /// # Errors
    /// If it is not above zero.
    pub fn new(
        classifier: C,
        weighting: Weighting,
        regularization: f64,
    ) -> Result<Self, bilevel_core::Error> {
        Ok(Self {
            classifier,
            weighting,
            regularization: positive("regularization", regularization)?,
        })
    }

    /// ρ.
    pub fn regularization(&self) -> f64 {
        self.regularization
    }
}

impl<C: Classifier> BilevelProblem for Cleaning<C> {
    type Upper<B: Backend> = SampleWeights<B>;
    type Lower<B: Backend> = C::Parameters<B>;
    type Batch<B: Backend> = Batch<B>;

    fn upper_loss<B: Backend>(
        &self,
        _: &SampleWeights<B>,
        y: &C::Parameters<B>,
        batch: &Batch<B>,
    ) -> Tensor<B, 1> {
        mean_cross_entropy(&self.classifier, y, &batch.validation)
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &SampleWeights<B>,
        y: &C::Parameters<B>,
        batch: &Batch<B>,
    ) -> Tensor<B, 1> {
        let part = &batch.training;
        let values = x.values.val().narrow(0, part.first, part.count());
        let weighted = self.weighting.weight(values) * cross_entropies(&self.classifier, y, part);
        weighted.sum() / part.share + self.classifier.squares(y) * self.regularization
    }

    fn project<B: Backend>(&self, x: SampleWeights<B>) -> SampleWeights<B> {
        SampleWeights {
            values: x.values.map(|values| self.weighting.project(values)),
        }
    }
}
