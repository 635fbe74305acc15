//! Minimax problems as bilevel ones.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::BilevelProblem;

/// `min_x max_y f(x, y)`, stated by f.
pub trait MinimaxProblem {
    /// Who minimises.
    type Upper<B: Backend>: Module<B>;
    /// Who maximises.
    type Lower<B: Backend>: Module<B>;
    /// Data.
    type Batch<B: Backend>: Module<B>;

    /// `f(x, y)`, one number, concave in y.
    fn loss<B: Backend>(
        &self,
        x: &Self::Upper<B>,
        y: &Self::Lower<B>,
        batch: &Self::Batch<B>,
    ) -> Tensor<B, 1>;
}

/// The bilevel problem of a minimax one: `g = −f`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Minimax<M>(
    /// The minimax problem.
    pub M,
);

impl<M: MinimaxProblem> BilevelProblem for Minimax<M> {
    type Upper<B: Backend> = M::Upper<B>;
    type Lower<B: Backend> = M::Lower<B>;
    type Batch<B: Backend> = M::Batch<B>;

    fn upper_loss<B: Backend>(
        &self,
        x: &M::Upper<B>,
        y: &M::Lower<B>,
        batch: &M::Batch<B>,
    ) -> Tensor<B, 1> {
        self.0.loss(x, y, batch)
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &M::Upper<B>,
        y: &M::Lower<B>,
        batch: &M::Batch<B>,
    ) -> Tensor<B, 1> {
        -self.0.loss(x, y, batch)
    }
}
