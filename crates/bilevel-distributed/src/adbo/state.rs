//! Where a run stands, and the master's step.

use serde::{Deserialize, Serialize};

use super::AdboSettings;
use crate::communicator::WorkerId;
use crate::flat::{add_scaled, is_finite};
use crate::{Lower, Planes};

/// All that the master knows: a run goes on from it, and a worker gets back from it what was its
/// own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdboState {
    /// Iterations done.
    pub iteration: usize,
    /// The upper variable that all agree on.
    pub v: Vec<f64>,
    /// The lower variable that all agree on.
    pub z: Vec<f64>,
    /// What is known of the workers.
    pub workers: Vec<WorkerState>,
    /// The planes and their multipliers.
    pub planes: Planes,
    /// In which order answers were taken: see [`Replay`](crate::communicator::Replay).
    pub log: Vec<Arrival>,
}

/// What the master knows of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerState {
    /// `xᵢ`, newest known.
    pub x: Vec<f64>,
    /// `yᵢ`, newest known.
    pub y: Vec<f64>,
    /// `θᵢ`.
    pub theta: Vec<f64>,
    /// `Gᵢ` before its newest known step, once there is one.
    pub loss: Option<f64>,
}

/// Something that decided how a run went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arrival {
    /// An answer of this worker was taken, or it was admitted.
    #[serde(alias = "Heard")]
    Received(WorkerId),
    /// This worker was lost.
    Lost(WorkerId),
}

impl AdboState {
    /// Before the first iteration: every worker at (v, z), θ = 0, no plane.
    ///
    /// Workers that shall start elsewhere are set in [`workers`](Self::workers).
    pub fn new(workers: usize, v: Vec<f64>, z: Vec<f64>) -> Self {
        Self {
            iteration: 0,
            workers: vec![WorkerState::new(&v, &z); workers],
            v,
            z,
            planes: Planes::default(),
            log: Vec::new(),
        }
    }

    /// `Σ Gᵢ` at the newest known points; `None` until all have been heard.
    pub fn upper_loss(&self) -> Option<f64> {
        self.workers.iter().map(|worker| worker.loss).sum()
    }

    /// `{yᵢ}` and z.
    pub fn lower(&self) -> Lower {
        Lower {
            y: self.workers.iter().map(|worker| worker.y.clone()).collect(),
            z: self.z.clone(),
        }
    }

    /// Worker `i` leaves the sums; planes that were made with it are of another problem.
    pub(super) fn forget(&mut self, i: usize) {
        self.workers[i] = WorkerState::new(&self.v, &self.z);
        self.planes.clear();
    }

    /// Worker `i` has stepped.
    pub(super) fn moved(&mut self, i: usize, x: Vec<f64>, y: Vec<f64>, loss: f64) {
        self.planes.moved(i, &y);
        let worker = &mut self.workers[i];
        (worker.x, worker.y, worker.loss) = (x, y, Some(loss));
    }

    /// The master's step of iteration t, `active` having been heard:
    ///
    /// ```text
    /// v   ← v − η_v (Σ_l λ_l a_l − Σᵢ θᵢ)
    /// z   ← z − η_z Σ_l λ_l c_l
    /// λ_l ← max(0, λ_l + η_λ (a_lᵀv + Σᵢ b_{i,l}ᵀyᵢ + c_lᵀz + κ_l − c₁ λ_l))
    /// θᵢ  ← θᵢ + η_θ (xᵢ − v − c₂ θᵢ)                                          i active
    /// ```
    ///
    /// Returns whether all of it is finite; if not, nothing has changed.
    pub(super) fn step(&mut self, settings: &AdboSettings, active: &[usize]) -> bool {
        let AdboSettings { steps, .. } = settings;
        let t = self.iteration;
        let c1 = settings.lambda_regularization.at(t, steps.lambda);
        let c2 = settings.theta_regularization.at(t, steps.theta);

        let mut of_v = vec![0.0; self.v.len()];
        self.planes.add_a(&mut of_v);
        for worker in &self.workers {
            add_scaled(&mut of_v, -1.0, &worker.theta);
        }
        let mut of_z = vec![0.0; self.z.len()];
        self.planes.add_c(&mut of_z);
        let (mut v, mut z) = (self.v.clone(), self.z.clone());
        add_scaled(&mut v, -steps.v, &of_v);
        add_scaled(&mut z, -steps.z, &of_z);

        let before = self.planes.multipliers();
        self.planes
            .ascend(steps.lambda, c1, steps.largest_lambda, &v, &z);
        let theta = |worker: &WorkerState| -> Vec<f64> {
            let rise = worker.x.iter().zip(&v).zip(&worker.theta);
            let rise = rise.map(|((x, v), theta)| theta + steps.theta * (x - v - c2 * theta));
            rise.map(|theta| theta.clamp(-steps.largest_theta, steps.largest_theta))
                .collect()
        };
        let thetas: Vec<_> = active.iter().map(|&i| theta(&self.workers[i])).collect();

        let finite = is_finite(&v)
            && is_finite(&z)
            && is_finite(&self.planes.lambda())
            && thetas.iter().all(|theta| is_finite(theta));
        if !finite {
            self.planes.restore(before);
            return false;
        }
        (self.v, self.z) = (v, z);
        for (&i, theta) in active.iter().zip(thetas) {
            self.workers[i].theta = theta;
        }
        self.iteration += 1;
        true
    }
}

impl WorkerState {
    fn new(v: &[f64], z: &[f64]) -> Self {
        Self {
            x: v.to_vec(),
            y: z.to_vec(),
            theta: vec![0.0; v.len()],
            loss: None,
        }
    }
}
