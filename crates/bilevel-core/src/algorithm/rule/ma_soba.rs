//! SOBA with a moving average of the hypergradient.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Draws, Iterate, IterateWithAdjoint, Oracle, Rule};
use crate::{Error, Schedule, Vector};

/// MA-SOBA: [`Soba`](super::Soba) whose upper direction is a moving average.
///
/// ```text
/// D_y, D_q, D_x as SOBA's, on blocks I and J
/// y ← y − ρ_t D_y,   q ← q − ρ_t D_q,   x ← Π(x − γ_t h),   h ← (1 − θ_t) h + θ_t D_x
/// ```
///
/// The paper's θ falls in proportion to γ: `θ_t = c γ_t`. The average takes the place of third
/// derivatives in the analysis: the optimal rate of stochastic gradient descent with second-order
/// smoothness of `g` alone. Costs as SOBA; memory: one adjoint, one vector of x.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(MaSoba::new(Schedule::Constant(0.3), Schedule::Constant(0.2), Schedule::Constant(0.3))?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 600, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Chen, Xiao, Balasubramanian (2023), "Optimal Algorithms for Stochastic Bilevel Optimization
/// under Relaxed Smoothness Conditions", arXiv:2306.12067, algorithm 1.
///
/// # Differences from the paper
/// y and q share a step size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaSoba {
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    theta: Schedule,
}

/// An adjoint and an average of upper directions.
#[derive(Record, Clone, Debug)]
pub struct Averaged<B: Backend> {
    /// q: `[systems, dim y]`.
    pub q: Vector<B>,
    /// h: `[1, dim x]`.
    pub h: Vector<B>,
}

impl MaSoba {
    /// With steps `ρ` of y and q, `γ` of x, and the weight `θ` of the newest direction.
    ///
    /// # Errors
    /// If a schedule does not consist of positive numbers, or `θ` is not in (0, 1].
    pub fn new(
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        theta: Schedule,
    ) -> Result<Self, Error> {
        Ok(Self {
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
            theta: theta.checked_fraction("theta")?,
        })
    }
}

impl<B: Backend> Rule<B> for MaSoba {
    type Memory = Averaged<B>;

    fn start(&self, _: &dyn Oracle<B>, at: &Iterate<B>) -> Averaged<B> {
        Averaged {
            q: at.y.zeros_like(),
            h: at.x.zeros_like(),
        }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        Averaged { q, h }: Averaged<B>,
    ) -> (Iterate<B>, Averaged<B>) {
        let here = IterateWithAdjoint { at, q };
        let mut d = here.directions(oracle, draws.lower(), draws.upper());
        let theta = self.theta.at(t);
        let next = h.clone() * (1.0 - theta) + d.x * theta;
        d.x = h;
        let IterateWithAdjoint { at, q } = here.step(
            oracle,
            d,
            self.lower_step_size.at(t),
            self.upper_step_size.at(t),
        );
        (at, Averaged { q, h: next })
    }
}
