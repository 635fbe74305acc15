//! Forward-mode differentiation of a lower solver's steps.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::estimate_builder::{EstimateBuilder, fixed};
use super::product_counter::{Counted, ProductCounter, count};
use super::unrolled::{End, Steps};
use super::{Estimate, Hypergradient, LowerMap, StepSize};
use crate::parameters::pack;
use crate::vector::dot;
use crate::{Differentiable, Point, SecondOrder, Vector};

/// Iterative differentiation in forward mode: the same numbers as [`Unrolled`](super::Unrolled),
/// with memory that does not grow with the steps.
///
/// ```text
/// Z_0 = 0;   Z_{k+1} = Φ_s Z_k + Φ_g (∇²yy g Z_k + ∇²yx g)              ∇F_K = ∇x f + Z_Kᵀ ∇y f
/// ```
///
/// `Z` has one column for every entry of x, so it costs `K · dim x` products and as many transposed
/// cross terms, and `dim x` states: for a handful of upper variables. Step sizes may not depend on
/// x.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let method = ForwardMode {
///     second_order: DoubleBackward,
///     map: HeavyBall { momentum: 0.2 },
///     step_size: 0.3,
///     steps: 60,
/// };
/// assert!(is(method.estimate(scalar(1.0, 0.0).point(), None, 0), 0.15));
/// ```
///
/// # References
/// Franceschi, Donini, Frasconi, Pontil (2017), "Forward and Reverse Gradient-Based Hyperparameter
/// Optimization", ICML, arXiv:1703.01785, Algorithm 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwardMode<D, M, R> {
    /// How second derivatives are made.
    pub second_order: D,
    /// The lower step.
    pub map: M,
    /// Step size η: a number or [`PerParameter`](super::PerParameter).
    pub step_size: R,
    /// Lower steps K.
    pub steps: usize,
}

impl<B, P, D, M, R> Hypergradient<B, P> for ForwardMode<D, M, R>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    M: LowerMap<B>,
    R: StepSize<B, P>,
{
    /// # Panics
    /// If the step size depends on x.
    fn estimate(&self, point: Point<'_, B, P>, _: Option<Vector<B>>, _: u64) -> Estimate<B> {
        assert!(
            !self.step_size.is_learned(),
            "forward mode does not differentiate step sizes: use Unrolled for learned ones"
        );
        let counter = ProductCounter::new();
        let steps = Steps::new(point, &self.map, &self.step_size, &counter);
        let start = steps.map.start(steps.objective.start());
        let zero: Vec<Vector<B>> = start.iter().map(Tensor::zeros_like).collect();
        let x = pack(point.x, 1);
        let dim_x = x.dims()[1];
        let mut columns = vec![zero; dim_x];
        let mut state = start.clone();
        for k in 0..self.steps {
            let z = steps.objective.module(steps.map.query(&state));
            let hessian = self.second_order.at(Point { y: &z, ..point });
            let h = Counted::new(&*hessian, &counter);
            let g = steps.gradient(&state);
            for (i, column) in columns.iter_mut().enumerate() {
                let unit = x
                    .zeros_like()
                    .slice_assign([0..1, i..i + 1], Tensor::ones([1, 1], &x.device()));
                let dz = steps.map.query(column); // the query is linear
                count(&counter.crosses);
                let dg = crate::LinearOperator::apply(&h, dz) + hessian.cross_transposed(unit);
                *column = steps
                    .map
                    .push_forward(k, &state, &g, &steps.eta, column, &dg);
            }
            state = steps.map.step(k, &state, &g, &steps.eta);
        }
        let end = End::at(point, state);
        let p = &end.f.y;
        let entries: Vec<Vector<B>> = columns
            .iter()
            .map(|column| dot(column[0].clone(), p.clone()).sum_dim(0))
            .collect();
        let lower_gradient = steps.objective.gradient(end.y.clone());
        let lower = steps.outcome(&start, &lower_gradient, self.steps);
        EstimateBuilder {
            gradient: end.f.x.clone() + Vector::cat(entries, 1),
            lower_gradient,
            lower: Some(lower),
            adjoint: None,
            reversed: None,
            memory: fixed(M::VECTORS * (dim_x + 1), &end.y),
            y: end.y,
            f: end.f,
        }
        .build(point, &counter)
    }
}
