//! Samples in blocks.

use bilevel_core::{BilevelProblem, Differentiable, Minibatches};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use bilevel_core::algorithm::rule::{Block, Blocks};

use super::matrices::{check, matrices};
use crate::{Error, ErrorKind};

/// Samples with their labels, some of a set or all.
#[derive(Module, Debug)]
pub struct Minibatch<B: Backend> {
    /// `[samples, features]`.
    pub features: Tensor<B, 2>,
    /// One in the column of the label, zero else: `[samples, classes]`.
    pub targets: Tensor<B, 2>,
    /// The number of the first of them in the set; the others follow it.
    pub first: usize,
    /// What sums over these samples are divided by to be means: the number of samples of the set
    /// over the number of blocks. So the mean over the blocks is the mean over the samples, though
    /// blocks may differ by a sample.
    pub share: f64,
}

/// What the losses of a problem see.
#[derive(Module, Debug)]
pub struct Batch<B: Backend> {
    /// What the lower loss is trained on.
    pub training: Minibatch<B>,
    /// What the upper loss judges by.
    pub validation: Minibatch<B>,
}

/// A set of samples, whole and in blocks of nearly equal size.
#[derive(Debug, Clone)]
pub struct Dataset<B: Backend> {
    whole: Minibatch<B>,
    blocks: Vec<Minibatch<B>>,
}

impl<B: Backend> Minibatch<B> {
    /// How many samples they are.
    pub fn count(&self) -> usize {
        self.features.dims()[0]
    }
}

impl<B: Backend> Dataset<B> {
    /// `rows` (`width` numbers a sample, one sample after the other) with their labels, in blocks
    /// of about `block` samples.
    ///
    /// # Errors
    /// If there is no sample, a label is not below `classes`, or `block` is 0 or more than there
    /// are samples.
    ///
    /// # Panics
    /// If the numbers do not fill the rows.
    pub fn new(
        rows: &[f32],
        width: usize,
        labels: &[usize],
        classes: usize,
        block: usize,
        device: &B::Device,
    ) -> Result<Self, Error> {
        let n = labels.len();
        if block == 0 || block > n {
            return Err(ErrorKind::BlockSize { block, samples: n }.into());
        }
        check(rows, width, labels, classes)?;
        let part = |first: usize, last: usize, share: f64| {
            let (rows, labels) = (&rows[first * width..last * width], &labels[first..last]);
            let [features, targets] = matrices(rows, width, labels, classes, device);
            Minibatch {
                features,
                targets,
                first,
                share,
            }
        };
        let count = n / block;
        let share = n as f64 / count as f64;
        let blocks = (0..count).map(|b| part(b * n / count, (b + 1) * n / count, share));
        Ok(Self {
            whole: part(0, n, n as f64),
            blocks: blocks.collect(),
        })
    }

    /// All samples.
    pub fn whole(&self) -> &Minibatch<B> {
        &self.whole
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.whole.count()
    }

    /// Never: a set has samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn count(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn part(&self, on: Block) -> &Minibatch<B> {
        match on {
            Block::One(i) => &self.blocks[i],
            Block::All => &self.whole,
        }
    }
}

/// The samples of a problem: a set for each loss.
#[derive(Debug, Clone)]
pub struct TrainValidation<B: Backend> {
    /// Of the lower loss.
    pub training: Dataset<B>,
    /// Of the upper loss.
    pub validation: Dataset<B>,
}

impl<B: Backend> TrainValidation<B> {
    pub(crate) fn count(&self) -> Blocks {
        Blocks {
            lower: self.training.count(),
            upper: self.validation.count(),
        }
    }

    /// All samples of both.
    pub fn whole(&self) -> Batch<B> {
        Batch {
            training: self.training.whole.clone(),
            validation: self.validation.whole.clone(),
        }
    }
}

impl<B, P> Minibatches<B, P> for TrainValidation<B>
where
    B: Backend,
    P: BilevelProblem<Batch<B> = Batch<B>> + Differentiable<B>,
{
    fn blocks(&self) -> Blocks {
        self.count()
    }

    fn batch(&self, lower: Block, upper: Block) -> Batch<B> {
        Batch {
            training: self.training.part(lower).clone(),
            validation: self.validation.part(upper).clone(),
        }
    }
}
