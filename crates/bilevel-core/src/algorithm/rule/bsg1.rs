//! BSG-1: a hypergradient whose Hessian is a product of gradients.

use burn::tensor::backend::Backend;

use super::amigo::descend;
use super::{Draws, Iterate, Oracle, Rule};
use crate::vector::{dot, quotient};
use crate::{Error, Schedule, positive};

/// BSG-1: second derivatives are replaced by products of first ones.
///
/// ```text
/// n times:  y ← y − ρ_t ∇y g_I(x, y)
/// ∇²yy g ≈ ∇y g ∇y gᵀ,   ∇²xy g ≈ ∇x g ∇y gᵀ:
/// x ← Π(x − γ_t (∇x f_J − (⟨∇y f_J, ∇y g_I⟩ / ‖∇y g_I‖²) ∇x g_I))
/// ```
///
/// Right where `g` is half the square of one function of both variables, a heuristic else; where
/// `∇y g` vanishes the second term is left out. A baseline. Costs `n + 1` gradients of `g`, one of
/// `f`; memory: none.
///
/// # References
/// Giovannelli, Kent, Vicente (2021), "Inexact bilevel stochastic gradient methods for constrained
/// and unconstrained lower-level problems", arXiv:2110.00604.
///
/// # Differences from the paper
/// None.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bsg1 {
    inner_steps: usize,
    lower_step_size: Schedule,
    upper_step_size: Schedule,
}

impl Bsg1 {
    /// With `n` inner steps `ρ` of y and steps `γ` of x.
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

impl<B: Backend> Rule<B> for Bsg1 {
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
        let at = descend(
            oracle,
            draws,
            at,
            self.inner_steps,
            self.lower_step_size.at(t),
        );
        let g = oracle.lower_gradients(draws.lower(), &at);
        let f = oracle.upper_gradients(draws.upper(), &at);
        let along = dot(f.y, g.y.clone()).sum_dim(0);
        let square = dot(g.y.clone(), g.y).sum_dim(0);
        let dx = f.x - g.x * quotient(along, square);
        let next = Iterate {
            x: at.x - dx * self.upper_step_size.at(t),
            y: at.y,
        };
        (oracle.project(next), ())
    }
}
