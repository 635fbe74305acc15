//! Penalty-based gradient descent.

use burn::tensor::backend::Backend;

use super::gap::value_gap;
use super::{Block, Draws, Iterate, Oracle, Rule};
use crate::{Error, positive};

/// PBGD: gradient descent on `f` plus a penalty on how far y is from a lower solution.
///
/// ```text
/// (x, y) ← Π((x, y) − (ξₓ, ξ_y) (∇f + γ ∇p))
/// V-PBGD:  p = g(x, y) − min g(x, ·),   the minimum by T gradient steps of size α from y
/// G-PBGD:  p = ‖∇y g(x, y)‖²,           ∇p = 2 (∇²xy g ∇y g, ∇²yy g ∇y g)
/// ```
///
/// For `g` that satisfies the Polyak-Łojasiewicz inequality a solution of the penalised problem has
/// `p = O(1/γ²)`, and it is `O(1/γ)` away from one of the bilevel problem, for both penalties.
/// V-PBGD is [`Bome`](super::Bome) with a fixed multiplier. Steps have to be of the order `1/γ`.
/// Costs on all samples: a gradient of `f` and, V-PBGD, T + 2 gradients of `g`, or, G-PBGD, two of
/// them and both products; memory: none.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Pbgd::new(Penalization::Value { steps: 5, step: 0.3 }, 10.0, 3e-2, 3e-2)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 800, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 2e-2);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Shen, Chen (2023), "On Penalty-based Bilevel Gradient Descent Method", ICML, arXiv:2302.05185.
///
/// # Differences from the paper
/// A step size for each level; y is not projected; γ is fixed, where the authors' programs let it
/// grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pbgd {
    penalty: Penalization,
    weight: f64,
    lower_step_size: f64,
    upper_step_size: f64,
}

/// The penalty of [`Pbgd`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Penalization {
    /// V-PBGD: the value of `g` above its minimum.
    Value {
        /// T.
        steps: usize,
        /// α.
        step: f64,
    },
    /// G-PBGD: the squared norm of `∇y g`.
    Gradient,
}

impl Pbgd {
    /// With `weight` γ, steps `lower_step_size` ξ_y and `upper_step_size` ξₓ.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(
        penalty: Penalization,
        weight: f64,
        lower_step_size: f64,
        upper_step_size: f64,
    ) -> Result<Self, Error> {
        if let Penalization::Value { steps, step } = penalty {
            positive("steps", steps as f64)?;
            positive("step", step)?;
        }
        Ok(Self {
            penalty,
            weight: positive("weight", weight)?,
            lower_step_size: positive("lower_step_size", lower_step_size)?,
            upper_step_size: positive("upper_step_size", upper_step_size)?,
        })
    }

    /// `∇p`.
    fn penalty<B: Backend>(&self, oracle: &dyn Oracle<B>, at: &Iterate<B>) -> Iterate<B> {
        match self.penalty {
            Penalization::Value { steps, step } => value_gap(oracle, at, steps, step).into(),
            Penalization::Gradient => {
                let slope = oracle.lower_gradient(Block::All, at);
                let g = oracle.second(Block::All, at, &slope);
                Iterate {
                    x: g.cross * 2.0,
                    y: g.hessian * 2.0,
                }
            }
        }
    }
}

impl<B: Backend> Rule<B> for Pbgd {
    type Memory = ();

    fn start(&self, _: &dyn Oracle<B>, _: &Iterate<B>) {}

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        _: usize,
        _: &mut Draws,
        at: Iterate<B>,
        (): (),
    ) -> (Iterate<B>, ()) {
        let p = self.penalty(oracle, &at);
        let f = oracle.upper_gradients(Block::All, &at);
        let next = Iterate {
            x: at.x - (f.x + p.x * self.weight) * self.upper_step_size,
            y: at.y - (f.y + p.y * self.weight) * self.lower_step_size,
        };
        (oracle.project(next), ())
    }
}
