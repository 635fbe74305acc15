//! A vector of each level.

use burn::record::Record;
use burn::tensor::backend::Backend;

use crate::vector::dot;
use crate::{LossGradients, Vector};

/// An iterate `(x, y)`, or what belongs to one: the gradients of a loss, a direction.
#[derive(Record, Clone, Debug)]
pub struct Iterate<B: Backend> {
    /// Of the upper level: `[1, dim x]`.
    pub x: Vector<B>,
    /// Of the lower level: `[systems, dim y]`.
    pub y: Vector<B>,
}

impl<B: Backend> Iterate<B> {
    /// Zeros of the same shapes.
    pub fn zeros_like(&self) -> Self {
        Self {
            x: self.x.zeros_like(),
            y: self.y.zeros_like(),
        }
    }

    /// `self + factor · other`, entry by entry; `factor` is one number, `[1, 1]`.
    pub fn plus(self, other: &Self, factor: &Vector<B>) -> Self {
        Self {
            x: self.x + other.x.clone() * factor.clone(),
            y: self.y + other.y.clone() * factor.clone(),
        }
    }

    /// The inner product over both levels: `[1, 1]`.
    pub fn dot(&self, other: &Self) -> Vector<B> {
        let y = dot(self.y.clone(), other.y.clone()).sum_dim(0);
        dot(self.x.clone(), other.x.clone()) + y
    }
}

impl<B: Backend> From<LossGradients<B>> for Iterate<B> {
    fn from(gradients: LossGradients<B>) -> Self {
        Self {
            x: gradients.x,
            y: gradients.y,
        }
    }
}
