//! The lower loss as a function of a vector.

use bilevel_backend::Tape;
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::Point;
use crate::parameters::{pack, pack_gradients, unpack};
use crate::{Differentiable, Vector};

/// `y ↦ g(x, y)` on `[systems, dim]`, with `x` and the data held fixed.
///
/// What lower solvers see: it knows the module that a vector stands for, they need not. A value
/// costs a forward pass; a gradient costs a forward and a backward pass, or what the problem's
/// closed form costs. Nothing is read back from the device.
#[derive(Debug)]
pub struct LowerObjective<'a, B: Backend, P: Differentiable<B>> {
    point: Point<'a, B, P>,
    /// Constants: x and the data on the plain backend and on the tape.
    plain_x: P::Upper<B>,
    taped_x: P::Upper<Tape<B>>,
    taped_batch: P::Batch<Tape<B>>,
    systems: usize,
}

impl<'a, B: Backend, P: Differentiable<B>> LowerObjective<'a, B, P> {
    /// The objective around `point`.
    ///
    /// # Panics
    /// If its x, y and data are not all on one device.
    pub fn new(point: Point<'a, B, P>) -> Self {
        point.assert_one_device();
        Self {
            point,
            plain_x: point.x.valid(),
            taped_x: point.x.clone().no_grad(),
            taped_batch: point.lifted_batch(),
            systems: point.systems(),
        }
    }

    /// The problem whose lower loss this is.
    pub fn problem(&self) -> &P {
        self.point.problem
    }

    /// The upper variables.
    pub fn x(&self) -> &P::Upper<B> {
        &self.plain_x
    }

    /// The `y` of the point it was made from.
    pub fn start(&self) -> Vector<B> {
        pack(self.point.y, self.systems)
    }

    /// The module whose parameters are `y`.
    pub fn module(&self, y: Vector<B>) -> P::Lower<Tape<B>> {
        unpack(self.point.y.clone(), y)
    }

    /// `g`: one number on the device. Run on the tape, without recording, so that layers that
    /// behave differently in training (dropout, batch normalisation) do as they do in the gradient.
    pub fn value(&self, y: Vector<B>) -> Tensor<B, 1> {
        let y = self.module(y).no_grad();
        self.problem()
            .lower_loss(&self.taped_x, &y, &self.taped_batch)
            .inner()
    }

    /// `∇y g`: `[systems, dim]`.
    pub fn gradient(&self, y: Vector<B>) -> Vector<B> {
        let y = self.module(y);
        let Point { problem, batch, .. } = self.point;
        problem
            .lower_gradient(&self.plain_x, &y.valid(), batch)
            .unwrap_or_else(|| {
                let loss = problem.lower_loss(&self.taped_x, &y, &self.taped_batch);
                pack_gradients(&y, &loss.backward(), self.systems)
            })
    }
}
