//! Steps of a rule.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Draws, Oracle, Pair, Rule};
use crate::vector::is_finite;
use crate::{Cause, Failure, Level};

/// A rule on an oracle.
pub struct Run<'a, B: Backend, R> {
    rule: R,
    oracle: &'a dyn Oracle<B>,
    seed: u64,
}

/// Where a run stands: all of it, so that a run goes on with the same bits after this was saved and loaded.
#[derive(Record, Clone, Debug)]
pub struct RunState<B: Backend, M: Record<B>> {
    /// The iterate.
    pub at: Pair<B>,
    /// What the rule remembers.
    pub memory: M,
    /// Steps made.
    pub step: usize,
}

/// A step that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The step, from 1.
    pub step: usize,
    /// Set if the numbers of the step are of no use; the state is then that before it.
    pub failure: Option<Failure>,
}

impl<'a, B: Backend, R: Rule<B>> Run<'a, B, R> {
    /// `rule` on `oracle`; what it draws depends on `seed`.
    pub fn new(rule: R, oracle: &'a dyn Oracle<B>, seed: u64) -> Self {
        Self { rule, oracle, seed }
    }

    /// The state before the first step.
    pub fn start(&self, at: Pair<B>) -> RunState<B, R::Memory> {
        RunState {
            memory: self.rule.start(self.oracle, &at),
            at,
            step: 0,
        }
    }

    /// One step. If its numbers are not finite the state comes back as it was.
    ///
    /// Reads one number from the device.
    pub fn step(&self, state: RunState<B, R::Memory>) -> (RunState<B, R::Memory>, Progress) {
        let before = state.clone();
        let RunState { at, memory, step } = state;
        let mut draws = Draws::new(self.seed, step, self.oracle.blocks());
        let (at, memory) = self.rule.step(self.oracle, step, &mut draws, at, memory);
        let level = if !is_finite(at.y.clone()) {
            Some(Level::Lower)
        } else if !is_finite(at.x.clone()) {
            Some(Level::Hypergradient)
        } else {
            None
        };
        let progress = Progress {
            step: step + 1,
            failure: level.map(|level| Failure {
                level,
                cause: Cause::NonFinite,
                iteration: None,
                parameter: None,
            }),
        };
        if progress.failure.is_some() {
            return (before, progress);
        }
        let step = step + 1;
        (RunState { at, memory, step }, progress)
    }

    /// Steps until `steps` are made in all or one fails, each seen by `observer` with the state after it.
    pub fn run(
        &self,
        mut state: RunState<B, R::Memory>,
        steps: usize,
        observer: &mut dyn FnMut(&RunState<B, R::Memory>, &Progress),
    ) -> (RunState<B, R::Memory>, Option<Failure>) {
        while state.step < steps {
            let progress;
            (state, progress) = self.step(state);
            observer(&state, &progress);
            if progress.failure.is_some() {
                return (state, progress.failure);
            }
        }
        (state, None)
    }
}
