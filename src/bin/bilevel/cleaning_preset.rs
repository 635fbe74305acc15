//! How each method cleans. The numbers of SOBA, SABA, AmIGO and BOME were scanned on digits of MNIST, half of whose labels
//! are wrong; those of the others are near to them, and were looked at on one seed.

use crate::arguments::CleanSettings;
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
/// in units of the number of `samples`; blocks are no larger than either set unless the call asks for that.
pub(crate) fn preset(settings: &CleanSettings, samples: usize, trusted: usize) -> Preset {
    let base = Tuning {
        lower_step: 0.5,
        upper_step: 0.01,
        power: 0.0,
        inner_steps: 10,
        terms: 20,
        weight: 0.5,
        period: 20,
        eta: 0.5,
        ball: settings.ball,
    };
    let (tuning, steps, batch) = match settings.method {
        MethodName::Soba | MethodName::MaSoba => (base, 3000, 1000),
        MethodName::Fsla => (base, 2400, 1000),
        MethodName::Saba | MethodName::Srba => (
            Tuning {
                lower_step: 0.3,
                ..base
            },
            3000,
            250,
        ),
        MethodName::Amigo => (
            Tuning {
                upper_step: 0.03,
                ..base
            },
            700,
            250,
        ),
        MethodName::Stocbio | MethodName::Bsa => (
            Tuning {
                lower_step: 0.3,
                upper_step: 0.03,
                ..base
            },
            600,
            250,
        ),
        MethodName::Ttsa | MethodName::Sustain | MethodName::Mrbo => (
            Tuning {
                lower_step: 0.3,
                ..base
            },
            1000,
            250,
        ),
        MethodName::Vrbo => (
            Tuning {
                lower_step: 0.3,
                upper_step: 0.03,
                ..base
            },
            250,
            250,
        ),
        MethodName::Bome => (
            Tuning {
                upper_step: 1.5,
                inner_steps: 3,
                ..base
            },
            1000,
            samples,
        ),
        MethodName::VPbgd => (
            Tuning {
                upper_step: 0.1,
                inner_steps: 3,
                weight: 10.0,
                ..base
            },
            1500,
            samples,
        ),
        MethodName::GPbgd => (
            Tuning {
                lower_step: 0.03,
                upper_step: 0.02,
                weight: 10.0,
                ..base
            },
            2000,
            samples,
        ),
        MethodName::Bvfsm => (
            Tuning {
                inner_steps: 5,
                weight: 0.1,
                ..base
            },
            200,
            samples,
        ),
        MethodName::F2sa => (
            Tuning {
                upper_step: 0.01,
                weight: 10.0,
                ..base
            },
            600,
            250,
        ),
        MethodName::F3sa => (
            Tuning {
                lower_step: 0.3,
                upper_step: 0.001,
                weight: 10.0,
                ..base
            },
            4000,
            250,
        ),
        MethodName::Bsg1 | MethodName::Pzobo => (base, 600, 250),
        MethodName::Dmlcbo => (
            Tuning {
                lower_step: 0.3,
                upper_step: 0.012,
                terms: 40,
                ..base
            },
            2000,
            1000,
        ),
    };
    let tuning = settings.tuning.over(tuning);
    Preset {
        tuning: Tuning {
            upper_step: tuning.upper_step * samples as f64,
            ..tuning
        },
        steps: settings.steps.unwrap_or(steps),
        batch: settings.batch.unwrap_or(batch.min(samples).min(trusted)),
    }
}
