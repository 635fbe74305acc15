//! Whichever network a file names.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::Error;
use crate::error::{check_weights, count};

use super::{
    Conv4, Conv4Weights, ForwardContext, Network, Perceptron, PerceptronWeights, ResNet12,
    ResNet12Weights, StackedNetwork,
};

/// Holds any network of this module and behaves as what is inside. For programs that read the name
/// of one; libraries choose by type.
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
    /// Whether weights of this network can be made: whoever reads one from a file checks it before
    /// [`init`](Self::init).
    ///
    /// ```
    /// use bilevel_models::meta::{AnyNetwork, Conv4};
    ///
    /// let of = |side| AnyNetwork::Conv4(Conv4 { channels: 64, side, classes: None, kept_steps: 1 });
    /// assert!(of(28).check().is_ok());
    /// let error = of(15).check().unwrap_err().to_string();
    /// assert_eq!(error, "side must be from 16 to 1024, got 15");
    /// ```
    ///
    /// # Errors
    /// If pictures are smaller than 16 pixels or larger than 1024, there are no channels or more
    /// than 4096, less than 2 classes or more than 10,000, `kept_steps` is not from 1 to 10,000, a
    /// perceptron has less than two widths or one of more than a million, or there are more than
    /// 134,217,728 weights.
    pub fn check(&self) -> Result<(), Error> {
        let common = |channels: &[usize], side, classes, kept_steps| {
            count("side", side, [16, 1024])?;
            for &channels in channels {
                count("channels", channels, [1, 4096])?;
            }
            if let Some(classes) = classes {
                count("classes", classes, [2, 10_000])?;
            }
            count("kept_steps", kept_steps, [1, 10_000])
        };
        let of = |number: usize| number as u64;
        let weights = match *self {
            Self::Conv4(Conv4 {
                channels,
                side,
                classes,
                kept_steps,
            }) => {
                common(&[channels], side, classes, kept_steps)?;
                // Four halvings.
                let embedding = of(channels) * of(side / 16).pow(2);
                9 * of(channels) * (1 + 3 * of(channels))
                    + embedding * of(classes.unwrap_or(0))
                    + 8 * of(channels) * of(kept_steps)
            }
            Self::ResNet12(ResNet12 {
                ref channels,
                side,
                classes,
                kept_steps,
            }) => {
                common(channels, side, classes, kept_steps)?;
                let mut inputs = 1;
                let blocks = channels.map(|channels| {
                    let before = std::mem::replace(&mut inputs, channels);
                    of(channels) * (10 * of(before) + 18 * of(channels) + 8 * of(kept_steps))
                });
                blocks.iter().sum::<u64>() + of(channels[3]) * of(classes.unwrap_or(0))
            }
            Self::Perceptron(Perceptron { ref widths }) => {
                count("layers", widths.len(), [2, 100])?;
                for &width in widths {
                    count("widths", width, [1, 1_000_000])?;
                }
                let layers = widths.windows(2);
                layers.map(|w| (of(w[0]) + 1) * of(w[1])).sum()
            }
        };
        check_weights(weights)
    }

    /// Side of the pictures it takes, if it takes pictures.
    pub fn side(&self) -> Option<usize> {
        match self {
            Self::Conv4(network) => Some(network.side),
            Self::ResNet12(network) => Some(network.side),
            Self::Perceptron(_) => None,
        }
    }

    /// How many feature maps its first block makes, or numbers its widest layer: what its memory
    /// grows with.
    pub fn features(&self) -> usize {
        match self {
            Self::Conv4(network) => network.channels,
            Self::ResNet12(network) => network.channels[0],
            Self::Perceptron(network) => network.widths.iter().copied().max().unwrap_or(0),
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

    fn forward<B: Backend>(&self, weights: &AnyWeights<B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        self.forward_in(weights, inputs, ForwardContext::default())
    }

    /// # Panics
    /// If the weights are another network's.
    fn forward_in<B: Backend>(
        &self,
        weights: &AnyWeights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        self.forward_stacked(1, weights, inputs, context)
    }
}

impl StackedNetwork for AnyNetwork {
    fn forward_stacked<B: Backend>(
        &self,
        tasks: usize,
        weights: &AnyWeights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        match (self, weights) {
            (Self::Conv4(network), AnyWeights::Conv4(w)) => {
                network.forward_stacked(tasks, w, inputs, context)
            }
            (Self::ResNet12(network), AnyWeights::ResNet12(w)) => {
                network.forward_stacked(tasks, w, inputs, context)
            }
            (Self::Perceptron(network), AnyWeights::Perceptron(w)) => {
                network.forward_stacked(tasks, w, inputs, context)
            }
            _ => panic!("{self:?} was given the weights of another network"),
        }
    }
}
