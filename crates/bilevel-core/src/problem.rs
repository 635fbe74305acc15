//! The problem: two losses, generic over the backend.

use bilevel_backend::Tape;
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::{Constants, Vector};

/// A bilevel problem, stated by its two losses.
///
/// ```text
/// min_x F(x) = f(x, y*(x))   where   y*(x) = argmin_y g(x, y)
/// ```
///
/// `f` is [`upper_loss`](Self::upper_loss), `g` is [`lower_loss`](Self::lower_loss). Both are
/// generic over the backend, so the same code is run for values, recorded once for gradients and
/// recorded twice for Hessian products.
///
/// `Upper`, `Lower` and `Batch` are modules of Burn: a `Param`, a layer of `burn::nn`, a tuple or
/// an array of them, or a struct that derives `Module`. In `Upper` and `Lower` the parameters are
/// the `Param`s that require a gradient, as everywhere in Burn; a batch is plain tensors.
///
/// # Example
///
/// Ridge regression whose regularization weight `exp(x)` is learned:
///
/// ```
/// use bilevel_core::BilevelProblem;
/// use burn::module::Param;
/// use burn::tensor::{Tensor, backend::Backend};
///
/// struct Ridge;
///
/// type Log<B> = Param<Tensor<B, 1>>;
/// type Weights<B> = Param<Tensor<B, 2>>;
/// /// (a, b) to train on, (c, d) to validate on.
/// type Split<B> = [Tensor<B, 2>; 4];
///
/// impl BilevelProblem for Ridge {
///     type Upper<B: Backend> = Log<B>;
///     type Lower<B: Backend> = Weights<B>;
///     type Batch<B: Backend> = Split<B>;
///
///     fn upper_loss<B: Backend>(&self, _: &Log<B>, y: &Weights<B>, d: &Split<B>) -> Tensor<B, 1> {
///         (d[2].clone().matmul(y.val()) - d[3].clone()).square().sum() * 0.5
///     }
///     fn lower_loss<B: Backend>(&self, x: &Log<B>, y: &Weights<B>, d: &Split<B>) -> Tensor<B, 1> {
///         let residual = d[0].clone().matmul(y.val()) - d[1].clone();
///         (residual.square().sum() + x.val().exp() * y.val().square().sum()) * 0.5
///     }
/// }
/// ```
pub trait BilevelProblem {
    /// Upper variables `x`: filters, sample weights, an initialisation.
    type Upper<B: Backend>: Module<B>;
    /// Lower variables `y`: images, the weights of a classifier.
    type Lower<B: Backend>: Module<B>;
    /// The data both losses see.
    type Batch<B: Backend>: Module<B>;

    /// `f(x, y)`, one number, on `batch`.
    fn upper_loss<B: Backend>(
        &self,
        x: &Self::Upper<B>,
        y: &Self::Lower<B>,
        batch: &Self::Batch<B>,
    ) -> Tensor<B, 1>;

    /// `g(x, y)`, one number, on `batch`: the sum over the independent systems where there are
    /// many.
    fn lower_loss<B: Backend>(
        &self,
        x: &Self::Upper<B>,
        y: &Self::Lower<B>,
        batch: &Self::Batch<B>,
    ) -> Tensor<B, 1>;

    /// `∇y g` in closed form, `[systems, dim y]`, for problems that know it; `None` unless
    /// overridden.
    ///
    /// Lower solvers use it in place of a recorded pass. It must equal what the recording gives.
    fn lower_gradient<B: Backend>(
        &self,
        _x: &Self::Upper<B>,
        _y: &Self::Lower<B>,
        _batch: &Self::Batch<B>,
    ) -> Option<Vector<B>> {
        None
    }

    /// How many independent lower problems `y` holds; 1 unless overridden.
    ///
    /// With `n` systems the first axis of every parameter of `y` has length `n`, or a multiple of
    /// it whose `i`-th part is system i, and `g` must be a sum over systems of terms that share
    /// nothing but `x`. Then each system gets its own step sizes and its own stopping test.
    fn systems<B: Backend>(&self, _y: &Self::Lower<B>) -> usize {
        1
    }

    /// The admissible `x` nearest to `x`; `x` itself unless overridden.
    ///
    /// Algorithms apply it after every upper step: with it they are projected methods, for filters
    /// of zero mean, weights that must not be negative, steps sizes within a box. The set must be
    /// convex. Frozen parameters stay as they are, whatever is returned for them.
    fn project<B: Backend>(&self, x: Self::Upper<B>) -> Self::Upper<B> {
        x
    }

    /// What is known of the losses' smoothness, for error bounds; nothing unless overridden.
    fn constants<B: Backend>(&self, _x: &Self::Upper<B>, _batch: &Self::Batch<B>) -> Constants {
        Constants::default()
    }
}

/// `P` can be recorded once: its modules on [`Tape<B>`] have its modules on `B` inside.
///
/// Holds by itself for every problem whose associated types derive `Module`.
pub trait Differentiable<B: Backend>:
    BilevelProblem<
        Upper<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = Self::Upper<B>>,
        Lower<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = Self::Lower<B>>,
        Batch<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = Self::Batch<B>>,
    >
{
}

impl<B: Backend, P> Differentiable<B> for P where
    P: BilevelProblem<
            Upper<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = P::Upper<B>>,
            Lower<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = P::Lower<B>>,
            Batch<Tape<B>>: AutodiffModule<Tape<B>, InnerModule = P::Batch<B>>,
        >
{
}

/// `P` can be recorded twice, which Hessian products by double backward need.
pub trait TwiceDifferentiable<B: Backend>: Differentiable<B> + Differentiable<Tape<B>> {}

impl<B: Backend, P: Differentiable<B> + Differentiable<Tape<B>>> TwiceDifferentiable<B> for P {}
