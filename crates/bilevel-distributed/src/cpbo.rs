//! CPBO: the cutting-plane method in one process.

use crate::adbo::Cuts;
use crate::error::{Error, ErrorKind};
use crate::flat::{add_scaled, is_finite};
use crate::{
    EstimateSettings, LocalProblem, Lower, Planes, Regularization, Relaxation, UpperGradients,
};

/// CPBO: bilevel optimization by cutting planes, one process, no consensus.
///
/// ```text
/// min G(x, y)   s.t.   h(x, y) = ‖y − y'(x)‖² ≤ ε,      y' = K gradient steps of size η from y
/// x   ← x − η_x (∇x G + Σ_l λ_l a_l)
/// y   ← y − η_y (∇y G + Σ_l λ_l b_l)
/// λ_l ← max(0, λ_l + η_λ (a_lᵀx + b_lᵀy + κ_l − c₁ λ_l))
/// ```
///
/// The centralised baseline of [`Adbo`](crate::Adbo): the gradients are those before the step, the
/// multipliers see the new point, and every [`Cuts::every`] steps planes are refreshed. A step
/// costs a gradient of G and `P (dim x + dim y)` multiplications with P planes, a refresh K
/// gradients of g and K products.
///
/// # Example
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/scalar.rs")); }
/// # use example::Scalar;
/// use bilevel_distributed::{Cpbo, CpboSettings, CpboState, Cuts, Prune, Regularization};
///
/// // y*(x) = 2 x, F = ½ (2 x − 3)² + ¼ x²: the best x is 6 / 4.5.
/// let cpbo = Cpbo::new(CpboSettings {
///     x_step: 0.05, y_step: 0.05, lambda_step: 0.5,
///     regularization: Regularization::Constant(0.0),
///     inner_steps: 60, inner_step: 0.2,
///     cuts: Cuts { every: 10, epsilon: 1e-4, prune: Prune::Never, ..Cuts::default() },
/// })?;
/// let mut state = CpboState::new(vec![0.0], vec![0.0]);
/// for _ in 0..5000 {
///     assert!(cpbo.step(&Scalar { a: 2.0, t: 3.0 }, &mut state).finite);
/// }
/// assert!((state.x[0] - 6.0 / 4.5).abs() < 1e-2, "{}", state.x[0]);
/// # Ok::<(), bilevel_distributed::Error>(())
/// ```
///
/// # References
/// Jiao, Yang, Wu, Song, Jian (2023), "Asynchronous Distributed Bilevel Optimization", ICLR,
/// arXiv:2212.10048.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cpbo {
    settings: CpboSettings,
}

/// The settings of [`Cpbo`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpboSettings {
    /// `η_x`.
    pub x_step: f64,
    /// `η_y`.
    pub y_step: f64,
    /// `η_λ`.
    pub lambda_step: f64,
    /// `c₁`.
    pub regularization: Regularization,
    /// K.
    pub inner_steps: usize,
    /// `η` of the inner steps.
    pub inner_step: f64,
    /// When planes come and go.
    pub cuts: Cuts,
}

/// Where [`Cpbo`] stands.
#[derive(Debug, Clone, PartialEq)]
pub struct CpboState {
    /// Steps done.
    pub step: usize,
    /// Upper variable.
    pub x: Vec<f64>,
    /// Lower variable.
    pub y: Vec<f64>,
    /// The planes and their multipliers.
    pub planes: Planes,
}

/// A step of [`Cpbo`] in numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpboReport {
    /// `G` before the step.
    pub loss: f64,
    /// `h`, if planes were refreshed.
    pub distance: Option<f64>,
    /// Whether the step is finite; if not, it was not taken: lower the step sizes.
    pub finite: bool,
}

impl CpboState {
    /// Before the first step, without planes.
    pub fn new(x: Vec<f64>, y: Vec<f64>) -> Self {
        Self {
            step: 0,
            x,
            y,
            planes: Planes::default(),
        }
    }
}

impl Cpbo {
    /// The method.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(settings: CpboSettings) -> Result<Self, Error> {
        for (name, step) in [
            ("x_step", settings.x_step),
            ("y_step", settings.y_step),
            ("lambda_step", settings.lambda_step),
        ] {
            bilevel_core::positive(name, step).map_err(|e| Error::from(ErrorKind::Setting(e)))?;
        }
        settings.regularization.check("regularization")?;
        settings.cuts.check()?;
        let cpbo = Self { settings };
        cpbo.estimate().check()?;
        Ok(cpbo)
    }

    /// One worker that agrees with nobody: without multipliers and augmentation z stays, and adds
    /// nothing to `h`.
    fn estimate(&self) -> EstimateSettings {
        EstimateSettings {
            rounds: self.settings.inner_steps,
            lower_step: self.settings.inner_step,
            consensus_step: 0.0,
            multiplier_step: 0.0,
            penalty: 0.0,
        }
    }

    /// One step on `problem`.
    pub fn step(&self, problem: &impl LocalProblem, state: &mut CpboState) -> CpboReport {
        let CpboSettings {
            x_step,
            y_step,
            lambda_step,
            regularization,
            cuts,
            ..
        } = self.settings;
        let UpperGradients {
            loss,
            x: mut dx,
            y: mut dy,
        } = problem.upper_gradients(&state.x, &state.y);
        state.planes.add_a(&mut dx);
        for plane in state.planes.as_slice() {
            add_scaled(&mut dy, plane.lambda, &plane.b[0]);
        }
        let (mut x, mut y) = (state.x.clone(), state.y.clone());
        add_scaled(&mut x, -x_step, &dx);
        add_scaled(&mut y, -y_step, &dy);
        if !(loss.is_finite() && is_finite(&x) && is_finite(&y)) {
            return CpboReport {
                loss,
                distance: None,
                finite: false,
            };
        }
        let c1 = regularization.at(state.step, lambda_step);
        let z = vec![0.0; y.len()];
        state.planes.moved(0, &y);
        state.planes.ascend(lambda_step, c1, f64::INFINITY, &x, &z);
        (state.x, state.y) = (x, y);
        state.step += 1;
        let distance = cuts.due(state.step).then(|| {
            let at = Lower {
                y: vec![state.y.clone()],
                z,
            };
            let h = Relaxation::of(&self.estimate(), &[problem], &state.x, &at, at.clone());
            let value = h.value;
            state.planes.prune(cuts.prune);
            if value > cuts.epsilon {
                let (x, epsilon) = (&state.x, cuts.epsilon);
                state.planes.add(h, epsilon, x, &at, cuts.most);
            }
            value
        });
        CpboReport {
            loss,
            distance,
            finite: true,
        }
    }
}
