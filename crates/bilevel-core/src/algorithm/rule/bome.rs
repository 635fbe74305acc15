//! Bilevel optimization by a dynamic barrier.

use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::gap::value_gap;
use super::{Block, Draws, Iterate, Oracle, Rule};
use crate::{Error, ErrorKind, LossGradients, Vector, positive};

/// BOME: gradients only, and a lower problem that may have many solutions.
///
/// The constraint `q(x, y) = g(x, y) − min g(x, ·) ≤ 0` takes the place of the lower problem. Its
/// minimum is replaced by the value after T gradient steps from y, which are not differentiated,
/// and the upper loss descends only as far as q does not stop falling:
///
/// ```text
/// y⁽⁰⁾ = y,   y⁽ᵗ⁺¹⁾ = y⁽ᵗ⁾ − α ∇y g(x, y⁽ᵗ⁾)                       t < T
/// q̂ = g(x, y) − g(x, y⁽ᵀ⁾),   ∇q̂ = (∇x g(x, y) − ∇x g(x, y⁽ᵀ⁾), ∇y g(x, y))
/// φ = η ‖∇q̂‖²  or  η q̂,       λ = max(φ − ⟨∇f, ∇q̂⟩, 0) / ‖∇q̂‖²      (0 where ∇q̂ = 0)
/// d = ∇f + λ ∇q̂,              m ← β m + d
/// x ← Π(x − ξₓ mₓ),           y ← y − ξ_y m_y
/// ```
///
/// `d` is the vector nearest to `∇f` with `⟨d, ∇q̂⟩ ≥ φ`. At constant steps `q` falls to `O(ξ)`,
/// not to 0. Costs T + 2 gradients of `g` and one of `f` an iteration, no second derivatives, on
/// all samples; memory: a copy of y, and an iterate if there is momentum.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let bome = Bome::new(Barrier::GradientNorm(0.5), 10, 0.3, 0.3, 0.3)?;
/// let run = Run::new(bome, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 200, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 1e-3);
/// assert_eq!(oracle.calls().hessian_products, 0);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Liu, Ye, Wright, Stone, Liu (2022), "BOME! Bilevel Optimization Made Easy: A Simple First-Order
/// Approach", NeurIPS, arXiv:2209.08709.
///
/// # Differences from the paper
/// A step size for each level and momentum on the joint step, as in the authors' experiments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bome {
    barrier: Barrier,
    inner_steps: usize,
    inner_step: f64,
    lower_step_size: f64,
    upper_step_size: f64,
    momentum: f64,
}

/// `φ`, how fast the lower loss has to fall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Barrier {
    /// `η ‖∇q̂‖²`, the paper's; 0.5 there.
    GradientNorm(
        /// η.
        f64,
    ),
    /// `η q̂`, which the authors clean data with; 0.1 there.
    Gap(
        /// η.
        f64,
    ),
}

/// What [`Bome`] keeps.
#[derive(Record, Clone, Debug)]
pub struct BomeMemory<B: Backend> {
    /// m, if there is momentum.
    pub momentum: Option<Iterate<B>>,
}

impl Bome {
    /// The method without momentum: `inner_steps` T of size `inner_step` α, then one of
    /// `lower_step_size` ξ_y and `upper_step_size` ξₓ.
    ///
    /// # Errors
    /// If a number is not above zero.
    pub fn new(
        barrier: Barrier,
        inner_steps: usize,
        inner_step: f64,
        lower_step_size: f64,
        upper_step_size: f64,
    ) -> Result<Self, Error> {
        let (Barrier::GradientNorm(eta) | Barrier::Gap(eta)) = barrier;
        positive("eta", eta)?;
        positive("inner_steps", inner_steps as f64)?;
        Ok(Self {
            barrier,
            inner_steps,
            inner_step: positive("inner_step", inner_step)?,
            lower_step_size: positive("lower_step_size", lower_step_size)?,
            upper_step_size: positive("upper_step_size", upper_step_size)?,
            momentum: 0.0,
        })
    }

    /// With momentum β.
    ///
    /// # Errors
    /// If it is not in [0, 1).
    pub fn with_momentum(self, momentum: f64) -> Result<Self, Error> {
        if !(0.0..1.0).contains(&momentum) {
            return Err(ErrorKind::OutOfRange {
                name: "momentum",
                value: momentum,
                range: "in [0, 1)",
            }
            .into());
        }
        Ok(Self { momentum, ..self })
    }

    /// `q̂` and its gradient at `at`, y⁽ᵀ⁾ held fixed. T + 2 gradients of `g`.
    pub fn gap<B: Backend>(&self, oracle: &dyn Oracle<B>, at: &Iterate<B>) -> LossGradients<B> {
        value_gap(oracle, at, self.inner_steps, self.inner_step)
    }

    /// `d` for the gradients `df` of f and `dq` of q̂, `gap` being q̂.
    pub fn direction<B: Backend>(&self, df: Iterate<B>, dq: &Iterate<B>, gap: f64) -> Iterate<B> {
        let lambda = self.multiplier(&df, dq, gap);
        df.plus(dq, &lambda)
    }

    /// `λ` for the gradients `df` of f and `dq` of q̂: `[1, 1]`.
    fn multiplier<B: Backend>(&self, df: &Iterate<B>, dq: &Iterate<B>, gap: f64) -> Vector<B> {
        let square = dq.dot(dq);
        let phi = match self.barrier {
            Barrier::GradientNorm(eta) => square.clone() * eta,
            Barrier::Gap(eta) => Tensor::full_like(&square, eta * gap),
        };
        let zero = square.clone().equal_elem(0.0);
        ((phi - df.dot(dq)).clamp_min(0.0) / square).mask_fill(zero, 0.0)
    }
}

impl<B: Backend> Rule<B> for Bome {
    type Memory = BomeMemory<B>;

    fn start(&self, _: &dyn Oracle<B>, at: &Iterate<B>) -> BomeMemory<B> {
        BomeMemory {
            momentum: (self.momentum > 0.0).then(|| at.zeros_like()),
        }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        _: usize,
        _: &mut Draws,
        at: Iterate<B>,
        memory: BomeMemory<B>,
    ) -> (Iterate<B>, BomeMemory<B>) {
        let gap = self.gap(oracle, &at);
        let df = oracle.upper_gradients(Block::All, &at).into();
        let q = gap.loss;
        let mut d = self.direction(df, &gap.into(), q);
        let memory = BomeMemory {
            momentum: memory.momentum.map(|m| {
                d = Iterate {
                    x: m.x * self.momentum + d.x.clone(),
                    y: m.y * self.momentum + d.y.clone(),
                };
                d.clone()
            }),
        };
        let at = Iterate {
            x: at.x - d.x * self.upper_step_size,
            y: at.y - d.y * self.lower_step_size,
        };
        (oracle.project(at), memory)
    }
}
