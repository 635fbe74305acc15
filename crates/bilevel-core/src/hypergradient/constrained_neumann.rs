//! A random term of the Neumann series of a constrained lower problem.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::estimate_builder::{EstimateBuilder, fixed, y_of};
use super::product_counter::{Counted, ProductCounter};
use super::{Estimate, Hypergradient};
use crate::projection::{Projection, ProjectionJacobian};
use crate::random::below;
use crate::{Differentiable, LinearOperator, Point, SecondOrder, Vector};

/// An unbiased estimate of a truncated series for
/// [`ConstrainedImplicit`](super::ConstrainedImplicit), with any Jacobian of the projection, random
/// ones included.
///
/// ```text
/// E[w̄] = ∇x f − η C Σ_{q<Q} (D (I − ηH))^q D ∇y f
/// w̄ = ∇x f − η Q C u,    u = H₀ᵀ ∇y f,   then c times   u ← H_jᵀ (I − ηH) u,    c uniform in {0, …, Q−1}
/// ```
///
/// Every factor draws a direction of its own. The bias is `O((1 − ημ)^Q/μ)`. Costs a gradient of
/// each loss, at most `Q − 1` Hessian products and one cross term.
///
/// # References
/// Shi, Chang, Gu (2024), "Double momentum method for lower-level constrained bilevel
/// optimization", ICML, PMLR 235.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConstrainedNeumann<D, C> {
    /// How second derivatives are made.
    pub second_order: D,
    /// The set Y.
    pub projection: C,
    /// How its projection is differentiated.
    pub jacobian: ProjectionJacobian,
    /// Step size η, at most 1/L.
    pub step_size: f64,
    /// Terms Q, at least 1.
    pub terms: usize,
}

impl<B, P, D, C> Hypergradient<B, P> for ConstrainedNeumann<D, C>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    C: Projection<B>,
{
    fn estimate(&self, point: Point<'_, B, P>, _: Option<Vector<B>>, seed: u64) -> Estimate<B> {
        assert!(self.terms > 0, "a Neumann series needs at least one term");
        let eta = self.step_size;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let counter = ProductCounter::new();
        let f = point.upper_gradients();
        let g = self.second_order.at(point);
        let y = y_of(point);
        let z = y.clone() - g.gradient() * eta;
        let hessian = Counted::new(&*g, &counter);
        let term = RandomTerm {
            projection: &self.projection,
            jacobian: self.jacobian,
            z: &z,
            step_size: eta,
            terms: self.terms,
        };
        let u = term.of(f.y.clone(), rng, |u, _| hessian.apply(u.clone()));
        let (_, cross) = hessian.both(u);
        EstimateBuilder {
            gradient: f.x.clone() - cross,
            lower_gradient: (y.clone() - self.projection.project(z)) / eta,
            lower: None,
            adjoint: None,
            reversed: None,
            memory: fixed(3, &y),
            f,
            y,
        }
        .build(point, &counter)
    }
}

/// A random term of the series: `η Q H₀ᵀ v`, then c times `u ↦ H_jᵀ (I − ηH) u`, c uniform in `{0,
/// …, Q−1}`.
pub(crate) struct RandomTerm<'a, B: Backend> {
    pub projection: &'a dyn Projection<B>,
    pub jacobian: ProjectionJacobian,
    /// Where the projection is differentiated.
    pub z: &'a Vector<B>,
    /// η.
    pub step_size: f64,
    /// Q.
    pub terms: usize,
}

impl<B: Backend> RandomTerm<'_, B> {
    /// The term of `v`, whose mean is `η Σ_{q<Q} (Dᵀ(I − ηH))^q Dᵀ v`; `hessian` may be of another
    /// sample each time.
    pub fn of(
        &self,
        v: Vector<B>,
        rng: &mut ChaCha8Rng,
        mut hessian: impl FnMut(&Vector<B>, &mut ChaCha8Rng) -> Vector<B>,
    ) -> Vector<B> {
        let Self {
            projection,
            jacobian,
            z,
            step_size: eta,
            terms,
        } = *self;
        let factors = below(terms, rng);
        let mut u = jacobian.transposed(projection, z, v, rng);
        for _ in 0..factors {
            let factor = u.clone() - hessian(&u, rng) * eta;
            u = jacobian.transposed(projection, z, factor, rng);
        }
        u * (eta * terms as f64)
    }
}
