//! The stochastic bilevel algorithm in a single loop.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Draws, Iterate, IterateWithAdjoint, Oracle, Rule};
use crate::{Error, Schedule, Vector};

/// SOBA: lower variable, adjoint and upper variable each take one stochastic gradient step at a
/// time.
///
/// ```text
/// D_y = ∇y g_I(x, y),   D_q = ∇²yy g_I(x, y) q − ∇y f_J(x, y),   D_x = ∇x f_J(x, y) − ∇²xy g_I(x, y) q
/// y ← y − ρ_t D_y,      q ← q − ρ_t D_q,                         x ← Π(x − γ_t D_x)
/// ```
///
/// `I` is a block of the samples of `g`, `J` of those of `f`, drawn anew in every step; all three
/// directions are taken at the old point and see the same blocks. With steps that decay like `1/√t`
/// it converges as SGD does on one level; at constant steps it stays at a distance of `O(ρ)`,
/// unless the blocks are all there is. Costs one gradient of each loss, one Hessian product and one
/// cross product on a block; memory: one adjoint.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Soba::new(Schedule::Constant(0.3), Schedule::Constant(0.3))?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 400, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_data().to_vec::<f64>().unwrap()[0] - 0.4).abs() < 1e-9);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Dagréou, Ablin, Vaiter, Moreau (2022), "A framework for bilevel optimization that enables
/// stochastic and global variance reduction algorithms", NeurIPS, arXiv:2201.13409.
///
/// # Differences from the paper
/// The adjoint has the opposite sign: q here is −v there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Soba {
    lower_step_size: Schedule,
    upper_step_size: Schedule,
}

/// The adjoint that a rule moves along with its iterate.
#[derive(Record, Clone, Debug)]
pub struct Adjoint<B: Backend> {
    /// q: `[systems, dim y]`.
    pub q: Vector<B>,
}

impl Soba {
    /// With steps `ρ` of y and q, `γ` of x.
    ///
    /// # Errors
    /// If a schedule does not consist of positive numbers.
    pub fn new(lower_step_size: Schedule, upper_step_size: Schedule) -> Result<Self, Error> {
        Ok(Self {
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
        })
    }
}

impl<B: Backend> Rule<B> for Soba {
    type Memory = Adjoint<B>;

    fn start(&self, _: &dyn Oracle<B>, at: &Iterate<B>) -> Adjoint<B> {
        Adjoint {
            q: at.y.zeros_like(),
        }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        Adjoint { q }: Adjoint<B>,
    ) -> (Iterate<B>, Adjoint<B>) {
        let here = IterateWithAdjoint { at, q };
        let d = here.directions(oracle, draws.lower(), draws.upper());
        let IterateWithAdjoint { at, q } = here.step(
            oracle,
            d,
            self.lower_step_size.at(t),
            self.upper_step_size.at(t),
        );
        (at, Adjoint { q })
    }
}
