//! What ADBO is tuned to for each task.

use bilevel_distributed::message::Precision;
use bilevel_distributed::{
    AdboSettings, Cuts, EstimateSettings, Participation, Prune, Regularization, Steps,
};

use crate::args::{DistributedCourse, DistributedTaskName};

/// Planes at most; the authors' program has no bound.
const MOST_PLANES: usize = 20;

/// Constants of the authors' program for a task.
struct Constants {
    /// `η_x` and `η_v`, `η_y` and `η_z`.
    upper: f64,
    lower: f64,
    lambda: f64,
    theta: f64,
    phi: f64,
    c1: f64,
    c2: f64,
    mu: f64,
}

const CLEAN: Constants = Constants {
    upper: 1e-3,
    lower: 0.02,
    lambda: 0.1,
    theta: 1e-3,
    phi: 0.02,
    c1: 0.04,
    c2: 0.002,
    mu: 1.0,
};

const SELECT: Constants = Constants {
    upper: 0.01,
    lower: 0.005,
    lambda: 0.1,
    theta: 0.01,
    phi: 0.005,
    c1: 0.005,
    c2: 0.01,
    mu: 5.0,
};

/// Slow enough for any number of workers.
const QUADRATIC: Constants = Constants {
    upper: 0.02,
    lower: 0.02,
    lambda: 0.002,
    theta: 0.02,
    phi: 0.02,
    c1: 0.0,
    c2: 0.0,
    mu: 1.0,
};

/// The settings of a run; `workers` N and `active` S of them.
pub(crate) fn preset(
    task: DistributedTaskName,
    course: &DistributedCourse,
    workers: usize,
    active: usize,
) -> AdboSettings {
    let constants = match task {
        DistributedTaskName::Clean => CLEAN,
        DistributedTaskName::Select => SELECT,
        DistributedTaskName::Quadratic => QUADRATIC,
    };
    AdboSettings {
        steps: Steps {
            x: constants.upper,
            y: constants.lower,
            v: constants.upper,
            z: constants.lower,
            lambda: constants.lambda,
            theta: constants.theta,
            largest_lambda: f64::INFINITY,
            largest_theta: f64::INFINITY,
        },
        lambda_regularization: Regularization::Constant(constants.c1),
        theta_regularization: Regularization::Constant(constants.c2),
        estimate: EstimateSettings {
            rounds: 1,
            lower_step: constants.lower,
            consensus_step: constants.lower,
            multiplier_step: constants.phi,
            penalty: constants.mu,
        },
        cuts: Cuts {
            every: course.refresh,
            until: usize::MAX,
            epsilon: 0.0,
            most: MOST_PLANES,
            prune: Prune::Below(1e-10),
        },
        participation: Participation {
            active,
            staleness: Some(course.staleness),
            ..Participation::synchronous(workers)
        },
        precision: Precision::Single,
    }
}
