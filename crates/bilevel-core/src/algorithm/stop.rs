//! When a run ends.

use crate::{Observer, Report};

use super::Cost;

/// When a run ends: at the first of these. Nothing is set in the default.
///
/// ```
/// use bilevel_core::Stop;
///
/// // 100 steps, or less if 10,000 lower and linear steps are used up before.
/// let stop = Stop { cost: 10_000, ..Stop::after(100) };
/// assert_eq!((stop.steps, stop.cost), (100, 10_000));
/// assert!(stop.gradient_norm < 1e-300);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Upper steps that the state has behind it, those of earlier runs included.
    pub steps: usize,
    /// What the state has spent ([`Cost::steps`]), in earlier runs too. The step that crosses it is
    /// still completed.
    pub cost: u64,
    /// Euclidean norm of the hypergradient; where its error is bounded, the bound must be as small.
    /// 0: not tested.
    pub gradient_norm: f64,
}

impl Stop {
    /// After `steps` upper steps.
    pub fn after(steps: usize) -> Self {
        Self {
            steps,
            ..Self::default()
        }
    }

    fn before_a_step(&self, steps: usize, cost: u64) -> Option<Stopped> {
        if steps >= self.steps {
            Some(Stopped::Steps)
        } else if cost >= self.cost {
            Some(Stopped::Cost)
        } else {
            None
        }
    }

    fn after_a_step(&self, report: &Report) -> Option<Stopped> {
        let bound = report.accuracy.and_then(|a| a.bound).unwrap_or(0.0);
        if report.failure.is_some() {
            Some(Stopped::Failed)
        } else if self.is_flat(report.hypergradient_norm, bound) {
            Some(Stopped::GradientNorm)
        } else {
            None
        }
    }

    /// Whether a hypergradient of this norm, off by `bound` at most, ends the run.
    pub(super) fn is_flat(&self, norm: f64, bound: f64) -> bool {
        self.gradient_norm > 0.0 && norm <= self.gradient_norm && bound <= self.gradient_norm
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            steps: usize::MAX,
            cost: u64::MAX,
            gradient_norm: 0.0,
        }
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The steps are done.
    Steps,
    /// The cost is spent.
    Cost,
    /// The hypergradient is small enough.
    GradientNorm,
    /// A step failed: [`Report::failure`] of the last report says where.
    Failed,
}

/// Steps until `stop`, each seen by `observer`. `progress` are the steps behind a state and what it
/// spent.
pub(super) fn run<S, T, E>(
    (mut state, mut tasks): (S, T),
    stop: Stop,
    observer: &mut dyn Observer,
    progress: impl Fn(&S) -> (usize, Cost),
    mut step: impl FnMut(S, T) -> Result<(S, T, Report), E>,
) -> Result<(S, T, Stopped), E> {
    loop {
        let (steps, cost) = progress(&state);
        if let Some(why) = stop.before_a_step(steps, cost.steps) {
            return Ok((state, tasks, why));
        }
        let report;
        (state, tasks, report) = step(state, tasks)?;
        observer.report(&report);
        if let Some(why) = stop.after_a_step(&report) {
            return Ok((state, tasks, why));
        }
    }
}
