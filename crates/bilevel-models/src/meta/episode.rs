//! Learning from few samples, as a task.

use bilevel_core::vector::read;
use bilevel_core::{Tape, Vector};
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::classification::{check, cross_entropy, matrices, right};
use crate::{Error, ErrorKind};

/// Samples with what is wanted of them.
#[derive(Module, Debug)]
pub struct Samples<B: Backend> {
    /// `[samples, inputs]`.
    pub inputs: Tensor<B, 2>,
    /// A one in the column of the class, or the values of a regression: `[samples, outputs]`.
    pub targets: Tensor<B, 2>,
}

/// A few samples to learn from, and others to be judged by.
#[derive(Module, Debug)]
pub struct Episode<B: Backend> {
    /// To learn from (elsewhere: training set of the task).
    pub support: Samples<B>,
    /// To be judged by (elsewhere: test set of the task).
    pub query: Samples<B>,
}

impl<B: Backend> Samples<B> {
    /// Rows of `width` numbers with a class below `ways` each.
    ///
    /// # Errors
    /// If there is no sample or a label is not below `ways`.
    ///
    /// # Panics
    /// If the numbers do not fill the rows.
    pub fn classes(
        rows: &[f32],
        width: usize,
        labels: &[usize],
        ways: usize,
        device: &B::Device,
    ) -> Result<Self, Error> {
        if labels.is_empty() {
            return Err(ErrorKind::NoSample.into());
        }
        check(rows, width, labels, ways)?;
        let [inputs, targets] = matrices(rows, width, labels, ways, device);
        Ok(Self { inputs, targets })
    }

    fn joined(parts: Vec<Self>) -> Self {
        let (inputs, targets) = parts
            .into_iter()
            .map(|Self { inputs, targets }| (inputs, targets))
            .unzip();
        Self {
            inputs: Tensor::cat(inputs, 0),
            targets: Tensor::cat(targets, 0),
        }
    }

    /// How many samples there are.
    pub fn count(&self) -> usize {
        self.inputs.dims()[0]
    }

    /// Classes, or outputs of a regression.
    pub fn outputs(&self) -> usize {
        self.targets.dims()[1]
    }
}

impl<B: Backend> Episode<B> {
    /// The episodes of several tasks as one, task after task, for a [`Stack`](super::Stack).
    ///
    /// # Errors
    /// If there is none, or they differ in their numbers of samples.
    pub fn joined(episodes: Vec<Self>) -> Result<Self, Error> {
        let counts = |episode: &Self| [episode.support.count(), episode.query.count()];
        let first = episodes.first().ok_or(ErrorKind::NoSample)?;
        let expected = counts(first);
        if let Some(found) = episodes.iter().map(counts).find(|&found| found != expected) {
            return Err(ErrorKind::UnequalEpisodes { expected, found }.into());
        }
        let (supports, queries): (Vec<_>, Vec<_>) = episodes
            .into_iter()
            .map(|Self { support, query }| (support, query))
            .unzip();
        Ok(Self {
            support: Samples::joined(supports),
            query: Samples::joined(queries),
        })
    }

    /// The same numbers, one tape up.
    pub(super) fn lifted(&self) -> Episode<Tape<B>> {
        Episode::from_inner(self.clone())
    }

    /// The inputs of support and queries, in this order.
    pub(super) fn inputs(&self) -> Tensor<B, 2> {
        Tensor::cat(
            vec![self.support.inputs.clone(), self.query.inputs.clone()],
            0,
        )
    }
}

/// How outputs are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// `−mean log softmax(z)_label`.
    #[default]
    CrossEntropy,
    /// `mean (z − target)²`.
    MeanSquare,
}

impl Loss {
    /// The loss of outputs `[samples, outputs]`, one number.
    pub fn of<B: Backend>(self, outputs: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 1> {
        match self {
            Self::CrossEntropy => cross_entropy(outputs, targets).mean(),
            Self::MeanSquare => (outputs - targets).square().mean(),
        }
    }
}

/// The share of rows whose largest score is in the column of their class. One read.
pub fn accuracy<B: Backend>(scores: Vector<B>, targets: Vector<B>) -> f64 {
    read(right(scores, targets).float().mean().unsqueeze())[0]
}
