//! Estimates of a gradient that follow it from step to step: STORM and SARAH.

use burn::tensor::backend::Backend;

use super::{Directions, Iterate};
use crate::Vector;

/// What can be followed: something that is added and scaled.
pub trait VarianceReduced: Sized {
    /// The recursion of STORM, of which the others are cases:
    ///
    /// ```text
    /// d ← D(z; ξ) + (1 − η) (d − D(z⁻; ξ))
    /// ```
    ///
    /// `self` is `D(z; ξ)`, `before` is `D(z⁻; ξ)` on the same samples at the point before,
    /// `estimate` is d. With `η = 1` it is the plain stochastic gradient; with `η = 0` it is SARAH,
    /// also known as SPIDER, which has to begin again from a gradient on all samples now and then.
    /// For η between, the error of d has a memory of `1/η` steps and shrinks with the steps of z.
    ///
    /// # References
    /// Cutkosky, Orabona (2019), "Momentum-Based Variance Reduction in Non-Convex SGD", NeurIPS,
    /// arXiv:1905.10018; Nguyen, Liu, Scheinberg, Takáč (2017), "SARAH", ICML, arXiv:1703.00102.
    fn followed(self, estimate: Self, before: Self, eta: f64) -> Self;
}

/// A vector by itself.
fn vector<B: Backend>(d: Vector<B>, estimate: Vector<B>, before: Vector<B>, eta: f64) -> Vector<B> {
    d + (estimate - before) * (1.0 - eta)
}

impl<B: Backend> VarianceReduced for Iterate<B> {
    fn followed(self, estimate: Self, before: Self, eta: f64) -> Self {
        Self {
            x: vector(self.x, estimate.x, before.x, eta),
            y: vector(self.y, estimate.y, before.y, eta),
        }
    }
}

impl<B: Backend> VarianceReduced for Directions<B> {
    fn followed(self, estimate: Self, before: Self, eta: f64) -> Self {
        Self {
            y: vector(self.y, estimate.y, before.y, eta),
            q: vector(self.q, estimate.q, before.q, eta),
            x: vector(self.x, estimate.x, before.x, eta),
        }
    }
}
