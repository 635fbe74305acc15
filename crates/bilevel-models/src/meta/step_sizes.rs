//! Inner step sizes, given or learned.

use bilevel_core::parameters::sizes;
use bilevel_core::{Tape, Vector};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::Filter;

/// Inner step sizes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepSizes {
    /// One number.
    Fixed(f64),
    /// Learned with the weights, of any sign.
    Learned {
        /// All of them at the start.
        start: f64,
        /// What has a step size of its own.
        of: StepSizeOf,
        /// Whether each step has its own, too.
        each_step: bool,
    },
}

/// What has a step size of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepSizeOf {
    /// Every entry (Meta-SGD).
    Entry,
    /// Every parameter (MAML++).
    Parameter,
}

/// Where the parameters of a network are in its packed weights, and which of them the steps move.
pub(super) struct Layout<'a, B: Backend> {
    /// `(path, entries)`, in order.
    sizes: Vec<(String, usize)>,
    adapted: &'a Filter,
    device: B::Device,
}

impl<'a, B: Backend> Layout<'a, B> {
    /// Of `weights`.
    pub fn new(weights: &impl Module<Tape<B>>, adapted: &'a Filter, device: B::Device) -> Self {
        Self {
            sizes: sizes(weights),
            adapted,
            device,
        }
    }

    fn all(&self) -> bool {
        let mut paths = self.sizes.iter().map(|(path, _)| path);
        paths.all(|path| self.adapted.accepts(path))
    }

    /// One row made of `part(i, first entry, entries)` for every parameter that is adapted, of
    /// zeros for the others.
    fn spread(&self, part: impl Fn(usize, usize, usize) -> Vector<B>) -> Vector<B> {
        let mut at = 0;
        let parts = self.sizes.iter().enumerate().map(|(i, (path, entries))| {
            let first = at;
            at += entries;
            if self.adapted.accepts(path) {
                part(i, first, *entries)
            } else {
                Tensor::zeros([1, *entries], &self.device)
            }
        });
        Tensor::cat(parts.collect(), 1)
    }
}

impl StepSizes {
    /// The learned numbers before the first step: `[steps or 1, parameters or entries]`.
    pub(super) fn start<B: Backend>(
        self,
        steps: usize,
        layout: &Layout<'_, B>,
    ) -> Option<Tensor<B, 2>> {
        let Self::Learned {
            start,
            of,
            each_step,
        } = self
        else {
            return None;
        };
        let columns = match of {
            StepSizeOf::Entry => layout.sizes.iter().map(|(_, entries)| entries).sum(),
            StepSizeOf::Parameter => layout.sizes.len(),
        };
        let rows = if each_step { steps.max(1) } else { 1 };
        Some(Tensor::full([rows, columns], start, &layout.device))
    }

    /// `α_k`, zero for what is not adapted; broadcasts to `[1, dim]`. Steps beyond the learned ones
    /// take the last of them.
    pub(super) fn at<B: Backend>(
        self,
        k: usize,
        own: Option<Tensor<B, 2>>,
        layout: &Layout<'_, B>,
    ) -> Vector<B> {
        let constant =
            |value: f64, entries: usize| Tensor::full([1, entries], value, &layout.device);
        match self {
            Self::Fixed(rate) if layout.all() => constant(rate, 1),
            Self::Fixed(rate) => layout.spread(|_, _, entries| constant(rate, entries)),
            Self::Learned { of, .. } => {
                let own = own.expect("the rates are learned");
                let row = k.min(own.dims()[0] - 1);
                let own = own.narrow(0, row, 1);
                layout.spread(|i, at, entries| match of {
                    StepSizeOf::Entry => own.clone().narrow(1, at, entries),
                    StepSizeOf::Parameter => own.clone().narrow(1, i, 1).repeat_dim(1, entries),
                })
            }
        }
    }
}

impl StepSizeOf {
    /// The adjoint of the learned numbers from that of the rates, `[1, dim]`.
    pub(super) fn pull_back<B: Backend>(self, bar: Vector<B>, layout: &Layout<'_, B>) -> Vector<B> {
        let adapted = layout.spread(|_, at, entries| bar.clone().narrow(1, at, entries));
        match self {
            Self::Entry => adapted,
            Self::Parameter => {
                let mut at = 0;
                let sums = layout.sizes.iter().map(|(_, entries)| {
                    let part = adapted.clone().narrow(1, at, *entries);
                    at += entries;
                    part.sum_dim(1)
                });
                Tensor::cat(sums.collect(), 1)
            }
        }
    }
}
