//! Inexact stochastic gradient descent.

use std::convert::Infallible;

use bilevel_backend::Tape;
use burn::optim::Optimizer;
use burn::tensor::backend::Backend;

use super::evaluation::{Evaluation, Solvers, each};
use super::stop::run;
use super::{End, Sampling, Schedule, State, Step, Stop, Task};
use crate::{
    Accuracy, Differentiable, Error, Hypergradient, LowerSolver, Observer, WithTolerance, positive,
};

/// Stochastic gradient descent on the hypergradients of few tasks at a time, solved as exactly as a
/// schedule says.
///
/// ```text
/// F(x) = mean over all tasks,    B_t a random batch of them,    t = 0, 1, …
/// y_i to ‖∇y g_i‖ ≤ ε_t,   q_i to δ_t,   z = mean over B_t of ∇x f_i − ∇²xy g_i · q_i
/// x ← Π(optimizer(x, z)) with learning rate α_t
/// ```
///
/// Every task keeps its own y and adjoint: it starts warm whenever it is drawn again, in whatever
/// order. Plain SGD is the method of the paper; with Adam or momentum, or with
/// [`ScheduleFreeSgd`](crate::ScheduleFreeSgd), it is what the paper calls after them. Costs a step
/// what the solves of a batch cost; memory: y and adjoint of every task.
///
/// With constant α the iterates end in a ball around a stationary point whose size the noise of the
/// batches and the bias of the accuracies decide; with α and ε that decay they converge.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// use burn::optim::SgdConfig;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let lower = GradientDescent { step_size: 0.4, max_steps: 1000, tolerance: Tolerance::Absolute(0.0) };
/// let hypergradient = ImplicitDifferentiation {
///     second_order: DoubleBackward,
///     solver: ConjugateGradient { max_steps: 10, tolerance: Tolerance::Relative(0.0) },
/// };
/// let settings = IsgdSettings {
///     batch: 1,
///     sampling: Sampling::Shuffled,
///     step_size: Schedule::Constant(2.0),
///     lower_accuracy: Schedule::Polynomial { initial: 1e-2, power: 2.0 },
///     adjoint_accuracy: Schedule::Polynomial { initial: 1e-2, power: 2.0 },
///     seed: 0,
/// };
/// let isgd = Isgd::new(Scalar, lower, hypergradient, settings)?;
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let state = State::<B, _, _>::new(x, SgdConfig::new().init());
/// let tasks = vec![Task::new(batch, y)];
/// let (state, _, why) = isgd.run(state, tasks, Stop::after(60), &mut |_: &Report| ());
/// assert_eq!(why, Stopped::Steps);
/// assert!((state.x.value.val().into_scalar() - 0.4).abs() < 1e-5);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Salehi, Mukherjee, Roberts, Ehrhardt (2025), "Bilevel Learning with Inexact Stochastic
/// Gradients", SSVM, arXiv:2412.12049.
///
/// # Differences from the paper
/// The accuracy of the adjoint has a schedule of its own. Accuracies are norms of residuals: divide
/// by μ for distances to the solution. ε and δ are the numbers in the solvers' tolerances: the
/// paper's are [`Absolute`](crate::Tolerance::Absolute). A task that is drawn twice into a batch is
/// solved once and counts twice.
#[derive(Debug, Clone)]
pub struct Isgd<P, L, H> {
    problem: P,
    lower: L,
    hypergradient: H,
    settings: IsgdSettings,
}

/// What [`Isgd`] is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsgdSettings {
    /// Tasks in a batch.
    pub batch: usize,
    /// How they are drawn.
    pub sampling: Sampling,
    /// `α_t`.
    pub step_size: Schedule,
    /// `ε_t`: the tolerance that the lower solver is given.
    pub lower_accuracy: Schedule,
    /// `δ_t`: the tolerance that the estimator is given.
    pub adjoint_accuracy: Schedule,
    /// What the batches depend on, besides the step's number.
    pub seed: u64,
}

impl<P, L, H> Isgd<P, L, H> {
    /// The method. Of the tolerances of `lower` and `hypergradient` the kind is used, absolute or
    /// relative, and not the number.
    ///
    /// # Errors
    /// If the batch is empty, or a schedule does not consist of positive numbers.
    pub fn new(
        problem: P,
        lower: L,
        hypergradient: H,
        settings: IsgdSettings,
    ) -> Result<Self, Error> {
        positive("batch", settings.batch as f64)?;
        settings.step_size.checked("step_size")?;
        settings.lower_accuracy.checked("lower_accuracy")?;
        settings.adjoint_accuracy.checked("adjoint_accuracy")?;
        Ok(Self {
            problem,
            lower,
            hypergradient,
            settings,
        })
    }

    /// The settings.
    pub fn settings(&self) -> &IsgdSettings {
        &self.settings
    }
}

impl<P: Sync, L: Sync, H: Sync> Isgd<P, L, H> {
    /// One upper step on a batch of `tasks`; all come back, those of the batch with their solvers
    /// advanced.
    ///
    /// If the numbers on the way are of no use, state and tasks come back as they were, but for
    /// what was spent, and the report says where ([`Report::failure`](crate::Report::failure)).
    ///
    /// # Panics
    /// If there is no task.
    pub fn step<B, O>(&self, mut state: State<B, P, O>, mut tasks: Vec<Task<B, P>>) -> Step<B, P, O>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P> + WithTolerance,
        H: Hypergradient<B, P> + WithTolerance,
        O: Optimizer<P::Upper<Tape<B>>, Tape<B>>,
    {
        let IsgdSettings {
            batch,
            sampling,
            step_size,
            lower_accuracy,
            adjoint_accuracy,
            seed,
        } = self.settings;
        let t = state.step;
        let (alpha, epsilon, delta) = (
            step_size.at(t),
            lower_accuracy.at(t),
            adjoint_accuracy.at(t),
        );
        let (drawn, weights) = counted(sampling.batch(tasks.len(), batch, t, seed));
        let solvers = Solvers {
            problem: &self.problem,
            lower: &self.lower.with_number(epsilon),
            hypergradient: &self.hypergradient.with_number(delta),
        };
        let first = (t + 1) * tasks.len();
        let batch = drawn.iter().map(|&index| &tasks[index]);
        let solved = each(&state.x, batch, |index, x, task| {
            solvers.solve((first + index) as u64, &x, task)
        });
        let here = Evaluation::mean(&state.x, solved, &weights);
        state.cost += here.cost;
        let mut report = here.report(t + 1, alpha, state.cost);
        report.accuracy = Some(Accuracy {
            lower: epsilon,
            adjoint: delta,
            bound: here.bound(&weights),
        });
        if report.failure.is_some() {
            return (state, tasks, report);
        }
        for (index, task) in drawn.into_iter().zip(here.tasks) {
            tasks[index] = task;
        }
        let state = state.descend(&self.problem, here.gradient, alpha);
        (state, tasks, report)
    }

    /// Upper steps on `tasks` until `stop`, whose gradient norm is that of a batch.
    ///
    /// # Panics
    /// If there is no task.
    pub fn run<B, O>(
        &self,
        state: State<B, P, O>,
        tasks: Vec<Task<B, P>>,
        stop: Stop,
        observer: &mut dyn Observer,
    ) -> End<State<B, P, O>, B, P>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P> + WithTolerance,
        H: Hypergradient<B, P> + WithTolerance,
        O: Optimizer<P::Upper<Tape<B>>, Tape<B>>,
    {
        let progress = |state: &State<B, P, O>| (state.step, state.cost);
        let Ok(end) = run((state, tasks), stop, observer, progress, |state, tasks| {
            Ok::<_, Infallible>(self.step(state, tasks))
        });
        end
    }
}

/// The different indices of a batch, and the share of each.
fn counted(mut batch: Vec<usize>) -> (Vec<usize>, Vec<f64>) {
    let size = batch.len() as f64;
    batch.sort_unstable();
    batch
        .chunk_by(|a, b| a == b)
        .map(|same| (same[0], same.len() as f64 / size))
        .unzip()
}
