//! Step sizes of the lower steps that are differentiated.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::parameters::{fresh_leaves, pack_gradients};
use crate::{Differentiable, Tape, Vector};

/// The step sizes `η` of lower steps: one number, one a parameter, or a function of x.
///
/// Anything that broadcasts to `[systems, dim y]`, in the order of
/// [`pack`](crate::parameters::pack).
pub trait StepSize<B: Backend, P: Differentiable<B>> {
    /// `η(x)`.
    fn rates(&self, x: &P::Upper<Tape<B>>) -> Vector<B>;

    /// `∂η/∂xᵀ · bar`, for `bar` of shape `[systems, dim y]`; `None` if `η` does not depend on x.
    fn pull_back(&self, x: &P::Upper<Tape<B>>, bar: Vector<B>) -> Option<Vector<B>>;

    /// Whether `η` depends on x.
    fn is_learned(&self) -> bool {
        false
    }
}

/// A reference to a step size is one.
impl<B: Backend, P: Differentiable<B>, R: StepSize<B, P>> StepSize<B, P> for &R {
    fn rates(&self, x: &P::Upper<Tape<B>>) -> Vector<B> {
        (**self).rates(x)
    }

    fn pull_back(&self, x: &P::Upper<Tape<B>>, bar: Vector<B>) -> Option<Vector<B>> {
        (**self).pull_back(x, bar)
    }

    fn is_learned(&self) -> bool {
        (**self).is_learned()
    }
}

/// The same step for every entry.
impl<B: Backend, P: Differentiable<B>> StepSize<B, P> for f64 {
    fn rates(&self, x: &P::Upper<Tape<B>>) -> Vector<B> {
        let device = x.devices().into_iter().next().unwrap_or_default();
        Tensor::full([1, 1], *self, &device)
    }

    fn pull_back(&self, _: &P::Upper<Tape<B>>, _: Vector<B>) -> Option<Vector<B>> {
        None
    }
}

/// One step for every entry of y: `[1, dim y]` or `[systems, dim y]`.
#[derive(Debug, Clone)]
pub struct PerParameter<B: Backend>(
    /// The steps.
    pub Vector<B>,
);

impl<B: Backend, P: Differentiable<B>> StepSize<B, P> for PerParameter<B> {
    fn rates(&self, _: &P::Upper<Tape<B>>) -> Vector<B> {
        self.0.clone()
    }

    fn pull_back(&self, _: &P::Upper<Tape<B>>, _: Vector<B>) -> Option<Vector<B>> {
        None
    }
}

/// Steps computed from x, whose hypergradient then has a part through them.
///
/// The function returns a tensor that broadcasts to `[systems, dim y]`; it is recorded where its
/// derivative is wanted.
///
/// # References
/// Li, Zhou, Chen, Li (2017), "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning",
/// arXiv:1707.09835.
#[derive(Debug, Clone, Copy)]
pub struct Learned<F>(
    /// `x ↦ η(x)`; called with an x that requires no gradient where only the steps are wanted.
    pub F,
);

impl<B, P, F> StepSize<B, P> for Learned<F>
where
    B: Backend,
    P: Differentiable<B>,
    F: Fn(&P::Upper<Tape<B>>) -> Tensor<Tape<B>, 2>,
{
    fn rates(&self, x: &P::Upper<Tape<B>>) -> Vector<B> {
        self.0(&x.clone().no_grad()).inner()
    }

    fn pull_back(&self, x: &P::Upper<Tape<B>>, bar: Vector<B>) -> Option<Vector<B>> {
        let x = fresh_leaves(x.clone());
        let product = (self.0(&x) * Tensor::from_inner(bar)).sum();
        Some(pack_gradients(&x, &product.backward(), 1))
    }

    fn is_learned(&self) -> bool {
        true
    }
}
