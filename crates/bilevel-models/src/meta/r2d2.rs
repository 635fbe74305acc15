//! A ridge regression on an embedding.

use bilevel_core::Tape;
use bilevel_core::parameters::fresh_leaves;
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::learner::{Judged, one_task};
use super::normalization::RunningStatistics;
use super::proto_net::embedded;
use super::{
    Episode, EpisodeGradient, Learner, Loss, MetaParameters, Network, Normalization,
    TwiceDifferentiableNetwork, Upper,
};

/// R2-D2: the classifier of an episode is the ridge regression from embeddings to classes, in
/// closed form.
///
/// ```text
/// W = argmin ‖Z W − Y‖² + λ‖W‖² = Zᵀ(Z Zᵀ + λI)⁻¹ Y        scores(q) = α φ(q) W + β
/// ```
///
/// Learned: the embedding φ, and log λ, α, β. The system has the support's size, not the
/// embedding's; it is solved in `f64` on the host, and differentiated through `A⁻¹ = A⁻¹(2I − A
/// A⁻¹)`, whose outer inverses may be held fixed: `d A⁻¹ = −A⁻¹ dA A⁻¹`. One backward pass an
/// episode.
///
/// # References
/// Bertinetto, Henriques, Torr, Vedaldi (2019), "Meta-learning with differentiable closed-form
/// solvers", ICLR, arXiv:1805.08136.
#[derive(Debug, Clone)]
pub struct R2d2<N> {
    /// The embedding φ.
    pub network: N,
    /// Whose statistics batch normalisation uses.
    pub normalization: Normalization,
}

/// log λ, α and β at the start.
const START: [[f32; 3]; 1] = [[0.0, 1.0, 0.0]];

impl<N: Network> R2d2<N> {
    fn scores<B: Backend>(
        &self,
        x: &MetaParameters<B, N::Weights<B>>,
        episode: &Episode<B>,
        learning: Option<&RunningStatistics>,
    ) -> Tensor<B, 2> {
        let [z, queries] = embedded(
            &self.network,
            &x.weights,
            episode,
            self.normalization,
            learning,
        );
        let own = x
            .own
            .as_ref()
            .expect("a ridge head has three numbers")
            .val();
        let [log_penalty, scale, shift] = [0, 1, 2].map(|i| own.clone().narrow(1, i, 1));
        let identity = Tensor::eye(z.dims()[0], &z.device());
        let a = z.clone().matmul(z.clone().transpose()) + identity.clone() * log_penalty.exp();
        let inverse = inverse(a.clone());
        let targets = episode.support.targets.clone();
        let solved = inverse
            .clone()
            .matmul(identity * 2.0 - a.matmul(inverse))
            .matmul(targets);
        queries.matmul(z.transpose()).matmul(solved) * scale + shift
    }
}

/// The inverse of a symmetric positive definite matrix as a constant, by Cholesky factors in `f64`
/// on the host.
///
/// What is not positive definite, or not finite, gives NaN, which the loss then shows.
fn inverse<B: Backend>(a: Tensor<B, 2>) -> Tensor<B, 2> {
    let device = a.device();
    let n = a.dims()[0];
    let a: Vec<f64> = a.into_data().iter::<f64>().collect();
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            let rest = a[i * n + j] - inner;
            l[i * n + j] = if i == j {
                rest.sqrt()
            } else {
                rest / l[j * n + j]
            };
        }
    }
    // Columns of L⁻¹ by forward substitution; A⁻¹ = L⁻ᵀ L⁻¹.
    let mut m = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            let inner: f64 = (j..i).map(|k| l[i * n + k] * m[k * n + j]).sum();
            m[i * n + j] = (f64::from(i == j) - inner) / l[i * n + i];
        }
    }
    let entry = |i: usize, j: usize| (i.max(j)..n).map(|k| m[k * n + i] * m[k * n + j]).sum();
    let entries: Vec<f64> = (0..n * n).map(|p| entry(p / n, p % n)).collect();
    Tensor::from_data(TensorData::new(entries, [n, n]), &device)
}

impl<B: Backend, N: TwiceDifferentiableNetwork<B>> Learner<B> for R2d2<N> {
    type Network = N;

    /// # Panics
    /// If the network is a [`Stack`](super::Stack).
    fn begin(&self, weights: N::Weights<Tape<B>>) -> Upper<B, N> {
        one_task(&self.network, "`R2d2`");
        let device = weights.devices().into_iter().next().unwrap_or_default();
        let own = Some(Param::from_tensor(Tensor::from_floats(START, &device)));
        MetaParameters { weights, own }
    }

    fn gradient(&self, x: &Upper<B, N>, episode: &Episode<B>) -> EpisodeGradient<B> {
        let seen = RunningStatistics::default();
        let lifted = episode.lifted();
        let x = fresh_leaves(x.clone());
        let scores = self.scores(&x, &lifted, Some(&seen));
        let loss = Loss::CrossEntropy.of(scores.clone(), lifted.query.targets);
        let judged = Judged::new(&x, scores, loss, 1);
        EpisodeGradient::checked(judged.loss, judged.outputs, judged.gradient, seen)
    }

    fn outputs(&self, x: &Upper<B, N>, episode: &Episode<B>) -> Tensor<B, 2> {
        let lifted = episode.lifted();
        self.scores(&x.clone().no_grad(), &lifted, None).inner()
    }
}
