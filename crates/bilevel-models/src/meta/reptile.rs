//! Reptile.

use bilevel_core::Tape;
use bilevel_core::hypergradient::Checkpointing;
use bilevel_core::parameters::pack;
use bilevel_core::vector::read;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::learner::one_task;
use super::normalization::RunningStatistics;
use super::{
    Episode, EpisodeGradient, Filter, Learner, Loss, Maml, MetaParameters, Normalization, Samples,
    StepLosses, StepSizes, TwiceDifferentiableNetwork, Upper,
};

/// Moves the weights towards where a few steps on a task lead.
///
/// ```text
/// y₀ = x,   y_{k+1} = y_k − α ∇loss(y_k; support and queries)        "∇F" = x − y_K
/// ```
///
/// Not the gradient of a loss: the steps' direction, to be given to an optimizer as one. With plain
/// descent of learning rate ε the update is the paper's `x ← x + ε mean(y_K − x)`. All samples of
/// an episode are trained on, and the loss that is reported is that of the queries after steps on
/// the support alone. No second derivatives.
///
/// # References
/// Nichol, Achiam, Schulman (2018), "On first-order meta-learning algorithms", arXiv:1803.02999,
/// algorithm 1 in batches.
#[derive(Debug, Clone)]
pub struct Reptile<N> {
    /// The network.
    pub network: N,
    /// How outputs are judged.
    pub loss: Loss,
    /// Whose statistics batch normalisation uses.
    pub normalization: Normalization,
    /// Steps K.
    pub steps: usize,
    /// Step size α.
    pub rate: f64,
}

impl<N: Clone> Reptile<N> {
    /// The steps, none of them differentiated.
    fn plain(&self) -> Maml<N> {
        Maml {
            network: self.network.clone(),
            loss: self.loss,
            normalization: self.normalization,
            steps: self.steps,
            step_sizes: StepSizes::Fixed(self.rate),
            checkpointing: Checkpointing::Last(0),
            adapted: Filter::all(),
            step_losses: StepLosses::Last,
        }
    }
}

impl<B: Backend, N: TwiceDifferentiableNetwork<B>> Learner<B> for Reptile<N> {
    type Network = N;

    /// # Panics
    /// If the network is a [`Stack`](super::Stack).
    fn begin(&self, weights: N::Weights<Tape<B>>) -> Upper<B, N> {
        one_task(&self.network, "`Reptile`");
        MetaParameters { weights, own: None }
    }

    fn gradient(&self, x: &Upper<B, N>, episode: &Episode<B>) -> EpisodeGradient<B> {
        let seen = RunningStatistics::default();
        let all = Samples {
            inputs: episode.inputs(),
            targets: Tensor::cat(
                vec![
                    episode.support.targets.clone(),
                    episode.query.targets.clone(),
                ],
                0,
            ),
        };
        let together = Episode {
            support: all,
            query: episode.query.clone(),
        };
        let start = pack(&x.weights, 1);
        let y = self.plain().adapted_weights::<B>(x, &together, Some(&seen));
        let outputs = self.outputs(x, episode);
        let loss = self.loss.of(outputs.clone(), episode.query.targets.clone());
        let loss = read(loss.unsqueeze())[0];
        EpisodeGradient::checked(loss, outputs, start - y, seen)
    }

    fn outputs(&self, x: &Upper<B, N>, episode: &Episode<B>) -> Tensor<B, 2> {
        Learner::<B>::outputs(&self.plain(), x, episode)
    }
}
