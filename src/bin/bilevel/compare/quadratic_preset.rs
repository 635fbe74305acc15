//! How each method runs on the quadratic benchmark.

use crate::clean::method::{MethodName, Tuning};

/// The method's own numbers.
///
/// What depends on the step's number does so as in the method's
/// [`Paper`](crate::clean::paper::Paper). The sizes are ours: the best of a few at seed 0. Neumann
/// series have as many terms as their bias asks for: the Hessian's eigenvalues lie between 0.1 and
/// 1.
pub(crate) fn preset(method: MethodName) -> Tuning {
    let base = Tuning {
        lower_step: 0.5,
        upper_step: 0.5,
        powers: method.paper().powers,
        inner_steps: 10,
        terms: 60,
        series_step: 1.0,
        weight: 0.5,
        period: 16,
        eta: 0.5,
        ball: None,
    };
    let steps = |lower_step, upper_step| Tuning {
        lower_step,
        upper_step,
        ..base
    };
    match method {
        MethodName::Saba | MethodName::Srba => base,
        MethodName::Vrbo => Tuning {
            inner_steps: 3,
            terms: 160,
            period: 10,
            ..base
        },
        MethodName::Soba | MethodName::MaSoba => steps(0.3, 0.1),
        MethodName::Fsla => steps(0.3, 0.3),
        MethodName::Amigo => steps(0.3, 0.003),
        MethodName::Stocbio => steps(0.5, 0.003),
        MethodName::Bsa => steps(0.5, 0.1),
        MethodName::Ttsa => steps(0.5, 0.5),
        MethodName::Sustain | MethodName::Mrbo => steps(0.3, 0.3),
        MethodName::Bome => steps(0.3, 0.3),
        MethodName::VPbgd => Tuning {
            weight: 30.0,
            ..steps(0.5, 0.01)
        },
        MethodName::GPbgd => Tuning {
            weight: 30.0,
            ..steps(0.01, 0.01)
        },
        MethodName::Bvfsm => Tuning {
            inner_steps: 20,
            weight: 0.1,
            ..steps(0.1, 0.1)
        },
        MethodName::F2sa => Tuning {
            weight: 30.0,
            ..steps(0.5, 0.5)
        },
        MethodName::F3sa => Tuning {
            weight: 30.0,
            ..steps(0.3, 0.2)
        },
        MethodName::Pzobo => Tuning {
            weight: 0.1,
            ..steps(0.5, 0.003)
        },
        MethodName::Bsg1 => steps(0.3, 0.1),
        MethodName::Dmlcbo => Tuning {
            terms: 20,
            ..steps(0.5, 0.03)
        },
    }
}
