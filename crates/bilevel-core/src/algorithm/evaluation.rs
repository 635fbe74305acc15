//! What all algorithms share: the upper loss and its hypergradient at one x, over all tasks.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::{Cost, Task};
use crate::failure::{Cause, Failure, Phase};
use crate::parameters::{non_finite_parameter, unpack};
use crate::vector::norms;
use crate::{
    Accuracy, Bound, Certificate, Differentiable, Estimate, Hypergradient, LowerSolver, Outcome,
    Point, Report, Status, Vector, parallel,
};

/// `work` on every task, on separate threads; it is given the task's index and a handle of x of its
/// own.
pub(super) fn each<'a, B, P, T>(
    x: &P::Upper<Tape<B>>,
    tasks: impl Iterator<Item = &'a Task<B, P>>,
    work: impl Fn(usize, P::Upper<Tape<B>>, Task<B, P>) -> T + Sync,
) -> Vec<T>
where
    B: Backend,
    P: Differentiable<B> + 'a,
    T: Send,
{
    let items = tasks
        .enumerate()
        .map(|(index, task)| (index, x.clone(), task.clone()));
    parallel::map::<B, _, _>(items.collect(), |(index, x, task)| work(index, x, task))
}

/// The parts that turn a task into a hypergradient.
pub(super) struct Solvers<'a, P, L, H> {
    pub problem: &'a P,
    pub lower: &'a L,
    pub hypergradient: &'a H,
}

/// A task after its lower solve and its estimate.
pub(super) struct Solved<B: Backend, P: Differentiable<B>> {
    task: Task<B, P>,
    outcome: Outcome,
    estimate: Estimate<B>,
}

impl<P, L, H> Solvers<'_, P, L, H> {
    /// The lower solve and the estimate for one task; `number` is another one in every call of a
    /// run.
    pub fn solve<B>(&self, number: u64, x: &P::Upper<Tape<B>>, task: Task<B, P>) -> Solved<B, P>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P>,
        H: Hypergradient<B, P>,
    {
        let start = Point {
            problem: self.problem,
            x,
            y: &task.y,
            batch: &task.batch,
        };
        let y = self.lower.solve(start);
        let point = Point {
            y: &y.value,
            ..start
        };
        let estimate = self.hypergradient.estimate(point, task.adjoint, number);
        let outcome = y.outcome();
        Solved {
            task: Task {
                batch: task.batch,
                y: unpack(y.value, estimate.y.clone()),
                adjoint: estimate.adjoint.clone(),
            },
            outcome,
            estimate,
        }
    }
}

impl<B: Backend, P: Differentiable<B>> Solved<B, P> {
    fn cost(&self) -> Cost {
        let Certificate {
            lower,
            adjoint,
            products,
            ..
        } = &self.estimate.certificate;
        let linear = adjoint.map_or(*products, |adjoint| adjoint.steps);
        let inner = lower.map_or(0, |lower| lower.steps);
        let systems = self.estimate.y.dims()[0];
        Cost {
            steps: ((self.outcome.steps + inner + linear) * systems) as u64,
            truncated_solves: truncated_solves(&self.outcome),
        }
    }
}

/// 1 if a solve ended at its limit of steps.
pub(super) fn truncated_solves(outcome: &Outcome) -> u64 {
    u64::from(outcome.status == Status::MaxSteps)
}

/// The mean over tasks at one x.
pub(super) struct Evaluation<B: Backend, P: Differentiable<B>> {
    /// The tasks, advanced.
    pub tasks: Vec<Task<B, P>>,
    /// `f`.
    pub loss: f64,
    /// The hypergradient.
    pub gradient: Vector<B>,
    /// Its norm.
    pub gradient_norm: f64,
    /// The worst lower solve.
    pub lower: Outcome,
    /// The worst solve for an adjoint.
    pub adjoint: Option<Outcome>,
    /// What was measured, task by task.
    pub certificates: Vec<Certificate>,
    /// What all of it cost.
    pub cost: Cost,
    /// The first thing that went wrong.
    pub failure: Option<Failure>,
}

impl<B: Backend, P: Differentiable<B>> Evaluation<B, P> {
    /// The weighted mean; `weights` add up to 1.
    pub fn mean(x: &P::Upper<Tape<B>>, solved: Vec<Solved<B, P>>, weights: &[f64]) -> Self {
        let mut tasks = Vec::with_capacity(solved.len());
        let mut certificates = Vec::with_capacity(solved.len());
        let (mut lower, mut adjoint) = (Vec::new(), Vec::new());
        let mut loss = 0.0;
        let mut gradient: Option<Vector<B>> = None;
        let mut cost = Cost::default();
        let mut failure = None;
        for (one, weight) in solved.into_iter().zip(weights) {
            cost += one.cost();
            let Solved {
                task,
                outcome,
                estimate,
            } = one;
            lower.push(outcome);
            adjoint.extend(estimate.certificate.adjoint);
            failure = failure.or(estimate.failure);
            loss += estimate.loss * weight;
            let share = estimate.gradient * *weight;
            gradient = Some(gradient.map_or(share.clone(), |sum| sum + share));
            certificates.push(estimate.certificate);
            tasks.push(task);
        }
        let gradient = gradient.expect("there is a task");
        let gradient_norm = norms(gradient.clone())[0];
        let mut evaluation = Self {
            tasks,
            loss,
            gradient,
            gradient_norm,
            lower: Outcome::worst(&lower),
            adjoint: (!adjoint.is_empty()).then(|| Outcome::worst(&adjoint)),
            certificates,
            cost,
            failure,
        };
        evaluation.failure = evaluation.unnoticed(x).or(evaluation.failure);
        evaluation
    }

    /// A failure that the estimates do not tell of, or tell of too late.
    fn unnoticed(&self, x: &P::Upper<Tape<B>>) -> Option<Failure> {
        let not_lower = |failure: &Failure| failure.phase != Phase::Lower;
        // A lower solver that fails gives back its last good y, at which the estimate may be sound.
        if self.lower.status == Status::NonFinite && self.failure.as_ref().is_none_or(not_lower) {
            return Some(Failure {
                phase: Phase::Lower,
                cause: Cause::NonFinite,
                iteration: Some(self.lower.steps),
                parameter: None,
            });
        }
        // An estimator of the user's own may not have looked.
        if self.failure.is_none() && !(self.loss.is_finite() && self.gradient_norm.is_finite()) {
            let (phase, parameter) = match self.loss.is_finite() {
                false => (Phase::UpperLoss, None),
                true => (
                    Phase::Hypergradient,
                    non_finite_parameter(x, self.gradient.clone()),
                ),
            };
            return Some(Failure {
                phase,
                cause: Cause::NonFinite,
                iteration: None,
                parameter,
            });
        }
        None
    }

    /// The mean of the tasks' bounds on the error, where all of them are known.
    pub fn bound(&self, weights: &[f64]) -> Option<f64> {
        let known = |certificate: &Certificate| match certificate.bound {
            Bound::Known(omega) => Some(omega),
            Bound::Missing(_) | Bound::NotCovered => None,
        };
        let bounds: Option<Vec<f64>> = self.certificates.iter().map(known).collect();
        bounds.map(|bounds| bounds.iter().zip(weights).map(|(b, w)| b * w).sum())
    }

    /// What an observer receives. `cost` is that of the whole run.
    pub fn report(&self, step: usize, learning_rate: f64, cost: Cost) -> Report {
        Report {
            step,
            upper_loss: self.loss,
            hypergradient_norm: self.gradient_norm,
            step_size: learning_rate,
            lower: self.lower,
            adjoint: self.adjoint,
            accuracy: None::<Accuracy>,
            rejected: 0,
            cost: cost.steps,
            truncated_solves: cost.truncated_solves,
            failure: self.failure.clone(),
        }
    }
}

/// `1/n`, n times.
pub(super) fn equal_weights(count: usize) -> Vec<f64> {
    assert!(count > 0, "an upper step needs at least one task");
    vec![1.0 / count as f64; count]
}
