//! Where the constants of the tests come from.

use bilevel_backend::Tape;
use burn::module::AutodiffModule;
use burn::tensor::backend::Backend;

use super::{Maid, MaidState};
use crate::algorithm::Task;
use crate::algorithm::evaluation::each;
use crate::{Constants, Differentiable, Error, ErrorKind, Point, SecondOrder};

/// The constants of one task, all of them known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Complete {
    pub all: Constants,
    /// `μ`.
    pub mu: f64,
    /// `L_f`.
    pub l_f: f64,
}

impl Complete {
    /// # Errors
    /// If one is missing.
    pub fn new(all: Constants) -> Result<Self, Error> {
        let missing = || ErrorKind::MissingConstants {
            names: all.missing(),
        };
        match (all.strong_convexity, all.upper_smoothness) {
            (Some(mu), Some(l_f)) if all.missing().is_empty() => Ok(Self { all, mu, l_f }),
            _ => Err(missing().into()),
        }
    }
}

impl<P: Sync, L: Sync, D: Sync, S: Sync> Maid<P, L, D, S> {
    /// The constants of every task at `x`.
    pub(super) fn constants<B>(
        &self,
        x: &P::Upper<Tape<B>>,
        tasks: &[Task<B, P>],
        probed: Constants,
    ) -> Result<Vec<Complete>, Error>
    where
        B: Backend,
        P: Differentiable<B>,
    {
        let x = x.valid();
        let stated = tasks
            .iter()
            .map(|task| self.problem.constants(&x, &task.batch));
        stated.map(|c| Complete::new(c.or(probed))).collect()
    }

    /// Looks at the constants around x and y, if the problem does not state all of them.
    pub(super) fn probe<B>(&self, state: &mut MaidState<B, P>, tasks: &[Task<B, P>])
    where
        B: Backend,
        P: Differentiable<B>,
        D: SecondOrder<B, P>,
    {
        let x = state.x.valid();
        let stated = |task: &Task<B, P>| {
            let constants = self.problem.constants(&x, &task.batch);
            constants.missing().is_empty()
        };
        let Some(probe) = self.settings.probe else {
            return;
        };
        if tasks.iter().all(stated) {
            return;
        }
        let found = each(&state.x, tasks.iter(), |_, x, task| {
            let point = Point {
                problem: &self.problem,
                x: &x,
                y: &task.y,
                batch: &task.batch,
            };
            (
                probe.constants(point, &self.second_order),
                probe.products() * point.systems(),
            )
        });
        for (constants, products) in found {
            state.probed = state.probed.worst(constants);
            state.cost.steps += products as u64;
        }
    }
}
