//! The hypergradient without its implicit term.

use burn::tensor::backend::Backend;

use super::estimate_builder::{EstimateBuilder, fixed, y_of};
use super::product_counter::ProductCounter;
use super::{Estimate, Hypergradient};
use crate::{Differentiable, Point, Vector};

/// `∇x f(x, y)` alone.
///
/// The hypergradient where `∇y f = 0` at `y*(x)`, as in minimax problems; elsewhere the implicit
/// term is missing, and what descent finds is not a minimum of F. Costs one gradient of each loss.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // f = ½ (y − 0.2)² does not contain x: what is left is nothing, where dF/dx = 0.15.
/// let estimate = PartialGradient.estimate(scalar(1.0, 0.5).point(), None, 0);
/// assert!(is(estimate, 0.0));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartialGradient;

impl<B: Backend, P: Differentiable<B>> Hypergradient<B, P> for PartialGradient {
    fn estimate(&self, point: Point<'_, B, P>, _: Option<Vector<B>>, _: u64) -> Estimate<B> {
        let f = point.upper_gradients();
        let y = y_of(point);
        EstimateBuilder {
            gradient: f.x.clone(),
            lower_gradient: point.lower_gradients().y,
            lower: None,
            adjoint: None,
            reversed: None,
            memory: fixed(0, &y),
            f,
            y,
        }
        .build(point, &ProductCounter::new())
    }
}
