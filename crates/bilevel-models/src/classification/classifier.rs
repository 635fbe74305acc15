//! Classifiers.

use bilevel_core::vector::read;
use burn::module::{Module, ModuleDisplay, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::Minibatch;
use crate::init::affine;

/// A classifier: its architecture is the value, its weights are a module.
pub trait Classifier: Clone {
    /// The weights.
    type Parameters<B: Backend>: Module<B> + ModuleDisplay;

    /// Weights to begin with; what is random in them depends on `seed`.
    fn init<B: Backend>(&self, seed: u64, device: &B::Device) -> Self::Parameters<B>;

    /// One number a class: `[samples, features]` to `[samples, classes]`.
    fn logits<B: Backend>(&self, y: &Self::Parameters<B>, features: Tensor<B, 2>) -> Tensor<B, 2>;

    /// The sum of the squares of the weights that are kept small: biases are not.
    fn squares<B: Backend>(&self, y: &Self::Parameters<B>) -> Tensor<B, 1>;

    /// A bound on the curvature in y of the mean cross-entropy over samples with these features, if
    /// one holds for all y. Reads from the device.
    fn curvature_bound<B: Backend>(&self, _features: Tensor<B, 2>) -> Option<f64> {
        None
    }
}

/// The cross-entropy of every sample: `[samples]`.
pub(crate) fn cross_entropies<B: Backend, C: Classifier>(
    classifier: &C,
    y: &C::Parameters<B>,
    part: &Minibatch<B>,
) -> Tensor<B, 1> {
    let logits = classifier.logits(y, part.features.clone());
    cross_entropy(logits, part.targets.clone())
}

/// `−log softmax(z)_label` of every row of logits: `[samples]`.
pub(crate) fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 2>,
) -> Tensor<B, 1> {
    -(log_softmax(logits, 1) * targets).sum_dim(1).squeeze_dim(1)
}

/// The mean of [`cross_entropies`] over the samples of a set.
pub(crate) fn mean_cross_entropy<B: Backend, C: Classifier>(
    classifier: &C,
    y: &C::Parameters<B>,
    part: &Minibatch<B>,
) -> Tensor<B, 1> {
    cross_entropies(classifier, y, part).sum() / part.share
}

/// Softmax regression: `z = a W + b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// Numbers a sample.
    pub features: usize,
    /// Classes.
    pub classes: usize,
}

/// What [`Linear`] learns.
#[derive(Module, Debug)]
pub struct LinearParameters<B: Backend> {
    /// `W`: `[features, classes]`.
    pub weight: Param<Tensor<B, 2>>,
    /// `b`: `[classes]`.
    pub bias: Param<Tensor<B, 1>>,
}

impl Classifier for Linear {
    type Parameters<B: Backend> = LinearParameters<B>;

    /// Zeros: the loss is convex.
    fn init<B: Backend>(&self, _: u64, device: &B::Device) -> LinearParameters<B> {
        LinearParameters {
            weight: Param::from_tensor(Tensor::zeros([self.features, self.classes], device)),
            bias: Param::from_tensor(Tensor::zeros([self.classes], device)),
        }
    }

    fn logits<B: Backend>(&self, y: &LinearParameters<B>, features: Tensor<B, 2>) -> Tensor<B, 2> {
        features.matmul(y.weight.val()) + y.bias.val().unsqueeze()
    }

    fn squares<B: Backend>(&self, y: &LinearParameters<B>) -> Tensor<B, 1> {
        square_sum(y.weight.val())
    }

    /// Half of the largest eigenvalue of the features' mean square, the bias being a feature that
    /// is 1: the softmax bends by at most a half. By power iteration, with 5 % to spare.
    fn curvature_bound<B: Backend>(&self, features: Tensor<B, 2>) -> Option<f64> {
        let [n, _] = features.dims();
        let device = features.device();
        let a = Tensor::cat(vec![features, Tensor::ones([n, 1], &device)], 1);
        // Features of one sign point where the largest eigenvector does; others are not far from it either.
        let mut v = a.clone().mean_dim(0).transpose();
        let mut largest = 0.0;
        for _ in 0..POWER_STEPS {
            let norm = v.clone().square().sum().sqrt();
            v = v / norm.reshape([1, 1]);
            v = a.clone().transpose().matmul(a.clone().matmul(v)) / n as f64;
            largest = read(v.clone().square().sum().sqrt().unsqueeze())[0];
        }
        Some(0.5 * 1.05 * largest)
    }
}

/// Power iterations for the curvature of the cross-entropy.
const POWER_STEPS: usize = 30;

/// One hidden layer: `z = relu(a W₁ + b₁) W₂ + b₂`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mlp {
    /// Numbers a sample.
    pub features: usize,
    /// Hidden units.
    pub hidden: usize,
    /// Classes.
    pub classes: usize,
}

/// What [`Mlp`] learns.
#[derive(Module, Debug)]
pub struct MlpParameters<B: Backend> {
    /// `(W₁, b₁)`.
    pub first: LinearParameters<B>,
    /// `(W₂, b₂)`.
    pub second: LinearParameters<B>,
}

impl Classifier for Mlp {
    type Parameters<B: Backend> = MlpParameters<B>;

    /// Normal weights of variance `2 / inputs`, biases zero.
    fn init<B: Backend>(&self, seed: u64, device: &B::Device) -> MlpParameters<B> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        MlpParameters {
            first: affine(self.features, self.hidden, &mut rng, device),
            second: affine(self.hidden, self.classes, &mut rng, device),
        }
    }

    fn logits<B: Backend>(&self, y: &MlpParameters<B>, features: Tensor<B, 2>) -> Tensor<B, 2> {
        let affine = |y: &LinearParameters<B>, a: Tensor<B, 2>| {
            a.matmul(y.weight.val()) + y.bias.val().unsqueeze()
        };
        affine(&y.second, affine(&y.first, features).clamp_min(0.0))
    }

    fn squares<B: Backend>(&self, y: &MlpParameters<B>) -> Tensor<B, 1> {
        square_sum(y.first.weight.val()) + square_sum(y.second.weight.val())
    }
}

pub(super) fn square_sum<B: Backend, const D: usize>(w: Tensor<B, D>) -> Tensor<B, 1> {
    (w.clone() * w).sum()
}
