//! DMLCBO: double momentum for a constrained lower level.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Block, Draws, Iterate, Oracle, Rule};
use crate::algorithm::schedule::fraction;
use crate::hypergradient::RandomTerm;
use crate::projection::{Projection, ProjectionJacobian};
use crate::random::below;
use crate::vector::norm;
use crate::{Error, ErrorKind, Vector, positive};

/// DMLCBO: a single loop in which both levels move on one time scale, each along a momentum, the
/// lower one in a set.
///
/// ```text
/// x̃ = Π(x − γ w/(√‖w‖ + G)),        ỹ = P(y − τ v/(√‖v‖ + G))
/// x ← (1 − η_t) x + η_t x̃,          y ← (1 − η_t) y + η_t ỹ             η_t = s/√(m + t)
/// w ← (1 − α η_t) w + α η_t w̄,      v ← (1 − β η_t) v + β η_t ∇y g_I(x, y)
/// w̄ = ∇x f_J − η Q ∇²xy g_I · u,    u = H₀ᵀ ∇y f_J,   then c times   u ← H_jᵀ (I − η ∇²yy g_{I_j}) u,   c uniform in {0, …, Q−1}
/// ```
///
/// `H_j` are Jacobians of P at `y − η v` (or at [another point](Anchor)), each with a direction of
/// its own ([`ProjectionJacobian`]), and every `I_j` is a block of its own. `w̄` has the mean of
/// the hypergradient's series of Q terms. Averages of points of a convex set are in it: y never
/// leaves P's set, x never that of the problem's own projection. Costs one gradient of each loss, c
/// Hessian products, one cross product; memory: w and v.
///
/// # References
/// Shi, Chang, Gu (2024), "Double momentum method for lower-level constrained bilevel
/// optimization", ICML, PMLR 235.
///
/// # Differences from the paper
/// The paper's listing was not at hand: the order of the updates, the scaling by the root of the
/// norm and the constants are a reconstruction, and all of them are settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Dmlcbo<C> {
    projection: C,
    settings: DmlcboSettings,
}

/// The settings of [`Dmlcbo`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DmlcboSettings {
    /// How P is differentiated.
    pub jacobian: ProjectionJacobian,
    /// Where it is differentiated.
    pub anchor: Anchor,
    /// η of the fixed point, at most 1/L.
    pub step_size: f64,
    /// Terms Q of the series.
    pub terms: usize,
    /// γ.
    pub upper_step_size: f64,
    /// τ.
    pub lower_step_size: f64,
    /// α.
    pub upper_momentum: f64,
    /// β.
    pub lower_momentum: f64,
    /// G.
    pub regularizer: f64,
    /// How directions are scaled.
    pub scaling: Scaling,
    /// s, at most √m.
    pub share: f64,
    /// m.
    pub offset: f64,
}

/// Which `∇y g` makes the point `y − η ∇y g` at which [`Dmlcbo`] differentiates the projection. A
/// sample's noise would smear the kinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The momentum v: nothing more to compute, but late by some steps, for which x circles about a
    /// kink.
    Momentum,
    /// The gradient on all samples: one more gradient a step.
    AllSamples,
}

/// How [`Dmlcbo`] scales its directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scaling {
    /// Each level by `√‖w‖ + G`.
    Norm,
    /// y by its norm; each entry of x by `√a + G`, `a ← b a + (1 − b) w²`, as Adam does.
    Entries(f64),
}

impl Default for DmlcboSettings {
    /// Exact Jacobians, η 0.1, 3 terms, steps and momenta for losses of curvature 1.
    fn default() -> Self {
        Self {
            jacobian: ProjectionJacobian::Exact,
            anchor: Anchor::Momentum,
            step_size: 0.1,
            terms: 3,
            upper_step_size: 0.05,
            lower_step_size: 0.2,
            upper_momentum: 0.9,
            lower_momentum: 0.9,
            regularizer: 0.1,
            scaling: Scaling::Norm,
            share: 500f64.sqrt(),
            offset: 500.0,
        }
    }
}

/// What [`Dmlcbo`] keeps.
#[derive(Record, Clone, Debug)]
pub struct DmlcboMemory<B: Backend> {
    /// w and v; none at the start.
    pub momentum: Option<Iterate<B>>,
    /// a of [`Scaling::Entries`]: `[1, dim x]`.
    pub squares: Vector<B>,
}

impl<C> Dmlcbo<C> {
    /// With the set of y.
    ///
    /// # Errors
    /// If a setting is not in its range.
    pub fn new(projection: C, settings: DmlcboSettings) -> Result<Self, Error> {
        settings.jacobian.checked()?;
        positive("step_size", settings.step_size)?;
        positive("terms", settings.terms as f64)?;
        positive("upper_step_size", settings.upper_step_size)?;
        positive("lower_step_size", settings.lower_step_size)?;
        positive("upper_momentum", settings.upper_momentum)?;
        positive("lower_momentum", settings.lower_momentum)?;
        positive("regularizer", settings.regularizer)?;
        positive("offset", settings.offset)?;
        let first = settings.share / settings.offset.sqrt();
        fraction("share / √offset", first)?;
        fraction(
            "upper_momentum · share / √offset",
            settings.upper_momentum * first,
        )?;
        fraction(
            "lower_momentum · share / √offset",
            settings.lower_momentum * first,
        )?;
        if let Scaling::Entries(b) = settings.scaling
            && !(0.0..1.0).contains(&b)
        {
            let (name, range) = ("scaling", "in [0, 1)");
            let value = b;
            return Err(ErrorKind::OutOfRange { name, value, range }.into());
        }
        Ok(Self {
            projection,
            settings,
        })
    }

    /// `w̄` at a point where `∇y g` is about `v`, with `I` for the cross product.
    fn hypergradient<B: Backend>(
        &self,
        oracle: &dyn Oracle<B>,
        draws: &mut Draws,
        i: Block,
        at: &Iterate<B>,
        v: &Vector<B>,
    ) -> Vector<B>
    where
        C: Projection<B>,
    {
        let DmlcboSettings {
            jacobian,
            anchor,
            step_size: eta,
            terms,
            ..
        } = self.settings;
        let f = oracle.upper_gradients(draws.upper(), at);
        let gradient = match anchor {
            Anchor::Momentum => v.clone(),
            Anchor::AllSamples => oracle.lower_gradient(Block::All, at),
        };
        let z = at.y.clone() - gradient * eta;
        let term = RandomTerm {
            projection: &self.projection,
            jacobian,
            z: &z,
            step_size: eta,
            terms,
        };
        let blocks = oracle.blocks().lower;
        let u = term.of(f.y, draws.rng(), |u, rng| {
            oracle.hessian(Block::One(below(blocks, rng)), at, u)
        });
        f.x - oracle.cross(i, at, &u)
    }
}

impl<B: Backend, C: Projection<B>> Rule<B> for Dmlcbo<C> {
    type Memory = DmlcboMemory<B>;

    fn admissible(&self, oracle: &dyn Oracle<B>, at: Iterate<B>) -> Iterate<B> {
        let Iterate { x, y } = oracle.project(at);
        let y = self.projection.project(y);
        Iterate { x, y }
    }

    fn start(&self, _: &dyn Oracle<B>, at: &Iterate<B>) -> DmlcboMemory<B> {
        DmlcboMemory {
            momentum: None,
            squares: at.x.zeros_like(),
        }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        memory: DmlcboMemory<B>,
    ) -> (Iterate<B>, DmlcboMemory<B>) {
        let DmlcboSettings {
            upper_step_size: gamma,
            lower_step_size: tau,
            upper_momentum: alpha,
            lower_momentum: beta,
            regularizer: g,
            scaling,
            share,
            offset,
            ..
        } = self.settings;
        let Iterate { x: w, y: v } = memory.momentum.unwrap_or_else(|| {
            let i = draws.lower();
            let v = oracle.lower_gradient(i, &at);
            let w = self.hypergradient(oracle, draws, i, &at, &v);
            Iterate { x: w, y: v }
        });
        let eta = share / (offset + t as f64).sqrt();
        let root = |direction: &Vector<B>| norm(direction.clone()).sqrt() + g;
        let (scaled, squares) = match scaling {
            Scaling::Norm => (w.clone() / root(&w), memory.squares),
            Scaling::Entries(b) => {
                let squares = memory.squares * b + w.clone().square() * (1.0 - b);
                (w.clone() / (squares.clone().sqrt() + g), squares)
            }
        };
        let there = oracle.project(Iterate {
            x: at.x.clone() - scaled * gamma,
            y: at.y.clone(),
        });
        let y = self
            .projection
            .project(at.y.clone() - v.clone() / root(&v) * tau);
        let at = Iterate {
            x: at.x * (1.0 - eta) + there.x * eta,
            y: at.y * (1.0 - eta) + y * eta,
        };
        let i = draws.lower();
        let v = v * (1.0 - beta * eta) + oracle.lower_gradient(i, &at) * (beta * eta);
        let new = self.hypergradient(oracle, draws, i, &at, &v);
        let w = w * (1.0 - alpha * eta) + new * (alpha * eta);
        let momentum = Some(Iterate { x: w, y: v });
        (at, DmlcboMemory { momentum, squares })
    }
}
