//! No constraint.

use burn::tensor::backend::Backend;

use super::Projection;
use crate::Vector;

/// All vectors: the projection changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Everywhere;

impl<B: Backend> Projection<B> for Everywhere {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        z
    }

    fn jacobian(&self, _: &Vector<B>, v: Vector<B>) -> Vector<B> {
        v
    }
}
