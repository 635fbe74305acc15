//! Perturbed gradient descent.

use burn::tensor::backend::Backend;

use super::run::{NextStep, walk};
use super::{Escape, IterationInfo, Objective, in_ball};
use crate::{Error, ErrorKind, Vector, positive};

/// Descent that displaces x a little where the gradient is small, and looks whether that leads
/// down.
///
/// ```text
/// where ‖∇Φ(x)‖ ≤ ε and the last displacement is more than T steps ago:   x ← x + s ξ,   ξ uniform in the ball of radius r
/// x ← x − η ∇Φ(x)
/// ```
///
/// `s` is 1, or η ([`scaled`](Self::scaled)). At a minimum a displacement dies out; at a saddle it
/// grows by `1 + η|λ|` a step. Where Φ has not fallen by [`decrease`](Self::decrease) in T steps
/// the point before the displacement is returned as an approximate local minimum.
///
/// # References
/// Jin, Ge, Netrapalli, Kakade, Jordan (2017), "How to escape saddle points efficiently", ICML,
/// arXiv:1703.00887; Jin et al. (2021), J. ACM 68(2), algorithm 4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Perturbation {
    /// η.
    pub step_size: f64,
    /// ε: the gradient is small where `‖∇Φ‖ ≤ ε`.
    pub epsilon: f64,
    /// r.
    pub radius: f64,
    /// Whether displacements are scaled by η.
    pub scaled: bool,
    /// T.
    pub window: usize,
    /// By how much Φ has to fall in T steps; `None`: displacements go on to the last step.
    pub decrease: Option<f64>,
}

impl Perturbation {
    /// The settings of the theory, for Φ with an `l`-Lipschitz gradient and a `rho`-Lipschitz
    /// Hessian:
    ///
    /// ```text
    /// η = 1/l,   r = ε/(400 ι³),   T = ι l/√(ρε),   decrease = √(ε³/ρ)/(50 ι³)
    /// ```
    ///
    /// `iota ≥ 1` decides the probability of failure.
    ///
    /// # Errors
    /// If a number is not positive, `iota` is below 1, or `√(ρε) > l`.
    pub fn of_constants(l: f64, rho: f64, epsilon: f64, iota: f64) -> Result<Self, Error> {
        positive("l", l)?;
        positive("rho", rho)?;
        positive("epsilon", epsilon)?;
        let curvature = (rho * epsilon).sqrt();
        let out = |name, value, range| ErrorKind::OutOfRange { name, value, range };
        if !(iota >= 1.0 && iota.is_finite()) {
            return Err(out("iota", iota, "at least 1").into());
        }
        if curvature > l {
            return Err(out("√(ρ ε)", curvature, "at most l").into());
        }
        Ok(Self {
            step_size: 1.0 / l,
            epsilon,
            radius: epsilon / (400.0 * iota.powi(3)),
            scaled: true,
            window: (iota * l / curvature).ceil() as usize,
            decrease: Some((epsilon.powi(3) / rho).sqrt() / (50.0 * iota.powi(3))),
        })
    }

    /// # Errors
    /// If a number is not positive.
    pub fn checked(self) -> Result<Self, Error> {
        positive("step_size", self.step_size)?;
        positive("epsilon", self.epsilon)?;
        positive("radius", self.radius)?;
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
        // Step, point and value of the last displacement.
        let mut base: Option<(usize, Vector<B>, f64)> = None;
        let escape = walk(objective, x, steps, seed, observer, |objective, here| {
            if let (Some((since, before, loss)), Some(decrease)) = (&base, self.decrease)
                && here.step - since == self.window
                && loss - here.at.loss < decrease
            {
                return Ok(NextStep::End(before.clone(), *loss));
            }
            let rested = base
                .as_ref()
                .is_none_or(|(since, ..)| here.step - since > self.window);
            if here.size > self.epsilon || !rested {
                return Ok(NextStep::To(here.down(self.step_size)));
            }
            base = Some((here.step, here.x.clone(), here.at.loss));
            displacements += 1;
            let scale = if self.scaled { self.step_size } else { 1.0 };
            let aside = here.x.clone() + in_ball(here.x, self.radius * scale, seed, here.step);
            let there = objective.evaluate(&aside, here.draw);
            there.usable()?;
            Ok(NextStep::To(aside - there.gradient * self.step_size))
        });
        Escape {
            displacements,
            ..escape
        }
    }
}
