//! PRGDA's upper level: normalised descent, and an escape that is measured by the way it makes.

use burn::tensor::backend::Backend;

use super::{Escape, EscapeEnd, Reduced, Visit, in_ball};
use crate::Vector;
use crate::vector::{norm, read};

/// Descent by steps of one length, and from a displacement on until the way is long enough.
///
/// ```text
/// ‖v‖ ≥ ε:   x ← x − η v/‖v‖
/// ‖v‖ < ε:   x₀ = x + ξ,   x ← x − η_H v_j   until   Σ_j η_H² ‖v_j‖² > t D̄  (the last step cut to equality),   at most T times
/// ```
///
/// Where T steps do not go that far the point before the displacement is returned as an approximate local minimum. `v` is
/// the gradient of the objective.
///
/// # References
/// Perturbed recursive gradient descent ascent, "Escaping saddle point efficiently in minimax and bilevel optimizations"
/// (2024), OpenReview BAX3NXJ6vU, whose `v` is a recursive estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prgda {
    /// η, the length of a step of descent.
    pub step: f64,
    /// ε.
    pub tolerance: f64,
    /// r of the ball of displacements ξ.
    pub radius: f64,
    /// η_H, the step size after a displacement.
    pub escape_step: f64,
    /// D̄, the mean square way of a step that counts as an escape.
    pub movement: f64,
    /// T.
    pub window: usize,
}

impl Prgda {
    /// At most `steps` steps from `x`.
    pub fn run<B: Backend>(
        &self,
        objective: &mut dyn Reduced<B>,
        x: Vector<B>,
        steps: usize,
        seed: u64,
        observer: &mut dyn FnMut(&Visit<'_, B>),
    ) -> Escape<B> {
        let mut x = x;
        let mut displacements = 0;
        // Steps and square way since the displacement, and the point and value before it.
        let mut escape: Option<(usize, f64, Vector<B>, f64)> = None;
        for k in 0..steps {
            let here = objective.evaluate(&x, k as u64);
            let size = read(norm(here.gradient.clone()))[0];
            observer(&Visit {
                step: k,
                x: &x,
                loss: here.loss,
                gradient_norm: size,
            });
            if let Some(failure) = here.failure.clone() {
                return Escape::failed(x, &here, (k, displacements), failure);
            }
            escape = match escape {
                None if size >= self.tolerance => {
                    x = x - here.gradient * (self.step / size);
                    None
                }
                None => {
                    displacements += 1;
                    let before = x.clone();
                    x = x.clone() + in_ball(&x, self.radius, seed, k);
                    Some((0, 0.0, before, here.loss))
                }
                Some((t, _, before, loss)) if t == self.window => {
                    let end = EscapeEnd::LocalMinimum;
                    return Escape::new(before, loss, size, (k, displacements), end);
                }
                Some((t, way, before, loss)) => {
                    let limit = (t + 1) as f64 * self.movement;
                    let step = (self.escape_step * size).powi(2);
                    if way + step > limit {
                        let cut = (limit - way).max(0.0).sqrt();
                        x = x - here.gradient * (cut / size);
                        None
                    } else {
                        x = x - here.gradient * self.escape_step;
                        Some((t + 1, way + step, before, loss))
                    }
                }
            };
        }
        let here = objective.evaluate(&x, steps as u64);
        let size = read(norm(here.gradient.clone()))[0];
        let end = here.failure.map_or(EscapeEnd::Steps, EscapeEnd::Failed);
        Escape::new(x, here.loss, size, (steps, displacements), end)
    }
}
