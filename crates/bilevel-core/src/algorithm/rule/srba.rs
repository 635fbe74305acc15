//! SRBA: SOBA with recursive directions.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Block, Directions, Draws, Iterate, IterateWithAdjoint, Oracle, Rule, VarianceReduced};
use crate::{Error, Schedule, Vector, positive};

/// SRBA: [`Soba`](super::Soba) whose three directions follow SARAH.
///
/// ```text
/// t a multiple of the period:  D on all samples
/// else:                        D ← D_{I,J}(z) + D − D_{I,J}(z⁻)           z = (x, y, q)
/// y ← y − ρ_t D_y,   q ← q − ρ_t D_q,   x ← Π(x − γ_t D_x)
/// ```
///
/// The number of samples it looks at on the way to a stationary point is the least that is
/// possible, up to a constant. Costs twice SOBA's, and all samples once a period; memory: the point
/// before, three directions.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Srba::new(Schedule::Constant(0.3), Schedule::Constant(0.3), 10)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 400, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Dagréou, Moreau, Vaiter, Ablin (2024), "A Lower Bound and a Near-Optimal Algorithm for Bilevel
/// Empirical Risk Minimization", AISTATS, arXiv:2302.08766.
///
/// # Differences from the paper
/// The adjoint has the opposite sign and is not projected on a ball.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Srba {
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    period: usize,
}

/// What [`Srba`] keeps.
#[derive(Record, Clone, Debug)]
pub struct SrbaMemory<B: Backend> {
    /// q: `[systems, dim y]`.
    pub q: Vector<B>,
    /// D and the point it belongs to; none at the start.
    pub estimate: Option<(Directions<B>, IterateWithAdjoint<B>)>,
}

impl Srba {
    /// With steps `ρ` of y and q, `γ` of x, and all samples every `period` steps.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        period: usize,
    ) -> Result<Self, Error> {
        positive("period", period as f64)?;
        Ok(Self {
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
            period,
        })
    }
}

impl<B: Backend> Rule<B> for Srba {
    type Memory = SrbaMemory<B>;

    fn start(&self, _: &dyn Oracle<B>, at: &Iterate<B>) -> SrbaMemory<B> {
        SrbaMemory {
            q: at.y.zeros_like(),
            estimate: None,
        }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        SrbaMemory { q, estimate }: SrbaMemory<B>,
    ) -> (Iterate<B>, SrbaMemory<B>) {
        let here = IterateWithAdjoint { at, q };
        let d = match estimate {
            Some((estimate, before)) if !t.is_multiple_of(self.period) => {
                let (i, j) = (draws.lower(), draws.upper());
                let old = before.directions(oracle, i, j);
                here.directions(oracle, i, j).followed(estimate, old, 0.0)
            }
            _ => here.directions(oracle, Block::All, Block::All),
        };
        let estimate = Some((d.clone(), here.clone()));
        let IterateWithAdjoint { at, q } = here.step(
            oracle,
            d,
            self.lower_step_size.at(t),
            self.upper_step_size.at(t),
        );
        (at, SrbaMemory { q, estimate })
    }
}
