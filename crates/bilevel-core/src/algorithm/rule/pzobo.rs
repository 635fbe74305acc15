//! PZOBO: the change of the lower solution by differences.

use burn::tensor::backend::Backend;

use super::amigo::descend;
use super::{Draws, Iterate, Oracle, Rule};
use crate::vector::dot;
use crate::{Error, Schedule, positive};

/// PZOBO: a hypergradient from repeated inner loops, without a second derivative.
///
/// ```text
/// y_K(x): K steps  y ← y − ρ_t ∇y g_I(x, y)  from the same y, on the same blocks for every x
/// d_j = (y_K(x + μ u_j) − y_K(x)) / μ,        u_j standard normal,  j = 1, …, N
/// x ← Π(x − γ_t (∇x f_J(x, y_K) + 1/N Σ_j u_j ⟨d_j, ∇y f_J(x, y_K)⟩)),   y ← y_K(x)
/// ```
///
/// Exact in expectation where y_K is linear in x, whatever μ; its variance is then `(dim x + 1) /
/// N` times the squared length of the part through y_K. Costs `K (N + 1)` gradients of `g` and one
/// of `f` on a block; memory: a y.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Pzobo::new(5, Schedule::Constant(0.3), Schedule::Constant(0.1), 1, 0.1)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 800, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Sow, Ji, Liang (2022), "On the Convergence Theory for Hessian-Free Bilevel Algorithms", NeurIPS,
/// arXiv:2110.07004.
///
/// # Differences from the paper
/// None.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pzobo {
    inner_steps: usize,
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    directions: usize,
    radius: f64,
}

impl Pzobo {
    /// With `K` inner steps `ρ` of y, steps `γ` of x, and N `directions` of size `radius` μ.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(
        inner_steps: usize,
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        directions: usize,
        radius: f64,
    ) -> Result<Self, Error> {
        positive("inner_steps", inner_steps as f64)?;
        positive("directions", directions as f64)?;
        Ok(Self {
            inner_steps,
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
            directions,
            radius: positive("radius", radius)?,
        })
    }
}

impl<B: Backend> Rule<B> for Pzobo {
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
        let (k, rho, mu) = (self.inner_steps, self.lower_step_size.at(t), self.radius);
        // The same blocks for every inner loop.
        let again = draws.clone();
        let Iterate { x, y } = at;
        let solved = |draws: &mut Draws, x| {
            let y = y.clone();
            descend(oracle, draws, Iterate { x, y }, k, rho)
        };
        let here = solved(draws, x.clone());
        let f = oracle.upper_gradients(draws.upper(), &here);
        let mut dx = f.x;
        for _ in 0..self.directions {
            let u = draws.normal(&x);
            let moved = solved(&mut again.clone(), x.clone() + u.clone() * mu);
            let d = (moved.y - here.y.clone()) / mu;
            let slope = dot(d, f.y.clone()).sum_dim(0);
            dx = dx + u * slope / self.directions as f64;
        }
        let next = Iterate {
            x: here.x - dx * self.upper_step_size.at(t),
            y: here.y,
        };
        (oracle.project(next), ())
    }
}
