//! VRBO: SPIDER on both levels.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::neumann_series::Drawn;
use super::{Block, Draws, Iterate, NeumannSeries, Oracle, Rule, StormState, VarianceReduced};
use crate::hypergradient::NeumannForm;
use crate::{Error, Schedule, positive};

/// VRBO: an inner loop that follows the directions of both levels by differences.
///
/// ```text
/// t a multiple of the period:  d = D(x, y) on all samples
/// x ← Π(x − γ_t d_x)
/// n times:  d ← D_ξ(x, y) + d − D_ξ(x⁻, y⁻),   y ← y − ρ_t d_y
/// ```
///
/// `D` is the pair of a Neumann series' hypergradient and `∇y g`; `(x⁻, y⁻)` is the point that `d`
/// belongs to. The differences telescope: with all samples in every block, `d = D(x⁻, y⁻)` however
/// long the period. Costs `2n` gradients of each loss, `2n` cross products and `2n (terms − 1)`
/// Hessian products on blocks, and `terms + 2` passes over all samples once a period; memory: a
/// direction and a point.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Vrbo::new(3, Schedule::Constant(0.3), Schedule::Constant(0.5), 5, 6, 0.4)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 200, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Yang, Ji, Liang (2021), "Provably Faster Algorithms for Bilevel Optimization", NeurIPS,
/// arXiv:2106.04692, algorithm 2.
///
/// # Differences from the paper
/// The large batch is all samples. The paper makes one more difference after the last step of y, so
/// that `d` belongs to where the next step begins. Here the next step's first difference makes up
/// for it: x moves along a `d_x` that is one step of y old, and a step costs a pair of directions
/// less. The authors' program leaves that difference out: its `d` drifts away from `D` until the
/// next look at all samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vrbo {
    inner_steps: usize,
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    period: usize,
    series: NeumannSeries,
}

/// What [`Vrbo`] keeps.
#[derive(Record, Clone, Debug)]
pub struct VrboMemory<B: Backend> {
    /// What is followed; nothing at the start.
    pub estimate: Option<StormState<B>>,
}

impl Vrbo {
    /// With `n` inner steps `ρ` of y, steps `γ` of x, all samples every `period` steps, and a
    /// series of `terms` terms of step `series_step_size`.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(
        inner_steps: usize,
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        period: usize,
        terms: usize,
        series_step_size: f64,
    ) -> Result<Self, Error> {
        positive("inner_steps", inner_steps as f64)?;
        positive("period", period as f64)?;
        Ok(Self {
            inner_steps,
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
            period,
            series: NeumannSeries::new(NeumannForm::Sum, terms, series_step_size)?,
        })
    }

    fn directions<B: Backend>(
        &self,
        oracle: &dyn Oracle<B>,
        i: Block,
        on: &Drawn,
        at: &Iterate<B>,
    ) -> Iterate<B> {
        Iterate {
            x: self.series.hypergradient(oracle, on, at),
            y: oracle.lower_gradient(i, at),
        }
    }
}

impl<B: Backend> Rule<B> for Vrbo {
    type Memory = VrboMemory<B>;

    fn start(&self, _: &dyn Oracle<B>, _: &Iterate<B>) -> VrboMemory<B> {
        VrboMemory { estimate: None }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        memory: VrboMemory<B>,
    ) -> (Iterate<B>, VrboMemory<B>) {
        let (rho, gamma) = (self.lower_step_size.at(t), self.upper_step_size.at(t));
        let (mut d, mut before) = match memory.estimate {
            Some(StormState { direction, before }) if !t.is_multiple_of(self.period) => {
                (direction, before)
            }
            _ => {
                let on = self.series.all();
                let d = self.directions(oracle, Block::All, &on, &at);
                (d, at.clone())
            }
        };
        let mut at = oracle.project(Iterate {
            x: at.x - d.x.clone() * gamma,
            y: at.y,
        });
        for _ in 0..self.inner_steps {
            let (i, on) = (draws.lower(), self.series.draw(draws));
            let old = self.directions(oracle, i, &on, &before);
            d = self.directions(oracle, i, &on, &at).followed(d, old, 0.0);
            before = at.clone();
            at.y = at.y - d.y.clone() * rho;
        }
        let direction = d;
        let estimate = Some(StormState { direction, before });
        (at, VrboMemory { estimate })
    }
}
