//! The double loop: solve the lower problem, estimate the hypergradient, step.

use bilevel_backend::Tape;
use burn::module::AutodiffModule;
use burn::optim::Optimizer;
use burn::tensor::backend::Backend;

use crate::observe::{Cause, Failure, Level};
use crate::parameters::{non_finite_parameter, unpack, unpack_gradients};
use crate::vector::{norm, read};
use crate::{
    Differentiable, Estimate, Hypergradient, LowerSolver, Observer, Outcome, Point, Report, Status,
    Vector, parallel,
};

/// One lower solve and one hypergradient an upper step, by any parts.
///
/// ```text
/// F(x) = mean over tasks of f(x, y*(x))
/// y ≈ argmin_y g(x, y) from the last y,   h ≈ dF/dx from the last adjoint,   x ← optimizer(x, h)
/// ```
///
/// The upper step is any Burn optimizer's. Every [`Task`] starts warm where it stopped, and the tasks
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

/// What the upper level knows between steps.
pub struct State<B: Backend, P: Differentiable<B>, O> {
    /// Upper variables.
    pub x: P::Upper<Tape<B>>,
    /// The upper optimizer with its moments.
    pub optimizer: O,
    /// Upper steps taken.
    pub step: usize,
}

impl<B: Backend, P: Differentiable<B>, O> State<B, P, O> {
    /// The state before the first step.
    pub fn new(x: P::Upper<Tape<B>>, optimizer: O) -> Self {
        Self {
            x,
            optimizer,
            step: 0,
        }
    }
}

/// A lower problem: its data, and where its solvers stand.
pub struct Task<B: Backend, P: Differentiable<B>> {
    /// The data.
    pub batch: P::Batch<B>,
    /// The next lower solve starts here.
    pub y: P::Lower<Tape<B>>,
    /// The next adjoint starts here.
    pub adjoint: Option<Vector<B>>,
}

/// What comes out of an upper step.
pub type Step<B, P, O> = (State<B, P, O>, Vec<Task<B, P>>, Report);

impl<B: Backend, P: Differentiable<B>> Task<B, P> {
    /// A task nobody has worked on: `y` is a first guess.
    pub fn new(batch: P::Batch<B>, y: P::Lower<Tape<B>>) -> Self {
        Self {
            batch,
            y,
            adjoint: None,
        }
    }
}

// By hand: a derived `Clone` would ask for `P: Clone`.
impl<B: Backend, P: Differentiable<B>, O: Clone> Clone for State<B, P, O> {
    fn clone(&self) -> Self {
        Self {
            x: self.x.clone(),
            optimizer: self.optimizer.clone(),
            step: self.step,
        }
    }
}

impl<B: Backend, P: Differentiable<B>> Clone for Task<B, P> {
    fn clone(&self) -> Self {
        Self {
            batch: self.batch.clone(),
            y: self.y.clone(),
            adjoint: self.adjoint.clone(),
        }
    }
}

fn not_lower(failure: &Failure) -> bool {
    failure.level != Level::Lower
}

impl<P: Sync, L: Sync, H: Sync> DoubleLoop<P, L, H> {
    /// One upper step on `tasks`, which come back with their solvers advanced.
    ///
    /// If the numbers on the way are of no use, state and tasks come back as they were and the report
    /// says where ([`Report::failure`]).
    ///
    /// # Panics
    /// If there is no task.
    pub fn step<B, O>(
        &self,
        state: State<B, P, O>,
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
        assert!(!tasks.is_empty(), "an upper step needs at least one task");
        let step = state.step + 1;
        // Each thread has leaves of its own: graphs that share one are locked together.
        let fresh = || P::Upper::<Tape<B>>::from_inner(state.x.valid());
        let numbers = (step * tasks.len()) as u64..;
        let work = numbers
            .zip(&tasks)
            .map(|(number, task)| (number, fresh(), task.clone()));
        let solved = parallel::map(work.collect(), |(number, x, task)| {
            self.solve(number, x, task)
        });

        let count = solved.len() as f64;
        let mut next = Vec::with_capacity(solved.len());
        let (mut lower, mut adjoint) = (Vec::new(), Vec::new());
        let mut upper_loss = 0.0;
        let mut gradient: Option<Vector<B>> = None;
        let mut failure = None;
        for (task, outcome, estimate) in solved {
            lower.push(outcome);
            adjoint.extend(estimate.certificate.adjoint);
            failure = failure.or(estimate.failure);
            upper_loss += estimate.loss / count;
            let share = estimate.gradient / count;
            gradient = Some(gradient.map_or(share.clone(), |sum| sum + share));
            next.push(Task {
                adjoint: estimate.adjoint,
                ..task
            });
        }
        let gradient = gradient.expect("there is a task");
        let lower = Outcome::worst(&lower);
        let adjoint = (!adjoint.is_empty()).then(|| Outcome::worst(&adjoint));
        let hypergradient_norm = read(norm(gradient.clone()))[0];

        // A lower solver that fails gives back its last good y, at which the estimate may be sound.
        if lower.status == Status::NonFinite && failure.as_ref().is_none_or(not_lower) {
            failure = Some(Failure {
                level: Level::Lower,
                cause: Cause::NonFinite,
                iteration: Some(lower.steps),
                parameter: None,
            });
        }
        // An estimator of the user's own may not have looked.
        if failure.is_none() && !(upper_loss.is_finite() && hypergradient_norm.is_finite()) {
            let (level, parameter) = match upper_loss.is_finite() {
                false => (Level::UpperLoss, None),
                true => (
                    Level::Hypergradient,
                    non_finite_parameter::<Tape<B>, _>(&state.x, gradient.clone()),
                ),
            };
            failure = Some(Failure {
                level,
                cause: Cause::NonFinite,
                iteration: None,
                parameter,
            });
        }
        let report = Report {
            step,
            upper_loss,
            hypergradient_norm,
            learning_rate,
            lower,
            adjoint,
            failure,
        };
        if report.failure.is_some() {
            return (state, tasks, report);
        }

        let mut optimizer = state.optimizer;
        let gradients = unpack_gradients::<Tape<B>, _>(&state.x, gradient);
        let x = optimizer.step(learning_rate, state.x, gradients);
        (State { x, optimizer, step }, next, report)
    }

    /// `steps` upper steps on the same tasks with one learning rate, or until one fails.
    pub fn run<B, O>(
        &self,
        mut state: State<B, P, O>,
        mut tasks: Vec<Task<B, P>>,
        learning_rate: f64,
        steps: usize,
        observer: &mut dyn Observer,
    ) -> (State<B, P, O>, Vec<Task<B, P>>)
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P>,
        H: Hypergradient<B, P>,
        O: Optimizer<P::Upper<Tape<B>>, Tape<B>>,
    {
        for _ in 0..steps {
            let report;
            (state, tasks, report) = self.step(state, tasks, learning_rate);
            observer.report(&report);
            if report.failure.is_some() {
                break;
            }
        }
        (state, tasks)
    }

    /// The lower solve and the estimate for one task; `number` is another one in every call of a run.
    fn solve<B>(
        &self,
        number: u64,
        x: P::Upper<Tape<B>>,
        task: Task<B, P>,
    ) -> (Task<B, P>, Outcome, Estimate<B>)
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P>,
        H: Hypergradient<B, P>,
    {
        let start = Point {
            problem: &self.problem,
            x: &x,
            y: &task.y,
            batch: &task.batch,
        };
        let y = self.lower.solve(start);
        let estimate = self.hypergradient.estimate(
            Point {
                y: &y.value,
                ..start
            },
            task.adjoint,
            number,
        );
        let outcome = y.outcome();
        (
            Task {
                batch: task.batch,
                y: unpack::<Tape<B>, _>(y.value, estimate.y.clone()),
                adjoint: None,
            },
            outcome,
            estimate,
        )
    }
}
