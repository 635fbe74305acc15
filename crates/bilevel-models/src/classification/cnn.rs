//! A small convolutional network.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::classifier::square_sum;
use super::{Classifier, Mlp, MlpParameters};
use crate::init::{he, no_bias};

/// Two convolutions of 3 × 3 with a stride of 2, each with its relu, and an [`Mlp`] on what they
/// give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cnn {
    /// Height and width of a picture: a sample is its rows, one after the other.
    pub picture: [usize; 2],
    /// Channels after the first and the second convolution.
    pub channels: [usize; 2],
    /// Hidden units of the [`Mlp`].
    pub hidden: usize,
    /// Classes.
    pub classes: usize,
}

/// What [`Cnn`] learns.
#[derive(Module, Debug)]
pub struct CnnParameters<B: Backend> {
    /// The first convolution.
    pub first: ConvolutionParameters<B>,
    /// The second.
    pub second: ConvolutionParameters<B>,
    /// What classifies.
    pub head: MlpParameters<B>,
}

/// A convolution of [`Cnn`].
#[derive(Module, Debug)]
pub struct ConvolutionParameters<B: Backend> {
    /// `[out, in, 3, 3]`.
    pub filters: Param<Tensor<B, 4>>,
    /// `[out]`.
    pub bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> ConvolutionParameters<B> {
    /// Normal filters of variance `2 / inputs`.
    fn init(channels: [usize; 2], rng: &mut ChaCha8Rng, device: &B::Device) -> Self {
        let [inputs, outputs] = channels;
        Self {
            filters: he([outputs, inputs, 3, 3], 9 * inputs, rng, device),
            bias: no_bias(outputs, device),
        }
    }

    fn forward(&self, maps: Tensor<B, 4>) -> Tensor<B, 4> {
        let halved = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
        conv2d(maps, self.filters.val(), Some(self.bias.val()), halved).clamp_min(0.0)
    }
}

impl Cnn {
    /// The classifier on the maps of the second convolution.
    fn head(&self) -> Mlp {
        let [height, width] = self.picture.map(|side| side.div_ceil(4));
        Mlp {
            features: self.channels[1] * height * width,
            hidden: self.hidden,
            classes: self.classes,
        }
    }
}

impl Classifier for Cnn {
    type Parameters<B: Backend> = CnnParameters<B>;

    /// Normal weights of variance `2 / inputs`, biases zero.
    fn init<B: Backend>(&self, seed: u64, device: &B::Device) -> CnnParameters<B> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let [first, second] = self.channels;
        CnnParameters {
            first: ConvolutionParameters::init([1, first], &mut rng, device),
            second: ConvolutionParameters::init([first, second], &mut rng, device),
            head: self.head().init(seed, device),
        }
    }

    fn logits<B: Backend>(&self, y: &CnnParameters<B>, features: Tensor<B, 2>) -> Tensor<B, 2> {
        let [n, _] = features.dims();
        let [height, width] = self.picture;
        let maps = features.reshape([n, 1, height, width]);
        let maps = y.second.forward(y.first.forward(maps));
        self.head().logits(&y.head, maps.flatten(1, 3))
    }

    fn squares<B: Backend>(&self, y: &CnnParameters<B>) -> Tensor<B, 1> {
        square_sum(y.first.filters.val())
            + square_sum(y.second.filters.val())
            + self.head().squares(&y.head)
    }
}
