//! Where a run of [`Maid`](super::Maid) stands.

use bilevel_backend::Tape;
use burn::tensor::backend::Backend;

use crate::algorithm::Cost;
use crate::{Constants, Differentiable};

/// What [`Maid`](super::Maid) knows between steps.
pub struct MaidState<B: Backend, P: Differentiable<B>> {
    /// Upper variables.
    pub x: P::Upper<Tape<B>>,
    /// `ε`: the lower level is solved to `‖∇y g‖ ≤ μ ε`.
    pub eps: f64,
    /// `δ`: the adjoint is solved to this residual.
    pub delta: f64,
    /// `α`: the first step size that the next line search tries.
    pub step_size: f64,
    /// Upper steps taken.
    pub step: usize,
    /// What was spent.
    pub cost: Cost,
    /// The worst constants that were probed.
    pub probed: Constants,
}

impl<B: Backend, P: Differentiable<B>> MaidState<B, P> {
    /// The state before the first step, with `ε = δ = 0.1` and `α = 0.01`.
    pub fn new(x: P::Upper<Tape<B>>) -> Self {
        Self {
            x,
            eps: 0.1,
            delta: 0.1,
            step_size: 0.01,
            step: 0,
            cost: Cost::default(),
            probed: Constants::default(),
        }
    }
}

// By hand: a derived `Clone` would ask for `P: Clone`.
impl<B: Backend, P: Differentiable<B>> Clone for MaidState<B, P> {
    fn clone(&self) -> Self {
        Self {
            x: self.x.clone(),
            ..*self
        }
    }
}
