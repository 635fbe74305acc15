//! A multilayer perceptron of any depth.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::layers::affine_each;
use super::{ForwardContext, Network, StackedNetwork};
use crate::classification::LinearParameters;
use crate::init::affine;

/// Affine maps with ReLU between them.
///
/// For sinusoids: `[1, 40, 40, 1]`, as in MAML's paper.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perceptron {
    /// Widths from the inputs to the outputs, at least two.
    pub widths: Vec<usize>,
}

/// The weights of [`Perceptron`].
#[derive(Module, Debug)]
pub struct PerceptronWeights<B: Backend> {
    /// One affine map a layer.
    pub layers: Vec<LinearParameters<B>>,
}

impl Perceptron {
    /// Random weights of variance `2 / inputs`, biases zero.
    pub fn init<B: Backend>(&self, seed: u64, device: &B::Device) -> PerceptronWeights<B> {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let layers = self.widths.windows(2);
        PerceptronWeights {
            layers: layers.map(|w| affine(w[0], w[1], rng, device)).collect(),
        }
    }
}

impl Network for Perceptron {
    type Weights<B: Backend> = PerceptronWeights<B>;

    fn forward<B: Backend>(
        &self,
        weights: &PerceptronWeights<B>,
        inputs: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        self.forward_in(weights, inputs, ForwardContext::default())
    }

    fn forward_in<B: Backend>(
        &self,
        weights: &PerceptronWeights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        self.forward_stacked(1, weights, inputs, context)
    }
}

impl StackedNetwork for Perceptron {
    fn forward_stacked<B: Backend>(
        &self,
        tasks: usize,
        weights: &PerceptronWeights<B>,
        inputs: Tensor<B, 2>,
        _: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        let mut a = inputs;
        for (i, layer) in weights.layers.iter().enumerate() {
            if i > 0 {
                a = a.clamp_min(0.0);
            }
            a = affine_each(tasks, a, layer);
        }
        a
    }
}
