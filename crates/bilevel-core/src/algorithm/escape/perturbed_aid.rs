//! Perturbed approximate implicit differentiation.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::{Escape, IterationInfo, Perturbation, ReducedObjective};
use crate::{
    ConjugateGradient, DoubleBackward, GradientDescent, ImplicitDifferentiation, Task, Tolerance,
    TwiceDifferentiable,
};

/// Perturbed AID: warm lower steps, warm conjugate gradients, and a displacement where the
/// hypergradient is small.
///
/// ```text
/// y ← D steps  y − τ ∇y g(x, y)     from the last y
/// q ← N steps of conjugate gradients on  ∇²yy g q = ∇y f     from the last q
/// h = ∇x f − ∇²xy g q,   x moved along −h by a Perturbation
/// ```
///
/// Costs D + 1 gradients, the last at the y that it ends with, and N + 1 Hessian products a step;
/// where x is displaced, twice that.
///
/// # References
/// Huang, Chen, Ji, Ma, Lai (2025), "Efficiently escaping saddle points in bilevel optimization",
/// JMLR 26(1), arXiv:2202.03684.
///
/// # Differences from the paper
/// The trigger is `‖h‖ ≤ ε`; the paper's factor on ε is part of [`epsilon`](Perturbation::epsilon).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerturbedAid {
    /// τ, at most 1/L.
    pub lower_step_size: f64,
    /// D.
    pub lower_steps: usize,
    /// N.
    pub linear_steps: usize,
    /// How x moves.
    pub perturbation: Perturbation,
}

/// The objective of [`PerturbedAid`].
pub type AidObjective<'a, B, P> = ReducedObjective<
    'a,
    B,
    P,
    GradientDescent,
    ImplicitDifferentiation<DoubleBackward, ConjugateGradient>,
>;

impl PerturbedAid {
    /// Φ as the method sees it, from `x` and the task's y.
    pub fn objective<'a, B: Backend, P: TwiceDifferentiable<B>>(
        &self,
        problem: &'a P,
        x: P::Upper<Tape<B>>,
        task: Task<B, P>,
    ) -> AidObjective<'a, B, P> {
        let lower = GradientDescent {
            step_size: self.lower_step_size,
            max_steps: self.lower_steps,
            tolerance: Tolerance::Absolute(0.0),
        };
        let hypergradient = ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: ConjugateGradient {
                max_steps: self.linear_steps,
                tolerance: Tolerance::Relative(1e-14),
            },
        };
        ReducedObjective::new(problem, (lower, hypergradient), x, task)
    }

    /// At most `steps` steps.
    pub fn run<B: Backend, P: TwiceDifferentiable<B>>(
        &self,
        objective: &mut AidObjective<'_, B, P>,
        steps: usize,
        seed: u64,
        observer: &mut dyn FnMut(&IterationInfo<'_, B>),
    ) -> Escape<B> {
        let x = objective.first();
        self.perturbation.run(objective, x, steps, seed, observer)
    }
}
