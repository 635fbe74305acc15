//! BSA: an inner loop, and a random product for the inverse Hessian.

use burn::tensor::backend::Backend;

use super::amigo::descend;
use super::{Draws, Iterate, NeumannSeries, Oracle, Rule};
use crate::hypergradient::NeumannForm;
use crate::{Error, Schedule, positive};

/// BSA: stochastic gradient steps on y, then one on x along a randomly truncated Neumann series.
///
/// ```text
/// n times:  y ← y − ρ_t ∇y g_I(x, y)
/// x ← Π(x − γ_t D),   D by the random product of NeumannSeries
/// ```
///
/// The first of its family. Costs `n` gradients of `g`, one of `f`, a cross product and at most
/// `terms − 1` Hessian products; memory: none.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Bsa::new(10, Schedule::Constant(0.3), Schedule::Constant(0.5), 10, 0.5)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 300, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Ghadimi, Wang (2018), "Approximation Methods for Bilevel Programming", arXiv:1802.02246.
///
/// # Differences from the paper
/// The number of inner steps is fixed, they begin where the last ones ended, and ρ depends on the
/// outer step; in the paper they begin at the same y each time, grow in number, and ρ falls within
/// the loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bsa {
    inner_steps: usize,
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    series: NeumannSeries,
}

impl Bsa {
    /// With `inner_steps` steps `ρ` of y, `γ` of x, and a series of `terms` terms of step
    /// `series_step_size`.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(
        inner_steps: usize,
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        terms: usize,
        series_step_size: f64,
    ) -> Result<Self, Error> {
        positive("inner_steps", inner_steps as f64)?;
        Ok(Self {
            inner_steps,
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
            series: NeumannSeries::new(NeumannForm::RandomProduct, terms, series_step_size)?,
        })
    }
}

impl<B: Backend> Rule<B> for Bsa {
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
        let at = descend(
            oracle,
            draws,
            at,
            self.inner_steps,
            self.lower_step_size.at(t),
        );
        let on = self.series.draw(draws);
        let dx = self.series.hypergradient(oracle, &on, &at);
        let at = Iterate {
            x: at.x - dx * self.upper_step_size.at(t),
            y: at.y,
        };
        (oracle.project(at), ())
    }
}
