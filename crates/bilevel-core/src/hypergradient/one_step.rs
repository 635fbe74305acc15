//! The hypergradient of a single lower step.

use burn::tensor::backend::Backend;

use super::{Checkpointing, Descent, Estimate, Hypergradient, StepSize, Unrolled};
use crate::{Differentiable, Point, SecondOrder, Vector};

/// One-step differentiation (T1–T2): makes one lower step from the point's `y` and differentiates
/// it.
///
/// ```text
/// y₊ = y − η ∇y g(x, y)              ∇F ≈ ∇x f(x, y₊) − η ∇²xy g(x, y) · ∇y f(x, y₊)
/// ```
///
/// The greedy estimate for training both levels at once. [`Unrolled`] with one step of [`Descent`];
/// near a solution the same as [`JacobianFree`](super::JacobianFree). Costs one gradient of `g`,
/// one of `f` and one pass for the cross term.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let method = OneStep { second_order: DoubleBackward, step_size: 0.1 };
/// let estimate = method.estimate(scalar(1.0, 0.0).point(), None, 0);
/// assert!(is(estimate, 0.1 * (0.1 - 0.2))); // y₊ = 0.1: even the sign is another one
/// ```
///
/// # References
/// Luketina, Berglund, Greff, Raiko (2016), "Scalable Gradient-Based Tuning of Continuous
/// Regularization Hyperparameters", ICML, arXiv:1511.06727; Bolte, Pauwels, Vaiter (2023),
/// "One-step differentiation of iterative algorithms", NeurIPS, arXiv:2305.13768.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneStep<D, R> {
    /// How second derivatives are made.
    pub second_order: D,
    /// Step size η.
    pub step_size: R,
}

impl<B, P, D, R> Hypergradient<B, P> for OneStep<D, R>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    R: StepSize<B, P>,
{
    fn estimate(&self, point: Point<'_, B, P>, warm: Option<Vector<B>>, seed: u64) -> Estimate<B> {
        Unrolled {
            second_order: &self.second_order,
            map: Descent,
            step_size: &self.step_size,
            steps: 1,
            keep: Checkpointing::All,
        }
        .estimate(point, warm, seed)
    }
}
