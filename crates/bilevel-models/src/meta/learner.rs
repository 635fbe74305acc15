//! What all few-shot learners do.

use bilevel_core::parameters::pack_gradients;
use bilevel_core::vector::read;
use bilevel_core::{Cause, Failure, Phase, Tape, Vector};
use burn::module::{AutodiffModule, Module, Param};
use burn::optim::Optimizer;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::normalization::RunningStatistics;
use super::{Episode, MetaReport, MetaState, Network, TwiceDifferentiableNetwork, meta_step};

/// What is learned over many episodes.
#[derive(Module, Debug)]
pub struct MetaParameters<B: Backend, M> {
    /// The network's weights: an initialisation, or an embedding.
    pub weights: M,
    /// Numbers that the learner has besides: step sizes, the penalty of a ridge regression.
    pub own: Option<Param<Tensor<B, 2>>>,
}

/// The upper variables of a learner on a tape.
pub type Upper<B, N> = MetaParameters<Tape<B>, <N as Network>::Weights<Tape<B>>>;

/// The gradient on one episode.
#[derive(Debug)]
pub struct EpisodeGradient<B: Backend> {
    /// Loss of the queries.
    pub loss: f64,
    /// Scores of the queries, of all tasks of a stack: `[queries, outputs]`.
    pub outputs: Tensor<B, 2>,
    /// In the order of the packed [`MetaParameters`]: `[1, dim]`.
    pub gradient: Vector<B>,
    /// What layers with kept statistics have seen.
    pub seen: RunningStatistics,
    /// Set if the numbers are of no use.
    pub failure: Option<Failure>,
}

/// Learns from the support of an episode, and over many episodes learns to.
pub trait Learner<B: Backend>: Sync {
    /// The network.
    type Network: TwiceDifferentiableNetwork<B>;

    /// What is learned, from the weights to begin with.
    fn begin(
        &self,
        weights: <Self::Network as Network>::Weights<Tape<B>>,
    ) -> Upper<B, Self::Network>;

    /// The loss of the queries after learning from the support, and its gradient in all that is
    /// learned.
    fn gradient(&self, x: &Upper<B, Self::Network>, episode: &Episode<B>) -> EpisodeGradient<B>;

    /// The outputs for the queries after learning from the support: `[queries, outputs]`. Their
    /// targets are not used.
    fn outputs(&self, x: &Upper<B, Self::Network>, episode: &Episode<B>) -> Tensor<B, 2>;

    /// The state before the first [`step`](Self::step).
    fn start<O>(
        &self,
        weights: <Self::Network as Network>::Weights<Tape<B>>,
        optimizer: O,
    ) -> MetaState<B, Self::Network, O>
    where
        Self: Sized,
    {
        MetaState {
            x: self.begin(weights),
            optimizer,
            step: 0,
        }
    }

    /// [`meta_step`]: one step of the optimizer along the mean gradient of `episodes`.
    ///
    /// # Panics
    /// If there is no episode.
    fn step<O>(
        &self,
        state: MetaState<B, Self::Network, O>,
        episodes: Vec<Episode<B>>,
        learning_rate: f64,
    ) -> (MetaState<B, Self::Network, O>, MetaReport)
    where
        Self: Sized,
        O: Optimizer<Upper<B, Self::Network>, Tape<B>>,
        Upper<B, Self::Network>: AutodiffModule<Tape<B>>,
    {
        meta_step(self, state, episodes, learning_rate)
    }
}

/// # Panics
/// If the network is a stack: `learner` adapts one task at a time.
pub(super) fn one_task(network: &impl Network, learner: &str) {
    assert_eq!(
        network.tasks(),
        1,
        "{learner} takes the tasks of a stack one by one: give it the network inside"
    );
}

/// A loss on a tape with the outputs it was made of, and what comes of it.
pub(super) struct Judged<B: Backend> {
    pub loss: f64,
    pub outputs: Tensor<B, 2>,
    pub gradient: Vector<B>,
}

impl<B: Backend> Judged<B> {
    /// Gradient in the parameters of `module`, as so many systems, by one backward pass.
    pub fn new<M: Module<Tape<B>>>(
        module: &M,
        outputs: Tensor<Tape<B>, 2>,
        loss: Tensor<Tape<B>, 1>,
        systems: usize,
    ) -> Self {
        let value = loss.clone().inner();
        let gradients = loss.backward();
        Self {
            loss: read(value.unsqueeze())[0],
            outputs: outputs.inner(),
            gradient: pack_gradients(module, &gradients, systems),
        }
    }
}

impl<B: Backend> EpisodeGradient<B> {
    /// Looks at the numbers: two reads.
    pub(super) fn checked(
        loss: f64,
        outputs: Tensor<B, 2>,
        gradient: Vector<B>,
        seen: RunningStatistics,
    ) -> Self {
        let size = read(bilevel_core::vector::norm(gradient.clone()))[0];
        let phase = if !loss.is_finite() {
            Some(Phase::UpperLoss)
        } else if !size.is_finite() {
            Some(Phase::Hypergradient)
        } else {
            None
        };
        let failure = phase.map(|phase| Failure {
            phase,
            cause: Cause::NonFinite,
            iteration: None,
            parameter: None,
        });
        Self {
            loss,
            outputs,
            gradient,
            seen,
            failure,
        }
    }
}

/// `[gradient of the weights, gradient of the learner's own numbers]`.
pub(super) fn joined<B: Backend>(weights: Vector<B>, own: Option<Vector<B>>) -> Vector<B> {
    match own {
        Some(own) => {
            let entries = own.dims().iter().product::<usize>();
            Tensor::cat(vec![weights, own.reshape([1, entries])], 1)
        }
        None => weights,
    }
}
