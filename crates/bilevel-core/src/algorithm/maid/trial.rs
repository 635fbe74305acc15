//! A point that the line search tries.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use super::Maid;
use crate::algorithm::evaluation::{each, truncated_solves};
use crate::algorithm::state::project;
use crate::algorithm::{Cost, Task};
use crate::parameters::{pack, unpack};
use crate::vector::{norm, norms, read};
use crate::{
    Constants, Differentiable, Error, LowerObjective, LowerSolver, Point, Tolerance, Vector,
    WithTolerance,
};

/// A point that the line search tries.
pub(super) struct Trial<B: Backend, P: Differentiable<B>> {
    pub tasks: Vec<Task<B, P>>,
    /// `U(x₊)`.
    pub upper: f64,
    pub cost: Cost,
}

impl<P: Sync, L: Sync, D: Sync, S: Sync> Maid<P, L, D, S> {
    /// `x₊ = Π(x − α z)`, and `‖x − x₊‖/α`.
    pub(super) fn moved<B>(
        &self,
        x: &P::Upper<Tape<B>>,
        z: &Vector<B>,
        alpha: f64,
    ) -> (P::Upper<Tape<B>>, f64)
    where
        B: Backend,
        P: Differentiable<B>,
    {
        let target = pack(x, 1) - z.clone() * alpha;
        let moved = unpack(x.clone(), target.clone());
        let moved = project(&self.problem, moved);
        // Where the projection does nothing this is z to the last digit.
        let off = target - pack(&moved, 1);
        let size = norms(z.clone() + off / alpha)[0];
        (moved, size)
    }

    /// The lower solves at `x`, and `U` there. NaN if one of them failed.
    pub(super) fn trial<B>(
        &self,
        x: &P::Upper<Tape<B>>,
        tasks: &[Task<B, P>],
        eps: f64,
        probed: Constants,
        weights: &[f64],
    ) -> Result<Trial<B, P>, Error>
    where
        B: Backend,
        P: Differentiable<B>,
        L: LowerSolver<B, P> + WithTolerance,
    {
        let constants = self.constants(x, tasks, probed)?;
        let solved = each(x, tasks.iter(), |index, x, task| {
            let constants = &constants[index];
            let start = Point {
                problem: &self.problem,
                x: &x,
                y: &task.y,
                batch: &task.batch,
            };
            let y = self
                .lower
                .with_tolerance(Tolerance::Absolute(constants.mu * eps))
                .solve(start);
            let outcome = y.outcome();
            let point = Point {
                y: &y.value,
                ..start
            };
            let f = point.upper_gradients();
            let objective = LowerObjective::new(point);
            let lower_gradient = objective.gradient(objective.start());
            let norms = read(Vector::cat(vec![norm(lower_gradient), norm(f.y)], 1));
            let norms = norms.chunks(2).map(|row| (row[0], row[1]));
            let upper = match outcome.status.is_failure() {
                true => f64::NAN,
                false => f.loss + constants.slack(norms.clone()).above(),
            };
            let cost = Cost {
                steps: (outcome.steps * norms.len()) as u64,
                truncated_solves: truncated_solves(&outcome),
            };
            let task = Task { y: y.value, ..task };
            (task, upper, cost)
        });
        let mut trial = Trial {
            tasks: Vec::with_capacity(solved.len()),
            upper: 0.0,
            cost: Cost::default(),
        };
        for ((task, upper, cost), weight) in solved.into_iter().zip(weights) {
            trial.tasks.push(task);
            trial.upper += upper * weight;
            trial.cost += cost;
        }
        Ok(trial)
    }
}
