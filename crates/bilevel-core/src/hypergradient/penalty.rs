//! The hypergradient of a penalty: first derivatives only.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::estimate_builder::{Adjoint, EstimateBuilder, fixed, y_of};
use super::product_counter::{ProductCounter, count};
use super::{Constants, Estimate, Hypergradient};
use crate::parameters::pack;
use crate::{BilevelProblem, Differentiable, LowerSolver, Point, Vector};

/// The value-function penalty (F2SA): a hypergradient from two lower solutions.
///
/// ```text
/// z = argmin g(x, ·),   y_λ = argmin f(x, ·) + λ g(x, ·)
/// ∇F ≈ ∇x f(x, y_λ) + λ (∇x g(x, y_λ) − ∇x g(x, z))
/// ```
///
/// The point's `y` is `z`, which should be solved well: an error `ε` in `z` or `y_λ` costs `λ ε`.
/// The bias is `O(1/λ)`: it halves when λ doubles. Both halves see the same batch. Only first
/// derivatives: for losses that cannot be recorded twice. Costs the solve for `y_λ`, each step a
/// gradient of `g` and of `f`, and then two gradients of each.
///
/// `λ (z − y_λ) ≈ q` is an adjoint and is returned as a warm start for other estimators.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let lower = GradientDescent { step_size: 0.4, max_steps: 200, tolerance: Tolerance::Absolute(1e-13) };
/// let method = Penalty { lower, weight: 1e3 };
/// let estimate = method.estimate(scalar(1.0, 0.5).point(), None, 0);
/// assert!((estimate.gradient.into_scalar() - 0.15).abs() < 1e-3); // O(1/λ)
/// ```
///
/// # References
/// Kwon, Kwon, Wright, Nowak (2023), "A Fully First-Order Method for Stochastic Bilevel
/// Optimization", ICML, arXiv:2301.10945, equation 3.
///
/// # Differences from the paper
/// `y_λ` is solved for from `z`, not tracked over the upper steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalty<L> {
    /// Solves for `y_λ`, on `g + f/λ`.
    pub lower: L,
    /// λ > 0.
    pub weight: f64,
}

/// The lower problem of the penalty, `g + f/λ`: scaled so that step sizes and tolerances for `g`
/// fit.
#[derive(Debug)]
pub struct Penalized<'a, P> {
    /// The problem.
    pub problem: &'a P,
    /// λ.
    pub weight: f64,
}

impl<P: BilevelProblem> BilevelProblem for Penalized<'_, P> {
    type Upper<B: Backend> = P::Upper<B>;
    type Lower<B: Backend> = P::Lower<B>;
    type Batch<B: Backend> = P::Batch<B>;

    fn upper_loss<B: Backend>(
        &self,
        x: &P::Upper<B>,
        y: &P::Lower<B>,
        batch: &P::Batch<B>,
    ) -> Tensor<B, 1> {
        self.problem.upper_loss(x, y, batch)
    }

    fn lower_loss<B: Backend>(
        &self,
        x: &P::Upper<B>,
        y: &P::Lower<B>,
        batch: &P::Batch<B>,
    ) -> Tensor<B, 1> {
        let f = self.problem.upper_loss(x, y, batch);
        self.problem.lower_loss(x, y, batch) + f / self.weight
    }

    fn systems<B: Backend>(&self, y: &P::Lower<B>) -> usize {
        self.problem.systems(y)
    }

    fn constants<B: Backend>(&self, x: &P::Upper<B>, batch: &P::Batch<B>) -> Constants {
        Constants {
            strong_convexity: None,
            ..self.problem.constants(x, batch)
        }
    }
}

impl<B, P, L> Hypergradient<B, P> for Penalty<L>
where
    B: Backend,
    P: Differentiable<B>,
    L: for<'a> LowerSolver<B, Penalized<'a, P>>,
{
    fn estimate(&self, point: Point<'_, B, P>, _: Option<Vector<B>>, _: u64) -> Estimate<B> {
        let lambda = self.weight;
        let counter = ProductCounter::new();
        let penalized = Penalized {
            problem: point.problem,
            weight: lambda,
        };
        let solution = self.lower.solve(Point {
            problem: &penalized,
            x: point.x,
            y: point.y,
            batch: point.batch,
        });
        counter.gradients.set(solution.steps + 1);
        let outcome = solution.outcome();
        let at = Point {
            y: &solution.value,
            ..point
        };
        let mut f = at.upper_gradients();
        // F is f at the lower solution; at y_λ it is smaller.
        f.loss = point.upper_gradients().loss;
        count(&counter.gradients);
        let there = at.lower_gradients();
        count(&counter.gradients);
        let here = point.lower_gradients();
        let z = y_of(point);
        let y = pack(&solution.value, point.systems());
        EstimateBuilder {
            gradient: f.x.clone() + (there.x - here.x) * lambda,
            lower_gradient: here.y,
            lower: Some(outcome),
            adjoint: Some(Adjoint {
                q: (z.clone() - y) * lambda,
                residual: None,
                outcome: None,
            }),
            reversed: None,
            memory: fixed(2, &z),
            f,
            y: z,
        }
        .build(point, &counter)
    }
}
