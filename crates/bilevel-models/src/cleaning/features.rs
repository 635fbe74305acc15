//! Features of samples, for products with narrow matrices.

use bilevel_backend::SparseRows;
use bilevel_core::algorithm::rule::Block;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorPrimitive};

use crate::classification::{Dataset, Minibatch};

/// `A`, `[samples, features]`, of every block of a set and of the whole; by their non-zero entries
/// where these are few and the backend has kernels for that. Pictures are mostly black: digits of
/// MNIST have four zeros in five.
#[derive(Debug)]
pub(super) struct Features {
    blocks: Vec<Option<SparseRows>>,
    whole: Option<SparseRows>,
}

impl Features {
    /// The features of `set`. Reads them once.
    pub fn new<B: Backend>(set: &Dataset<B>) -> Self {
        let rows = |part: &Minibatch<B>| {
            SparseRows::new::<B>(&part.features.clone().into_primitive().tensor())
        };
        Self {
            blocks: (0..set.count())
                .map(|i| rows(set.part(Block::One(i))))
                .collect(),
            whole: rows(set.whole()),
        }
    }

    fn sparse(&self, on: Block) -> Option<&SparseRows> {
        match on {
            Block::One(i) => self.blocks[i].as_ref(),
            Block::All => self.whole.as_ref(),
        }
    }

    /// `A w`, A being the features of `part`, which is the block `on`.
    pub fn product<B: Backend>(
        &self,
        on: Block,
        part: &Minibatch<B>,
        w: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        self.sparse(on)
            .and_then(|a| a.product::<B>(&w.clone().into_primitive().tensor()))
            .map_or_else(|| part.features.clone().matmul(w), back)
    }

    /// `Aᵀ g`.
    pub fn transposed_product<B: Backend>(
        &self,
        on: Block,
        part: &Minibatch<B>,
        g: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        self.sparse(on)
            .and_then(|a| a.transposed_product::<B>(&g.clone().into_primitive().tensor()))
            .map_or_else(|| part.features.clone().transpose().matmul(g), back)
    }
}

fn back<B: Backend>(t: B::FloatTensorPrimitive) -> Tensor<B, 2> {
    Tensor::from_primitive(TensorPrimitive::Float(t))
}
