//! How a lower solver learns the Lipschitz constant of `∇y g`.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::vector::{epsilon, norm, quotient};
use crate::{Differentiable, LowerObjective, Vector};

/// A source of `L` with `‖∇y g(y) − ∇y g(z)‖ ≤ L ‖y − z‖`.
pub trait LipschitzConstant<B: Backend, P: Differentiable<B>> {
    /// `L` of each system, `[systems, 1]`, before the first step from `y`.
    fn constant(&self, objective: &LowerObjective<'_, B, P>, y: &Vector<B>) -> Vector<B>;

    /// `Some(growth)` if `L` is a guess: the solver then checks every step and multiplies `L` by
    /// `growth` until it is large enough.
    fn growth(&self) -> Option<f64> {
        None
    }
}

/// `L` is known, the same in every system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedLipschitz(pub f64);

impl<B: Backend, P: Differentiable<B>> LipschitzConstant<B, P> for FixedLipschitz {
    fn constant(&self, _: &LowerObjective<'_, B, P>, y: &Vector<B>) -> Vector<B> {
        Tensor::full([y.dims()[0], 1], self.0, &y.device())
    }
}

/// The largest curvature at the start, by power iteration on differences of gradients.
///
/// ```text
/// v ← H v / ‖H v‖,   H v ≈ (∇y g(y + e v) − ∇y g(y)) / e,   L = margin · ‖H v‖
/// ```
///
/// Exact in the limit for quadratic `g`; for others it is the curvature at the start and not a
/// bound elsewhere, which `margin` has to cover. Costs one gradient a step and one more.
/// The first `v` is drawn once from a fixed seed, so that runs repeat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerIteration {
    /// Products with the Hessian.
    pub steps: usize,
    /// Factor on the result, at least 1: power iteration finds `L` from below.
    pub margin: f64,
}

/// Ten products, and a tenth more than they find.
impl Default for PowerIteration {
    fn default() -> Self {
        Self {
            steps: 10,
            margin: 1.1,
        }
    }
}

impl<B: Backend, P: Differentiable<B>> LipschitzConstant<B, P> for PowerIteration {
    fn constant(&self, objective: &LowerObjective<'_, B, P>, y: &Vector<B>) -> Vector<B> {
        let gradient = objective.gradient(y.clone());
        let e = (norm(y.clone()) + 1.0) * epsilon(y).sqrt();
        let mut v = fixed_directions(y);
        let mut curvature = norm(v.clone());
        for _ in 0..self.steps {
            v = v / curvature;
            let moved = y.clone() + v * e.clone();
            v = (objective.gradient(moved) - gradient.clone()) / e.clone();
            curvature = norm(v.clone()).clamp_min(f64::from(f32::MIN_POSITIVE));
        }
        curvature * self.margin
    }
}

/// Directions that depend on the shape alone and on no random state.
fn fixed_directions<B: Backend>(like: &Vector<B>) -> Vector<B> {
    let [systems, dim] = like.dims();
    // Weyl sequence of the golden ratio: equidistributed, cheap, the same on every backend.
    let row: Vec<f64> = (1..=dim)
        .map(|i| (i as f64 * 0.618_033_988_749_895).fract() - 0.5)
        .collect();
    let row = Tensor::<B, 1>::from_data(row.as_slice(), &like.device()).unsqueeze::<2>();
    row.repeat_dim(0, systems)
}

/// `L` found by trial: grown until the descent inequality holds, for all systems together.
///
/// ```text
/// g(y₊) ≤ g(z) + ∇g(z)ᵀ(y₊ − z) + L/2 ‖y₊ − z‖²,   y₊ = z − ∇g(z)/L
/// ```
///
/// The first guess, where none is given, is the curvature along the gradient at the start, which is
/// at most `L`. Costs one value a step and one a trial, and two gradients for the first guess.
/// Values cannot show that `L` is too small where the decrease drowns in their rounding, at `‖∇y
/// g‖` around `4 √(ε L |g|)` (`ε`: precision of the float type): for a smaller tolerance than that
/// use another source.
///
/// # References
/// Beck, Teboulle (2009), "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse
/// Problems", SIAM J. Imaging Sci. 2(1), FISTA with backtracking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backtracking {
    /// First guess of `L`; `None`: from two gradients.
    pub initial: Option<f64>,
    /// Factor by which a guess that fails grows, above 1.
    pub growth: f64,
}

/// The first guess from two gradients, doubled where it fails.
impl Default for Backtracking {
    fn default() -> Self {
        Self {
            initial: None,
            growth: 2.0,
        }
    }
}

impl<B: Backend, P: Differentiable<B>> LipschitzConstant<B, P> for Backtracking {
    fn constant(&self, objective: &LowerObjective<'_, B, P>, y: &Vector<B>) -> Vector<B> {
        match self.initial {
            Some(l) => FixedLipschitz(l).constant(objective, y),
            None => curvature_along_gradient(objective, y),
        }
    }

    fn growth(&self) -> Option<f64> {
        Some(self.growth)
    }
}

/// `‖∇y g(y + e v) − ∇y g(y)‖ / e` with `v` along the gradient at y; 1 where that is flat.
fn curvature_along_gradient<B: Backend, P: Differentiable<B>>(
    objective: &LowerObjective<'_, B, P>,
    y: &Vector<B>,
) -> Vector<B> {
    let gradient = objective.gradient(y.clone());
    let e = (norm(y.clone()) + 1.0) * epsilon(y).sqrt();
    let v = quotient(gradient.clone(), norm(gradient.clone()));
    let moved = objective.gradient(y.clone() + v * e.clone());
    let curvature = norm(moved - gradient) / e;
    let flat = curvature.clone().lower_equal_elem(0.0);
    curvature.mask_fill(flat, 1.0)
}
