//! A table of the last answer on every block: SAGA.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::Block;
use crate::Vector;

/// The last value seen on each block of samples, and their mean.
///
/// ```text
/// d = D_i − m_i + mean_j m_j,     m_i ← D_i
/// ```
///
/// For `i` drawn uniformly, d is an unbiased estimate of the mean of D over all blocks, and its
/// variance vanishes as the iterate settles. All `m` begin at 0. Memory: a vector for each block
/// that was seen, and one.
///
/// # References
/// Defazio, Bach, Lacoste-Julien (2014), "SAGA", NeurIPS, arXiv:1407.0202.
#[derive(Record, Clone, Debug)]
pub struct SagaTable<B: Backend> {
    /// `m`, one a block.
    entries: Vec<Vector<B>>,
    /// Their mean.
    mean: Vector<B>,
}

impl<B: Backend> SagaTable<B> {
    /// The table of `blocks` blocks for vectors like `like`.
    pub fn new(blocks: usize, like: &Vector<B>) -> Self {
        // Zeros are shared until a block is seen.
        let zero = like.zeros_like();
        Self {
            entries: vec![zero.clone(); blocks],
            mean: zero,
        }
    }

    /// `d` for the value `fresh` on the block `on`, which is remembered.
    ///
    /// On all samples there is nothing to estimate and nothing is remembered.
    pub fn estimate(&mut self, on: Block, fresh: Vector<B>) -> Vector<B> {
        let Block::One(i) = on else { return fresh };
        let change = fresh.clone() - std::mem::replace(&mut self.entries[i], fresh);
        let estimate = change.clone() + self.mean.clone();
        self.mean = self.mean.clone() + change / self.entries.len() as f64;
        estimate
    }
}

#[cfg(test)]
mod tests {
    use double_precision::B;

    use super::*;
    use crate::vector::read;

    fn number(v: f64) -> Vector<B> {
        Vector::from_data([[v]], &Default::default())
    }

    /// Worked out by hand for three blocks.
    #[test]
    fn estimates_are_the_formula() {
        let mut table = SagaTable::new(3, &number(0.0));
        let mut estimate = |i, v| read(table.estimate(Block::One(i), number(v)))[0];
        assert_eq!(estimate(0, 3.0).to_bits(), 3f64.to_bits()); // 3 − 0 + 0; mean 1
        assert_eq!(estimate(2, 6.0).to_bits(), 7f64.to_bits()); // 6 − 0 + 1; mean 3
        assert_eq!(estimate(0, 9.0).to_bits(), 9f64.to_bits()); // 9 − 3 + 3; mean 5
        assert_eq!(estimate(1, 1.0).to_bits(), 6f64.to_bits()); // 1 − 0 + 5
    }
}
