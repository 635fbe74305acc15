//! Which Jacobian of a projection an estimator uses.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;

use super::Projection;
use crate::random::{normal, unit};
use crate::vector::dot;
use crate::{Error, Vector, positive};

/// The Jacobian of a projection: an element of the generalised one, or a random estimate of that of
/// the projection smoothed over a small neighbourhood, which needs projections alone and knows both
/// sides of a kink.
///
/// ```text
/// Exact      D
/// Gaussian   H = (P(z + δu) − P(z)) uᵀ / δ,                    u ~ N(0, I):          E H = ∇ E_u P(z + δu)
/// Sphere     H = dim (P(z + δu) − P(z − δu)) uᵀ / (2δ),        u on the unit sphere: E H = ∇ E P(z + δw), w in the ball
/// ```
///
/// # References
/// Shi, Chang, Gu (2024), "Double momentum method for lower-level constrained bilevel
/// optimization", ICML; Nesterov, Spokoiny (2017), "Random gradient-free minimization of convex
/// functions", Found. Comput. Math. 17.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ProjectionJacobian {
    /// The element of the generalised Jacobian that the projection gives.
    Exact,
    /// Along a normal direction of δ.
    Gaussian(f64),
    /// Along a direction of length δ, to both sides.
    Sphere(f64),
}

impl ProjectionJacobian {
    /// # Errors
    /// If the radius is not a positive number.
    pub fn checked(self) -> Result<Self, Error> {
        if let Self::Gaussian(delta) | Self::Sphere(delta) = self {
            positive("smoothing radius", delta)?;
        }
        Ok(self)
    }

    /// `Hᵀ v` at `z`. (The exact one is symmetric.) Every call draws a direction of its own, as
    /// every factor of a product has to have: powers of one random matrix are not those of its
    /// mean.
    pub(crate) fn transposed<B: Backend>(
        self,
        projection: &dyn Projection<B>,
        z: &Vector<B>,
        v: Vector<B>,
        rng: &mut ChaCha8Rng,
    ) -> Vector<B> {
        match self {
            Self::Exact => projection.jacobian(z, v),
            Self::Gaussian(delta) => {
                let u = normal(z, rng);
                let there = projection.project(z.clone() + u.clone() * delta);
                let change = there - projection.project(z.clone());
                u * dot(change, v) / delta
            }
            Self::Sphere(delta) => {
                let u = unit(z, rng);
                let [there, back] =
                    [delta, -delta].map(|delta| projection.project(z.clone() + u.clone() * delta));
                let dim = z.dims()[1] as f64;
                u * dot(there - back, v) * (dim / (2.0 * delta))
            }
        }
    }
}
