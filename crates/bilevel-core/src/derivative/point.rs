//! A point `(x, y)` of a problem, and the first derivatives there.

use bilevel_backend::Tape;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::parameters::pack_gradients;
use crate::{Differentiable, Vector};

/// A problem, a point `(x, y)` and the data it is looked at on.
#[derive(Debug)]
pub struct Point<'a, B: Backend, P: Differentiable<B>> {
    /// The two losses.
    pub problem: &'a P,
    /// Upper variables.
    pub x: &'a P::Upper<Tape<B>>,
    /// Lower variables.
    pub y: &'a P::Lower<Tape<B>>,
    /// Data.
    pub batch: &'a P::Batch<B>,
}

impl<B: Backend, P: Differentiable<B>> Clone for Point<'_, B, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend, P: Differentiable<B>> Copy for Point<'_, B, P> {}

/// A loss with its gradients in both variables.
#[derive(Debug, Clone)]
pub struct LossGradients<B: Backend> {
    /// The loss. One read from the device.
    pub loss: f64,
    /// Gradient in x: `[1, dim x]`.
    pub x: Vector<B>,
    /// Gradient in y: `[systems, dim y]`.
    pub y: Vector<B>,
}

impl<B: Backend, P: Differentiable<B>> Point<'_, B, P> {
    /// How many independent lower problems there are.
    pub fn systems(&self) -> usize {
        self.problem.systems(self.y)
    }

    /// The data, one tape up.
    pub(super) fn lifted_batch(&self) -> P::Batch<Tape<B>> {
        P::Batch::<Tape<B>>::from_inner(self.batch.clone())
    }

    /// `f`, `∇x f`, `∇y f` by one backward pass.
    pub fn upper_gradients(&self) -> LossGradients<B> {
        let loss = self
            .problem
            .upper_loss(self.x, self.y, &self.lifted_batch());
        self.gradients(loss)
    }

    /// `g`, `∇x g`, `∇y g` by one backward pass.
    pub fn lower_gradients(&self) -> LossGradients<B> {
        let loss = self
            .problem
            .lower_loss(self.x, self.y, &self.lifted_batch());
        self.gradients(loss)
    }

    fn gradients(&self, loss: Tensor<Tape<B>, 1>) -> LossGradients<B> {
        let value = loss.clone().inner();
        let gradients = loss.backward();
        LossGradients {
            loss: value
                .into_data()
                .iter::<f64>()
                .next()
                .expect("a loss is one number"),
            x: pack_gradients::<Tape<B>, _>(self.x, &gradients, 1),
            y: pack_gradients::<Tape<B>, _>(self.y, &gradients, self.systems()),
        }
    }
}
