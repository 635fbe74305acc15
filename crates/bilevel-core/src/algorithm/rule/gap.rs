//! How far y is from solving the lower problem, by the value of g.

use burn::tensor::backend::Backend;

use super::{Block, Iterate, Oracle};
use crate::LossGradients;

/// `q̂` and its gradient at `at`: gradient steps estimate the least value of `g`.
///
/// ```text
/// y⁽⁰⁾ = y,   y⁽ᵗ⁺¹⁾ = y⁽ᵗ⁾ − α ∇y g(x, y⁽ᵗ⁾)                       t < T
/// q̂ = g(x, y) − g(x, y⁽ᵀ⁾),   ∇q̂ = (∇x g(x, y) − ∇x g(x, y⁽ᵀ⁾), ∇y g(x, y))
/// ```
///
/// y⁽ᵀ⁾ is held fixed: at the solution, where `∇y g = 0`, that leaves nothing out. T + 2 gradients
/// of `g` on all samples.
pub(super) fn value_gap<B: Backend>(
    oracle: &dyn Oracle<B>,
    at: &Iterate<B>,
    steps: usize,
    alpha: f64,
) -> LossGradients<B> {
    let on = Block::All;
    let mut solved = at.clone();
    for _ in 0..steps {
        solved.y = solved.y.clone() - oracle.lower_gradient(on, &solved) * alpha;
    }
    let here = oracle.lower_gradients(on, at);
    let there = oracle.lower_gradients(on, &solved);
    LossGradients {
        loss: here.loss - there.loss,
        x: here.x - there.x,
        y: here.y,
    }
}
