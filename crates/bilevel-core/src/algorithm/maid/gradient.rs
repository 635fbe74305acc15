//! Algorithm 3.2: a hypergradient that is known to descend.

use burn::tensor::backend::Backend;

use super::constants::Complete;
use super::{Direction, Maid, MaidSettings, MaidState};
use crate::algorithm::evaluation::{Evaluation, Solvers, each, equal_weights};
use crate::algorithm::{Stop, Task};
use crate::{
    Bound, Cause, Differentiable, Failure, ImplicitDifferentiation, LinearSolver, LowerSolver,
    Phase, SecondOrder, Tolerance, WithTolerance,
};

/// An inexact gradient, and what is known of it.
pub(super) struct Gradient<B: Backend, P: Differentiable<B>> {
    pub here: Evaluation<B, P>,
    pub eps: f64,
    pub delta: f64,
    /// `ω`.
    pub omega: f64,
    /// `‖z‖`, or `‖x − Π(x − α z)‖/α`.
    pub norm: f64,
    pub verdict: Verdict,
}

pub(super) enum Verdict {
    Descends,
    /// As small as the run asks for.
    Flat,
    Failed(Failure),
}

impl<P: Sync, L: Sync, D: Sync, S: Sync> Maid<P, L, D, S> {
    /// Algorithm 3.2: solves as exactly as it takes for the hypergradient to be known to descend.
    pub(super) fn gradient<B>(
        &self,
        state: &mut MaidState<B, P>,
        tasks: &[Task<B, P>],
        (mut eps, mut delta): (f64, f64),
        constants: &[Complete],
        stop: Stop,
    ) -> Gradient<B, P>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P> + WithTolerance,
        D: SecondOrder<B, P>,
        S: LinearSolver<B> + WithTolerance,
    {
        let weights = equal_weights(tasks.len());
        let mut advanced = None;
        loop {
            let hypergradient = ImplicitDifferentiation {
                second_order: &self.second_order,
                solver: self.solver.with_tolerance(Tolerance::Absolute(delta)),
            };
            let tasks = advanced.as_deref().unwrap_or(tasks);
            let solved = each(&state.x, tasks.iter(), |index, x, task| {
                let solvers = Solvers {
                    problem: &self.problem,
                    lower: &self
                        .lower
                        .with_tolerance(Tolerance::Absolute(constants[index].mu * eps)),
                    hypergradient: &hypergradient,
                };
                solvers.solve(0, &x, task)
            });
            let here = Evaluation::mean(&state.x, solved, &weights);
            state.cost += here.cost;
            let bounds = here.certificates.iter().zip(constants);
            let bounds = bounds.map(|(certificate, c)| match certificate.bound_for(&c.all) {
                Bound::Known(omega) => omega,
                Bound::Missing(_) | Bound::NotCovered => f64::INFINITY,
            });
            let omega = bounds.zip(&weights).map(|(b, w)| b * w).sum::<f64>();
            let (_, norm) = self.moved(&state.x, &here.gradient, state.step_size);
            let descends = match self.settings.direction {
                Direction::Certified { eta } => omega <= (1.0 - eta) * norm,
                Direction::Unchecked => true,
            };
            let finer = self.refined(eps, delta);
            let verdict = match (&here.failure, finer) {
                (Some(failure), _) => Verdict::Failed(failure.clone()),
                _ if stop.is_flat(norm, omega) => Verdict::Flat,
                _ if descends => Verdict::Descends,
                (None, None) => Verdict::Failed(inaccurate(Phase::Hypergradient)),
                (None, Some(finer)) => {
                    (eps, delta) = finer;
                    advanced = Some(here.tasks);
                    continue;
                }
            };
            return Gradient {
                here,
                eps,
                delta,
                omega,
                norm,
                verdict,
            };
        }
    }

    /// `(ν ε, ν δ)`, if one of them can still be lowered.
    pub(super) fn refined(&self, eps: f64, delta: f64) -> Option<(f64, f64)> {
        let MaidSettings {
            refinement,
            eps_min,
            delta_min,
            ..
        } = self.settings;
        (eps > eps_min || delta > delta_min).then_some((
            (eps * refinement).max(eps_min),
            (delta * refinement).max(delta_min),
        ))
    }
}

/// The value or derivative in question cannot be had as exactly as it is needed.
pub(super) fn inaccurate(phase: Phase) -> Failure {
    Failure {
        phase,
        cause: Cause::Inaccurate,
        iteration: None,
        parameter: None,
    }
}
