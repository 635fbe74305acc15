//! Perturbed gradient descent of a maximum.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::{Escape, IterationInfo, Minimax, MinimaxProblem, Perturbation, ReducedObjective};
use crate::{BilevelProblem, Differentiable, LowerSolver, PartialGradient, Task};

/// Perturbed GDmax: y climbs, x descends along `∇x f`, with a displacement where that is small.
///
/// ```text
/// y ← steps of ascent on f(x, ·) from the last y,   x moved along −∇x f(x, y) by a Perturbation
/// ```
///
/// `ascent` solves the lower problem `g = −f`: [`GradientDescent`](crate::GradientDescent), or
/// [`ProjectedGradient`](crate::ProjectedGradient) where y is confined. No second derivatives.
///
/// # References
/// Huang, Chen, Ji, Ma, Lai (2025), "Efficiently escaping saddle points in bilevel optimization",
/// JMLR 26(1), arXiv:2202.03684.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerturbedGdMax<L> {
    /// Steps of ascent.
    pub ascent: L,
    /// How x moves.
    pub perturbation: Perturbation,
}

/// The objective of [`PerturbedGdMax`]: `max_y f(x, y)`.
pub type MaxObjective<'a, B, M, L> = ReducedObjective<'a, B, Minimax<M>, L, PartialGradient>;

impl<L> PerturbedGdMax<L> {
    /// `max_y f(x, y)` as the method sees it, from `x` and the task's y.
    pub fn objective<'a, B, M>(
        &self,
        problem: &'a Minimax<M>,
        x: <Minimax<M> as BilevelProblem>::Upper<Tape<B>>,
        task: Task<B, Minimax<M>>,
    ) -> MaxObjective<'a, B, M, L>
    where
        B: Backend,
        M: MinimaxProblem,
        Minimax<M>: Differentiable<B>,
        L: LowerSolver<B, Minimax<M>> + Clone,
    {
        let parts = (self.ascent.clone(), PartialGradient);
        ReducedObjective::new(problem, parts, x, task)
    }

    /// At most `steps` steps.
    pub fn run<B, M>(
        &self,
        objective: &mut MaxObjective<'_, B, M, L>,
        steps: usize,
        seed: u64,
        observer: &mut dyn FnMut(&IterationInfo<'_, B>),
    ) -> Escape<B>
    where
        B: Backend,
        M: MinimaxProblem,
        Minimax<M>: Differentiable<B>,
        L: LowerSolver<B, Minimax<M>>,
    {
        let x = objective.first();
        self.perturbation.run(objective, x, steps, seed, observer)
    }
}
