//! Negative curvature from noise.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::run::{NextStep, walk};
use super::{Escape, IterationInfo, Objective, ValueAndGradient};
use crate::random::unit;
use crate::vector::{dot, norm, read};
use crate::{Error, Failure, Vector, positive};

/// iNEON's search for a direction of negative curvature by differences of hypergradients.
///
/// ```text
/// u₀ = r times a random unit vector,    u ← u − η (∇Φ(x + u) − ∇Φ(x))        at most T times, while ‖u‖ ≤ U
/// found where  Φ(x + u) − Φ(x) − ⟨∇Φ(x), u⟩ ≤ −2.5 F
/// ```
///
/// The differences make a power method on `I − η∇²Φ`. Both gradients see the same samples: noise
/// that they share cancels, whatever its size. Costs a hypergradient a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IneonSearch {
    /// η, at most 1/L of ∇Φ.
    pub step_size: f64,
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
    /// A unit vector along which Φ curves down, if one is found from `x`, where the objective is
    /// `here` for `draw`.
    ///
    /// # Errors
    /// If numbers on the way are of no use.
    pub fn direction<B: Backend>(
        &self,
        objective: &mut dyn Objective<B>,
        x: &Vector<B>,
        here: &ValueAndGradient<B>,
        draw: u64,
    ) -> Result<Option<Vector<B>>, Failure> {
        let mut u = unit(x, &mut ChaCha8Rng::seed_from_u64(draw)) * self.radius;
        for _ in 0..self.steps {
            let there = objective.evaluate(&(x.clone() + u.clone()), draw);
            there.usable()?;
            let along = dot(here.gradient.clone(), u.clone());
            let numbers = read(Vector::cat(vec![along, norm(u.clone())], 1));
            let (along, size) = (numbers[0], numbers[1]);
            if size > self.limit {
                return Ok(None);
            }
            if there.loss - here.loss - along <= -2.5 * self.decrease {
                return Ok(Some(u / size));
            }
            u = u - (there.gradient - here.gradient.clone()) * self.step_size;
        }
        Ok(None)
    }
}

/// StocBiO + iNEON: descent along a hypergradient, and a step along negative curvature where it is
/// small.
///
/// ```text
/// ‖h‖ > ε:   x ← x − β h
/// ‖h‖ ≤ ε:   u ← IneonSearch;   x ← the better of x ± s u,   or x ← x − β h if there is no u
/// ```
///
/// It ends at the `attempts`-th search in a row that found nothing. Between two such searches are
/// `window` steps along h: a direction that one draw of samples or of the first u did not show,
/// another may, further on.
///
/// With an objective that draws batches by [`StochasticNeumann`](crate::StochasticNeumann) it is
/// the paper's combination.
///
/// # References
/// Huang, Chen, Ji, Ma, Lai (2025), "Efficiently escaping saddle points in bilevel optimization",
/// JMLR 26(1), arXiv:2202.03684; Xu, Jin, Yang (2018), "First-order stochastic algorithms for
/// escaping from saddle points in almost linear time", NeurIPS, arXiv:1711.01944.
///
/// # Differences from the paper
/// Both signs of u are tried and the lower one taken, where the paper draws the sign. The paper's
/// method ends at the first search that finds nothing: `attempts: 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ineon {
    /// β.
    pub step_size: f64,
    /// ε: the gradient is small where `‖∇Φ‖ ≤ ε`.
    pub epsilon: f64,
    /// s, the length of a step along u: γ/ρ.
    pub length: f64,
    /// The search for u.
    pub search: IneonSearch,
    /// Searches in a row that find nothing before it ends.
    pub attempts: usize,
    /// Steps along h, at least one, after a search that found nothing before the next.
    pub window: usize,
}

impl Ineon {
    /// # Errors
    /// If a number is not positive.
    pub fn checked(self) -> Result<Self, Error> {
        positive("step_size", self.step_size)?;
        positive("epsilon", self.epsilon)?;
        positive("length", self.length)?;
        positive("search.step_size", self.search.step_size)?;
        positive("search.steps", self.search.steps as f64)?;
        positive("search.radius", self.search.radius)?;
        positive("search.limit", self.search.limit)?;
        positive("search.decrease", self.search.decrease)?;
        positive("attempts", self.attempts as f64)?;
        Ok(self)
    }

    /// At most `steps` steps from `x`; `observer` sees every point before the step from it.
    pub fn run<B: Backend>(
        &self,
        objective: &mut dyn Objective<B>,
        x: Vector<B>,
        steps: usize,
        seed: u64,
        observer: &mut dyn FnMut(&IterationInfo<'_, B>),
    ) -> Escape<B> {
        let (mut searches, mut in_vain, mut quiet) = (0, 0, 0);
        let escape = walk(objective, x, steps, seed, observer, |objective, here| {
            if here.size > self.epsilon || here.step < quiet {
                return Ok(NextStep::To(here.down(self.step_size)));
            }
            searches += 1;
            let found = self
                .search
                .direction(objective, here.x, here.at, here.draw)?;
            let Some(u) = found else {
                in_vain += 1;
                quiet = here.step + self.window;
                return Ok(if in_vain == self.attempts {
                    NextStep::End(here.x.clone(), here.at.loss)
                } else {
                    NextStep::To(here.down(self.step_size))
                });
            };
            in_vain = 0;
            let mut best: Option<(f64, Vector<B>)> = None;
            for s in [self.length, -self.length] {
                let x = here.x.clone() + u.clone() * s;
                let there = objective.evaluate(&x, here.draw);
                there.usable()?;
                if best.as_ref().is_none_or(|(loss, _)| there.loss < *loss) {
                    best = Some((there.loss, x));
                }
            }
            let (_, x) = best.expect("two points were looked at");
            Ok(NextStep::To(x))
        });
        Escape {
            displacements: searches,
            ..escape
        }
    }
}
