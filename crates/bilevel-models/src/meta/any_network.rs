//! Whichever network a file names.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{
    Conv4, Conv4Weights, Network, Pass, Perceptron, PerceptronWeights, ResNet12, ResNet12Weights,
    StackedNetwork,
};

/// Holds any network of this module and behaves as what is inside. For programs that read the name of one;
/// libraries choose by type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AnyNetwork {
    /// See [`Conv4`].
    Conv4(Conv4),
    /// See [`ResNet12`].
    #[serde(rename = "resnet12")]
    ResNet12(ResNet12),
    /// See [`Perceptron`].
    Perceptron(Perceptron),
}

/// The weights of [`AnyNetwork`].
#[derive(Module, Debug)]
pub enum AnyWeights<B: Backend> {
    /// Of [`Conv4`].
    Conv4(Conv4Weights<B>),
    /// Of [`ResNet12`].
    ResNet12(ResNet12Weights<B>),
    /// Of [`Perceptron`].
    Perceptron(PerceptronWeights<B>),
}

impl AnyNetwork {
    /// Side of the pictures it takes, if it takes pictures.
    pub fn side(&self) -> Option<usize> {
        match self {
            Self::Conv4(network) => Some(network.side),
            Self::ResNet12(network) => Some(network.side),
            Self::Perceptron(_) => None,
        }
    }

    /// How many classes it gives scores for, if it has a head.
    pub fn classes(&self) -> Option<usize> {
        match self {
            Self::Conv4(network) => network.classes,
            Self::ResNet12(network) => network.classes,
            Self::Perceptron(_) => None,
        }
    }

    /// Random weights.
    pub fn init<B: Backend>(&self, seed: u64, device: &B::Device) -> AnyWeights<B> {
        match self {
            Self::Conv4(network) => AnyWeights::Conv4(network.init(seed, device)),
            Self::ResNet12(network) => AnyWeights::ResNet12(network.init(seed, device)),
            Self::Perceptron(network) => AnyWeights::Perceptron(network.init(seed, device)),
        }
    }
}

impl Network for AnyNetwork {
    type Weights<B: Backend> = AnyWeights<B>;

    /// # Panics
    /// If the weights are another network's.
    fn forward<B: Backend>(
        &self,
        weights: &AnyWeights<B>,
        inputs: Tensor<B, 2>,
        pass: Pass<'_>,
    ) -> Tensor<B, 2> {
        self.forward_stacked(1, weights, inputs, pass)
    }
}

impl StackedNetwork for AnyNetwork {
    fn forward_stacked<B: Backend>(
        &self,
        tasks: usize,
        weights: &AnyWeights<B>,
        inputs: Tensor<B, 2>,
        pass: Pass<'_>,
    ) -> Tensor<B, 2> {
        match (self, weights) {
            (Self::Conv4(network), AnyWeights::Conv4(w)) => {
                network.forward_stacked(tasks, w, inputs, pass)
            }
            (Self::ResNet12(network), AnyWeights::ResNet12(w)) => {
                network.forward_stacked(tasks, w, inputs, pass)
            }
            (Self::Perceptron(network), AnyWeights::Perceptron(w)) => {
                network.forward_stacked(tasks, w, inputs, pass)
            }
            _ => panic!("{self:?} was given the weights of another network"),
        }
    }
}
