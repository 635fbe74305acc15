//! The double loop: solve the lower problem, estimate the hypergradient, step.

use std::convert::Infallible;

use bilevel_backend::Tape;
use burn::optim::Optimizer;
use burn::tensor::backend::Backend;

use super::evaluation::{Evaluation, Solvers, each, equal_weights};
use super::stop::run;
use super::{End, State, Step, Stop, Task};
use crate::{Differentiable, Hypergradient, LowerSolver, Observer};

/// One lower solve and one hypergradient an upper step, by any parts.
///
/// ```text
/// F(x) = mean over tasks of f(x, y*(x))
/// y ≈ argmin_y g(x, y) from the last y,   h ≈ dF/dx from the last adjoint,   x ← Π(optimizer(x, h))
/// ```
///
/// The upper step is any Burn optimizer's, `Π` the problem's projection
/// ([`project`](crate::BilevelProblem::project)). Every [`Task`] starts warm where it stopped, and the tasks
/// of a step run on separate threads. The result does not depend on how many threads there are.
///
/// # References
/// The scheme of Pedregosa (2016), arXiv:1602.02355, with fixed instead of scheduled accuracies.
#[derive(Debug, Clone)]
pub struct DoubleLoop<P, L, H> {
    /// The problem.
    pub problem: P,
    /// Solves the lower level.
    pub lower: L,
    /// Estimates the hypergradient.
    pub hypergradient: H,
}

impl<P: Sync, L: Sync, H: Sync> DoubleLoop<P, L, H> {
    /// One upper step on `tasks`, which come back with their solvers advanced.
    ///
    /// If the numbers on the way are of no use, state and tasks come back as they were, but for what was
    /// spent, and the report says where ([`Report::failure`](crate::Report::failure)).
    ///
    /// # Panics
    /// If there is no task.
    pub fn step<B, O>(
        &self,
        mut state: State<B, P, O>,
        tasks: Vec<Task<B, P>>,
        learning_rate: f64,
    ) -> Step<B, P, O>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P>,
        H: Hypergradient<B, P>,
        O: Optimizer<P::Upper<Tape<B>>, Tape<B>>,
    {
        let weights = equal_weights(tasks.len());
        let step = state.step + 1;
        let first = step * tasks.len();
        let solvers = Solvers {
            problem: &self.problem,
            lower: &self.lower,
            hypergradient: &self.hypergradient,
        };
        let solved = each(&state.x, tasks.iter(), |index, x, task| {
            solvers.solve((first + index) as u64, &x, task)
        });
        let here = Evaluation::mean(&state.x, solved, &weights);
        state.cost += here.cost;
        let report = here.report(step, learning_rate, state.cost);
        if report.failure.is_some() {
            return (state, tasks, report);
        }
        let state = state.descend(&self.problem, here.gradient, learning_rate);
        (state, here.tasks, report)
    }

    /// Upper steps on the same tasks with one learning rate, until `stop`.
    ///
    /// # Panics
    /// If there is no task.
    pub fn run<B, O>(
        &self,
        state: State<B, P, O>,
        tasks: Vec<Task<B, P>>,
        learning_rate: f64,
        stop: Stop,
        observer: &mut dyn Observer,
    ) -> End<State<B, P, O>, B, P>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P>,
        H: Hypergradient<B, P>,
        O: Optimizer<P::Upper<Tape<B>>, Tape<B>>,
    {
        let progress = |state: &State<B, P, O>| (state.step, state.cost);
        let Ok(end) = run((state, tasks), stop, observer, progress, |state, tasks| {
            Ok::<_, Infallible>(self.step(state, tasks, learning_rate))
        });
        end
    }
}
