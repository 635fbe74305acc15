//! MAML with implicit gradients.

use bilevel_core::{
    ConjugateGradient, DoubleBackward, GradientDescent, Hypergradient, ImplicitDifferentiation,
    LowerSolver, Point, Tape,
};
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::learner::one_task;
use super::normalization::RunningStatistics;
use super::{
    Adaptation, Episode, EpisodeGradient, ForwardContext, Learner, Loss, MetaParameters,
    Normalization, TwiceDifferentiableNetwork, Upper,
};

/// iMAML: the weights learn from the support until they stand still, held back by their distance
/// from where they began.
///
/// ```text
/// y*(x) = argmin_y loss(y; support) + λ/2 ‖y − x‖²        ∇F = (I + H/λ)⁻¹ ∇loss(y*; queries)
/// ```
///
/// The gradient does not depend on the way to `y*`, and memory is that of one gradient. It is as
/// exact as the two solves; where the loss is not convex, λ has to exceed its most negative
/// curvature, or conjugate gradients break down, which `failure` says. One system for all weights:
/// plain use of [`ImplicitDifferentiation`].
///
/// # References
/// Rajeswaran, Finn, Kakade, Levine (2019), "Meta-learning with implicit gradients", NeurIPS,
/// arXiv:1909.04630, algorithms 1 and 2.
#[derive(Debug, Clone)]
pub struct ImplicitMaml<N> {
    /// The network.
    pub network: N,
    /// How outputs are judged, of support and queries.
    pub loss: Loss,
    /// Whose statistics batch normalisation uses.
    pub normalization: Normalization,
    /// λ > 0.
    pub proximity: f64,
    /// Solves for `y*`.
    pub lower: GradientDescent,
    /// Solves for the adjoint.
    pub adjoint: ConjugateGradient,
}

impl<N> ImplicitMaml<N> {
    fn adaptation<'a>(&'a self, seen: Option<&'a RunningStatistics>) -> Adaptation<'a, N> {
        Adaptation {
            network: &self.network,
            loss: self.loss,
            proximity: self.proximity,
            context: ForwardContext {
                normalization: self.normalization,
                support: 0,
                step: 0,
                learning: seen,
            },
        }
    }

    /// `y*(x)`.
    fn solve<B: Backend>(
        &self,
        adaptation: &Adaptation<'_, N>,
        x: &Upper<B, N>,
        episode: &Episode<B>,
    ) -> N::Weights<Tape<B>>
    where
        N: TwiceDifferentiableNetwork<B>,
    {
        let point = Point {
            problem: adaptation,
            x: &x.weights,
            y: &x.weights,
            batch: episode,
        };
        self.lower.solve(point).value
    }
}

impl<B: Backend, N: TwiceDifferentiableNetwork<B>> Learner<B> for ImplicitMaml<N> {
    type Network = N;

    /// # Panics
    /// If the network is a [`Stack`](super::Stack).
    fn begin(&self, weights: N::Weights<Tape<B>>) -> Upper<B, N> {
        one_task(&self.network, "`ImplicitMaml`");
        MetaParameters { weights, own: None }
    }

    fn gradient(&self, x: &Upper<B, N>, episode: &Episode<B>) -> EpisodeGradient<B> {
        let seen = RunningStatistics::default();
        let adaptation = self.adaptation(Some(&seen));
        let y = self.solve::<B>(&adaptation, x, episode);
        let estimator = ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: self.adjoint,
        };
        let point = Point {
            problem: &adaptation,
            x: &x.weights,
            y: &y,
            batch: episode,
        };
        let estimate = estimator.estimate(point, None, 0);
        let outputs = adaptation.outputs(&y.valid(), episode);
        let failure = estimate.failure;
        let mut checked = EpisodeGradient::checked(estimate.loss, outputs, estimate.gradient, seen);
        checked.failure = failure.or(checked.failure);
        checked
    }

    fn outputs(&self, x: &Upper<B, N>, episode: &Episode<B>) -> Tensor<B, 2> {
        let adaptation = self.adaptation(None);
        let y = self.solve::<B>(&adaptation, x, episode).no_grad();
        let lifted = episode.lifted();
        adaptation.outputs(&y, &lifted).inner()
    }
}
