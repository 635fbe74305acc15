//! Where a run stands.

use bilevel_backend::Tape;
use burn::module::AutodiffModule;
use burn::optim::Optimizer;
use burn::tensor::backend::Backend;

use super::{Cost, Stopped};
use crate::parameters::{assign, unpack_gradients};
use crate::{Differentiable, Report, Vector};

/// What the upper level knows between steps.
pub struct State<B: Backend, P: Differentiable<B>, O> {
    /// Upper variables.
    pub x: P::Upper<Tape<B>>,
    /// The upper optimizer with its moments.
    pub optimizer: O,
    /// Upper steps taken.
    pub step: usize,
    /// What was spent on them, and on steps that failed.
    pub cost: Cost,
}

impl<B: Backend, P: Differentiable<B>, O> State<B, P, O> {
    /// The state before the first step.
    pub fn new(x: P::Upper<Tape<B>>, optimizer: O) -> Self {
        Self {
            x,
            optimizer,
            step: 0,
            cost: Cost::default(),
        }
    }

    /// One step of the optimizer along `gradient`, then the projection.
    pub(super) fn descend(self, problem: &P, gradient: Vector<B>, learning_rate: f64) -> Self
    where
        O: Optimizer<P::Upper<Tape<B>>, Tape<B>>,
    {
        let mut optimizer = self.optimizer;
        let gradients = unpack_gradients(&self.x, gradient);
        let x = optimizer.step(learning_rate, self.x, gradients);
        Self {
            x: project(problem, x),
            optimizer,
            step: self.step + 1,
            cost: self.cost,
        }
    }
}

/// The admissible point nearest to `x`.
pub(super) fn project<B: Backend, P: Differentiable<B>>(
    problem: &P,
    x: P::Upper<Tape<B>>,
) -> P::Upper<Tape<B>> {
    let nearest = problem.project(x.valid());
    assign(x, &nearest)
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

/// What comes out of a run: the last state, the tasks, and why it ended.
pub type End<S, B, P> = (S, Vec<Task<B, P>>, Stopped);

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
            ..*self
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
