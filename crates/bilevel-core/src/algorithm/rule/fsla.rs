//! FSLA: a single loop with momentum on the hypergradient.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Draws, Iterate, IterateWithAdjoint, Oracle, Rule};
use crate::{Error, Schedule, Vector};

/// FSLA: one step on y, one on the adjoint, one on x along a variance-reduced direction.
///
/// ```text
/// h ← D_x(x, y, q) + (1 − η_t) (h − D_x(x⁻, y⁻, q⁻))      on the same blocks I, J
/// y ← y − ρ_t D_y,   q ← q − ρ_t D_q,   x ← Π(x − γ_t h)
/// ```
///
/// The directions are [`Directions`](super::Directions). Costs one gradient of `g`, two of `f`, one
/// Hessian product and two cross products on a block, six calls where SOBA makes four; memory: the
/// point before, two adjoints, h.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Fsla::new(Schedule::Constant(0.3), Schedule::Constant(0.2), Schedule::Constant(0.5))?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 500, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Li, Gu, Huang (2022), "A Fully Single Loop Algorithm for Bilevel Optimization without Hessian
/// Inverse", AAAI, arXiv:2112.04660.
///
/// # Differences from the paper
/// All three variables move from the old point at once, and both new directions share their blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fsla {
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    eta: Schedule,
}

/// What [`Fsla`] keeps.
#[derive(Record, Clone, Debug)]
pub struct FslaMemory<B: Backend> {
    /// q: `[systems, dim y]`.
    pub q: Vector<B>,
    /// h: `[1, dim x]`.
    pub h: Vector<B>,
    /// The point before; none at the start.
    pub before: Option<IterateWithAdjoint<B>>,
}

impl Fsla {
    /// With steps `ρ` of y and q, `γ` of x, and the share `η` of the newest direction.
    ///
    /// # Errors
    /// If a schedule does not consist of positive numbers, or `η` is not in (0, 1].
    pub fn new(
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        eta: Schedule,
    ) -> Result<Self, Error> {
        Ok(Self {
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
            eta: eta.checked_fraction("eta")?,
        })
    }
}

impl<B: Backend> Rule<B> for Fsla {
    type Memory = FslaMemory<B>;

    fn start(&self, _: &dyn Oracle<B>, at: &Iterate<B>) -> FslaMemory<B> {
        FslaMemory {
            q: at.y.zeros_like(),
            h: at.x.zeros_like(),
            before: None,
        }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        FslaMemory { q, h, before }: FslaMemory<B>,
    ) -> (Iterate<B>, FslaMemory<B>) {
        let (i, j) = (draws.lower(), draws.upper());
        let here = IterateWithAdjoint { at, q };
        let mut d = here.directions(oracle, i, j);
        if let Some(before) = before {
            let f = oracle.upper_gradients(j, &before.at);
            let old = f.x - oracle.cross(i, &before.at, &before.q);
            d.x = d.x + (h - old) * (1.0 - self.eta.at(t));
        }
        let h = d.x.clone();
        let before = Some(here.clone());
        let IterateWithAdjoint { at, q } = here.step(
            oracle,
            d,
            self.lower_step_size.at(t),
            self.upper_step_size.at(t),
        );
        (at, FslaMemory { q, h, before })
    }
}
