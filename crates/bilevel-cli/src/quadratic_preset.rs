//! How each method runs on the quadratic benchmark: numbers found by scanning, at seed 0.

use crate::arguments::BenchStochasticArguments;
use crate::method::{MethodName, Tuning};

/// The method's own numbers, but for what the call changes.
pub(crate) fn tuning(method: MethodName, arguments: &BenchStochasticArguments) -> Tuning {
    let base = Tuning {
        lower_step: 0.5,
        upper_step: 0.5,
        power: 0.0,
        inner_steps: 10,
        terms: 10,
        weight: 100.0,
        period: 100,
        eta: 0.5,
    };
    let tuning = match method {
        _ => base,
    };
    Tuning {
        lower_step: arguments.lower_step.unwrap_or(tuning.lower_step),
        upper_step: arguments.upper_step.unwrap_or(tuning.upper_step),
        power: arguments.power.unwrap_or(tuning.power),
        weight: arguments.weight.unwrap_or(tuning.weight),
        ..tuning
    }
}
