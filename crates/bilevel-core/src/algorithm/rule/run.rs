//! Steps of a rule.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Draws, Iterate, Oracle, Rule};
use crate::vector::{is_finite, read};
use crate::{Cause, Failure, Phase, Vector};

/// A rule on an oracle.
pub struct Run<'a, B: Backend, R> {
    rule: R,
    oracle: &'a dyn Oracle<B>,
    seed: u64,
}

/// Where a run stands: all of it, so that a run goes on with the same bits after this was saved and
/// loaded.
#[derive(Record, Clone, Debug)]
pub struct RunState<B: Backend, M: Record<B>> {
    /// The iterate.
    pub at: Iterate<B>,
    /// What the rule remembers.
    pub memory: M,
    /// Steps made.
    pub step: usize,
}

/// The state of a run of the rule `R`.
pub type StateOf<B, R> = RunState<B, <R as Rule<B>>::Memory>;

impl<'a, B: Backend, R: Rule<B>> Run<'a, B, R> {
    /// `rule` on `oracle`; what it draws depends on `seed`.
    pub fn new(rule: R, oracle: &'a dyn Oracle<B>, seed: u64) -> Self {
        Self { rule, oracle, seed }
    }

    /// The state before the first step. A point from which the rule may not start is projected: how
    /// far, [`outside`](Self::outside) says.
    pub fn start(&self, at: Iterate<B>) -> StateOf<B, R> {
        let at = self.rule.admissible(self.oracle, at);
        RunState {
            memory: self.rule.start(self.oracle, &at),
            at,
            step: 0,
        }
    }

    /// How far `at` is from where the rule may start: 0, but for rounding, if it may start there.
    pub fn outside(&self, at: &Iterate<B>) -> f64 {
        let there = self.rule.admissible(self.oracle, at.clone());
        let minus = Vector::full([1, 1], -1.0, &at.x.device());
        let way = there.plus(at, &minus);
        read(way.dot(&way))[0].sqrt()
    }

    /// One step. If its numbers are not finite the state comes back as it was, with what failed.
    ///
    /// Reads two numbers from the device.
    pub fn step(&self, state: StateOf<B, R>) -> (StateOf<B, R>, Option<Failure>) {
        let before = state.clone();
        let RunState { at, memory, step } = state;
        let mut draws = Draws::new(self.seed, step, self.oracle.blocks());
        let (at, memory) = self.rule.step(self.oracle, step, &mut draws, at, memory);
        let phase = if !is_finite(at.y.clone()) {
            Some(Phase::Lower)
        } else if !is_finite(at.x.clone()) {
            Some(Phase::Hypergradient)
        } else {
            None
        };
        match phase {
            Some(phase) => (before, Some(non_finite(phase, step + 1))),
            None => {
                let step = step + 1;
                (RunState { at, memory, step }, None)
            }
        }
    }

    /// Steps until `steps` are made in all or one fails; `observer` sees the state after each.
    pub fn run(
        &self,
        mut state: StateOf<B, R>,
        steps: usize,
        observer: &mut dyn FnMut(&StateOf<B, R>),
    ) -> (StateOf<B, R>, Option<Failure>) {
        while state.step < steps {
            let failure;
            (state, failure) = self.step(state);
            if failure.is_some() {
                return (state, failure);
            }
            observer(&state);
        }
        (state, None)
    }
}

fn non_finite(phase: Phase, step: usize) -> Failure {
    Failure {
        phase,
        cause: Cause::NonFinite,
        iteration: Some(step),
        parameter: None,
    }
}
