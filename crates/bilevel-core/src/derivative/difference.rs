//! Hessian products by central differences of gradients.

use burn::tensor::backend::Backend;

use super::{LowerHessian, LowerObjective, Point, SecondOrder};
use crate::parameters::{pack, unpack};
use crate::vector::{epsilon, norm, quotient};
use crate::{Differentiable, LinearOperator, Vector};

/// Approximate second derivatives from two gradients.
///
/// ```text
/// ∇²yy g · v ≈ (∇y g(y + e v) − ∇y g(y − e v)) / 2e        ∇²xy g · v ≈ (∇x g(y + e v) − ∇x g(y − e v)) / 2e
/// e = step · (1 + ‖y‖) / ‖v‖
/// ```
///
/// The error is `O(e²)` from the third derivative plus `ε/e` from rounding (`ε`: precision of the
/// float type); the default step balances them. Needs only one tape: the second engine, for losses
/// that cannot be recorded twice, and the judge of the first. A product costs two gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CentralDifference {
    /// Step relative to the size of `y`. [`for_precision_of`](Self::for_precision_of) picks one.
    pub step: f64,
}

impl CentralDifference {
    /// `step = ε^(1/3)` for the float type of the device: 6e-6 in `f64`, 5e-3 in `f32`.
    pub fn for_precision_of<B: Backend>(device: &B::Device) -> Self {
        Self {
            step: epsilon(&Vector::<B>::zeros([1, 1], device)).cbrt(),
        }
    }
}

impl<B: Backend, P: Differentiable<B>> SecondOrder<B, P> for CentralDifference {
    fn at<'a>(&'a self, point: Point<'a, B, P>) -> Box<dyn LowerHessian<B> + 'a> {
        let objective = LowerObjective::new(point);
        let y = objective.start();
        let scale = (norm(y.clone()) + 1.0) * self.step;
        Box::new(At {
            point,
            objective,
            y,
            scale,
            step: self.step,
        })
    }
}

struct At<'a, B: Backend, P: Differentiable<B>> {
    point: Point<'a, B, P>,
    objective: LowerObjective<'a, B, P>,
    /// The packed y: `[systems, dim]`.
    y: Vector<B>,
    /// `step · (1 + ‖y‖)`: `[systems, 1]`.
    scale: Vector<B>,
    step: f64,
}

impl<B: Backend, P: Differentiable<B>> At<'_, B, P> {
    /// `y + e v` and `y − e v`.
    fn both_sides(&self, ev: Vector<B>) -> [Vector<B>; 2] {
        [self.y.clone() + ev.clone(), self.y.clone() - ev]
    }
}

impl<B: Backend, P: Differentiable<B>> LinearOperator<B> for At<'_, B, P> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        let size = norm(v.clone());
        let e = quotient(self.scale.clone(), size.clone());
        let [plus, minus] = self.both_sides(v * e).map(|y| self.objective.gradient(y));
        (plus - minus) * (size / (self.scale.clone() * 2.0))
    }
}

impl<B: Backend, P: Differentiable<B>> LowerHessian<B> for At<'_, B, P> {
    fn cross(&self, v: Vector<B>) -> Vector<B> {
        self.both(v).1
    }

    fn both(&self, v: Vector<B>) -> (Vector<B>, Vector<B>) {
        // The rows add up in ∇x g, so they share one e: the one that suits the longest row.
        let size = norm(v.clone()).max_dim(0);
        let scale = self.scale.clone().min_dim(0);
        let e = quotient(scale.clone(), size.clone());
        let [plus, minus] = self.both_sides(v * e).map(|y| {
            let y = self.objective.module(y);
            Point {
                y: &y,
                ..self.point
            }
            .lower_gradients()
        });
        let per_length = size / (scale * 2.0);
        (
            (plus.y - minus.y) * per_length.clone(),
            (plus.x - minus.x) * per_length,
        )
    }

    fn cross_transposed(&self, u: Vector<B>) -> Vector<B> {
        let x = pack(self.point.x, 1);
        let size = norm(u.clone());
        let scale = (norm(x.clone()) + 1.0) * self.step;
        let eu = u * quotient(scale.clone(), size.clone());
        let [plus, minus] = [x.clone() + eu.clone(), x - eu].map(|x| {
            let x = unpack(self.point.x.clone(), x);
            let moved = Point {
                x: &x,
                ..self.point
            };
            LowerObjective::new(moved).gradient(self.y.clone())
        });
        (plus - minus) * (size / (scale * 2.0))
    }

    fn gradient(&self) -> Vector<B> {
        self.objective.gradient(self.y.clone())
    }
}
