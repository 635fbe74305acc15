//! Four convolutions.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::ConvOptions;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::start::{check_side, he, zero_affine};
use super::{EpisodicNorm, Network, Pass};
use crate::classification::LinearParameters;

/// The network of the few-shot literature: four blocks of a 3×3 convolution, batch normalisation, ReLU and a 2×2
/// maximum.
///
/// Pictures of 28×28 pixels become one number a channel. With [`classes`](Self::classes) an affine map follows, `head`.
///
/// # References
/// Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra (2016), "Matching networks for one shot learning", NeurIPS,
/// arXiv:1606.04080.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Conv4 {
    /// Channels of each block: 64, or 32 for a quick one.
    pub channels: usize,
    /// Side of the square grey pictures, at least 16.
    pub side: usize,
    /// Outputs of the head; the embedding itself if `None`.
    pub classes: Option<usize>,
    /// Steps that batch normalisation keeps statistics for, at least 1.
    pub kept_steps: usize,
}

/// The weights of [`Conv4`].
#[derive(Module, Debug)]
pub struct Conv4Weights<B: Backend> {
    /// Four blocks.
    pub blocks: Vec<ConvBlock<B>>,
    /// From the embedding to the classes.
    pub head: Option<LinearParameters<B>>,
}

/// A convolution without bias, normalised.
#[derive(Module, Debug)]
pub struct ConvBlock<B: Backend> {
    /// `[channels, inputs, 3, 3]`.
    pub filters: Param<Tensor<B, 4>>,
    /// Normalisation, whose shift is the bias.
    pub norm: EpisodicNorm<B>,
}

impl<B: Backend> ConvBlock<B> {
    /// Random filters of `size`×`size`.
    pub(super) fn new(
        [inputs, channels]: [usize; 2],
        size: usize,
        kept_steps: usize,
        rng: &mut ChaCha8Rng,
        device: &B::Device,
    ) -> Self {
        let fan_in = inputs * size * size;
        Self {
            filters: he([channels, inputs, size, size], fan_in, rng, device),
            norm: EpisodicNorm::new(channels, kept_steps, device),
        }
    }

    /// Keeps height and width.
    pub(super) fn forward(&self, maps: Tensor<B, 4>, pass: Pass<'_>) -> Tensor<B, 4> {
        let half = self.filters.dims()[2] / 2;
        let options = ConvOptions::new([1, 1], [half; 2], [1, 1], 1);
        self.norm
            .forward(conv2d(maps, self.filters.val(), None, options), pass)
    }
}

/// Rows as square grey pictures.
///
/// # Panics
/// If a row does not have `side²` numbers.
pub(super) fn pictures<B: Backend>(inputs: Tensor<B, 2>, side: usize) -> Tensor<B, 4> {
    let [n, width] = inputs.dims();
    assert_eq!(
        width,
        side * side,
        "pictures of {side}x{side} have {} pixels, a row has {width}",
        side * side
    );
    inputs.reshape([n, 1, side, side])
}

/// The maximum over 2×2 pixels, a last odd row or column left out.
pub(super) fn halved<B: Backend>(maps: Tensor<B, 4>) -> Tensor<B, 4> {
    max_pool2d(maps, [2, 2], [2, 2], [0, 0], [1, 1], false)
}

/// The scores of a head, or the embedding itself.
pub(super) fn headed<B: Backend>(
    embedding: Tensor<B, 2>,
    head: Option<&LinearParameters<B>>,
) -> Tensor<B, 2> {
    match head {
        Some(head) => embedding.matmul(head.weight.val()) + head.bias.val().unsqueeze(),
        None => embedding,
    }
}

impl Conv4 {
    /// Numbers of the embedding.
    pub fn embedding(&self) -> usize {
        let side = self.side / 16;
        self.channels * side * side
    }

    /// Random weights; the head begins at zero, so that all classes begin alike.
    ///
    /// # Panics
    /// If the pictures are smaller than 16×16.
    pub fn init<B: Backend>(&self, seed: u64, device: &B::Device) -> Conv4Weights<B> {
        check_side(self.side);
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut inputs = 1;
        let blocks = (0..4).map(|_| {
            let sizes = [std::mem::replace(&mut inputs, self.channels), self.channels];
            ConvBlock::new(sizes, 3, self.kept_steps, rng, device)
        });
        let blocks = blocks.collect();
        let head = self
            .classes
            .map(|classes| zero_affine(self.embedding(), classes, device));
        Conv4Weights { blocks, head }
    }
}

impl Network for Conv4 {
    type Weights<B: Backend> = Conv4Weights<B>;

    fn forward<B: Backend>(
        &self,
        weights: &Conv4Weights<B>,
        inputs: Tensor<B, 2>,
        pass: Pass<'_>,
    ) -> Tensor<B, 2> {
        let mut maps = pictures(inputs, self.side);
        for block in &weights.blocks {
            // The maximum of what is above zero is what is above zero of the maximum, on a quarter of the pixels.
            maps = halved(block.forward(maps, pass)).clamp_min(0.0);
        }
        let embedding = maps.flatten(1, 3);
        headed(embedding, weights.head.as_ref())
    }
}
