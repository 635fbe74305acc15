//! Four convolutions.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::ConvOptions;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::layers::{affine_each, check_side};
use super::{EpisodicNorm, ForwardContext, Network, StackedNetwork};
use crate::classification::LinearParameters;
use crate::init::{he, zero_affine};

/// The network of the few-shot literature: four blocks of a 3×3 convolution, batch normalisation,
/// ReLU and a 2×2 maximum.
///
/// Pictures of 28×28 pixels become one number a channel. With [`classes`](Self::classes) an affine
/// map follows, `head`.
///
/// # References
/// Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra (2016), "Matching networks for one shot
/// learning", NeurIPS, arXiv:1606.04080.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
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

    /// Keeps height and width. The channels of several tasks are behind each other, and so are
    /// their filters: a group each.
    pub(super) fn forward(&self, maps: Tensor<B, 4>, context: ForwardContext<'_>) -> Tensor<B, 4> {
        let [_, inputs, size, _] = self.filters.dims();
        let tasks = maps.dims()[1] / inputs;
        let options = ConvOptions::new([1, 1], [size / 2; 2], [1, 1], tasks);
        self.norm
            .forward(conv2d(maps, self.filters.val(), None, options), context)
    }
}

/// Rows as square grey pictures: `[tasks · samples, side²]` to `[samples, tasks, side, side]`.
///
/// # Panics
/// If a row does not have `side²` numbers.
pub(super) fn pictures<B: Backend>(
    tasks: usize,
    inputs: Tensor<B, 2>,
    side: usize,
) -> Tensor<B, 4> {
    let [rows, width] = inputs.dims();
    assert_eq!(
        width,
        side * side,
        "pictures of {side}x{side} have {} pixels, a row has {width}",
        side * side
    );
    if tasks == 1 {
        // In order of memory, which kernels ask for.
        return inputs.reshape([rows, 1, side, side]);
    }
    let pictures = inputs.reshape([tasks, rows / tasks, side, side]);
    pictures.swap_dims(0, 1)
}

/// Back to rows, task after task: `[samples, tasks · features]` to `[tasks · samples, features]`.
pub(super) fn task_rows<B: Backend>(tasks: usize, features: Tensor<B, 2>) -> Tensor<B, 2> {
    if tasks == 1 {
        return features;
    }
    let [samples, width] = features.dims();
    let features = features.reshape([samples, tasks, width / tasks]);
    let rows = features.swap_dims(0, 1);
    rows.reshape([tasks * samples, width / tasks])
}

/// The maximum over 2×2 pixels, a last odd row or column left out.
pub(super) fn halved<B: Backend>(maps: Tensor<B, 4>) -> Tensor<B, 4> {
    max_pool2d(maps, [2, 2], [2, 2], [0, 0], [1, 1], false)
}

/// The scores of a head, or the embedding itself.
pub(super) fn headed<B: Backend>(
    tasks: usize,
    embedding: Tensor<B, 2>,
    head: Option<&LinearParameters<B>>,
) -> Tensor<B, 2> {
    match head {
        Some(head) => affine_each(tasks, embedding, head),
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

    fn forward<B: Backend>(&self, weights: &Conv4Weights<B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        self.forward_in(weights, inputs, ForwardContext::default())
    }

    fn forward_in<B: Backend>(
        &self,
        weights: &Conv4Weights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        self.forward_stacked(1, weights, inputs, context)
    }
}

impl StackedNetwork for Conv4 {
    fn forward_stacked<B: Backend>(
        &self,
        tasks: usize,
        weights: &Conv4Weights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        let mut maps = pictures(tasks, inputs, self.side);
        for block in &weights.blocks {
            // The maximum of what is above zero is what is above zero of the maximum, on a quarter of the pixels.
            maps = halved(block.forward(maps, context)).clamp_min(0.0);
        }
        let embedding = maps.flatten(1, 3);
        headed(tasks, task_rows(tasks, embedding), weights.head.as_ref())
    }
}
