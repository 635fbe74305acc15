//! The Euclidean ball.

use burn::tensor::backend::Backend;

use super::{Projection, choose};
use crate::vector::{dot, norm};
use crate::{Error, Vector, positive};

/// `{ y : ‖y‖₂ ≤ r }`.
///
/// ```text
/// P(z) = z r/‖z‖,   D = r/‖z‖ (I − z zᵀ/‖z‖²)      where ‖z‖ > r;   z and I elsewhere
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L2Ball {
    radius: f64,
}

impl L2Ball {
    /// The ball of radius `r` about zero.
    ///
    /// # Errors
    /// If the radius is not a positive number.
    pub fn new(radius: f64) -> Result<Self, Error> {
        let radius = positive("radius", radius)?;
        Ok(Self { radius })
    }
}

impl<B: Backend> Projection<B> for L2Ball {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        let size = norm(z.clone());
        let outside = size.clone().greater_elem(self.radius);
        let inward = z.clone() * (size.recip() * self.radius);
        choose(outside, inward, z)
    }

    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B> {
        let size = norm(z.clone());
        let outside = size.clone().greater_elem(self.radius);
        let unit = z.clone() / size.clone();
        let along = v.clone() - unit.clone() * dot(unit, v.clone());
        choose(outside, along * (size.recip() * self.radius), v)
    }
}
