//! What an update rule may ask.

use burn::tensor::backend::Backend;

use super::{Iterate, OracleCalls};
use crate::{LossGradients, Vector};

/// Samples of a loss: a block of them, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Block {
    /// The block of this number, from 0.
    One(usize),
    /// All samples.
    All,
}

/// Into how many blocks the samples of the losses are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// Blocks of the samples of `g`.
    pub lower: usize,
    /// Blocks of the samples of `f`.
    pub upper: usize,
}

/// The derivatives of `g` that one recording of `∇y g · v` gives.
#[derive(Debug, Clone)]
pub struct SecondDerivatives<B: Backend> {
    /// `∇y g`: `[systems, dim y]`.
    pub gradient: Vector<B>,
    /// `∇²yy g · v`: `[systems, dim y]`.
    pub hessian: Vector<B>,
    /// `∇²xy g · v`: `[1, dim x]`.
    pub cross: Vector<B>,
}

/// The derivatives of both losses on blocks of their samples, as functions of vectors.
///
/// The mean of an answer over all blocks is the answer on [`Block::All`].
pub trait Oracle<B: Backend> {
    /// Into how many blocks the samples are divided.
    fn blocks(&self) -> Blocks;

    /// `∇y g(x, y)`: `[systems, dim y]`.
    fn lower_gradient(&self, on: Block, at: &Iterate<B>) -> Vector<B>;

    /// `g`, `∇x g`, `∇y g` at `(x, y)`.
    fn lower_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B>;

    /// `f`, `∇x f`, `∇y f` at `(x, y)`.
    fn upper_gradients(&self, on: Block, at: &Iterate<B>) -> LossGradients<B>;

    /// `∇²yy g(x, y) · v`: `[systems, dim y]`.
    fn hessian(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> Vector<B>;

    /// `∇²xy g(x, y) · v`: `[1, dim x]`.
    fn cross(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> Vector<B>;

    /// Both products and the gradient, which are cheaper together.
    fn second(&self, on: Block, at: &Iterate<B>, v: &Vector<B>) -> SecondDerivatives<B>;

    /// What it was asked so far.
    fn calls(&self) -> OracleCalls;

    /// The admissible point nearest to `at`.
    fn project(&self, at: Iterate<B>) -> Iterate<B>;
}
