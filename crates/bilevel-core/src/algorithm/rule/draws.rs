//! Random choices of a step.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Block, Blocks};
use crate::{Vector, random};

/// What a step draws: it depends on the seed and the step's number alone, so that a run that goes
/// on after a break draws what it would have drawn.
#[derive(Debug, Clone)]
pub struct Draws {
    rng: ChaCha8Rng,
    blocks: Blocks,
}

impl Draws {
    /// The choices of step `t`.
    pub fn new(seed: u64, t: usize, blocks: Blocks) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(t as u64);
        Self { rng, blocks }
    }

    /// A block of the samples of `g`, each as likely as the others.
    pub fn lower(&mut self) -> Block {
        Block::One(self.below(self.blocks.lower))
    }

    /// A block of the samples of `f`.
    pub fn upper(&mut self) -> Block {
        Block::One(self.below(self.blocks.upper))
    }

    /// Standard normal numbers in the shape of `like`.
    pub fn normal<B: Backend>(&mut self, like: &Vector<B>) -> Vector<B> {
        random::normal(like, &mut self.rng)
    }

    /// A number below `n`.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "there is nothing to draw from");
        random::below(n, &mut self.rng)
    }

    /// What the choices are made with.
    pub(crate) fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }
}
