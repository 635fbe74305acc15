//! The hypergradient from function values of the lower solver.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::estimate_builder::{EstimateBuilder, fixed};
use super::product_counter::ProductCounter;
use super::unrolled::End;
use super::{Estimate, Hypergradient};
use crate::parameters::{pack, unpack};
use crate::random::normal;
use crate::vector::dot;
use crate::{
    Cause, Differentiable, Failure, LowerObjective, LowerSolver, Outcome, Phase, Point, Vector,
};

/// Partial zeroth order (PZOBO): the response `dy/dx` from differences of lower solves.
///
/// ```text
/// d_j = (y_K(x + μ u_j) − y_K(x)) / μ,   u_j ~ N(0, I)         ∇F ≈ ∇x f + 1/N Σ_j ⟨d_j, ∇y f⟩ u_j
/// ```
///
/// `y_K` is what `lower` makes of the point's `y`; all solves start there, so that their errors
/// cancel in the difference. Unbiased for an affine `y_K(x)`, biased by `O(μ)` otherwise; the
/// variance is about `(dim x + 1)/N` of the squared indirect part. The radius must move the
/// solution by more than the lower solver's tolerance lets pass; if no solve moves at all the
/// estimate is a failure. No second derivatives. Costs `N + 1` lower solves and one gradient of
/// `f`.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let lower = GradientDescent { step_size: 0.5, max_steps: 20, tolerance: Tolerance::Absolute(0.0) };
/// let method = ZerothOrder { lower, directions: 1, radius: 0.1 };
/// let draws = (0..2000).map(|seed| {
///     let estimate = method.estimate(scalar(1.0, 0.0).point(), None, seed);
///     f64::from(estimate.gradient.into_scalar()) / 2000.0
/// });
/// assert!((draws.sum::<f64>() - 0.15).abs() < 0.02); // unbiased, and noisy
/// ```
///
/// # References
/// Sow, Ji, Liang (2022), "On the Convergence Theory for Hessian-Free Bilevel Algorithms", NeurIPS,
/// arXiv:2110.07004.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZerothOrder<L> {
    /// Makes the lower steps.
    pub lower: L,
    /// Directions N, at least 1.
    pub directions: usize,
    /// Length μ of the difference in x.
    pub radius: f64,
}

impl<B, P, L> Hypergradient<B, P> for ZerothOrder<L>
where
    B: Backend,
    P: Differentiable<B>,
    L: LowerSolver<B, P>,
{
    fn estimate(&self, point: Point<'_, B, P>, _: Option<Vector<B>>, seed: u64) -> Estimate<B> {
        assert!(
            self.directions > 0,
            "zeroth order needs at least one direction"
        );
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let counter = ProductCounter::new();
        let solve = |point: Point<'_, B, P>| {
            let solution = self.lower.solve(point);
            // A step is a gradient, and there is one to stop by.
            counter
                .gradients
                .set(counter.gradients.get() + solution.steps + 1);
            let outcome = solution.outcome();
            (pack(&solution.value, point.systems()), outcome)
        };
        let (y, mut outcome) = solve(point);
        let end = End::at(point, vec![y.clone()]);
        let x = pack(point.x, 1);
        let mut indirect = x.zeros_like();
        let mut has_moved = false;
        for _ in 0..self.directions {
            let u = normal(&x, rng);
            let moved = unpack(point.x.clone(), x.clone() + u.clone() * self.radius);
            let (there, outcome_there) = solve(Point { x: &moved, ..point });
            has_moved |= outcome_there.steps > 0;
            outcome = Outcome::worst(&[outcome, outcome_there]);
            let d = (there - y.clone()) / self.radius;
            indirect = indirect + u * dot(d, end.f.y.clone()).sum_dim(0);
        }
        let lower_gradient = LowerObjective::new(point).gradient(y.clone());
        let mut estimate = EstimateBuilder {
            gradient: end.f.x.clone() + indirect / self.directions as f64,
            lower_gradient,
            lower: Some(outcome),
            adjoint: None,
            reversed: None,
            memory: fixed(3, &y),
            y,
            f: end.f,
        }
        .build(point, &counter);
        if !has_moved && estimate.failure.is_none() {
            estimate.failure = Some(Failure {
                phase: Phase::Lower,
                cause: Cause::Unmoved,
                iteration: None,
                parameter: None,
            });
        }
        estimate
    }
}
