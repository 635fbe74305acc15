//! Learning rate and loss weights: how should a classifier be trained in a given number of steps?

use bilevel_backend::Tape;
use bilevel_core::BilevelProblem;
use bilevel_core::hypergradient::Learned;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::classification::{Batch, Classifier, cross_entropies, mean_cross_entropy};

/// Learn the learning rate and the weight of each class's loss.
///
/// ```text
/// f = 1/m Σ_j ℓ(y_K; v_j)        g = 1/n Σ_i e^{w_{t_i}} ℓ(y; t_i) + ρ ‖y‖²        x = (r, w)
/// y_{k+1} = y_k − e^r ∇y g(x, y_k),   k = 0 … K − 1
/// ```
///
/// `w` has an entry a class, `t_i` is the class of sample i. A minimiser of `g` knows nothing of
/// the learning rate, so this is a task for [`Unrolled`](bilevel_core::Unrolled) with
/// [`Tuning::step_size`]. The mean of `w` and `r` do nearly the same; what is learned is right
/// whichever of them moved.
///
/// ```
/// use bilevel_backend::Tape;
/// use bilevel_backend::Cpu;
/// use bilevel_core::hypergradient::Descent;
/// use bilevel_core::{DoubleBackward, Hypergradient, Checkpointing, Point, Unrolled};
/// use bilevel_models::classification::{Classifier, Linear, Dataset, TrainValidation};
/// use bilevel_models::tuning::{TrainingParameters, Tuning};
///
/// let device = Default::default();
/// let set = Dataset::<Cpu>::new(&[0.0, 1.0, 1.0, 0.0], 2, &[0, 1], 2, 2, &device).unwrap();
/// let data = TrainValidation { training: set.clone(), validation: set };
/// let problem = Tuning { classifier: Linear { features: 2, classes: 2 }, regularization: 0.0 };
/// let hypergradient = Unrolled {
///     second_order: DoubleBackward,
///     map: Descent,
///     step_size: Tuning::<Linear>::step_size(),
///     steps: 5,
///     keep: Checkpointing::All,
/// };
/// let x = TrainingParameters::<Tape<_>>::new(0.1, 2, &device);
/// let y = problem.classifier.init(0, &device);
/// let point = Point { problem: &problem, x: &x, y: &y, batch: &data.whole() };
/// let gradient = hypergradient.estimate(point, None, 0).gradient;
/// // Larger steps would be better: −∂f/∂r is the first entry.
/// assert!(gradient.into_data().iter::<f64>().next().unwrap() < 0.0);
/// ```
///
/// # References
/// Maclaurin, Duvenaud, Adams (2015), "Gradient-based Hyperparameter Optimization through
/// Reversible Learning", ICML, arXiv:1502.03492; Franceschi, Donini, Frasconi, Pontil (2017), ICML,
/// arXiv:1703.01785.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning<C> {
    /// What is trained.
    pub classifier: C,
    /// ρ.
    pub regularization: f64,
}

/// What [`Tuning`] learns.
#[derive(Module, Debug)]
pub struct TrainingParameters<B: Backend> {
    /// `r`, the logarithm of the learning rate: `[1]`.
    pub log_rate: Param<Tensor<B, 1>>,
    /// `w`, the logarithms of the losses' weights: `[classes]`.
    pub log_weights: Param<Tensor<B, 1>>,
}

impl<B: Backend> TrainingParameters<B> {
    /// Steps of `rate`, and no class before another.
    ///
    /// # Panics
    /// If `rate` is not above zero.
    pub fn new(rate: f64, classes: usize, device: &B::Device) -> Self {
        assert!(
            rate > 0.0,
            "the learning rate must be above zero, got {rate}"
        );
        Self {
            log_rate: Param::from_tensor(Tensor::full([1], rate.ln(), device)),
            log_weights: Param::from_tensor(Tensor::zeros([classes], device)),
        }
    }
}

/// How a learning rate is taken from what is learned.
type Rate<B> = fn(&TrainingParameters<Tape<B>>) -> Tensor<Tape<B>, 2>;

impl<C: Classifier> Tuning<C> {
    /// `e^r`, the step size to unroll with.
    pub fn step_size<B: Backend>() -> Learned<Rate<B>> {
        Learned(|x| x.log_rate.val().exp().unsqueeze())
    }
}

impl<C: Classifier> BilevelProblem for Tuning<C> {
    type Upper<B: Backend> = TrainingParameters<B>;
    type Lower<B: Backend> = C::Parameters<B>;
    type Batch<B: Backend> = Batch<B>;

    fn upper_loss<B: Backend>(
        &self,
        _: &TrainingParameters<B>,
        y: &C::Parameters<B>,
        batch: &Batch<B>,
    ) -> Tensor<B, 1> {
        mean_cross_entropy(&self.classifier, y, &batch.validation)
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &TrainingParameters<B>,
        y: &C::Parameters<B>,
        batch: &Batch<B>,
    ) -> Tensor<B, 1> {
        let part = &batch.training;
        // e^{w_t} of each sample, its target being one in the column t.
        let weights = (part.targets.clone() * x.log_weights.val().exp().unsqueeze())
            .sum_dim(1)
            .squeeze_dim(1);
        let losses = cross_entropies(&self.classifier, y, part);
        (weights * losses).sum() / part.share + self.classifier.squares(y) * self.regularization
    }
}
