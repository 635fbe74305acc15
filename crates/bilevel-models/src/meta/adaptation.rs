//! Learning from a support set, as a lower problem.

use bilevel_core::parameters::squared_distance;
use bilevel_core::{BilevelProblem, Tape};
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{Episode, ForwardContext, Loss, Network};

/// What the support says of the weights `y`, and how the queries judge them.
///
/// ```text
/// g(x, y) = loss(y; support) + λ/2 ‖y − x‖²        f(y) = loss(y; queries)
/// ```
///
/// Of a [`Stack`](super::Stack) both are sums over its tasks, which are the systems of the lower
/// problem.
#[derive(Debug, Clone, Copy)]
pub struct Adaptation<'a, N> {
    /// The network.
    pub network: &'a N,
    /// How its outputs are judged.
    pub loss: Loss,
    /// λ, at least 0.
    pub proximity: f64,
    /// How the network is run.
    pub context: ForwardContext<'a>,
}

impl<N: Network> Adaptation<'_, N> {
    /// The network's outputs for the queries. It is asked for the support's too only where the
    /// queries are normalised by it.
    pub fn outputs<B: Backend>(&self, y: &N::Weights<B>, episode: &Episode<B>) -> Tensor<B, 2> {
        let queries = episode.query.inputs.clone();
        if self.context.normalization != super::Normalization::Support {
            return self.network.forward_in(y, queries, self.context);
        }
        let (support, queries) = (episode.support.count(), episode.query.count());
        let context = ForwardContext {
            support,
            ..self.context
        };
        let outputs = self.network.forward_in(y, episode.inputs(), context);
        outputs.narrow(0, support, queries)
    }

    /// The loss, added up over tasks.
    pub(super) fn total<B: Backend>(
        &self,
        outputs: Tensor<B, 2>,
        targets: Tensor<B, 2>,
    ) -> Tensor<B, 1> {
        let mean = self.loss.of(outputs, targets);
        match self.network.tasks() {
            1 => mean,
            tasks => mean * tasks as f64,
        }
    }
}

impl<N: Network> BilevelProblem for Adaptation<'_, N> {
    type Upper<B: Backend> = N::Weights<B>;
    type Lower<B: Backend> = N::Weights<B>;
    type Batch<B: Backend> = Episode<B>;

    fn upper_loss<B: Backend>(
        &self,
        _: &N::Weights<B>,
        y: &N::Weights<B>,
        episode: &Episode<B>,
    ) -> Tensor<B, 1> {
        let outputs = self.outputs(y, episode);
        self.total(outputs, episode.query.targets.clone())
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &N::Weights<B>,
        y: &N::Weights<B>,
        episode: &Episode<B>,
    ) -> Tensor<B, 1> {
        let support = &episode.support;
        let outputs = self
            .network
            .forward_in(y, support.inputs.clone(), self.context);
        let loss = self.total(outputs, support.targets.clone());
        if self.proximity == 0.0 {
            return loss;
        }
        loss + squared_distance::<B, _>(y, x) * (0.5 * self.proximity)
    }

    fn systems<B: Backend>(&self, _: &N::Weights<B>) -> usize {
        self.network.tasks()
    }
}

/// `N` can be recorded twice. Holds by itself for every network whose weights derive `Module`.
pub trait TwiceDifferentiableNetwork<B: Backend>:
    Network<
        Weights<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = Self::Weights<B>>,
        Weights<Tape<Tape<B>>>: AutodiffModule<Tape<Tape<B>>, InnerModule = Self::Weights<Tape<B>>>,
    >
{
}

impl<B: Backend, N> TwiceDifferentiableNetwork<B> for N where
    N: Network<
            Weights<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = N::Weights<B>>,
            Weights<Tape<Tape<B>>>: AutodiffModule<
                Tape<Tape<B>>,
                InnerModule = N::Weights<Tape<B>>,
            >,
        >
{
}
