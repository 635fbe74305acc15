//! The ball of the sum of sizes.

use burn::tensor::backend::Backend;

use super::simplex::{along_face, onto_simplex};
use super::{Projection, choose};
use crate::{Error, Vector, positive};

/// `{ y : Σ |y| ≤ r }`: few entries differ from zero.
///
/// ```text
/// P(z) = sign(z) P_simplex(|z|),   D = I_S − s_S s_Sᵀ/|S|      where Σ |z| > r;   z and I elsewhere
/// ```
///
/// S is the support of P(z), s its signs.
///
/// # References
/// Duchi, Shalev-Shwartz, Singer, Chandra (2008), "Efficient projections onto the l1-ball for
/// learning in high dimensions", ICML.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L1Ball {
    radius: f64,
}

impl L1Ball {
    /// The ball of radius `r` about zero.
    ///
    /// # Errors
    /// If the radius is not a positive number.
    pub fn new(radius: f64) -> Result<Self, Error> {
        let radius = positive("radius", radius)?;
        Ok(Self { radius })
    }

    /// The projection of a vector outside.
    fn inward<B: Backend>(&self, z: &Vector<B>) -> Vector<B> {
        z.clone().sign() * onto_simplex(z.clone().abs(), self.radius)
    }
}

impl<B: Backend> Projection<B> for L1Ball {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        let outside = z.clone().abs().sum_dim(1).greater_elem(self.radius);
        choose(outside, self.inward(&z), z)
    }

    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B> {
        let outside = z.clone().abs().sum_dim(1).greater_elem(self.radius);
        let signs = self.inward(z).sign();
        choose(outside, along_face(signs, v.clone()), v)
    }
}
