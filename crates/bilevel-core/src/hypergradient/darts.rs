//! The finite difference of DARTS.

use burn::tensor::backend::Backend;

use super::estimate_builder::{EstimateBuilder, fixed};
use super::product_counter::{ProductCounter, count};
use super::unrolled::End;
use super::{Estimate, Hypergradient};
use crate::vector::{largest, norm, norms, quotient};
use crate::{Differentiable, LowerObjective, Outcome, Point, Status, Vector};

/// One lower step, differentiated by central differences of first derivatives (second-order DARTS).
///
/// ```text
/// y₊ = y − η ∇y g(x, y),   p = ∇y f(x, y₊),   e = radius / ‖p‖
/// ∇F ≈ ∇x f(x, y₊) − η (∇x g(x, y + e p) − ∇x g(x, y − e p)) / 2e
/// ```
///
/// [`OneStep`](super::OneStep) without second derivatives, for losses that cannot be recorded
/// twice; the difference adds an error of `O(e²)`. Costs three gradients of `g` and one of `f`.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let method = Darts { step_size: 0.1, radius: 0.01 };
/// let estimate = method.estimate(scalar(1.0, 0.0).point(), None, 0);
/// assert!(is(estimate, 0.1 * (0.1 - 0.2))); // exact here: g is quadratic in y
/// ```
///
/// # References
/// Liu, Simonyan, Yang (2019), "DARTS: Differentiable Architecture Search", ICLR, arXiv:1806.09055,
/// equations 7 and 8. First-order DARTS drops the second term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Darts {
    /// Step size η.
    pub step_size: f64,
    /// Length of the difference in y. The paper's: 0.01.
    pub radius: f64,
}

impl<B: Backend, P: Differentiable<B>> Hypergradient<B, P> for Darts {
    fn estimate(&self, point: Point<'_, B, P>, _: Option<Vector<B>>, _: u64) -> Estimate<B> {
        let counter = ProductCounter::new();
        let objective = LowerObjective::new(point);
        let y = objective.start();
        count(&counter.gradients);
        let stepped = y.clone() - objective.gradient(y.clone()) * self.step_size;
        let end = End::at(point, vec![stepped]);
        let p = end.f.y.clone();

        // One length for all systems: they add up in ∇x g.
        let size = norm(norm(p.clone()).reshape([1, -1]));
        let ep = p.clone() * quotient(size.ones_like() * self.radius, size.clone());
        let [plus, minus] = [y.clone() + ep.clone(), y - ep].map(|y| {
            count(&counter.gradients);
            let y = objective.module(y);
            Point { y: &y, ..point }.lower_gradients().x
        });
        let cross = (plus - minus) * (size / (2.0 * self.radius));

        let lower_gradient = objective.gradient(end.y.clone());
        let residual = largest(&norms(lower_gradient.clone()));
        EstimateBuilder {
            gradient: end.f.x.clone() - cross * self.step_size,
            lower_gradient,
            lower: Some(Outcome {
                status: if residual.is_finite() {
                    Status::MaxSteps
                } else {
                    Status::NonFinite
                },
                steps: 1,
                residual,
            }),
            adjoint: None,
            reversed: None,
            memory: fixed(2, &end.y),
            y: end.y,
            f: end.f,
        }
        .build(point, &counter)
    }
}
