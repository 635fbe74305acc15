//! PZOBO: the change of the lower solution by differences.

use burn::tensor::backend::Backend;

use super::amigo::descend;
use super::{Draws, Oracle, Pair, Rule};
use crate::vector::dot;
use crate::{Decay, Error, positive};

/// PZOBO: a hypergradient from repeated inner loops, without a second derivative.
///
/// ```text
/// y_K(x): K steps  y ← y − ρ_t ∇y g_I(x, y)  from the same y, on the same blocks for every x
/// d_j = (y_K(x + μ u_j) − y_K(x)) / μ,        u_j standard normal,  j = 1, …, N
/// x ← Π(x − γ_t (∇x f_J(x, y_K) + 1/N Σ_j u_j ⟨d_j, ∇y f_J(x, y_K)⟩)),   y ← y_K(x)
/// ```
///
/// Exact in expectation where y_K is linear in x, whatever μ; its variance is then `(dim x + 1) / N` times the squared
/// length of the part through y_K. Costs `K (N + 1)` gradients of `g` and one of `f` on a block; memory: a y.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = Sampled::<B, _, _, _>::new(Scalar, DoubleBackward, Whole(batch), x, y);
/// let run = Run::new(Pzobo::new(5, Decay::Constant(0.3), Decay::Constant(0.1), 1, 0.1)?, &oracle, 0);
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
    lower_step: Decay,
    upper_step: Decay,
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
        lower_step: Decay,
        upper_step: Decay,
        directions: usize,
        radius: f64,
    ) -> Result<Self, Error> {
        positive("inner_steps", inner_steps as f64)?;
        positive("directions", directions as f64)?;
        Ok(Self {
            inner_steps,
            lower_step: lower_step.checked("lower_step")?,
            upper_step: upper_step.checked("upper_step")?,
            directions,
            radius: positive("radius", radius)?,
        })
    }
}

impl<B: Backend> Rule<B> for Pzobo {
    type Memory = ();

    fn start(&self, _: &dyn Oracle<B>, _: &Pair<B>) {}

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Pair<B>,
        (): (),
    ) -> (Pair<B>, ()) {
        let (k, rho, mu) = (self.inner_steps, self.lower_step.at(t), self.radius);
        // The same blocks for every inner loop.
        let again = draws.clone();
        let Pair { x, y } = at;
        let solved = |draws: &mut Draws, x| {
            let y = y.clone();
            descend(oracle, draws, Pair { x, y }, k, rho)
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
        let next = Pair {
            x: here.x - dx * self.upper_step.at(t),
            y: here.y,
        };
        (oracle.project(next), ())
    }
}
