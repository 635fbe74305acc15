//! BVFSM: sequential minimization of the value function behind a barrier.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Block, Draws, Iterate, Oracle, Rule};
use crate::vector::{dot, read};
use crate::{Error, LossGradients, Schedule, Vector, positive};

/// BVFSM: the lower problem becomes a constraint on the value of `g`, kept by a logarithmic
/// barrier.
///
/// ```text
/// z ≈ argmin g(x, ·) + μ/2 ‖·‖²                              n gradient steps
/// s(x, y) = g(x, z) + μ/2 ‖z‖² + μ − g(x, y)                 > 0 inside
/// y ≈ argmin f(x, ·) − σ log s(x, ·) + θ/2 ‖·‖²              m gradient steps, inside
/// x ← Π(x − γ_t (∇x f + σ/s (∇x g(x, y) − ∇x g(x, z))))
/// ```
///
/// `μ`, `σ` and `θ` fall with the steps. The lower problem need not be convex nor have one
/// solution. Steps of y begin at the last y, or at z if that is no longer inside, and are halved
/// until they stay inside and the barrier's function does not grow: its curvature is about `‖∇y f‖²
/// / σ`. Costs on all samples: `n + 2 + m` gradients of `g` and `m + 1` of `f`, one more of each
/// where y has to begin at z and for each halving; memory: z.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(Bvfsm::new(BvfsmSettings {
///     lower_steps: [10, 10],
///     lower_step_size: 0.3,
///     upper_step_size: Schedule::Constant(0.5),
///     mu: Schedule::Polynomial { initial: 0.01, power: 1.0 },
///     sigma: Schedule::Polynomial { initial: 0.01, power: 1.0 },
///     theta: Schedule::Polynomial { initial: 0.01, power: 1.0 },
/// })?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 300, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 5e-2);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Liu, Liu, Zeng, Zhang, Zhang (2023), "Value-Function-based Sequential Minimization for Bi-level
/// Optimization", TPAMI, arXiv:2110.04974.
///
/// # Differences from the paper
/// Steps of y stay inside by halving instead of a truncated barrier; x moves by plain gradient
/// steps; y starts warm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bvfsm(BvfsmSettings);

/// The numbers of [`Bvfsm`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BvfsmSettings {
    /// n and m: steps of z and of y.
    pub lower_steps: [usize; 2],
    /// Their size.
    pub lower_step_size: f64,
    /// γ.
    pub upper_step_size: Schedule,
    /// μ, by which the constraint is relaxed.
    pub mu: Schedule,
    /// σ, the weight of the barrier.
    pub sigma: Schedule,
    /// θ, the weight of `‖y‖²`.
    pub theta: Schedule,
}

/// What [`Bvfsm`] keeps.
#[derive(Record, Clone, Debug)]
pub struct BvfsmMemory<B: Backend> {
    /// z: `[systems, dim y]`.
    pub z: Vector<B>,
}

/// A y where g is below its limit, and both losses there.
struct Inside<B: Backend> {
    y: Vector<B>,
    f: LossGradients<B>,
    g: LossGradients<B>,
}

/// How often a step of y is halved at most; then y stays.
const HALVINGS: i32 = 30;

impl Bvfsm {
    /// The method.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(settings: BvfsmSettings) -> Result<Self, Error> {
        let [n, m] = settings.lower_steps;
        positive("lower_steps", n.min(m) as f64)?;
        positive("lower_step_size", settings.lower_step_size)?;
        settings.upper_step_size.checked("upper_step_size")?;
        settings.mu.checked("mu")?;
        settings.sigma.checked("sigma")?;
        settings.theta.checked("theta")?;
        Ok(Self(settings))
    }
}

impl<B: Backend> Rule<B> for Bvfsm {
    type Memory = BvfsmMemory<B>;

    fn start(&self, _: &dyn Oracle<B>, at: &Iterate<B>) -> BvfsmMemory<B> {
        BvfsmMemory { z: at.y.clone() }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        _: &mut Draws,
        at: Iterate<B>,
        BvfsmMemory { z }: BvfsmMemory<B>,
    ) -> (Iterate<B>, BvfsmMemory<B>) {
        let on = Block::All;
        let BvfsmSettings {
            lower_steps: [n, m],
            lower_step_size: alpha,
            ..
        } = self.0;
        let (mu, sigma, theta) = (self.0.mu.at(t), self.0.sigma.at(t), self.0.theta.at(t));
        let x = at.x;

        let mut relaxed = Iterate { x: x.clone(), y: z };
        for _ in 0..n {
            let slope = oracle.lower_gradient(on, &relaxed) + relaxed.y.clone() * mu;
            relaxed.y = relaxed.y.clone() - slope * alpha;
        }
        let best = oracle.lower_gradients(on, &relaxed);
        let square = read(dot(relaxed.y.clone(), relaxed.y.clone()).sum_dim(0))[0];
        let limit = best.loss + 0.5 * mu * square + mu;

        let look = |y: Vector<B>| {
            let at = Iterate { x: x.clone(), y };
            Inside {
                f: oracle.upper_gradients(on, &at),
                g: oracle.lower_gradients(on, &at),
                y: at.y,
            }
        };
        // z is inside; the last y may no longer be, now that x and the barrier have moved.
        let mut here = look(at.y);
        if here.g.loss >= limit || !here.g.loss.is_finite() {
            here = look(relaxed.y.clone());
        }
        let barrier = |inside: &Inside<B>| {
            let square = read(dot(inside.y.clone(), inside.y.clone()).sum_dim(0))[0];
            inside.f.loss - sigma * (limit - inside.g.loss).ln() + 0.5 * theta * square
        };
        for _ in 0..m {
            let push = here.g.y.clone() * (sigma / (limit - here.g.loss));
            let slope = here.f.y.clone() + push + here.y.clone() * theta;
            let value = barrier(&here);
            let mut trials = (0..HALVINGS)
                .map(|k| look(here.y.clone() - slope.clone() * (alpha * 0.5f64.powi(k))));
            let Some(step) = trials.find(|t| t.g.loss < limit && barrier(t) <= value) else {
                break;
            };
            here = step;
        }
        let weight = sigma / (limit - here.g.loss);
        let dx = here.f.x + (here.g.x - best.x) * weight;
        let next = Iterate {
            x: x - dx * self.0.upper_step_size.at(t),
            y: here.y,
        };
        (oracle.project(next), BvfsmMemory { z: relaxed.y })
    }
}
