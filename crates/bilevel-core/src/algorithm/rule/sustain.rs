//! SUSTAIN: recursive momentum on both levels, with a random product.

use burn::tensor::backend::Backend;

use super::recursive_momentum::{Followed, RecursiveMomentum};
use super::{Draws, Oracle, Pair, Rule, Series};
use crate::hypergradient::NeumannForm;
use crate::{Decay, Error};

/// SUSTAIN: one step on each level along directions that STORM follows.
///
/// ```text
/// d ← D_ξ(x, y) + (1 − η_t) (d − D_ξ(x⁻, y⁻))       D = (random product of Series, ∇y g)
/// x ← Π(x − γ_t d_x),   y ← y − ρ_t d_y
/// ```
///
/// The paper's steps fall like `t^(−1/3)`, its `η` like `t^(−2/3)`. Costs two gradients of each loss, two cross
/// products and at most `2 terms − 2` Hessian products; memory: the point before and a direction.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = Sampled::<B, _, _, _>::new(Scalar, DoubleBackward, Whole(batch), x, y);
/// let run = Run::new(Sustain::new(Decay::Constant(0.3), Decay::Constant(0.02), Decay::Constant(0.5), 4, 0.5)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 3000, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Khanduri, Zeng, Hong, Wai, Wang, Yang (2021), "A Near-Optimal Algorithm for Stochastic Bilevel Optimization
/// via Double-Momentum", NeurIPS, arXiv:2102.07367.
///
/// # Differences from the paper
/// The weights `η` of both levels are one schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sustain(RecursiveMomentum);

impl Sustain {
    /// With steps `ρ` of y, `γ` of x, the share `η` of the newest direction, and a series of `terms` terms of step
    /// `series_step`.
    ///
    /// # Errors
    /// If a number is not above zero, or `η` is not in (0, 1].
    pub fn new(
        lower_step: Decay,
        upper_step: Decay,
        eta: Decay,
        terms: usize,
        series_step: f64,
    ) -> Result<Self, Error> {
        let series = Series::new(NeumannForm::RandomProduct, terms, series_step)?;
        let rule = RecursiveMomentum {
            lower_step,
            upper_step,
            eta,
            series,
        };
        rule.checked().map(Self)
    }
}

impl<B: Backend> Rule<B> for Sustain {
    type Memory = Option<Followed<B>>;

    fn start(&self, oracle: &dyn Oracle<B>, at: &Pair<B>) -> Option<Followed<B>> {
        self.0.start(oracle, at)
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Pair<B>,
        memory: Option<Followed<B>>,
    ) -> (Pair<B>, Option<Followed<B>>) {
        self.0.step(oracle, t, draws, at, memory)
    }
}
