//! SOBA with a memory of every block.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::saga::SagaTable;
use super::{Directions, Draws, Iterate, IterateWithAdjoint, Oracle, Rule};
use crate::{Error, Schedule, Vector};

/// SABA: [`Soba`](super::Soba) with SAGA's memory for each of its five derivatives, so that
/// constant steps converge.
///
/// ```text
/// D ↦ D_I − m_I + mean m,   m_I ← D_I      for ∇y g, ∇²yy g q, ∇²xy g q on the block I, ∇y f, ∇x f on J
/// y ← y − ρ_t D_y,   q ← q − ρ_t D_q,   x ← Π(x − γ_t D_x)
/// ```
///
/// For strongly convex `g` and a smooth `F` it takes as many steps as gradient descent, each on one
/// block of each loss. Costs as SOBA. Memory: the table has `2 dim y + dim x` numbers for a block
/// of `g` and `dim y + dim x` for one of `f`: [`Saba::table_numbers`].
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Saba::new(Schedule::Constant(0.3), Schedule::Constant(0.3))?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 400, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Dagréou, Ablin, Vaiter, Moreau (2022), "A framework for bilevel optimization that enables
/// stochastic and global variance reduction algorithms", NeurIPS, arXiv:2201.13409.
///
/// # Differences from the paper
/// Entries are those of blocks, not of samples; the adjoint has the opposite sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saba {
    lower_step_size: Schedule,
    upper_step_size: Schedule,
}

/// What [`Saba`] keeps.
#[derive(Record, Clone, Debug)]
pub struct SabaMemory<B: Backend> {
    /// q: `[systems, dim y]`.
    pub q: Vector<B>,
    lower_gradient: SagaTable<B>,
    hessian: SagaTable<B>,
    cross: SagaTable<B>,
    upper_y: SagaTable<B>,
    upper_x: SagaTable<B>,
}

impl Saba {
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

    /// Numbers in the table once all blocks were seen, without the five means.
    pub fn table_numbers<B: Backend>(oracle: &dyn Oracle<B>, at: &Iterate<B>) -> usize {
        let blocks = oracle.blocks();
        let (x, y) = (at.x.shape().num_elements(), at.y.shape().num_elements());
        blocks.lower * (2 * y + x) + blocks.upper * (y + x)
    }
}

impl<B: Backend> Rule<B> for Saba {
    type Memory = SabaMemory<B>;

    fn start(&self, oracle: &dyn Oracle<B>, at: &Iterate<B>) -> SabaMemory<B> {
        let blocks = oracle.blocks();
        SabaMemory {
            q: at.y.zeros_like(),
            lower_gradient: SagaTable::new(blocks.lower, &at.y),
            hessian: SagaTable::new(blocks.lower, &at.y),
            cross: SagaTable::new(blocks.lower, &at.x),
            upper_y: SagaTable::new(blocks.upper, &at.y),
            upper_x: SagaTable::new(blocks.upper, &at.x),
        }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        mut m: SabaMemory<B>,
    ) -> (Iterate<B>, SabaMemory<B>) {
        let (i, j) = (draws.lower(), draws.upper());
        let g = oracle.second(i, &at, &m.q);
        let f = oracle.upper_gradients(j, &at);
        let d = Directions {
            y: m.lower_gradient.estimate(i, g.gradient),
            q: m.hessian.estimate(i, g.hessian) - m.upper_y.estimate(j, f.y),
            x: m.upper_x.estimate(j, f.x) - m.cross.estimate(i, g.cross),
        };
        let (rho, gamma) = (self.lower_step_size.at(t), self.upper_step_size.at(t));
        let IterateWithAdjoint { at, q } =
            IterateWithAdjoint { at, q: m.q }.step(oracle, d, rho, gamma);
        (at, SabaMemory { q, ..m })
    }
}
