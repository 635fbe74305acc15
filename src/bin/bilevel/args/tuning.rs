//! What can be typed to tune an update rule.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::clean::method::Tuning;
use crate::clean::paper::Powers;

use super::count;

/// Numbers in place of the method's own.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct TuningArguments {
    /// Step of y (the classifier), in place of the method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub lower_step: Option<f64>,
    /// Step of x (`clean`: of the weights, in units of the number of samples), in place of the
    /// method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub upper_step: Option<f64>,
    /// Power with which steps of y fall, `a (t + 1)^(-POWER)`, where the method's can, in place of
    /// its own; 0 for constant ones.
    #[arg(long, value_name = "POWER", allow_negative_numbers = true)]
    pub lower_power: Option<f64>,
    /// Power with which steps of x fall, where the method's can, in place of its own.
    #[arg(long, value_name = "POWER", allow_negative_numbers = true)]
    pub upper_power: Option<f64>,
    /// Multiplier of a penalty, eta of BOME or radius of PZOBO, in place of the method's own.
    #[arg(long, allow_negative_numbers = true)]
    pub weight: Option<f64>,
    /// Steps of an inner loop, where there is one, in place of the method's own.
    #[arg(long, value_parser = count(0, 1_000_000))]
    pub inner_steps: Option<usize>,
    /// Terms of a Neumann series, where there is one, in place of the method's own.
    #[arg(long, value_parser = count(0, 1_000_000))]
    pub terms: Option<usize>,
    /// Step of a Neumann series, in place of the method's own: at most one over the largest
    /// curvature of the lower loss.
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    pub series_step: Option<f64>,
}

impl TuningArguments {
    /// The method's `own` numbers, but for what was typed.
    pub fn over(&self, own: Tuning) -> Tuning {
        Tuning {
            lower_step: self.lower_step.unwrap_or(own.lower_step),
            upper_step: self.upper_step.unwrap_or(own.upper_step),
            powers: Powers {
                lower: self.lower_power.unwrap_or(own.powers.lower),
                upper: self.upper_power.unwrap_or(own.powers.upper),
                ..own.powers
            },
            weight: self.weight.unwrap_or(own.weight),
            inner_steps: self.inner_steps.unwrap_or(own.inner_steps),
            terms: self.terms.unwrap_or(own.terms),
            series_step: self.series_step.unwrap_or(own.series_step),
            ..own
        }
    }
}
