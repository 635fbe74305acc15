//! PRGDA's upper level: normalised descent, and an escape that is measured by the way it makes.

use burn::tensor::backend::Backend;

use super::run::{NextStep, walk};
use super::{Escape, IterationInfo, Objective, in_ball};
use crate::{Error, Vector, positive};

/// Descent by steps of one length, and from a displacement on until the way is long enough.
///
/// ```text
/// ‖v‖ ≥ ε:   x ← x − η v/‖v‖
/// ‖v‖ < ε:   x₀ = x + ξ,   x ← x − η_H v_j   until   Σ_j η_H² ‖v_j‖² > t D̄  (the last step cut to equality),   at most T times
/// ```
///
/// Where T steps do not go that far the point before the displacement is returned as an approximate
/// local minimum. `v` is the gradient of the objective.
///
/// # References
/// Perturbed recursive gradient descent ascent, "Escaping saddle point efficiently in minimax and
/// bilevel optimizations" (2024), OpenReview BAX3NXJ6vU, whose `v` is a recursive estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prgda {
    /// η, the length of a step of descent.
    pub step_size: f64,
    /// ε: the gradient is small where `‖∇Φ‖ ≤ ε`.
    pub epsilon: f64,
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
    /// # Errors
    /// If a number is not positive.
    pub fn checked(self) -> Result<Self, Error> {
        positive("step_size", self.step_size)?;
        positive("epsilon", self.epsilon)?;
        positive("radius", self.radius)?;
        positive("escape_step", self.escape_step)?;
        positive("movement", self.movement)?;
        positive("window", self.window as f64)?;
        Ok(self)
    }

    /// At most `steps` steps from `x`; `observer` sees every point before the step from it.
    pub fn run<B: Backend>(
        &self,
        objective: &mut dyn Objective<B>,
        x: Vector<B>,
        steps: usize,
        seed: u64,
        observer: &mut dyn FnMut(&IterationInfo<'_, B>),
    ) -> Escape<B> {
        let mut displacements = 0;
        // Steps and square way since the displacement, and the point and value before it.
        let mut since: Option<(usize, f64, Vector<B>, f64)> = None;
        let escape = walk(objective, x, steps, seed, observer, |_, here| {
            let (next, now) = match since.take() {
                None if here.size >= self.epsilon => (here.down(self.step_size / here.size), None),
                None => {
                    displacements += 1;
                    let aside = here.x.clone() + in_ball(here.x, self.radius, seed, here.step);
                    (aside, Some((0, 0.0, here.x.clone(), here.at.loss)))
                }
                Some((t, _, before, loss)) if t == self.window => {
                    return Ok(NextStep::End(before, loss));
                }
                Some((t, way, before, loss)) => {
                    let limit = (t + 1) as f64 * self.movement;
                    let step = (self.escape_step * here.size).powi(2);
                    if way + step > limit {
                        let cut = (limit - way).max(0.0).sqrt();
                        (here.down(cut / here.size), None)
                    } else {
                        let now = Some((t + 1, way + step, before, loss));
                        (here.down(self.escape_step), now)
                    }
                }
            };
            since = now;
            Ok(NextStep::To(next))
        });
        Escape {
            displacements,
            ..escape
        }
    }
}
