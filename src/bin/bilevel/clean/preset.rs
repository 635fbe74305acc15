//! How each method cleans.

use crate::args::CleanSettings;
use crate::clean::ball::Ball;
use crate::clean::method::{MethodName, Tuning};
use crate::clean::paper::Powers;

/// How a method runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preset {
    pub tuning: Tuning,
    /// Steps.
    pub steps: usize,
    /// Samples a block; none for all samples.
    pub batch: Option<usize>,
    /// Where the sizes of the steps are from.
    pub origin: &'static str,
}

const SCANNED: &str = "scanned on MNIST with half of the labels wrong, seeds 1 to 3";
const ONE_SEED: &str = "the best of a few on MNIST with half of the labels wrong, seed 1";
const NEAR: &str = "near those of SOBA, tried on MNIST with half of the labels wrong, seed 1";

/// The method's own numbers. Steps of x are in units of the number of samples: a weight's gradient
/// is of the order of one over that.
///
/// TTSA, F2SA and F3SA have the powers of their papers. The steps, shares and barriers of the
/// others are constant, whatever their papers say: they were tuned so.
pub(crate) fn preset(method: MethodName, ball: Option<Ball>) -> Preset {
    use MethodName as M;
    let powers = match method {
        M::Ttsa | M::F2sa | M::F3sa => method.paper().powers,
        _ => Powers::CONSTANT,
    };
    let base = Tuning {
        lower_step: 0.5,
        upper_step: 0.01,
        powers,
        inner_steps: 10,
        terms: 20,
        series_step: 0.3,
        weight: 0.5,
        period: 20,
        eta: 0.5,
        ball,
    };
    let sizes = |lower_step, upper_step| Tuning {
        lower_step,
        upper_step,
        ..base
    };
    let penalty = |inner_steps, weight, tuning| Tuning {
        inner_steps,
        weight,
        ..tuning
    };
    let (tuning, steps, batch, origin) = match method {
        M::Soba => (base, 3000, Some(1000), SCANNED),
        M::MaSoba => (base, 3000, Some(1000), NEAR),
        M::Fsla => (base, 2400, Some(1000), NEAR),
        M::Saba => (sizes(0.3, 0.01), 3000, Some(250), SCANNED),
        M::Srba => (sizes(0.3, 0.01), 3000, Some(250), NEAR),
        M::Amigo => (sizes(0.5, 0.03), 700, Some(250), SCANNED),
        M::Stocbio | M::Bsa => (sizes(0.3, 0.03), 600, Some(250), NEAR),
        M::Ttsa => (sizes(0.5, 0.3), 3000, Some(250), ONE_SEED),
        M::Sustain | M::Mrbo => (sizes(0.3, 0.01), 1000, Some(250), NEAR),
        M::Vrbo => (sizes(0.3, 0.03), 250, Some(250), NEAR),
        M::Bome => (penalty(3, 0.5, sizes(0.5, 1.5)), 1000, None, SCANNED),
        M::VPbgd => (penalty(3, 10.0, sizes(0.5, 0.1)), 1500, None, ONE_SEED),
        M::GPbgd => (penalty(10, 10.0, sizes(0.03, 0.02)), 2000, None, ONE_SEED),
        M::Bvfsm => (penalty(5, 0.1, base), 200, None, NEAR),
        M::F2sa => (penalty(10, 10.0, sizes(0.5, 1.0)), 600, Some(250), ONE_SEED),
        M::F3sa => (
            penalty(10, 10.0, sizes(0.5, 0.1)),
            4000,
            Some(250),
            ONE_SEED,
        ),
        M::Bsg1 | M::Pzobo => (base, 600, Some(250), NEAR),
        M::Dmlcbo => (
            Tuning {
                terms: 40,
                ..sizes(0.3, 0.012)
            },
            2000,
            Some(1000),
            NEAR,
        ),
    };
    Preset {
        tuning,
        steps,
        batch,
        origin,
    }
}

impl Preset {
    /// What a call asks for: its own numbers over the preset's, steps of x in their own units,
    /// blocks no larger than either set unless the call wants them to be.
    pub fn of(settings: &CleanSettings, samples: usize, trusted: usize) -> Self {
        let own = preset(settings.method, settings.ball);
        let tuning = settings.tuning.over(own.tuning);
        Self {
            tuning: Tuning {
                upper_step: tuning.upper_step * samples as f64,
                ..tuning
            },
            steps: settings.steps.unwrap_or(own.steps),
            batch: own
                .batch
                .map(|own| settings.batch.unwrap_or(own.min(samples).min(trusted))),
            ..own
        }
    }
}
