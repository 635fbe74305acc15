//! The double loop: solve the lower problem, estimate the hypergradient, step.

use std::convert::Infallible;

use bilevel_backend::Tape;
use burn::optim::Optimizer;
use burn::tensor::backend::Backend;

use super::evaluation::{Evaluation, Solvers, each, equal_weights};
use super::stop::run;
use super::{End, State, Step, Stop, Stopped, Task};
use crate::{
    Accelerated, Backtracking, ConjugateGradient, Differentiable, DoubleBackward, Hypergradient,
    ImplicitDifferentiation, LowerSolver, Observer, Report,
};

/// One lower solve and one hypergradient an upper step, by any parts.
///
/// ```text
/// F(x) = mean over tasks of f(x, y*(x))
/// y ≈ argmin_y g(x, y) from the last y,   h ≈ dF/dx from the last adjoint,   x ← Π(optimizer(x, h))
/// ```
///
/// The upper step is any Burn optimizer's, `Π` the problem's projection
/// ([`project`](crate::BilevelProblem::project)). Every [`Task`] starts warm where it stopped, and
/// the tasks of a step run on separate threads. The result does not depend on how many threads
/// there are.
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

impl<P>
    DoubleLoop<
        P,
        Accelerated<Backtracking>,
        ImplicitDifferentiation<DoubleBackward, ConjugateGradient>,
    >
{
    /// A problem with the default parts: [`Accelerated`] with backtracking, and
    /// [`ImplicitDifferentiation`] by conjugate gradients with exact second derivatives.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            lower: Accelerated::default(),
            hypergradient: ImplicitDifferentiation::default(),
        }
    }
}

impl<P, L, H> DoubleLoop<P, L, H> {
    /// The same with another lower solver.
    #[must_use]
    pub fn lower<M>(self, lower: M) -> DoubleLoop<P, M, H> {
        DoubleLoop {
            problem: self.problem,
            lower,
            hypergradient: self.hypergradient,
        }
    }

    /// The same with another estimator.
    #[must_use]
    pub fn hypergradient<G>(self, hypergradient: G) -> DoubleLoop<P, L, G> {
        DoubleLoop {
            problem: self.problem,
            lower: self.lower,
            hypergradient,
        }
    }
}

/// What [`DoubleLoop::train`] leaves.
pub struct Trained<B: Backend, P: Differentiable<B>, O> {
    /// The learned upper variables.
    pub x: P::Upper<Tape<B>>,
    /// The optimizer with its moments.
    pub optimizer: O,
    /// The tasks, with their last lower variables.
    pub tasks: Vec<Task<B, P>>,
    /// A report for each step.
    pub reports: Vec<Report>,
    /// Why it ended: after its last step, or at one that failed.
    pub stopped: Stopped,
}

impl<P: Sync, L: Sync, H: Sync> DoubleLoop<P, L, H> {
    /// One upper step on `tasks`, which come back with their solvers advanced.
    ///
    /// If the numbers on the way are of no use, state and tasks come back as they were, but for
    /// what was spent, and the report says where ([`Report::failure`](crate::Report::failure)).
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

    /// So many upper steps from `x`, by a fresh optimizer, on lower problems given as `(batch,
    /// first y)`.
    ///
    /// The short form of [`run`](Self::run): reports are collected, and the run ends early at a
    /// step that fails.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
    /// # use example::*;
    /// use burn::optim::SgdConfig;
    ///
    /// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4; a step of 2 halves the error
    /// let At { x, y, batch } = scalar(1.0, 0.0);
    /// let run = DoubleLoop::new(Scalar).train(x, SgdConfig::new().init(), [(batch, y)], 2.0, 20);
    /// assert!((run.x.value.val().into_data().to_vec::<f64>().unwrap()[0] - 0.4).abs() < 1e-4);
    /// assert_eq!((run.reports.len(), run.stopped), (20, Stopped::Steps));
    /// ```
    ///
    /// # Panics
    /// If there is no task.
    pub fn train<B, O>(
        &self,
        x: P::Upper<Tape<B>>,
        optimizer: O,
        tasks: impl IntoIterator<Item = (P::Batch<B>, P::Lower<Tape<B>>)>,
        learning_rate: f64,
        steps: usize,
    ) -> Trained<B, P, O>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P>,
        H: Hypergradient<B, P>,
        O: Optimizer<P::Upper<Tape<B>>, Tape<B>>,
    {
        let tasks = tasks.into_iter().map(|(batch, y)| Task::new(batch, y));
        let mut reports = Vec::new();
        let mut collect = |report: &Report| reports.push(report.clone());
        let state = State::new(x, optimizer);
        let stop = Stop::after(steps);
        let (state, tasks, stopped) =
            self.run(state, tasks.collect(), learning_rate, stop, &mut collect);
        Trained {
            x: state.x,
            optimizer: state.optimizer,
            tasks,
            reports,
            stopped,
        }
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
