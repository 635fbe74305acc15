//! The same problem with all data in one process.

use bilevel_distributed::{
    AdboSettings, Cpbo, CpboSettings, CpboState, LocalProblem, LowerProducts, UpperGradients,
};
use serde::Serialize;

use super::{Shared, Task};
use crate::io::interrupt;
use crate::io::progress::Progress;

/// What one process reaches.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Centralised {
    pub steps: usize,
    pub accuracy: f64,
}

/// Means over the workers' losses, so that a worker's step sizes fit.
struct Pooled<'a>(&'a [Shared]);

impl Pooled<'_> {
    fn mean(&self, of: impl Fn(&Shared) -> Vec<f64>) -> Vec<f64> {
        let share = 1.0 / self.0.len() as f64;
        let vectors = self.0.iter().map(of);
        let sum = vectors.reduce(|mut sum, vector| {
            sum.iter_mut().zip(vector).for_each(|(s, a)| *s += a);
            sum
        });
        sum.unwrap_or_default()
            .into_iter()
            .map(|s| share * s)
            .collect()
    }
}

/// Vectors one after the other, and their parts again.
fn split(mut joined: Vec<f64>, first: usize) -> (Vec<f64>, Vec<f64>) {
    let second = joined.split_off(first);
    (joined, second)
}

impl LocalProblem for Pooled<'_> {
    fn upper_dim(&self) -> usize {
        self.0[0].upper_dim()
    }

    fn lower_dim(&self) -> usize {
        self.0[0].lower_dim()
    }

    fn upper_gradients(&self, x: &[f64], y: &[f64]) -> UpperGradients {
        let mean = self.mean(|local| {
            let UpperGradients { loss, x, y } = local.upper_gradients(x, y);
            [vec![loss], x, y].concat()
        });
        let (loss, gradients) = split(mean, 1);
        let (x, y) = split(gradients, self.upper_dim());
        UpperGradients {
            loss: loss[0],
            x,
            y,
        }
    }

    fn lower_gradient(&self, v: &[f64], y: &[f64]) -> Vec<f64> {
        self.mean(|local| local.lower_gradient(v, y))
    }

    fn lower_products(&self, v: &[f64], y: &[f64], w: &[f64]) -> LowerProducts {
        let mean = self.mean(|local| {
            let LowerProducts { hessian, cross } = local.lower_products(v, y, w);
            [hessian, cross].concat()
        });
        let (hessian, cross) = split(mean, self.lower_dim());
        LowerProducts { hessian, cross }
    }
}

/// CPBO with the constants of `settings`; `None` after Ctrl-C, or if a step is not finite.
///
/// # Errors
/// If a setting is out of its range.
pub(crate) fn centralised(
    task: &Task,
    settings: &AdboSettings,
    steps: usize,
    progress: Progress,
) -> anyhow::Result<Option<Centralised>> {
    let cpbo = Cpbo::new(CpboSettings {
        x_step: settings.steps.x,
        y_step: settings.steps.y,
        lambda_step: settings.steps.lambda,
        regularization: settings.lambda_regularization,
        inner_steps: settings.estimate.rounds,
        inner_step: settings.estimate.lower_step,
        cuts: settings.cuts,
    })?;
    let (x, y) = task.start.clone();
    let mut state = CpboState::new(x, y);
    for _ in 0..steps {
        if interrupt::pressed() || !cpbo.step(&Pooled(&task.locals), &mut state).finite {
            return Ok(None);
        }
        progress.inc();
    }
    drop(progress);
    Ok(Some(Centralised {
        steps,
        accuracy: task.judge(&state.y),
    }))
}
