//! Perturbed gradient descent.

use burn::tensor::backend::Backend;

use super::{Evaluated, Reduced};
use crate::algorithm::rule::{Blocks, Draws};
use crate::vector::{norm, read};
use crate::{Error, ErrorKind, Failure, Vector, positive};

/// Descent that displaces x a little where the gradient is small, and looks whether that leads down.
///
/// ```text
/// where ‖∇Φ(x)‖ ≤ ε and the last displacement is more than T steps ago:   x ← x + s ξ,   ξ uniform in the ball of radius r
/// x ← x − η ∇Φ(x)
/// ```
///
/// `s` is 1, or η ([`scaled`](Self::scaled)). At a minimum a displacement dies out; at a saddle it grows by `1 + η|λ|` a step.
/// Where Φ has not fallen by [`decrease`](Self::decrease) in T steps the point before the displacement is returned as an
/// approximate local minimum.
///
/// # References
/// Jin, Ge, Netrapalli, Kakade, Jordan (2017), "How to escape saddle points efficiently", ICML, arXiv:1703.00887; Jin et al.
/// (2021), J. ACM 68(2), algorithm 4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Perturbation {
    /// η.
    pub step: f64,
    /// ε.
    pub tolerance: f64,
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
    /// The settings of the theory, for Φ with an `l`-Lipschitz gradient and a `rho`-Lipschitz Hessian:
    ///
    /// ```text
    /// η = 1/l,   r = ε/(400 ι³),   T = ι l/√(ρε),   decrease = √(ε³/ρ)/(50 ι³)
    /// ```
    ///
    /// `iota ≥ 1` decides the probability of failure.
    ///
    /// # Errors
    /// If a number is not positive, `iota` is below 1, or `√(ρε) > l`.
    pub fn of_constants(l: f64, rho: f64, tolerance: f64, iota: f64) -> Result<Self, Error> {
        positive("l", l)?;
        positive("rho", rho)?;
        positive("tolerance", tolerance)?;
        let curvature = (rho * tolerance).sqrt();
        let out = |name, value, range| ErrorKind::OutOfRange { name, value, range };
        if !(iota >= 1.0 && iota.is_finite()) {
            return Err(out("iota", iota, "at least 1").into());
        }
        if curvature > l {
            return Err(out("√(ρ ε)", curvature, "at most l").into());
        }
        Ok(Self {
            step: 1.0 / l,
            tolerance,
            radius: tolerance / (400.0 * iota.powi(3)),
            scaled: true,
            window: (iota * l / curvature).ceil() as usize,
            decrease: Some((tolerance.powi(3) / rho).sqrt() / (50.0 * iota.powi(3))),
        })
    }

    /// # Errors
    /// If a number is not positive.
    pub fn checked(self) -> Result<Self, Error> {
        positive("step", self.step)?;
        positive("tolerance", self.tolerance)?;
        positive("radius", self.radius)?;
        positive("window", self.window as f64)?;
        Ok(self)
    }

    /// At most `steps` steps from `x`; `observer` sees every point before the step from it.
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
        // Step, point and value of the last displacement.
        let mut base: Option<(usize, Vector<B>, f64)> = None;
        let mut here = objective.evaluate(&x, 0);
        for k in 0..steps {
            let size = read(norm(here.gradient.clone()))[0];
            observer(&Visit {
                step: k,
                x: &x,
                loss: here.loss,
                gradient_norm: size,
            });
            if let Some(failure) = here.failure {
                let end = EscapeEnd::Failed(failure);
                return Escape::new(x, here.loss, size, (k, displacements), end);
            }
            if let (Some((since, before, loss)), Some(decrease)) = (&base, self.decrease)
                && k - since == self.window
                && loss - here.loss < decrease
            {
                let end = EscapeEnd::LocalMinimum;
                return Escape::new(before.clone(), *loss, size, (k, displacements), end);
            }
            let rested = base
                .as_ref()
                .is_none_or(|(since, ..)| k - since > self.window);
            if size <= self.tolerance && rested {
                base = Some((k, x.clone(), here.loss));
                displacements += 1;
                let scale = if self.scaled { self.step } else { 1.0 };
                x = x.clone() + in_ball(&x, self.radius * scale, seed, k);
                here = objective.evaluate(&x, k as u64);
            }
            x = x - here.gradient * self.step;
            here = objective.evaluate(&x, k as u64 + 1);
        }
        let size = read(norm(here.gradient.clone()))[0];
        let end = here.failure.map_or(EscapeEnd::Steps, EscapeEnd::Failed);
        Escape::new(x, here.loss, size, (steps, displacements), end)
    }
}

/// A vector like `like`, uniform in the ball of a radius; it depends on the seed and the step alone.
pub fn in_ball<B: Backend>(like: &Vector<B>, radius: f64, seed: u64, step: usize) -> Vector<B> {
    let mut draws = Draws::new(seed, step, Blocks { lower: 1, upper: 1 });
    let direction = draws.normal(like);
    let size = norm(direction.clone());
    let [_, dim] = like.dims();
    let uniform = (draws.below(1 << 30) as f64 + 0.5) / f64::from(1 << 30);
    direction / size * (radius * uniform.powf((dim as f64).recip()))
}

/// A point on the way.
pub struct Visit<'a, B: Backend> {
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
    /// Where.
    pub x: Vector<B>,
    /// Φ there.
    pub loss: f64,
    /// `‖∇Φ‖` at the last point that was looked at.
    pub gradient_norm: f64,
    /// Steps made.
    pub steps: usize,
    /// Displacements, or directions that were sought.
    pub displacements: usize,
    /// Why.
    pub end: EscapeEnd,
}

impl<B: Backend> Escape<B> {
    pub(super) fn new(
        x: Vector<B>,
        loss: f64,
        gradient_norm: f64,
        (steps, displacements): (usize, usize),
        end: EscapeEnd,
    ) -> Self {
        Self {
            x,
            loss,
            gradient_norm,
            steps,
            displacements,
            end,
        }
    }

    /// The end at a point whose numbers are of no use.
    pub(super) fn failed(
        x: Vector<B>,
        here: &Evaluated<B>,
        counts: (usize, usize),
        failure: Failure,
    ) -> Self {
        Self::new(x, here.loss, f64::NAN, counts, EscapeEnd::Failed(failure))
    }
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
