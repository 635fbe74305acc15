//! Prototypical networks.

use bilevel_core::Tape;
use bilevel_core::parameters::fresh_leaves;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::learner::{Judged, one_task};
use super::normalization::RunningStatistics;
use super::{
    Episode, EpisodeGradient, ForwardContext, Learner, Loss, MetaParameters, Network,
    Normalization, TwiceDifferentiableNetwork, Upper,
};

/// A query belongs to the class whose mean embedding is nearest.
///
/// ```text
/// c_w = mean of φ(a) over the support of class w        score_w(q) = −‖φ(q) − c_w‖²
/// ```
///
/// The lower problem, the class means, is solved in closed form; the gradient is one backward pass.
/// Batch normalisation under [`Normalization::Transductive`] sees support and queries together, as
/// in the paper's code while training.
///
/// # References
/// Snell, Swersky, Zemel (2017), "Prototypical networks for few-shot learning", NeurIPS,
/// arXiv:1703.05175, algorithm 1.
#[derive(Debug, Clone)]
pub struct ProtoNet<N> {
    /// The embedding φ.
    pub network: N,
    /// Whose statistics batch normalisation uses.
    pub normalization: Normalization,
}

/// Embeddings of the support and of the queries.
pub(super) fn embedded<B: Backend, N: Network>(
    network: &N,
    weights: &N::Weights<B>,
    episode: &Episode<B>,
    normalization: Normalization,
    learning: Option<&RunningStatistics>,
) -> [Tensor<B, 2>; 2] {
    let (support, queries) = (episode.support.count(), episode.query.count());
    let context = ForwardContext {
        normalization,
        support,
        step: 0,
        learning,
    };
    let all = network.forward_in(weights, episode.inputs(), context);
    [
        all.clone().narrow(0, 0, support),
        all.narrow(0, support, queries),
    ]
}

impl<N: Network> ProtoNet<N> {
    fn scores<B: Backend>(
        &self,
        weights: &N::Weights<B>,
        episode: &Episode<B>,
        learning: Option<&RunningStatistics>,
    ) -> Tensor<B, 2> {
        let [support, queries] = embedded(
            &self.network,
            weights,
            episode,
            self.normalization,
            learning,
        );
        let members = episode.support.targets.clone().transpose();
        let centres = members.clone().matmul(support) / members.sum_dim(1);
        // −‖q − c‖² = 2 q·c − ‖q‖² − ‖c‖²
        let squares = |a: Tensor<B, 2>| a.clone().mul(a).sum_dim(1);
        let centre_squares = squares(centres.clone()).transpose();
        queries.clone().matmul(centres.transpose()) * 2.0 - squares(queries) - centre_squares
    }
}

impl<B: Backend, N: TwiceDifferentiableNetwork<B>> Learner<B> for ProtoNet<N> {
    type Network = N;

    /// # Panics
    /// If the network is a [`Stack`](super::Stack).
    fn begin(&self, weights: N::Weights<Tape<B>>) -> Upper<B, N> {
        one_task(&self.network, "`ProtoNet`");
        MetaParameters { weights, own: None }
    }

    fn gradient(&self, x: &Upper<B, N>, episode: &Episode<B>) -> EpisodeGradient<B> {
        let seen = RunningStatistics::default();
        let lifted = episode.lifted();
        let weights = fresh_leaves(x.weights.clone());
        let scores = self.scores(&weights, &lifted, Some(&seen));
        let loss = Loss::CrossEntropy.of(scores.clone(), lifted.query.targets);
        let judged = Judged::new(&weights, scores, loss, 1);
        EpisodeGradient::checked(judged.loss, judged.outputs, judged.gradient, seen)
    }

    fn outputs(&self, x: &Upper<B, N>, episode: &Episode<B>) -> Tensor<B, 2> {
        let lifted = episode.lifted();
        let weights = x.weights.clone().no_grad();
        self.scores(&weights, &lifted, None).inner()
    }
}
