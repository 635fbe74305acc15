//! The non-negative orthant.

use burn::tensor::backend::Backend;

use super::Projection;
use crate::Vector;

/// `{ y : y ≥ 0 }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NonNegative;

impl<B: Backend> Projection<B> for NonNegative {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        z.clamp_min(0.0)
    }

    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B> {
        v * z.clone().greater_elem(0.0).float()
    }
}
