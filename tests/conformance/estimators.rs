//! Estimators of the hypergradient against `dF/dx`, or against the formula of what they estimate
//! instead.

use bilevel::burn::tensor::backend::Backend;
use bilevel::hypergradient::{Adam, Descent, HeavyBall, Nesterov};
use bilevel::projection::Everywhere;
use bilevel::{
    CentralDifference, Checkpointing, ConjugateGradient, ConstrainedImplicit, Darts, Dense,
    DoubleBackward, ForwardMode, GradientDescent, Hypergradient, ImplicitDifferentiation,
    JacobianFree, NeumannForm, OneStep, PartialGradient, Penalty, ReadEvery, StochasticNeumann,
    Tolerance, Unrolled, ZerothOrder,
};

use crate::quadratic::{At, Instance, L, MU, Quadratic, module};
use crate::row::{Rows, entries};

/// Of gradient descent, for which the series converge fast.
const STEP: f64 = 2.0 / (L + MU);

pub fn rows<B: Backend>(rows: &mut Rows) {
    rows.section("Hypergradients");
    let instance = Instance::new(2);
    let solution = instance.solution();
    let [solved, unsolved] = [module(&solution), instance.y()].map(|y| At::<B> {
        x: instance.x(),
        y,
        batch: instance.data(),
    });
    let exact = instance.hypergradient(&solution, f64::recip);
    let tolerance =
        bilevel::vector::epsilon(&bilevel::Vector::<B>::zeros([1, 1], &Default::default())) * 10.0;
    let cg = ConjugateGradient {
        max_steps: 50,
        tolerance: Tolerance::Relative(tolerance),
    };
    let lower = GradientDescent {
        step_size: STEP,
        max_steps: 300,
        tolerance: Tolerance::Absolute(0.0),
    };
    let second_order = DoubleBackward;
    let keep = Checkpointing::All;
    let unrolled = Unrolled {
        second_order,
        map: Descent,
        step_size: STEP,
        steps: 150,
        keep,
    };

    let mut add = |name, method: &dyn Hypergradient<B, Quadratic>, expected: &[f64], tolerance| {
        let estimate = method.estimate(solved.point(), None, 1);
        rows.known(
            name,
            entries([estimate.gradient]),
            expected.to_vec(),
            tolerance,
        );
    };
    let close = [1e-8, 1e-4];
    add(
        "implicit",
        &ImplicitDifferentiation {
            second_order,
            solver: cg,
        },
        &exact,
        close,
    );
    add(
        "implicit, read every 4 steps",
        &ImplicitDifferentiation {
            second_order,
            solver: ReadEvery {
                steps: 4,
                solver: cg,
            },
        },
        &exact,
        close,
    );
    add(
        "implicit, by differences",
        &ImplicitDifferentiation {
            second_order: CentralDifference::for_precision_of::<B>(&Default::default()),
            solver: Dense,
        },
        &exact,
        [1e-7, 1e-2],
    );
    add(
        "implicit, at a fixed point of a projection",
        &ConstrainedImplicit {
            second_order,
            solver: cg,
            projection: Everywhere,
            step_size: STEP,
        },
        &exact,
        close,
    );
    add("unrolled descent", &unrolled, &exact, close);
    add(
        "unrolled, in a budget",
        &Unrolled {
            keep: Checkpointing::Bytes(6 * 12 * 8),
            ..unrolled
        },
        &exact,
        close,
    );
    add(
        "unrolled heavy ball",
        &Unrolled {
            second_order,
            map: HeavyBall { momentum: 0.3 },
            step_size: STEP,
            steps: 150,
            keep,
        },
        &exact,
        close,
    );
    add(
        "unrolled Nesterov",
        &Unrolled {
            second_order,
            map: Nesterov { momentum: 0.4 },
            step_size: 1.0 / L,
            steps: 150,
            keep,
        },
        &exact,
        close,
    );
    add(
        "forward mode",
        &ForwardMode {
            second_order,
            map: Descent,
            step_size: STEP,
            steps: 150,
        },
        &exact,
        close,
    );
    add(
        "penalty of weight 1000",
        &Penalty {
            lower,
            weight: 1000.0,
        },
        &exact,
        [1e-2, 3e-2],
    );
    // H⁻¹ replaced by η.
    let cheap = instance.hypergradient(&solution, |_| STEP);
    add(
        "Jacobian-free",
        &JacobianFree {
            second_order,
            step_size: STEP,
        },
        &cheap,
        close,
    );
    add(
        "one step",
        &OneStep {
            second_order,
            step_size: STEP,
        },
        &cheap,
        close,
    );
    add(
        "DARTS",
        &Darts {
            step_size: STEP,
            radius: 0.01,
        },
        &cheap,
        [1e-8, 1e-3],
    );
    let series = |terms: i32| move |l: f64| (1.0 - (1.0 - STEP * l).powi(terms)) / l;
    let batch = || {
        let data = instance.data::<B>();
        move |_| data.clone()
    };
    add(
        "stochastic Neumann series",
        &StochasticNeumann {
            second_order,
            step_size: STEP,
            terms: 8,
            form: NeumannForm::Sum,
            batches: batch(),
        },
        &instance.hypergradient(&solution, series(8)),
        close,
    );
    add(
        "partial gradient",
        &PartialGradient,
        &instance.hypergradient(&solution, |_| 0.0),
        close,
    );

    // No formula: another y, random directions, Adam.
    let mut add = |name, method: &dyn Hypergradient<B, Quadratic>, single| {
        let estimate = method.estimate(unsolved.point(), None, 1);
        rows.golden(name, entries([estimate.gradient]), single);
    };
    add(
        "implicit, away from the solution",
        &ImplicitDifferentiation {
            second_order,
            solver: cg,
        },
        1e-4,
    );
    add(
        "unrolled Adam, 20 steps",
        &Unrolled {
            second_order,
            map: Adam {
                epsilon: 0.1,
                ..Adam::default()
            },
            step_size: 0.1,
            steps: 20,
            keep,
        },
        1e-3,
    );
    add(
        "zeroth order, 8 directions",
        &ZerothOrder {
            lower,
            directions: 8,
            radius: 0.1,
        },
        1e-3,
    );
}
