//! The simplex.

use burn::tensor::backend::Backend;

use super::Projection;
use crate::{Error, Vector, positive};

/// `{ y : y ≥ 0, Σ y = s }`.
///
/// ```text
/// P(z) = max(z − θ, 0),   Σ P(z) = s;      D = I_S − 1_S 1_Sᵀ/|S|,   S = { i : P(z)_i > 0 }
/// ```
///
/// θ from the entries in order, `O(dim log dim)`.
///
/// # References
/// Held, Wolfe, Crowder (1974), "Validation of subgradient optimization", Mathematical Programming
/// 6.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simplex {
    total: f64,
}

impl Simplex {
    /// Non-negative numbers whose sum is `total`.
    ///
    /// # Errors
    /// If the total is not a positive number.
    pub fn new(total: f64) -> Result<Self, Error> {
        let total = positive("total", total)?;
        Ok(Self { total })
    }
}

/// `max(z − θ, 0)` with the sum `total`.
pub(super) fn onto_simplex<B: Backend>(z: Vector<B>, total: f64) -> Vector<B> {
    let [_, dim] = z.dims();
    // Entry j of those in order is above θ_j = (Σ of the first j − total)/j as long as j is in the support.
    let sorted = z.clone().sort_descending(1);
    let counts: Vec<f64> = (1..=dim).map(|j| j as f64).collect();
    let counts = super::row(&counts, &z);
    let thresholds = (sorted.clone().cumsum(1) - total) / counts;
    let support = sorted.clone().greater(thresholds).float();
    let size = support.clone().sum_dim(1);
    let theta = ((sorted * support).sum_dim(1) - total) / size;
    (z - theta).clamp_min(0.0)
}

/// `v` less its mean over the support, zero outside; `signs` are 0 outside and ±1 on it.
pub(super) fn along_face<B: Backend>(signs: Vector<B>, v: Vector<B>) -> Vector<B> {
    let size = signs.clone().square().sum_dim(1).clamp_min(1.0);
    let mean = (signs.clone() * v.clone()).sum_dim(1) / size;
    v * signs.clone().square() - signs * mean
}

impl<B: Backend> Projection<B> for Simplex {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        onto_simplex(z, self.total)
    }

    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B> {
        let support = onto_simplex(z.clone(), self.total).greater_elem(0.0);
        along_face(support.float(), v)
    }
}
