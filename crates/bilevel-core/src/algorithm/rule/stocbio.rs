//! stocBiO: an inner loop, and a sum for the inverse Hessian.

use burn::tensor::backend::Backend;

use super::amigo::descend;
use super::{Draws, Iterate, NeumannSeries, Oracle, Rule};
use crate::hypergradient::NeumannForm;
use crate::{Error, Schedule, positive};

/// stocBiO: stochastic gradient steps on y from where they ended, then one on x along a Neumann
/// series.
///
/// ```text
/// n times:  y ← y − ρ_t ∇y g_I(x, y)
/// x ← Π(x − γ_t D),   D by the sum of NeumannSeries
/// ```
///
/// Costs `n` gradients of `g`, one of `f`, a cross product and `terms − 1` Hessian products;
/// memory: none. The bias of the series, `(1 − ημ)^terms`, stays.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(StocBio::new(10, Schedule::Constant(0.3), Schedule::Constant(1.0), 20, 0.4)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 100, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Ji, Yang, Liang (2021), "Bilevel Optimization: Convergence Analysis and Enhanced Design", ICML,
/// arXiv:2010.07962.
///
/// # Differences from the paper
/// The series is the paper's, not the one of the authors' program, which leaves out its first term
/// and the step size of the others. The factors' blocks are of one size; the paper's shrink
/// geometrically along the series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StocBio {
    inner_steps: usize,
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    series: NeumannSeries,
}

impl StocBio {
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
            series: NeumannSeries::new(NeumannForm::Sum, terms, series_step_size)?,
        })
    }
}

impl<B: Backend> Rule<B> for StocBio {
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
