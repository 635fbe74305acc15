//! What cannot work says so: a failure with stage, step and parameter, or a panic with both shapes.

use std::cell::Cell;

use bilevel_core::hypergradient::{Adam, Descent, HeavyBall};
use bilevel_core::{
    BilevelProblem, Cause, Checkpointing, ConjugateGradient, Darts, DoubleBackward, Failure,
    ForwardMode, GradientDescent, Hypergradient, ImplicitDifferentiation, JacobianFree,
    LinearSolver, Minres, Neumann, NeumannForm, OneStep, Penalty, Phase, StochasticNeumann,
    Tolerance, Unrolled, Vector, ZerothOrder,
};
use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::closed_forms::{Coupled, On};
use crate::problems::{Nothing, Pair, Shift};
use crate::{B, row, rows};

/// ```text
/// g = ½ (y − a)²        f = ½ (y − 1)² + b²
/// ```
///
/// with what its fields break.
#[derive(Default)]
struct Odd {
    /// g does not contain y.
    lower_ignores_y: bool,
    /// g does not contain x.
    lower_ignores_x: bool,
    /// f does not contain b, which g never does.
    upper_ignores_b: bool,
    /// The number of the call of g from which on it is NaN (0: never), with recording.
    nan_from_call: usize,
    calls: Cell<usize>,
}

impl BilevelProblem for Odd {
    type Upper<B: Backend> = Pair<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, x: &Pair<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let e = y.x.val() - 1.0;
        let f = e.clone() * e * 0.5;
        match self.upper_ignores_b {
            true => f,
            false => f + x.b.val() * x.b.val(),
        }
    }

    fn lower_loss<B: Backend>(&self, x: &Pair<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        self.calls.set(self.calls.get() + 1);
        let (a, y) = (x.a.val(), y.x.val());
        if self.lower_ignores_y {
            return a.clone() * a;
        }
        let e = if self.lower_ignores_x { y - 2.0 } else { y - a };
        let g = e.clone() * e * 0.5;
        match self.nan_from_call {
            0 => g,
            from if self.calls.get() >= from => g * f64::NAN,
            _ => g,
        }
    }
}

fn odd(problem: Odd) -> On<B, Odd> {
    let number = |v: f64| Param::from_data(TensorData::from([v]), &Default::default());
    On {
        problem,
        x: Pair {
            a: number(3.0),
            b: number(0.5),
        },
        y: Shift { x: number(0.0) },
        batch: Nothing::new(),
    }
}

type Estimator = Box<dyn Hypergradient<B, Odd>>;

fn implicit(solver: impl LinearSolver<B> + 'static) -> Estimator {
    Box::new(ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver,
    })
}

fn lower() -> GradientDescent {
    GradientDescent {
        step_size: 0.5,
        max_steps: 4,
        tolerance: Tolerance::Absolute(0.0),
    }
}

fn all() -> Vec<(&'static str, Estimator)> {
    let second_order = DoubleBackward;
    vec![
        (
            "cg",
            implicit(ConjugateGradient {
                max_steps: 5,
                tolerance: Tolerance::Relative(1e-9),
            }),
        ),
        (
            "minres",
            implicit(Minres {
                max_steps: 5,
                tolerance: Tolerance::Relative(1e-9),
            }),
        ),
        (
            "neumann",
            implicit(Neumann {
                step_size: 0.5,
                terms: 5,
            }),
        ),
        (
            "jacobian free",
            Box::new(JacobianFree {
                second_order,
                step_size: 0.5,
            }),
        ),
        (
            "one step",
            Box::new(OneStep {
                second_order,
                step_size: 0.5,
            }),
        ),
        (
            "descent",
            Box::new(Unrolled {
                second_order,
                map: Descent,
                step_size: 0.5,
                steps: 5,
                keep: Checkpointing::All,
            }),
        ),
        (
            "adam",
            Box::new(Unrolled {
                second_order,
                map: Adam::default(),
                step_size: 0.5,
                steps: 5,
                keep: Checkpointing::All,
            }),
        ),
        (
            "forward",
            Box::new(ForwardMode {
                second_order,
                map: HeavyBall { momentum: 0.1 },
                step_size: 0.5,
                steps: 5,
            }),
        ),
        (
            "darts",
            Box::new(Darts {
                step_size: 0.5,
                radius: 0.01,
            }),
        ),
        (
            "zeroth order",
            Box::new(ZerothOrder {
                lower: lower(),
                directions: 2,
                radius: 0.1,
            }),
        ),
        (
            "penalty",
            Box::new(Penalty {
                lower: lower(),
                weight: 10.0,
            }),
        ),
    ]
}

fn failures(problem: impl Fn() -> Odd) -> Vec<(&'static str, Option<Failure>)> {
    let estimate =
        |(name, e): (_, Estimator)| (name, e.estimate(odd(problem()).point(), None, 0).failure);
    all().into_iter().map(estimate).collect()
}

#[test]
fn all_is_well_with_nothing_broken() {
    for (name, failure) in failures(Odd::default) {
        assert_eq!(failure, None, "{name}");
    }
}

#[test]
fn a_lower_loss_without_y_is_told() {
    for (name, failure) in failures(|| Odd {
        lower_ignores_y: true,
        ..Odd::default()
    }) {
        let failure = failure.unwrap_or_else(|| panic!("{name} says nothing"));
        assert_eq!(
            (failure.phase, failure.cause),
            (Phase::Lower, Cause::Structural),
            "{name}"
        );
        let message = "the lower loss does not depend on y (parameter `x`)";
        assert_eq!(failure.to_string(), message, "{name}");
    }
}

/// x is in neither loss: zeros would be the right numbers, and the wrong answer.
#[test]
fn a_hypergradient_that_is_structurally_zero_is_told() {
    let problem = || Odd {
        lower_ignores_x: true,
        upper_ignores_b: true,
        ..Odd::default()
    };
    for (name, failure) in failures(problem) {
        let failure = failure.unwrap_or_else(|| panic!("{name} says nothing"));
        assert_eq!(
            (failure.phase, failure.cause),
            (Phase::Hypergradient, Cause::Structural),
            "{name}"
        );
        assert_eq!(
            failure.to_string(),
            "the hypergradient is structurally zero: neither loss depends on x (parameter `a`)"
        );
    }
}

/// A NaN at the k-th call of the lower loss, wherever that is.
#[test]
fn a_nan_at_any_call_is_told() {
    for from in 1..=4 {
        let problem = || Odd {
            nan_from_call: from,
            ..Odd::default()
        };
        for (name, estimator) in all() {
            let setup = odd(problem());
            let estimate = estimator.estimate(setup.point(), None, 0);
            if setup.problem.calls.get() < from {
                continue;
            }
            let failure = estimate
                .failure
                .unwrap_or_else(|| panic!("{name}, call {from}: silence"));
            assert_eq!(failure.cause, Cause::NonFinite, "{name}, call {from}");
            assert!(
                failure.parameter.is_some() || failure.phase == Phase::Adjoint,
                "{name}: {failure}"
            );
        }
    }
    // The lower step at which it came.
    let setup = odd(Odd {
        nan_from_call: 3,
        ..Odd::default()
    });
    let estimator = Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: 0.5,
        steps: 5,
        keep: Checkpointing::All,
    };
    let failure = estimator
        .estimate(setup.point(), None, 0)
        .failure
        .expect("a failure");
    assert_eq!(
        (failure.phase, failure.parameter.as_deref()),
        (Phase::Lower, Some("x"))
    );
}

/// Steps that blow up: the lower step after which nothing is finite any more.
#[test]
fn the_step_of_an_explosion_is_told() {
    let estimator = Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: 1e200,
        steps: 5,
        keep: Checkpointing::All,
    };
    let failure = estimator
        .estimate(odd(Odd::default()).point(), None, 0)
        .failure
        .expect("a failure");
    assert_eq!((failure.phase, failure.iteration), (Phase::Lower, Some(1)));
    assert_eq!(
        failure.to_string(),
        "the lower solve is not finite after its step 1 (parameter `x`)"
    );
}

/// A series with too large a step gives a status and no hypergradient made of it.
#[test]
fn divergence_is_told() {
    let setup = Coupled::random(10.0, 0).setup::<B>(&[0.1; 4], &[0.3; 5]);
    let series = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: Neumann {
            step_size: 0.21,
            terms: 300,
        },
    };
    let estimate = series.estimate(setup.point(), None, 0);
    let failure = estimate.failure.expect("a failure");
    assert_eq!(
        (failure.phase, failure.cause),
        (Phase::Adjoint, Cause::Diverged)
    );
    assert!(
        failure
            .to_string()
            .starts_with("the adjoint diverged: lower its step size")
    );
    let gradient = rows(&estimate.gradient).concat();
    assert!(gradient.iter().all(|g| g.is_nan()), "{gradient:?}");
}

/// Random series too: no draw of a stable one is as large.
#[test]
fn divergence_of_random_series_is_told() {
    let setup = Coupled::random(10.0, 0).setup::<B>(&[0.1; 4], &[0.3; 5]);
    for form in [NeumannForm::Sum, NeumannForm::RandomProduct] {
        let series = |learning_rate| StochasticNeumann {
            second_order: DoubleBackward,
            step_size: learning_rate,
            terms: 60,
            form,
            batches: |_| setup.batch.clone(),
        };
        let failure = |learning_rate, seed| {
            let estimate = series(learning_rate).estimate(setup.point(), None, seed);
            estimate.failure.map(|failure| failure.cause)
        };
        assert!((0..20).all(|seed| failure(0.19, seed).is_none()));
        assert!((0..20).any(|seed| failure(0.3, seed) == Some(Cause::Diverged)));
    }
}

/// A lower solver that is content with where it stands hides the response: zeros, and no answer.
#[test]
fn a_response_below_the_tolerance_is_told() {
    let problem = Coupled::random(10.0, 0);
    let y = problem.solution(&[0.1; 4]);
    let setup = problem.setup::<B>(&[0.1; 4], &y);
    let estimate = |radius| {
        let lower = GradientDescent {
            step_size: 0.1,
            max_steps: 100,
            tolerance: Tolerance::Absolute(1e-3),
        };
        let estimator = ZerothOrder {
            lower,
            directions: 3,
            radius,
        };
        estimator.estimate(setup.point(), None, 0).failure
    };
    let failure = estimate(1e-6).expect("a failure");
    assert_eq!(failure.cause, Cause::Unmoved);
    let message =
        "the lower solve did not move when x did: enlarge the radius, or lower its tolerance";
    assert_eq!(failure.to_string(), message);
    assert_eq!(estimate(0.1), None);
}

#[derive(Module, Debug)]
struct Empty<B: Backend> {
    constant: Tensor<B, 1>,
}

/// No parameter at all.
struct NoUpper;

impl BilevelProblem for NoUpper {
    type Upper<B: Backend> = Empty<B>;
    type Lower<B: Backend> = Shift<B>;
    type Batch<B: Backend> = Nothing<B>;

    fn upper_loss<B: Backend>(&self, _: &Empty<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        y.x.val() * y.x.val()
    }

    fn lower_loss<B: Backend>(&self, x: &Empty<B>, y: &Shift<B>, _: &Nothing<B>) -> Tensor<B, 1> {
        let e = y.x.val() - x.constant.clone();
        e.clone() * e
    }
}

#[test]
#[should_panic(expected = "the module has no parameter that requires a gradient")]
fn an_upper_module_without_parameters_panics() {
    let setup = On::<B, NoUpper> {
        problem: NoUpper,
        x: Empty {
            constant: Tensor::ones([1], &Default::default()),
        },
        y: Shift {
            x: Param::from_data(TensorData::from([0.0]), &Default::default()),
        },
        batch: Nothing::new(),
    };
    JacobianFree {
        second_order: DoubleBackward,
        step_size: 0.1,
    }
    .estimate(setup.point(), None, 0);
}

#[test]
#[should_panic(expected = "[1, 3]")]
fn a_warm_start_of_another_shape_panics() {
    let setup = Coupled::random(10.0, 0).setup::<B>(&[0.1; 4], &[0.3; 5]);
    let warm: Vector<B> = row(&[1.0, 2.0, 3.0]);
    let cg = ConjugateGradient {
        max_steps: 3,
        tolerance: Tolerance::Relative(0.0),
    };
    ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: cg,
    }
    .estimate(setup.point(), Some(warm), 0);
}
