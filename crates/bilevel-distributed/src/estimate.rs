//! The estimate of the lower solution, and how far a point is from it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, in_range, not_negative};
use crate::flat::{add_scaled, scaled_difference, squared_distance};
use crate::{LocalProblem, LowerProducts};

/// The settings of the estimate: K rounds of steps on the augmented Lagrangian of the lower
/// problem.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EstimateSettings {
    /// K. One in the authors' experiments.
    pub rounds: usize,
    /// `η_y` of a worker's step.
    pub lower_step: f64,
    /// `η_z` of the master's step.
    pub consensus_step: f64,
    /// `η_φ` of the multipliers.
    pub multiplier_step: f64,
    /// `μ`, the weight of the augmentation.
    pub penalty: f64,
}

impl EstimateSettings {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let rounds = self.rounds as f64;
        in_range("rounds", rounds, self.rounds > 0, "at least 1")?;
        not_negative("lower_step", self.lower_step)?;
        not_negative("consensus_step", self.consensus_step)?;
        not_negative("multiplier_step", self.multiplier_step)?;
        not_negative("penalty", self.penalty)?;
        Ok(())
    }
}

/// Lower variables: a y of every worker, and the one they have to agree on.
#[derive(Debug, Clone, PartialEq)]
pub struct Lower {
    /// `{yᵢ}`.
    pub y: Vec<Vec<f64>>,
    /// `z`.
    pub z: Vec<f64>,
}

/// The master's side of the estimate `Φ(v) = ({y'ᵢ}, z')` of the lower solution at v.
///
/// ```text
/// y'ᵢ ← y'ᵢ − η_y (∇y gᵢ(v, y'ᵢ) + φᵢ + μ (y'ᵢ − z'))        every worker
/// φᵢ  ← φᵢ  + η_φ (y'ᵢ − z')                                  the master
/// z'  ← z'  − η_z Σᵢ (μ (z' − y'ᵢ) − φᵢ)
/// h(v, {yᵢ}, z) = Σᵢ ‖yᵢ − y'ᵢ‖² + ‖z − z'‖²
/// ```
///
/// K rounds from a start that does not depend on v, with φ = 0. A round takes one gradient of every
/// worker; both sides exchange 3 m numbers with y of length m. `h` is differentiated by
/// [`pull_back`](Self::pull_back), rounds in reverse. [`Relaxation::of`] does all of it in one
/// process.
///
/// # References
/// Jiao, Yang, Wu, Song, Jian (2023), "Asynchronous Distributed Bilevel Optimization", ICLR,
/// arXiv:2212.10048.
///
/// # Differences from the paper
/// As in the authors' program, workers step along the gradient at v itself, not along its expansion
/// about the last v, and the multipliers follow before z' does.
#[derive(Debug, Clone, PartialEq)]
pub struct LowerEstimate {
    settings: EstimateSettings,
    y: Vec<Vec<f64>>,
    z: Vec<f64>,
    phi: Vec<Vec<f64>>,
}

impl LowerEstimate {
    /// Before the first round, with `y'ᵢ`, `z'` at `start`.
    pub fn new(settings: EstimateSettings, start: Lower) -> Self {
        let zero = |y: &Vec<f64>| vec![0.0; y.len()];
        Self {
            settings,
            phi: start.y.iter().map(zero).collect(),
            y: start.y,
            z: start.z,
        }
    }

    /// `z'`.
    pub fn z(&self) -> &[f64] {
        &self.z
    }

    /// `φᵢ` of the `i`-th worker.
    pub fn phi(&self, i: usize) -> &[f64] {
        &self.phi[i]
    }

    /// The master's half of a round, the workers having stepped to `y`.
    ///
    /// # Panics
    /// If the number of workers, or the length of a vector, has changed.
    pub fn round(&mut self, y: Vec<Vec<f64>>) {
        assert_eq!(
            self.y.len(),
            y.len(),
            "a round of another number of workers"
        );
        let Self {
            settings, z, phi, ..
        } = self;
        let mut step = vec![0.0; z.len()];
        for (phi, y) in phi.iter_mut().zip(&y) {
            let apart = scaled_difference(1.0, y, z);
            add_scaled(phi, settings.multiplier_step, &apart);
            add_scaled(&mut step, 1.0, phi);
            add_scaled(&mut step, settings.penalty, &apart);
        }
        add_scaled(z, settings.consensus_step, &step);
        self.y = y;
    }

    /// `h` at `at`.
    pub fn distance(&self, at: &Lower) -> f64 {
        let of_y = self
            .y
            .iter()
            .zip(&at.y)
            .map(|(e, y)| squared_distance(y, e));
        of_y.sum::<f64>() + squared_distance(&at.z, &self.z)
    }

    /// The gradient of `h` at `at`, but for that in v.
    pub fn gradient(&self, at: &Lower) -> Lower {
        let of_y = self.y.iter().zip(&at.y);
        Lower {
            y: of_y.map(|(e, y)| scaled_difference(2.0, y, e)).collect(),
            z: scaled_difference(2.0, &at.z, &self.z),
        }
    }

    /// Begins the way back through the rounds, for the gradient of `h` in v.
    pub fn pull_back(&self, at: &Lower) -> PullBack {
        let gradient = self.gradient(at);
        let minus = |v: Vec<f64>| v.into_iter().map(|v| -v).collect();
        PullBack {
            settings: self.settings,
            phi: self.phi.iter().map(|phi| vec![0.0; phi.len()]).collect(),
            y: gradient.y.into_iter().map(minus).collect(),
            z: minus(gradient.z),
        }
    }
}

/// A worker's half of a round: its next `y'`.
pub(crate) fn worker_round(
    settings: &EstimateSettings,
    problem: &impl LocalProblem,
    v: &[f64],
    mut y: Vec<f64>,
    z: &[f64],
    phi: &[f64],
) -> Vec<f64> {
    let mut gradient = problem.lower_gradient(v, &y);
    add_scaled(&mut gradient, 1.0, phi);
    add_scaled(
        &mut gradient,
        settings.penalty,
        &scaled_difference(1.0, &y, z),
    );
    add_scaled(&mut y, -settings.lower_step, &gradient);
    y
}

/// The way back through the rounds of a [`LowerEstimate`]: cotangents `ȳᵢ`, `φ̄ᵢ`, `z̄` of a
/// round's values.
///
/// ```text
/// φ̄ᵢ ← φ̄ᵢ + η_z z̄                                 wᵢ = ȳᵢ + η_z μ z̄ + η_φ φ̄ᵢ
/// z̄  ← (1 − η_z μ N) z̄ − η_φ Σᵢ φ̄ᵢ + η_y μ Σᵢ wᵢ
/// φ̄ᵢ ← φ̄ᵢ − η_y wᵢ                                 ȳᵢ = (1 − η_y μ) wᵢ − η_y ∇²yy gᵢ wᵢ
/// v̄  = − η_y Σ over rounds and workers of ∇²vy gᵢ wᵢ
/// ```
///
/// A round takes one product of every worker with second derivatives at the y' that it stepped
/// from.
#[derive(Debug, Clone, PartialEq)]
pub struct PullBack {
    settings: EstimateSettings,
    y: Vec<Vec<f64>>,
    phi: Vec<Vec<f64>>,
    z: Vec<f64>,
}

impl PullBack {
    /// `{wᵢ}` of the next round on the way back.
    pub fn directions(&mut self) -> &[Vec<f64>] {
        let Self {
            settings:
                EstimateSettings {
                    lower_step,
                    consensus_step,
                    multiplier_step,
                    penalty,
                    ..
                },
            y,
            phi,
            z,
        } = self;
        let workers = y.len() as f64;
        let mut before: Vec<f64> = z
            .iter()
            .map(|z| (1.0 - *consensus_step * *penalty * workers) * z)
            .collect();
        for (y, phi) in y.iter_mut().zip(phi) {
            add_scaled(phi, *consensus_step, z);
            add_scaled(y, *consensus_step * *penalty, z);
            add_scaled(y, *multiplier_step, phi);
            add_scaled(&mut before, -*multiplier_step, phi);
            add_scaled(&mut before, *lower_step * *penalty, y);
            add_scaled(phi, -*lower_step, y);
        }
        *z = before;
        y
    }

    /// Takes `{∇²yy gᵢ wᵢ}`, unless this was the first round: before it nothing depends on v.
    ///
    /// # Panics
    /// If the number of workers, or the length of a vector, has changed.
    pub fn absorb(&mut self, products: &[Vec<f64>]) {
        assert_eq!(
            self.y.len(),
            products.len(),
            "products of another number of workers"
        );
        let EstimateSettings {
            lower_step,
            penalty,
            ..
        } = self.settings;
        for (y, product) in self.y.iter_mut().zip(products) {
            let kept = 1.0 - lower_step * penalty;
            y.iter_mut().for_each(|y| *y *= kept);
            add_scaled(y, -lower_step, product);
        }
    }

    /// `v̄` for the sums `{Σ ∇²vy gᵢ wᵢ}` over the rounds.
    pub fn finish(self, crosses: &[Vec<f64>]) -> Vec<f64> {
        let mut v = vec![0.0; crosses.first().map_or(0, Vec::len)];
        for cross in crosses {
            add_scaled(&mut v, -self.settings.lower_step, cross);
        }
        v
    }
}

/// `h` and its gradient at a point.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::Scalar;
/// use bilevel_distributed::{EstimateSettings, Lower, Relaxation};
///
/// // g = ½ (y − 2 v)²: one step of a tenth from y = z = 0 at v = 1 is y' = 0.2.
/// let settings = EstimateSettings {
///     rounds: 1, lower_step: 0.1, consensus_step: 0.1, multiplier_step: 0.0, penalty: 0.0,
/// };
/// let at = Lower { y: vec![vec![0.0]], z: vec![0.0] };
/// let h = Relaxation::of(&settings, &[Scalar { a: 2.0, t: 1.0 }], &[1.0], &at, at.clone());
/// assert!((h.value - 0.04).abs() < 1e-15);
/// assert!((h.v[0] - 2.0 * 0.2 * 0.2).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Relaxation {
    /// `h`.
    pub value: f64,
    /// `∂h/∂v`.
    pub v: Vec<f64>,
    /// `∂h/∂yᵢ` and `∂h/∂z`.
    pub lower: Lower,
}

impl Relaxation {
    /// At (v, `at`), with rounds that begin at `start`, all in this process.
    ///
    /// Costs K gradients and K products of every worker, and the memory of K lower variables.
    pub fn of<P: LocalProblem>(
        settings: &EstimateSettings,
        problems: &[P],
        v: &[f64],
        at: &Lower,
        start: Lower,
    ) -> Self {
        let mut trajectory = vec![start.y.clone()];
        let mut estimate = LowerEstimate::new(*settings, start);
        for round in 0..settings.rounds {
            let step = |(i, problem): (usize, &P)| {
                let y = trajectory[round][i].clone();
                worker_round(settings, problem, v, y, estimate.z(), estimate.phi(i))
            };
            let y: Vec<_> = problems.iter().enumerate().map(step).collect();
            trajectory.push(y.clone());
            estimate.round(y);
        }
        let mut back = estimate.pull_back(at);
        let mut crosses = vec![vec![0.0; v.len()]; problems.len()];
        for round in (0..settings.rounds).rev() {
            let along = back.directions().iter().zip(&trajectory[round]);
            let products = problems.iter().zip(along);
            let products = products.map(|(problem, (w, y))| problem.lower_products(v, y, w));
            let (hessian, cross): (Vec<_>, Vec<_>) = products
                .map(|LowerProducts { hessian, cross }| (hessian, cross))
                .unzip();
            for (sum, cross) in crosses.iter_mut().zip(&cross) {
                add_scaled(sum, 1.0, cross);
            }
            back.absorb(&hessian);
        }
        Self {
            value: estimate.distance(at),
            v: back.finish(&crosses),
            lower: estimate.gradient(at),
        }
    }
}
