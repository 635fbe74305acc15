//! How each method runs on the quadratic benchmark. Steps of SOBA, MA-SOBA, AmIGO, TTSA, BOME, PBGD and DMLCBO are the best of a few
//! at seed 0, those of the others a first choice that converges.

use crate::arguments::BenchStochasticArguments;
use crate::method::{MethodName, Tuning};

/// The method's own numbers, but for what the call changes.
///
/// Steps of methods that reduce the variance are constant; those of the others fall with the powers of their papers,
/// or with 0.6 where constant ones leave noise. Neumann series have as many terms as their bias asks for: the Hessian's
/// eigenvalues begin at 0.1.
pub(crate) fn tuning(method: MethodName, arguments: &BenchStochasticArguments) -> Tuning {
    let constant = Tuning {
        lower_step: 0.5,
        upper_step: 0.5,
        power: 0.0,
        inner_steps: 10,
        terms: 60,
        weight: 0.5,
        period: 16,
        eta: 0.5,
        ball: None,
    };
    let falling = |step| Tuning {
        lower_step: step,
        upper_step: step,
        power: 0.6,
        ..constant
    };
    let own = match method {
        MethodName::Saba | MethodName::Srba => constant,
        MethodName::Vrbo => Tuning {
            inner_steps: 3,
            terms: 160,
            period: 10,
            ..constant
        },
        MethodName::Soba | MethodName::MaSoba | MethodName::Fsla | MethodName::Amigo => {
            falling(0.3)
        }
        MethodName::Stocbio | MethodName::Bsa | MethodName::Ttsa => falling(1.0),
        MethodName::Sustain | MethodName::Mrbo => Tuning {
            power: 1.0 / 3.0,
            ..falling(0.3)
        },
        MethodName::Bome => Tuning {
            lower_step: 0.3,
            upper_step: 0.3,
            ..constant
        },
        MethodName::VPbgd => Tuning {
            upper_step: 0.01,
            weight: 30.0,
            ..constant
        },
        MethodName::GPbgd => Tuning {
            lower_step: 0.01,
            upper_step: 0.01,
            weight: 30.0,
            ..constant
        },
        MethodName::Bvfsm => Tuning {
            lower_step: 0.1,
            upper_step: 0.1,
            power: 1.0,
            inner_steps: 20,
            weight: 0.1,
            ..constant
        },
        MethodName::F2sa => Tuning {
            weight: 30.0,
            ..falling(0.5)
        },
        MethodName::F3sa => Tuning {
            upper_step: 0.02,
            weight: 30.0,
            power: 1.0 / 3.0,
            ..falling(0.3)
        },
        MethodName::Pzobo => Tuning {
            upper_step: 0.05,
            weight: 0.1,
            ..falling(0.5)
        },
        MethodName::Bsg1 => falling(0.3),
        MethodName::Dmlcbo => Tuning {
            upper_step: 0.03,
            terms: 20,
            ..constant
        },
    };
    arguments.tuning.over(own)
}
