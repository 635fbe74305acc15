//! Regularisation selection: how much should each feature, or each class, be held back?

use bilevel_core::BilevelProblem;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::classification::{Batch, Classifier, Linear, LinearParameters, mean_cross_entropy};

/// Learn the weights of a squared penalty on softmax regression.
///
/// ```text
/// f = 1/m Σ_j ℓ(y; v_j)        g = 1/n Σ_i ℓ(y; t_i) + ½ Σ_{jc} e^{x_j} W_jc²   or  e^{x_c} W_jc²
/// ```
///
/// `y = (W, b)` with `W` of shape `[features, classes]`; the biases are free. A feature that says
/// nothing about the label is held back without anybody having found out which it is.
///
/// `g` is strongly convex but for the biases, which only matter up to a constant: solve from zero.
///
/// # References
/// Pedregosa (2016), "Hyperparameter optimization with approximate gradient", ICML,
/// arXiv:1602.02355, with one weight; one a feature: Grazzi, Franceschi, Pontil, Salzo (2020), "On
/// the Iteration Complexity of Hypergradient Computation", ICML, arXiv:2006.16218.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// What is trained.
    pub classifier: Linear,
    /// What has a weight of its own.
    pub per: Per,
}

/// What has a weight of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Every row of `W`.
    Feature,
    /// Every column of `W`.
    Class,
}

/// What [`Selection`] learns.
#[derive(Module, Debug)]
pub struct PenaltyWeights<B: Backend> {
    /// Logarithms of the weights: `[features]` or `[classes]`.
    pub log: Param<Tensor<B, 1>>,
}

impl Selection {
    /// The same weight `e^log` for all.
    pub fn constant<B: Backend>(&self, log: f64, device: &B::Device) -> PenaltyWeights<B> {
        let count = match self.per {
            Per::Feature => self.classifier.features,
            Per::Class => self.classifier.classes,
        };
        PenaltyWeights {
            log: Param::from_tensor(Tensor::full([count], log, device)),
        }
    }

    /// The classifier to train from: zeros.
    pub fn start<B: Backend>(&self, device: &B::Device) -> LinearParameters<B> {
        self.classifier.init(0, device)
    }
}

impl BilevelProblem for Selection {
    type Upper<B: Backend> = PenaltyWeights<B>;
    type Lower<B: Backend> = LinearParameters<B>;
    type Batch<B: Backend> = Batch<B>;

    fn upper_loss<B: Backend>(
        &self,
        _: &PenaltyWeights<B>,
        y: &LinearParameters<B>,
        batch: &Batch<B>,
    ) -> Tensor<B, 1> {
        mean_cross_entropy(&self.classifier, y, &batch.validation)
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &PenaltyWeights<B>,
        y: &LinearParameters<B>,
        batch: &Batch<B>,
    ) -> Tensor<B, 1> {
        let squares = y.weight.val().square();
        // Σ_c W_jc² for each feature j, or Σ_j W_jc² for each class c.
        let held = match self.per {
            Per::Feature => squares.sum_dim(1).squeeze_dim(1),
            Per::Class => squares.sum_dim(0).squeeze_dim(0),
        };
        let penalty = (x.log.val().exp() * held).sum() * 0.5;
        mean_cross_entropy(&self.classifier, y, &batch.training) + penalty
    }
}
