//! Twelve convolutions with shortcuts.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::leaky_relu;
use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::conv4::{ConvBlock, halved, headed, pictures, task_rows};
use super::layers::check_side;
use super::{ForwardContext, Network, StackedNetwork};
use crate::classification::LinearParameters;
use crate::init::zero_affine;

/// Four residual blocks of three 3×3 convolutions each, halved after each block, averaged over the
/// picture at the end.
///
/// ```text
/// a ↦ halve(φ(c₃(φ(c₂(φ(c₁(a))))) + s(a)))        φ(t) = max(t, t/10),  s a 1×1 convolution
/// ```
///
/// All convolutions are normalised ([`EpisodicNorm`](super::EpisodicNorm)). No DropBlock: small
/// sets of small pictures do without.
///
/// # References
/// Oreshkin, Rodríguez, Lacoste (2018), "TADAM", NeurIPS, arXiv:1805.10123 (the network); Lee,
/// Maji, Ravichandran, Soatto (2019), "Meta-learning with differentiable convex optimization",
/// CVPR, arXiv:1904.03758 (with 64, 160, 320, 640 channels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNet12 {
    /// Channels of the blocks; a small one has 32, 64, 96, 128.
    pub channels: [usize; 4],
    /// Side of the square grey pictures, at least 16.
    pub side: usize,
    /// Outputs of the head; the embedding itself if `None`.
    pub classes: Option<usize>,
    /// Steps that batch normalisation keeps statistics for, at least 1.
    pub kept_steps: usize,
}

/// The weights of [`ResNet12`].
#[derive(Module, Debug)]
pub struct ResNet12Weights<B: Backend> {
    /// Four blocks.
    pub blocks: Vec<ResidualBlock<B>>,
    /// From the embedding to the classes.
    pub head: Option<LinearParameters<B>>,
}

/// Three convolutions and a shortcut.
#[derive(Module, Debug)]
pub struct ResidualBlock<B: Backend> {
    /// c₁, c₂, c₃.
    pub convolutions: Vec<ConvBlock<B>>,
    /// s.
    pub shortcut: ConvBlock<B>,
}

const LEAK: f64 = 0.1;

impl ResNet12 {
    /// Random weights; the head begins at zero.
    ///
    /// # Panics
    /// If the pictures are smaller than 16×16.
    pub fn init<B: Backend>(&self, seed: u64, device: &B::Device) -> ResNet12Weights<B> {
        check_side(self.side);
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut inputs = 1;
        let blocks = self.channels.map(|channels| {
            let before = std::mem::replace(&mut inputs, channels);
            let mut block = |inputs, size| {
                ConvBlock::new([inputs, channels], size, self.kept_steps, rng, device)
            };
            ResidualBlock {
                convolutions: vec![block(before, 3), block(channels, 3), block(channels, 3)],
                shortcut: block(before, 1),
            }
        });
        let head = self
            .classes
            .map(|classes| zero_affine(self.channels[3], classes, device));
        ResNet12Weights {
            blocks: blocks.into(),
            head,
        }
    }
}

impl Network for ResNet12 {
    type Weights<B: Backend> = ResNet12Weights<B>;

    fn forward<B: Backend>(
        &self,
        weights: &ResNet12Weights<B>,
        inputs: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        self.forward_in(weights, inputs, ForwardContext::default())
    }

    fn forward_in<B: Backend>(
        &self,
        weights: &ResNet12Weights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        self.forward_stacked(1, weights, inputs, context)
    }
}

impl StackedNetwork for ResNet12 {
    fn forward_stacked<B: Backend>(
        &self,
        tasks: usize,
        weights: &ResNet12Weights<B>,
        inputs: Tensor<B, 2>,
        context: ForwardContext<'_>,
    ) -> Tensor<B, 2> {
        let mut maps = pictures(tasks, inputs, self.side);
        for block in &weights.blocks {
            let shortcut = block.shortcut.forward(maps.clone(), context);
            let last = block.convolutions.len() - 1;
            for (i, convolution) in block.convolutions.iter().enumerate() {
                maps = convolution.forward(maps, context);
                if i < last {
                    maps = leaky_relu(maps, LEAK);
                }
            }
            maps = halved(leaky_relu(maps + shortcut, LEAK));
        }
        let embedding = maps.flatten::<3>(2, 3).mean_dim(2).flatten(1, 2);
        headed(tasks, task_rows(tasks, embedding), weights.head.as_ref())
    }
}
