//! Negative curvature from noise.

use burn::tensor::backend::Backend;

use super::{Escape, EscapeEnd, Evaluated, Reduced, Visit};
use crate::Vector;
use crate::algorithm::rule::{Blocks, Draws};
use crate::vector::{dot, norm, read};

/// iNEON's search for a direction of negative curvature by differences of hypergradients.
///
/// ```text
/// u₀ = r times a random unit vector,    u ← u − η (∇Φ(x + u) − ∇Φ(x))        at most T times, while ‖u‖ ≤ U
/// found where  Φ(x + u) − Φ(x) − ⟨∇Φ(x), u⟩ ≤ −2.5 F
/// ```
///
/// The differences make a power method on `I − η∇²Φ`. Both gradients see the same samples: noise that they share cancels,
/// whatever its size. Costs a hypergradient a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IneonSearch {
    /// η, at most 1/L of ∇Φ.
    pub step: f64,
    /// T.
    pub steps: usize,
    /// r.
    pub radius: f64,
    /// U.
    pub limit: f64,
    /// F.
    pub decrease: f64,
}

impl IneonSearch {
    /// A unit vector along which Φ curves down, if one is found from `x`, where the objective is `here` for `draw`.
    pub fn direction<B: Backend>(
        &self,
        objective: &mut dyn Reduced<B>,
        x: &Vector<B>,
        here: &Evaluated<B>,
        draw: u64,
    ) -> Option<Vector<B>> {
        let start = Draws::new(draw, 0, Blocks { lower: 1, upper: 1 }).normal(x);
        let mut u = start.clone() / norm(start) * self.radius;
        for _ in 0..self.steps {
            let there = objective.evaluate(&(x.clone() + u.clone()), draw);
            let along = dot(here.gradient.clone(), u.clone());
            let numbers = read(Vector::cat(vec![along, norm(u.clone())], 1));
            let (along, size) = (numbers[0], numbers[1]);
            if size > self.limit || size.is_nan() {
                return None;
            }
            if there.loss - here.loss - along <= -2.5 * self.decrease {
                return Some(u / size);
            }
            u = u - (there.gradient - here.gradient.clone()) * self.step;
        }
        None
    }
}

/// StocBiO + iNEON: descent along a hypergradient, and a step along negative curvature where it is small.
///
/// ```text
/// ‖h‖ > ε:   x ← x − β h
/// ‖h‖ ≤ ε:   u ← IneonSearch;   x ← the better of x ± s u,   or the end if there is no u
/// ```
///
/// With an objective that draws batches by [`StochasticNeumann`](crate::StochasticNeumann) it is the paper's combination.
///
/// # References
/// Huang, Chen, Ji, Ma, Lai (2025), "Efficiently escaping saddle points in bilevel optimization", JMLR 26(1), arXiv:2202.03684;
/// Xu, Jin, Yang (2018), "First-order stochastic algorithms for escaping from saddle points in almost linear time", NeurIPS,
/// arXiv:1711.01944.
///
/// # Differences from the paper
/// Both signs of u are tried and the lower one taken, where the paper draws the sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ineon {
    /// β.
    pub step: f64,
    /// ε.
    pub tolerance: f64,
    /// s, the length of a step along u: γ/ρ.
    pub length: f64,
    /// The search for u.
    pub search: IneonSearch,
}

impl Ineon {
    /// At most `steps` steps from `x`.
    pub fn run<B: Backend>(
        &self,
        objective: &mut dyn Reduced<B>,
        x: Vector<B>,
        steps: usize,
        seed: u64,
        observer: &mut dyn FnMut(&Visit<'_, B>),
    ) -> Escape<B> {
        let mut x = x;
        let mut searches = 0;
        for k in 0..steps {
            let draw = seed
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .wrapping_add(k as u64);
            let here = objective.evaluate(&x, draw);
            let size = read(norm(here.gradient.clone()))[0];
            observer(&Visit {
                step: k,
                x: &x,
                loss: here.loss,
                gradient_norm: size,
            });
            if let Some(failure) = here.failure.clone() {
                return Escape::failed(x, &here, (k, searches), failure);
            }
            if size > self.tolerance {
                x = x - here.gradient * self.step;
                continue;
            }
            searches += 1;
            let Some(u) = self.search.direction(objective, &x, &here, draw) else {
                let end = EscapeEnd::LocalMinimum;
                return Escape::new(x, here.loss, size, (k, searches), end);
            };
            let [there, back] = [self.length, -self.length].map(|s| x.clone() + u.clone() * s);
            let better = |a: &Vector<B>, b: &Vector<B>, objective: &mut dyn Reduced<B>| {
                objective.evaluate(a, draw).loss <= objective.evaluate(b, draw).loss
            };
            x = if better(&there, &back, objective) {
                there
            } else {
                back
            };
        }
        let here = objective.evaluate(&x, seed);
        let size = read(norm(here.gradient.clone()))[0];
        let end = here.failure.map_or(EscapeEnd::Steps, EscapeEnd::Failed);
        Escape::new(x, here.loss, size, (steps, searches), end)
    }
}
