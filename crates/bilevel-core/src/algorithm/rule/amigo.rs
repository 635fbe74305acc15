//! AmIGO: inner loops that start where the last ones ended.

use burn::tensor::backend::Backend;

use super::{Adjoint, Draws, Iterate, Oracle, Rule};
use crate::{Error, Schedule, positive};

/// AmIGO: a few stochastic steps on y, a few on the adjoint, then one on x, all warm started.
///
/// ```text
/// n times:  y ← y − ρ_t ∇y g_I(x, y)
/// n times:  q ← q − ρ_t (∇²yy g_I(x, y) q − ∇y f_J(x, y))
/// x ← Π(x − γ_t (∇x f_J(x, y) − ∇²xy g_I(x, y) q))
/// ```
///
/// Every I is drawn anew, J once a step. Costs `n` gradients of `g`, one of `f`, `n` Hessian
/// products and one cross product on a block, `2n + 2` calls; memory: one adjoint.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Amigo::new(10, Schedule::Constant(0.3), Schedule::Constant(0.5))?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 200, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Arbel, Mairal (2022), "Amortized Implicit Differentiation for Stochastic Bilevel Optimization",
/// ICLR, arXiv:2111.14580, algorithm 1.
///
/// # Differences from the paper
/// The adjoint has the opposite sign; y and q share steps and their number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amigo {
    inner_steps: usize,
    lower_step_size: Schedule,
    upper_step_size: Schedule,
}

impl Amigo {
    /// With `n` inner steps `ρ` of y and q, and steps `γ` of x.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(
        inner_steps: usize,
        lower_step_size: Schedule,
        upper_step_size: Schedule,
    ) -> Result<Self, Error> {
        positive("inner_steps", inner_steps as f64)?;
        Ok(Self {
            inner_steps,
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
        })
    }
}

impl<B: Backend> Rule<B> for Amigo {
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
        Adjoint { mut q }: Adjoint<B>,
    ) -> (Iterate<B>, Adjoint<B>) {
        let (n, rho, gamma) = (
            self.inner_steps,
            self.lower_step_size.at(t),
            self.upper_step_size.at(t),
        );
        let Iterate { x, y } = descend(oracle, draws, at, n, rho);
        let at = Iterate { x, y };
        let f = oracle.upper_gradients(draws.upper(), &at);
        for _ in 0..n {
            let hq = oracle.hessian(draws.lower(), &at, &q);
            q = q - (hq - f.y.clone()) * rho;
        }
        let dx = f.x - oracle.cross(draws.lower(), &at, &q);
        let at = Iterate {
            x: at.x - dx * gamma,
            y: at.y,
        };
        (oracle.project(at), Adjoint { q })
    }
}

/// `steps` stochastic gradient steps of size `rho` on y, a new block for each.
pub(super) fn descend<B: Backend>(
    oracle: &dyn Oracle<B>,
    draws: &mut Draws,
    mut at: Iterate<B>,
    steps: usize,
    rho: f64,
) -> Iterate<B> {
    for _ in 0..steps {
        at.y = at.y.clone() - oracle.lower_gradient(draws.lower(), &at) * rho;
    }
    at
}
