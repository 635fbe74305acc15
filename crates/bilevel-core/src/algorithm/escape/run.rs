//! A walk over Φ: what the methods share.

use burn::tensor::backend::Backend;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Objective, ValueAndGradient};
use crate::failure::{Cause, Failure, Phase};
use crate::vector::norms;
use crate::{Vector, random};

/// A point on the way.
pub struct IterationInfo<'a, B: Backend> {
    /// Steps made before.
    pub step: usize,
    /// x.
    pub x: &'a Vector<B>,
    /// Φ there.
    pub loss: f64,
    /// `‖∇Φ‖` there.
    pub gradient_norm: f64,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Escape<B: Backend> {
    /// Where: after a failure, the last point whose numbers were of use.
    pub x: Vector<B>,
    /// Φ there.
    pub loss: f64,
    /// `‖∇Φ‖` at the last point that was looked at and whose numbers were of use.
    pub gradient_norm: f64,
    /// Steps made.
    pub steps: usize,
    /// Displacements, or directions that were sought.
    pub displacements: usize,
    /// Why.
    pub end: EscapeEnd,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum EscapeEnd {
    /// No way down was found from a point with a small gradient.
    LocalMinimum,
    /// All steps are made.
    Steps,
    /// Numbers of no use.
    Failed(Failure),
}

/// Where a method stands.
pub(super) struct Current<'a, B: Backend> {
    /// Steps made before.
    pub step: usize,
    pub x: &'a Vector<B>,
    /// Value and gradient.
    pub at: &'a ValueAndGradient<B>,
    /// `‖∇Φ‖`.
    pub size: f64,
    /// What the samples of this step depend on.
    pub draw: u64,
}

impl<B: Backend> Current<'_, B> {
    /// `x − length ∇Φ`
    pub fn down(&self, length: f64) -> Vector<B> {
        self.x.clone() - self.at.gradient.clone() * length
    }
}

/// What a method does next.
pub(super) enum NextStep<B: Backend> {
    /// It goes on here.
    To(Vector<B>),
    /// It ends at this point of this value, an approximate local minimum.
    End(Vector<B>, f64),
}

/// At most `steps` steps from `x`, each by `next`, which may fail; `observer` sees every point
/// before the step from it.
///
/// Returns without the number of displacements, which `next` counts.
pub(super) fn walk<B: Backend>(
    objective: &mut dyn Objective<B>,
    mut x: Vector<B>,
    steps: usize,
    seed: u64,
    observer: &mut dyn FnMut(&IterationInfo<'_, B>),
    mut next: impl FnMut(&mut dyn Objective<B>, Current<'_, B>) -> Result<NextStep<B>, Failure>,
) -> Escape<B> {
    let mut last: Option<(Vector<B>, f64, f64)> = None;
    for step in 0..=steps {
        // Samples of its own for every step of every seed.
        let draw = seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(step as u64);
        let at = objective.evaluate(&x, draw);
        let escape = |x, loss, gradient_norm, end| Escape {
            x,
            loss,
            gradient_norm,
            steps: step,
            displacements: 0,
            end,
        };
        let size = match at.usable() {
            Ok(size) => size,
            Err(failure) => {
                let (x, loss, size) = last.unwrap_or((x, at.loss, f64::NAN));
                return escape(x, loss, size, EscapeEnd::Failed(failure));
            }
        };
        if step == steps {
            return escape(x, at.loss, size, EscapeEnd::Steps);
        }
        observer(&IterationInfo {
            step,
            x: &x,
            loss: at.loss,
            gradient_norm: size,
        });
        let here = Current {
            step,
            x: &x,
            at: &at,
            size,
            draw,
        };
        match next(objective, here) {
            Ok(NextStep::To(there)) => {
                last = Some((x, at.loss, size));
                x = there;
            }
            Ok(NextStep::End(x, loss)) => return escape(x, loss, size, EscapeEnd::LocalMinimum),
            Err(failure) => return escape(x, at.loss, size, EscapeEnd::Failed(failure)),
        }
    }
    unreachable!("the last step ends the walk")
}

impl<B: Backend> ValueAndGradient<B> {
    /// `‖∇Φ‖`. One read.
    ///
    /// # Errors
    /// What is wrong with the numbers, noticed by the objective or not.
    pub(super) fn usable(&self) -> Result<f64, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let size = norms(self.gradient.clone())[0];
        let phase = match (self.loss.is_finite(), size.is_finite()) {
            (true, true) => return Ok(size),
            (false, _) => Phase::UpperLoss,
            (true, false) => Phase::Hypergradient,
        };
        Err(Failure {
            phase,
            cause: Cause::NonFinite,
            iteration: None,
            parameter: None,
        })
    }
}

/// A vector like `like`, uniform in the ball of a radius; it depends on the seed and the step
/// alone.
pub fn in_ball<B: Backend>(like: &Vector<B>, radius: f64, seed: u64, step: usize) -> Vector<B> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step as u64);
    random::in_ball(like, radius, &mut rng)
}
