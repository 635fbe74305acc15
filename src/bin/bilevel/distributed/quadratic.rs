//! A problem that needs no data and whose vectors are as long as one likes.

use anyhow::{Result, ensure};
use bilevel_distributed::{LocalProblem, LowerProducts, UpperGradients};

use super::{Shared, Task};
use crate::io::memory::check_memory;

/// What v costs.
const RHO: f64 = 0.5;

/// `G = ½ ‖y − t‖² + ½ ρ ‖x‖²,   g = ½ ‖y − a v‖²`, each entry for itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quadratic {
    worker: usize,
    dim: usize,
}

impl Quadratic {
    fn a(self) -> f64 {
        1.0 + 0.1 * self.worker as f64
    }

    fn t(self, j: usize) -> f64 {
        ((31 * self.worker + j) % 17) as f64 / 17.0
    }

    /// With `dim` entries on each of `workers`; right are the entries of z that are nearer than
    /// 0.05 to the solution.
    ///
    /// # Errors
    /// If there are no entries or no workers.
    pub fn task(workers: usize, dim: usize) -> Result<Task> {
        ensure!(dim > 0, "--dim must be at least 1");
        // What master and workers hold of each, and what is on the way.
        const VECTORS: u64 = 16;
        let numbers = (workers as u64).saturating_mul(dim as u64);
        check_memory("the vectors", numbers.saturating_mul(8 * VECTORS))?;
        ensure!(workers > 0, "--workers must be at least 1");
        let all: Vec<_> = (0..workers)
            .map(|worker| Quadratic { worker, dim })
            .collect();
        let locals = all.iter().map(|&local| Box::new(local) as Shared).collect();
        // y = z = ā v, and v = ā t̄ / (ā² + ρ).
        let mean = move |of: &dyn Fn(Quadratic) -> f64| {
            all.iter().map(|&local| of(local)).sum::<f64>() / workers as f64
        };
        let a = mean(&Quadratic::a);
        let judge = move |z: &[f64]| {
            let near = |&(j, z): &(usize, &f64)| {
                let t = mean(&|local| local.t(j));
                (z - a * a * t / (a * a + RHO)).abs() < 0.05
            };
            z.iter().enumerate().filter(near).count() as f64 / z.len() as f64
        };
        Ok(Task {
            locals,
            start: (vec![0.0; dim], vec![0.0; dim]),
            samples: [0; 3],
            judge: Box::new(judge),
        })
    }
}

impl LocalProblem for Quadratic {
    fn upper_dim(&self) -> usize {
        self.dim
    }

    fn lower_dim(&self) -> usize {
        self.dim
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        let far: Vec<f64> = y.iter().enumerate().map(|(j, y)| y - self.t(j)).collect();
        let square = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>();
        UpperGradients {
            loss: (square(&far) + RHO * square(x)) / 2.0,
            x: x.iter().map(|x| RHO * x).collect(),
            y: far,
        }
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        let a = self.a();
        y.iter().zip(v).map(|(y, v)| y - a * v).collect()
    }

    fn lower_products(&self, _: &[f64], _: &[f64], w: &[f64]) -> LowerProducts {
        let a = self.a();
        LowerProducts {
            hessian: w.to_vec(),
            cross: w.iter().map(|w| -a * w).collect(),
        }
    }
}
