//! Potentials: how much a filter response costs.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// An even function of a filter response, written in `t = z / ν` with smoothing `ν > 0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Potential {
    /// `φ(t) = log(1 + t²)`, the negative logarithm of Student's t: not convex, keeps edges sharp.
    StudentT,
    /// `φ(t) = √(1 + t²) − 1`, the smoothed absolute value: convex.
    SmoothedAbs,
}

impl Potential {
    /// `φ(t)`, entry by entry.
    pub fn value<B: Backend, const D: usize>(self, t: Tensor<B, D>) -> Tensor<B, D> {
        // Not `square`: its derivatives go through a general power, which costs ten products.
        let tt = t.clone() * t;
        match self {
            Potential::StudentT => (tt + 1.0).log(),
            Potential::SmoothedAbs => (tt + 1.0).sqrt() - 1.0,
        }
    }

    /// `φ'(t)`, entry by entry.
    pub fn slope<B: Backend, const D: usize>(self, t: Tensor<B, D>) -> Tensor<B, D> {
        let tt = t.clone() * t.clone();
        match self {
            Potential::StudentT => t * 2.0 / (tt + 1.0),
            Potential::SmoothedAbs => t / (tt + 1.0).sqrt(),
        }
    }

    /// `φ''(t)`, entry by entry.
    pub fn curvature<B: Backend, const D: usize>(self, t: Tensor<B, D>) -> Tensor<B, D> {
        let tt = t.clone() * t;
        let s = tt.clone() + 1.0;
        match self {
            Potential::StudentT => (-tt + 1.0) * 2.0 / (s.clone() * s),
            Potential::SmoothedAbs => (s.clone() * s.sqrt()).recip(),
        }
    }

    /// `min φ''`: reached at `t = √3` by Student's t, in the limit by the smoothed absolute value.
    pub fn smallest_curvature(self) -> f64 {
        match self {
            Potential::StudentT => -0.25,
            Potential::SmoothedAbs => 0.0,
        }
    }

    /// `max φ''`, reached at `t = 0`.
    pub fn largest_curvature(self) -> f64 {
        match self {
            Potential::StudentT => 2.0,
            Potential::SmoothedAbs => 1.0,
        }
    }
}
