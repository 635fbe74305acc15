//! How each method cleans: numbers found on digits of MNIST, half of whose labels are wrong.

use crate::arguments::CleanArguments;
use crate::method::{MethodName, Tuning};

/// How a method runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preset {
    pub tuning: Tuning,
    /// Steps.
    pub steps: usize,
    /// Samples a block, for methods that see blocks.
    pub batch: usize,
}

/// The method's own numbers, but for what the call changes. Weights have gradients of `1/samples`, so their steps are
/// in units of the number of samples.
pub(crate) fn preset(arguments: &CleanArguments, samples: usize) -> Preset {
    let base = Tuning {
        lower_step: 0.1,
        upper_step: 1.0,
        power: 0.0,
        inner_steps: 10,
        terms: 10,
        weight: 0.5,
        period: 100,
        eta: 0.5,
    };
    let (tuning, steps, batch) = match arguments.method {
        MethodName::Bome => (base, 1000, samples),
        _ => (base, 2000, 64),
    };
    let lower_step = arguments.lower_step.unwrap_or(tuning.lower_step);
    let upper_step = arguments.upper_step.unwrap_or(tuning.upper_step);
    let weight = arguments.weight.unwrap_or(tuning.weight);
    Preset {
        tuning: Tuning {
            weight,
            lower_step,
            upper_step: upper_step * samples as f64,
            ..tuning
        },
        steps: arguments.steps.unwrap_or(steps),
        batch: arguments.batch.unwrap_or(batch),
    }
}
