//! F2SA: a penalty instead of second derivatives.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Draws, Iterate, Oracle, Rule};
use crate::{Error, Schedule, Vector, positive};

/// F2SA: two lower variables, with and without the upper loss, whose difference is the
/// hypergradient.
///
/// ```text
/// n times:  z ← z − ρ_t ∇y g_I(x, z)                                  z → argmin g
///           y ← y − ρ_t (∇y f_J(x, y) / λ + ∇y g_I(x, y))             y → argmin f + λ g
/// x ← Π(x − γ_t (∇x f_J(x, y) + λ (∇x g_I(x, y) − ∇x g_I(x, z)))),    λ ← λ + δ_t
/// ```
///
/// Both gradients of `g` in x see the same block: with different ones their noise would be
/// multiplied by λ. The bias is `O(1/λ)`. Costs `2n + 2` gradients of `g` and `n + 1` of `f` on a
/// block; memory: z.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(F2sa::new(5, Schedule::Constant(0.3), Schedule::Constant(0.5), 10.0, Some(Schedule::Constant(1.0)))?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 500, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-3);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Kwon, Kwon, Wright, Nowak (2023), "A Fully First-Order Method for Stochastic Bilevel
/// Optimization", ICML, arXiv:2301.10945, algorithm 1.
///
/// # Differences from the paper
/// The step of y is on `g + f/λ`, so that one step size fits y and z however large λ becomes. y and
/// z see the same block of g, and so do its gradients in x; the paper draws each anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct F2sa {
    inner_steps: usize,
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    weight: f64,
    growth: Option<Schedule>,
}

/// What [`F2sa`] keeps: the iterate's y is that of the paper.
#[derive(Record, Clone, Debug)]
pub struct F2saMemory<B: Backend> {
    /// z: `[systems, dim y]`.
    pub z: Vector<B>,
    /// λ.
    pub weight: f64,
}

impl F2sa {
    /// With `n` inner steps `ρ` of y and z, steps `γ` of x, and `λ`, which begins at `weight` and
    /// grows by `growth` δ.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(
        inner_steps: usize,
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        weight: f64,
        growth: Option<Schedule>,
    ) -> Result<Self, Error> {
        positive("inner_steps", inner_steps as f64)?;
        Ok(Self {
            inner_steps,
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
            weight: positive("weight", weight)?,
            growth: growth.map(|decay| decay.checked("growth")).transpose()?,
        })
    }
}

impl<B: Backend> Rule<B> for F2sa {
    type Memory = F2saMemory<B>;

    fn start(&self, _: &dyn Oracle<B>, at: &Iterate<B>) -> F2saMemory<B> {
        F2saMemory {
            z: at.y.clone(),
            weight: self.weight,
        }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        mut at: Iterate<B>,
        F2saMemory { z, weight: lambda }: F2saMemory<B>,
    ) -> (Iterate<B>, F2saMemory<B>) {
        let rho = self.lower_step_size.at(t);
        let mut plain = Iterate {
            x: at.x.clone(),
            y: z,
        };
        for _ in 0..self.inner_steps {
            let (i, j) = (draws.lower(), draws.upper());
            plain.y = plain.y.clone() - oracle.lower_gradient(i, &plain) * rho;
            let f = oracle.upper_gradients(j, &at).y;
            at.y = at.y.clone() - (f / lambda + oracle.lower_gradient(i, &at)) * rho;
        }
        let (i, j) = (draws.lower(), draws.upper());
        let gap = oracle.lower_gradients(i, &at).x - oracle.lower_gradients(i, &plain).x;
        let dx = oracle.upper_gradients(j, &at).x + gap * lambda;
        let next = Iterate {
            x: at.x - dx * self.upper_step_size.at(t),
            y: at.y,
        };
        let memory = F2saMemory {
            z: plain.y,
            weight: lambda + self.growth.map_or(0.0, |growth| growth.at(t)),
        };
        (oracle.project(next), memory)
    }
}
