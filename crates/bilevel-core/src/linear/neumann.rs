//! The truncated Neumann series.

use burn::tensor::backend::Backend;

use super::richardson::has_grown;
use super::units::in_units;
use super::{LinearOperator, LinearSolver, begin};
use crate::vector::{epsilon, largest, norm, read};
use crate::{Solution, Status, Vector};

/// Truncated Neumann series.
///
/// ```text
/// q_K = η Σ_{k=0}^{K} (I − ηA)ᵏ b  →  A⁻¹ b
/// ```
///
/// For symmetric positive definite `A` and `0 < η ≤ 1/L` the relative error is at most `(1 −
/// ημ)^(K+1)`. From a warm start the series is applied to the residual. The same numbers as
/// [`Richardson`]'s after `K + 1` steps, without its reads from the device: K products, one more
/// for the residual, one more for a warm start, and one read at the end.
///
/// For `η > 2/L` the terms grow, and never shrink again (for symmetric `A`). A row whose residual,
/// the next term, is larger than its last term is given back as it started, with
/// [`Status::Diverged`]. There is no tolerance to reach, so the status is [`Status::Truncated`]
/// otherwise.
///
/// ```
/// use bilevel_backend::Cpu;
/// use bilevel_core::{LinearSolver, Neumann, Vector};
///
/// let b = Vector::<Cpu>::from_data([[4.0]], &Default::default());
/// let half = |v: Vector<Cpu>| v * 0.5; // terms 4, 2, 1
/// let q = Neumann { step_size: 1.0, terms: 2 }.solve(&half, b, None);
/// assert_eq!(q.value.into_scalar(), 4.0 + 2.0 + 1.0);
/// assert_eq!(q.residual, 0.5);
/// ```
///
/// # References
/// Lorraine, Vicol, Duvenaud (2020), "Optimizing Millions of Hyperparameters by Implicit
/// Differentiation", AISTATS, arXiv:1911.02590, Algorithm 3.
///
/// # Differences from the paper
/// The result is scaled by `η`, so that it estimates `A⁻¹ b`; the residual and the divergence are
/// reported.
///
/// [`Richardson`]: super::Richardson
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neumann {
    /// Step size η.
    pub step_size: f64,
    /// Terms K after the first.
    pub terms: usize,
}

impl Neumann {
    fn solve_moderate<B: Backend>(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let eta = self.step_size;
        let (first, mut term) = begin(a, &b, start);
        let mut sum = term.clone();
        for _ in 0..self.terms {
            term = term.clone() - a.apply(term) * eta;
            sum = sum + term.clone();
        }
        let q = first.clone() + sum * eta;
        // (I − ηA)^(K+1) b: the next term is the residual.
        let r = norm(b.clone() - a.apply_at_solution(q.clone()));
        let last = norm(term);
        // A converged series has a last term below the rounding of its own residual.
        let rounding = (norm(b.clone()) + norm(q.clone()) * (2.0 / eta)) * (64.0 * epsilon(&b));
        let grown = has_grown(&(r.clone() - rounding.clone()), &last);
        let flags = read(Vector::cat(vec![r, last, grown.clone(), rounding], 1));
        let residuals: Vec<f64> = flags.chunks(4).map(|row| row[0]).collect();
        let finite = flags.iter().all(|v| v.is_finite());
        if finite && flags.chunks(4).all(|row| row[2] < 0.5) {
            return Solution {
                value: q,
                status: Status::Truncated,
                steps: self.terms,
                residual: largest(&residuals),
            };
        }
        let q = if finite {
            q.clone()
                .mask_where(grown.greater_elem(0.5).expand(q.shape()), first)
        } else {
            first
        };
        Solution {
            residual: largest(&super::residuals(a, &b, &q)),
            value: q,
            status: if finite {
                Status::Diverged
            } else {
                Status::NonFinite
            },
            steps: self.terms,
        }
    }
}

impl<B: Backend> LinearSolver<B> for Neumann {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        start: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        in_units(a, b, start, |a, b, start, _| {
            self.solve_moderate(a, b, start)
        })
    }

    fn vectors(&self, _: usize) -> usize {
        5 // first, term, A term, sum, b
    }
}
