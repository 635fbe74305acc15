//! The leaves of one recording, and what its backward pass left on them.

use bilevel_backend::Tape;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

use super::Point;
use crate::parameters::{fresh_leaves, pack_gradients, unreached};
use crate::{Differentiable, Vector};

/// `x` and `y` made anew, for one recording: on leaves that were differentiated before, parts of a
/// gradient get lost (decisions 0011 and 0014).
pub(super) struct Leaves<B: Backend, P: Differentiable<B>> {
    pub x: P::Upper<Tape<B>>,
    pub y: P::Lower<Tape<B>>,
    systems: usize,
}

impl<B: Backend, P: Differentiable<B>> Leaves<B, P> {
    pub fn of(point: &Point<'_, B, P>) -> Self {
        Self {
            x: fresh_leaves(point.x.clone()),
            y: fresh_leaves(point.y.clone()),
            systems: point.systems(),
        }
    }

    /// The backward pass of a number that was recorded on them.
    pub fn backward(self, number: Tensor<Tape<B>, 1>) -> Slopes<B, P> {
        Slopes {
            gradients: number.backward(),
            leaves: self,
        }
    }
}

/// Gradients in `x` and `y`.
pub(super) struct Slopes<B: Backend, P: Differentiable<B>> {
    leaves: Leaves<B, P>,
    gradients: <Tape<B> as AutodiffBackend>::Gradients,
}

impl<B: Backend, P: Differentiable<B>> Slopes<B, P> {
    /// `[1, dim x]`
    pub fn x(&self) -> Vector<B> {
        pack_gradients(&self.leaves.x, &self.gradients, 1)
    }

    /// `[systems, dim y]`
    pub fn y(&self) -> Vector<B> {
        pack_gradients(&self.leaves.y, &self.gradients, self.leaves.systems)
    }

    /// Paths of the parameters of `x`, and of `y`, that the number does not depend on.
    pub fn unreached(&self) -> [Vec<String>; 2] {
        [
            unreached(&self.leaves.x, &self.gradients),
            unreached(&self.leaves.y, &self.gradients),
        ]
    }
}
