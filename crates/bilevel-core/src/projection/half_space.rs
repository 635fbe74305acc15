//! A half-space.

use burn::tensor::backend::Backend;

use super::{Projection, row};
use crate::vector::dot;
use crate::{Error, ErrorKind, Vector};

/// `{ y : aᵀy ≤ b }`.
///
/// ```text
/// P(z) = z − (aᵀz − b)₊ a/‖a‖²,   D = I − a aᵀ/‖a‖²      where aᵀz > b;   z and I elsewhere
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HalfSpace {
    /// `a/‖a‖`.
    unit: Vec<f64>,
    /// `b/‖a‖`.
    offset: f64,
}

impl HalfSpace {
    /// The half-space of the normal `a` and the offset `b`.
    ///
    /// # Errors
    /// If the normal is zero or not finite.
    pub fn new(normal: &[f64], offset: f64) -> Result<Self, Error> {
        let size = normal.iter().map(|a| a * a).sum::<f64>().sqrt();
        if !(size.is_finite() && size > 0.0 && offset.is_finite()) {
            let reason =
                format!("a half-space needs a direction, its normal has the length {size}");
            return Err(ErrorKind::EmptySet { reason }.into());
        }
        Ok(Self {
            unit: normal.iter().map(|a| a / size).collect(),
            offset: offset / size,
        })
    }
}

impl<B: Backend> Projection<B> for HalfSpace {
    fn project(&self, z: Vector<B>) -> Vector<B> {
        let unit = row(&self.unit, &z);
        let beyond = dot(unit.clone().expand(z.shape()), z.clone()) - self.offset;
        z - unit * beyond.clamp_min(0.0)
    }

    fn jacobian(&self, z: &Vector<B>, v: Vector<B>) -> Vector<B> {
        let unit = row(&self.unit, z).expand(z.shape());
        let outside = dot(unit.clone(), z.clone()).greater_elem(self.offset);
        v.clone() - unit.clone() * dot(unit, v) * outside.float()
    }

    fn dim(&self) -> Option<usize> {
        Some(self.unit.len())
    }
}
