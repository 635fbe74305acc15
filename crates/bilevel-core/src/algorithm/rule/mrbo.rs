//! MRBO: recursive momentum on both levels, with a sum.

use burn::tensor::backend::Backend;

use super::storm::{RecursiveMomentum, StormState};
use super::{Draws, Iterate, NeumannSeries, Oracle, Rule};
use crate::hypergradient::NeumannForm;
use crate::{Error, Schedule};

/// MRBO: one step on each level along directions that STORM follows.
///
/// ```text
/// d ← D_ξ(x, y) + (1 − η_t) (d − D_ξ(x⁻, y⁻))       D = (sum of NeumannSeries, ∇y g)
/// x ← Π(x − γ_t d_x),   y ← y − ρ_t d_y
/// ```
///
/// The paper's steps fall like `t^(−1/3)`, its `η` like `t^(−2/3)`. Costs two gradients of each
/// loss, two cross products and `2 terms − 2` Hessian products; memory: the point before and a
/// direction.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Mrbo::new(Schedule::Constant(0.3), Schedule::Constant(0.3), Schedule::Constant(0.5), 6, 0.4)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 250, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Yang, Ji, Liang (2021), "Provably Faster Algorithms for Bilevel Optimization", NeurIPS,
/// arXiv:2106.04692, algorithm 1.
///
/// # Differences from the paper
/// The weights `η` of both levels are one schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mrbo(RecursiveMomentum);

impl Mrbo {
    /// With steps `ρ` of y, `γ` of x, the share `η` of the newest direction, and a series of
    /// `terms` terms of step `series_step_size`.
    ///
    /// # Errors
    /// If a number is not above zero, or `η` is not in (0, 1].
    pub fn new(
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        eta: Schedule,
        terms: usize,
        series_step_size: f64,
    ) -> Result<Self, Error> {
        let series = NeumannSeries::new(NeumannForm::Sum, terms, series_step_size)?;
        let rule = RecursiveMomentum {
            lower_step_size,
            upper_step_size,
            eta,
            series,
        };
        rule.checked().map(Self)
    }
}

impl<B: Backend> Rule<B> for Mrbo {
    type Memory = Option<StormState<B>>;

    fn start(&self, oracle: &dyn Oracle<B>, at: &Iterate<B>) -> Option<StormState<B>> {
        self.0.start(oracle, at)
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        memory: Option<StormState<B>>,
    ) -> (Iterate<B>, Option<StormState<B>>) {
        self.0.step(oracle, t, draws, at, memory)
    }
}
