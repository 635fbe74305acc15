//! TTSA: two time scales.

use burn::tensor::backend::Backend;

use super::amigo::descend;
use super::{Draws, Iterate, NeumannSeries, Oracle, Rule};
use crate::hypergradient::NeumannForm;
use crate::{Error, Schedule};

/// TTSA: one stochastic gradient step on y, one on x, the second with the smaller step.
///
/// ```text
/// y ← y − ρ_t ∇y g_I(x, y)              ρ_t = ρ (t + 1)^(−2/5)
/// x ← Π(x − γ_t D)                      γ_t = γ (t + 1)^(−3/5),   D by the random product of NeumannSeries
/// ```
///
/// The powers are the paper's for a weakly convex F, where it takes `c K^(−2/5)` and `c K^(−3/5)`
/// for a run of K steps; for a strongly convex F it takes the powers 2/3 and 1 in t. Any schedule
/// can be given. Costs one gradient of each loss, a cross product and at most `terms − 1` Hessian
/// products; memory: none.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Ttsa::new(Schedule::Constant(0.4), Schedule::Constant(0.1), 4, 0.5)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 1000, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Hong, Wai, Wang, Yang (2023), "A Two-Timescale Stochastic Algorithm Framework for Bilevel
/// Optimization", SIOPT 33(1), arXiv:2007.05170.
///
/// # Differences from the paper
/// The number of terms is fixed; the paper's grows like log t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ttsa {
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    series: NeumannSeries,
}

impl Ttsa {
    /// With steps `ρ` of y, `γ` of x, and a series of `terms` terms of step `series_step_size`.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        terms: usize,
        series_step_size: f64,
    ) -> Result<Self, Error> {
        Ok(Self {
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
            series: NeumannSeries::new(NeumannForm::RandomProduct, terms, series_step_size)?,
        })
    }
}

impl<B: Backend> Rule<B> for Ttsa {
    type Memory = ();

    fn start(&self, _: &dyn Oracle<B>, _: &Iterate<B>) {}

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        (): (),
    ) -> (Iterate<B>, ()) {
        let at = descend(oracle, draws, at, 1, self.lower_step_size.at(t));
        let on = self.series.draw(draws);
        let dx = self.series.hypergradient(oracle, &on, &at);
        let at = Iterate {
            x: at.x - dx * self.upper_step_size.at(t),
            y: at.y,
        };
        (oracle.project(at), ())
    }
}
