//! Neumann series with a fresh batch in every factor.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::estimate_builder::with_adjoint;
use super::product_counter::{Counted, ProductCounter};
use super::{Estimate, Evidence, Hypergradient};
use crate::{Cause, Differentiable, Failure, LinearOperator, Phase, Point, SecondOrder, Vector};

/// Unbiased estimates of a truncated Neumann series from independent batches.
///
/// ```text
/// E[q] = η Σ_{k<n} (I − ηH)ᵏ ∇y f,   H = ∇²yy g = E[H_j]
/// Sum:            q = η Σ_{k<n} Π_{j=1..k} (I − ηH_j) ∇y f
/// RandomProduct:  q = η n Π_{j=1..c} (I − ηH_j) ∇y f,     c uniform in {0, …, n−1}
/// ```
///
/// Both have the same mean; the product costs half the HVPs on average and has the larger variance.
/// The bias against `H⁻¹ ∇y f` is `(1 − ημ)ⁿ`. The gradients of `f` and the cross term use the
/// point's own batch, every factor `H_j` a batch that `batches` draws; with batches that are
/// independent the products stay unbiased. For `η ≤ 2/L` on every batch no factor lengthens a
/// vector, and the residual is `(1 + 2n) ‖∇y f‖` at most: beyond that the estimate is a failure,
/// diverged. Costs at most `n − 1` HVPs and one cross term, without a read.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  y* = x/2,  dF/dx = (x/2 − 0.2)/2
/// let point = scalar(1.0, 0.5);
/// let method = StochasticNeumann {
///     second_order: DoubleBackward,
///     step_size: 0.25,
///     terms: 40,
///     form: NeumannForm::Sum,
///     batches: |_number| point.batch.clone(), // a random batch, here the only one
/// };
/// assert!(is(method.estimate(point.point(), None, 7), 0.15));
/// ```
///
/// # References
/// Random product (HIA): Ghadimi, Wang (2018), "Approximation Methods for Bilevel Programming",
/// arXiv:1802.02246. Sum (SHIA): Ji, Yang, Liang (2021), "Bilevel Optimization: Convergence
/// Analysis and Enhanced Design", ICML, arXiv:2010.07962.
///
/// # Differences from the papers
/// `n` counts the terms of the series in both forms, so that their means agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StochasticNeumann<D, F> {
    /// How second derivatives are made.
    pub second_order: D,
    /// Step size η, at most 1/L on every batch.
    pub step_size: f64,
    /// Terms n, at least 1.
    pub terms: usize,
    /// How the series is sampled.
    pub form: NeumannForm,
    /// Draws a batch from a random number.
    pub batches: F,
}

/// How a Neumann series is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeumannForm {
    /// All terms, each from the one before.
    Sum,
    /// One term, drawn at random.
    RandomProduct,
}

impl<B, P, D, F> Hypergradient<B, P> for StochasticNeumann<D, F>
where
    B: Backend,
    P: Differentiable<B>,
    D: SecondOrder<B, P>,
    F: Fn(u64) -> P::Batch<B>,
{
    fn estimate(&self, point: Point<'_, B, P>, _: Option<Vector<B>>, seed: u64) -> Estimate<B> {
        let Self {
            step_size: eta,
            terms: n,
            ..
        } = *self;
        assert!(n > 0, "a Neumann series needs at least one term");
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let counter = ProductCounter::new();
        let f = point.upper_gradients();

        let factors = match self.form {
            NeumannForm::Sum => n - 1,
            NeumannForm::RandomProduct => (rng.next_u64() % n as u64) as usize,
        };
        let mut term = f.y.clone();
        let mut sum = term.clone();
        for _ in 0..factors {
            let batch = (self.batches)(rng.next_u64());
            let h = self.second_order.at(Point {
                batch: &batch,
                ..point
            });
            term = term.clone() - Counted::new(&*h, &counter).apply(term) * eta;
            sum = sum + term.clone();
        }
        let q = match self.form {
            NeumannForm::Sum => sum * eta,
            NeumannForm::RandomProduct => term * (eta * n as f64),
        };
        let mut estimate = with_adjoint(point, f, q, &self.second_order, 3, &counter);
        let grows = |e: &Evidence| {
            let limit = (1 + 2 * n) as f64 * e.upper_gradient;
            e.adjoint_residual.is_some_and(|residual| residual > limit)
        };
        if estimate.failure.is_none() && estimate.certificate.evidence.iter().any(grows) {
            estimate.failure = Some(Failure {
                phase: Phase::Adjoint,
                cause: Cause::Diverged,
                iteration: Some(factors),
                parameter: None,
            });
        }
        estimate
    }
}
