//! F3SA: the penalty method with momentum.

use burn::record::Record;
use burn::tensor::backend::Backend;

use super::{Draws, Iterate, Oracle, Rule, VarianceReduced};
use crate::{Error, Schedule, Vector, positive};

/// F3SA: [`F2sa`](super::F2sa) in a single loop, each of its gradients followed by STORM.
///
/// ```text
/// F = ∇f_J(x, y),   G = ∇g_I(x, y),   Z = ∇g_I(x, z)
/// d ← D(x, y, z) + (1 − η_t) (d − D(x⁻, y⁻, z⁻))     for D = F, G, Z
/// z ← z − ρ_t Z_y,   y ← y − ρ_t (F_y / λ + G_y)
/// x ← Π(x − γ_t (F_x + λ (G_x − Z_x))),              λ ← λ + δ_t
/// ```
///
/// Costs four gradients of `g` and two of `f` on a block; memory: z, the point before, three
/// gradients.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::*;
/// // g = y² − x y,  f = ½ (y − 0.2)²:  the best x is 0.4
/// let At { x, y, batch } = scalar(1.0, 0.0);
/// let oracle = ProblemOracle::<B, _, _, _>::new(Scalar, DoubleBackward, FullBatch(batch), x, y);
/// let run = Run::new(F3sa::new(Schedule::Constant(0.3), Schedule::Constant(0.1), Schedule::Constant(0.5), 100.0, None)?, &oracle, 0);
/// let (state, failure) = run.run(run.start(oracle.first()), 2000, &mut |_| ());
/// assert!(failure.is_none());
/// assert!((state.at.x.into_scalar() - 0.4).abs() < 4e-3);
/// # Ok::<(), Error>(())
/// ```
///
/// # References
/// Kwon, Kwon, Wright, Nowak (2023), "A Fully First-Order Method for Stochastic Bilevel
/// Optimization", ICML, arXiv:2301.10945, algorithm 2.
///
/// # Differences from the paper
/// All variables move from the old point at once; the step of y is on `g + f/λ`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct F3sa {
    lower_step_size: Schedule,
    upper_step_size: Schedule,
    eta: Schedule,
    weight: f64,
    growth: Option<Schedule>,
}

/// What [`F3sa`] keeps.
#[derive(Record, Clone, Debug)]
pub struct F3saMemory<B: Backend> {
    /// z: `[systems, dim y]`.
    pub z: Vector<B>,
    /// λ.
    pub weight: f64,
    /// What STORM follows; nothing at the start.
    pub estimates: Option<F3saEstimates<B>>,
}

/// The estimates that [`F3sa`] follows and where they belong to.
#[derive(Record, Clone, Debug)]
pub struct F3saEstimates<B: Backend> {
    /// Of F, G and Z.
    pub gradients: [Iterate<B>; 3],
    /// `(x, y)` and `(x, z)`.
    pub points: [Iterate<B>; 2],
}

impl F3sa {
    /// With steps `ρ` of y and z, `γ` of x, the share `η` of the newest gradient, and `λ`, which
    /// begins at `weight` and grows by `growth` δ.
    ///
    /// # Errors
    /// If a number is not above zero, or `η` is not in (0, 1].
    pub fn new(
        lower_step_size: Schedule,
        upper_step_size: Schedule,
        eta: Schedule,
        weight: f64,
        growth: Option<Schedule>,
    ) -> Result<Self, Error> {
        Ok(Self {
            lower_step_size: lower_step_size.checked("lower_step_size")?,
            upper_step_size: upper_step_size.checked("upper_step_size")?,
            eta: eta.checked_fraction("eta")?,
            weight: positive("weight", weight)?,
            growth: growth.map(|decay| decay.checked("growth")).transpose()?,
        })
    }
}

impl<B: Backend> Rule<B> for F3sa {
    type Memory = F3saMemory<B>;

    fn start(&self, _: &dyn Oracle<B>, at: &Iterate<B>) -> F3saMemory<B> {
        F3saMemory {
            z: at.y.clone(),
            weight: self.weight,
            estimates: None,
        }
    }

    fn step(
        &self,
        oracle: &dyn Oracle<B>,
        t: usize,
        draws: &mut Draws,
        at: Iterate<B>,
        memory: F3saMemory<B>,
    ) -> (Iterate<B>, F3saMemory<B>) {
        let (lambda, z) = (memory.weight, memory.z);
        let (rho, gamma, eta) = (
            self.lower_step_size.at(t),
            self.upper_step_size.at(t),
            self.eta.at(t),
        );
        let (i, j) = (draws.lower(), draws.upper());
        let gradients = |[at, plain]: &[Iterate<B>; 2]| -> [Iterate<B>; 3] {
            [
                oracle.upper_gradients(j, at).into(),
                oracle.lower_gradients(i, at).into(),
                oracle.lower_gradients(i, plain).into(),
            ]
        };
        let plain = Iterate {
            x: at.x.clone(),
            y: z.clone(),
        };
        let here = [at, plain];
        let fresh = gradients(&here);
        let estimates = match memory.estimates {
            None => fresh,
            Some(F3saEstimates {
                gradients: [f, g, h],
                points,
            }) => {
                let [f0, g0, h0] = gradients(&points);
                let [f1, g1, h1] = fresh;
                [
                    f1.followed(f, f0, eta),
                    g1.followed(g, g0, eta),
                    h1.followed(h, h0, eta),
                ]
            }
        };
        let [f, g, h] = estimates.clone();
        let at = here[0].clone();
        let next = Iterate {
            x: at.x - (f.x + (g.x - h.x) * lambda) * gamma,
            y: at.y - (f.y / lambda + g.y) * rho,
        };
        let memory = F3saMemory {
            z: z - h.y * rho,
            weight: lambda + self.growth.map_or(0.0, |growth| growth.at(t)),
            estimates: Some(F3saEstimates {
                gradients: estimates,
                points: here,
            }),
        };
        (oracle.project(next), memory)
    }
}
