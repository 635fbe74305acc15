//! Every estimator against formulas: the numbers, their rates, what they cost.

use std::cell::Cell;
use std::rc::Rc;

use bilevel_core::hypergradient::{Adam, Descent, HeavyBall, Nesterov};
use bilevel_core::{
    CentralDifference, Checkpointing, ConjugateGradient, Darts, Dense, DoubleBackward, ForwardMode,
    Gmres, GradientDescent, Hypergradient, ImplicitDifferentiation, Jacobi, JacobianFree,
    LinearOperator, LinearSolver, LowerHessian, LowerSolver, Minres, Neumann, NeumannForm,
    NormalEquations, Nystrom, OneStep, Penalty, Point, Richardson, SecondOrder, StochasticNeumann,
    Tolerance, Unrolled, Vector, ZerothOrder,
};
use burn::tensor::backend::Backend;
use double_precision::in_single_precision;

use crate::closed_forms::{Coupled, Logistic, Matrices, On, logistic_setup};
use crate::matrices::numbers;
use crate::{B, generator, length, minus, relative_error, rows};

type Estimator<T> = Box<dyn Hypergradient<T, Coupled>>;

fn implicit<S>(solver: S) -> ImplicitDifferentiation<DoubleBackward, S> {
    ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver,
    }
}

fn unrolled(learning_rate: f64, steps: usize) -> Unrolled<DoubleBackward, Descent, f64> {
    Unrolled {
        second_order: DoubleBackward,
        map: Descent,
        step_size: learning_rate,
        steps,
        keep: Checkpointing::All,
    }
}

fn forward(learning_rate: f64, steps: usize) -> ForwardMode<DoubleBackward, Descent, f64> {
    ForwardMode {
        second_order: DoubleBackward,
        map: Descent,
        step_size: learning_rate,
        steps,
    }
}

fn first_row<T: Backend>(v: &Vector<T>) -> Vec<f64> {
    rows(v).swap_remove(0)
}

/// E1: `g = y² − x y`, `f = ½ (y − 0.2)²`, x = 1, steps of 0.1 from 0.
#[test]
fn the_scalar_example_by_hand() {
    // K, unrolled, one step
    let cases = [
        (1, -0.01, -0.01),
        (5, 0.0457716, 0.013616),
        (10, 0.1099327, 0.0246313),
    ];
    let number = |v: &Vector<B>| first_row(v)[0];
    for (steps, itd, one_step) in cases {
        let cold = Coupled::scalar().setup::<B>(&[1.0], &[0.0]);
        let estimate = unrolled(0.1, steps).estimate(cold.point(), None, 0);
        assert!(
            (number(&estimate.gradient) - itd).abs() < 1e-7,
            "unrolled {steps}"
        );
        let y = 0.5 * (1.0 - 0.8f64.powi(steps as i32));
        assert!((number(&estimate.y) - y).abs() < 1e-15);

        // At y_K the truncated series with as many terms is the same number here: H is constant.
        let there = Coupled::scalar().setup::<B>(&[1.0], &[y]);
        let neumann = Neumann {
            step_size: 0.1,
            terms: steps - 1,
        };
        let estimate = implicit(neumann).estimate(there.point(), None, 0);
        assert!(
            (number(&estimate.gradient) - itd).abs() < 1e-7,
            "neumann {steps}"
        );
        let richardson = Richardson {
            step_size: 0.1,
            max_steps: steps,
            tolerance: Tolerance::Relative(0.0),
        };
        let estimate = implicit(richardson).estimate(there.point(), None, 0);
        assert!(
            (number(&estimate.gradient) - itd).abs() < 1e-7,
            "richardson {steps}"
        );

        let jacobian_free = JacobianFree {
            second_order: DoubleBackward,
            step_size: 0.1,
        };
        let estimate = jacobian_free.estimate(there.point(), None, 0);
        assert!(
            (number(&estimate.gradient) - one_step).abs() < 1e-7,
            "jacobian free {steps}"
        );
        let before = 0.5 * (1.0 - 0.8f64.powi(steps as i32 - 1));
        let before = Coupled::scalar().setup::<B>(&[1.0], &[before]);
        let estimate = OneStep {
            second_order: DoubleBackward,
            step_size: 0.1,
        }
        .estimate(before.point(), None, 0);
        assert!(
            (number(&estimate.gradient) - one_step).abs() < 1e-7,
            "one step {steps}"
        );
    }
    let solved = Coupled::scalar().setup::<B>(&[1.0], &[0.5]);
    let exact = implicit(ConjugateGradient {
        max_steps: 1,
        tolerance: Tolerance::Relative(0.0),
    });
    assert!((number(&exact.estimate(solved.point(), None, 0).gradient) - 0.15).abs() < 1e-15);
}

/// Whatever is exact in the limit, far enough in the limit. L = 10, μ = 1.
fn exact_estimators<T: Backend>(digits: f64) -> Vec<(&'static str, Estimator<T>, f64)> {
    let tolerance = 10f64.powf(-digits);
    let steps = 400;
    let max_steps = 400;
    let cg = ConjugateGradient {
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    let weight = if digits > 8.0 { 1e4 } else { 1e2 };
    let lower = GradientDescent {
        step_size: 0.1,
        max_steps: 4000,
        tolerance: Tolerance::Absolute(tolerance * 0.1),
    };
    let boxed = |s: Box<dyn LinearSolver<T>>| -> Estimator<T> { Box::new(implicit(s)) };
    vec![
        ("cg", boxed(Box::new(cg)), 1e1 * tolerance),
        (
            "minres",
            boxed(Box::new(Minres {
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            })),
            1e1 * tolerance,
        ),
        (
            "gmres",
            boxed(Box::new(Gmres {
                max_steps: 5,
                tolerance: Tolerance::Relative(tolerance),
            })),
            1e1 * tolerance,
        ),
        (
            "normal",
            boxed(Box::new(NormalEquations(cg))),
            1e2 * tolerance,
        ),
        (
            "jacobi",
            boxed(Box::new(Jacobi {
                probes: 3,
                seed: 0,
                solver: cg,
            })),
            1e2 * tolerance,
        ),
        ("dense", boxed(Box::new(Dense)), 1e1 * tolerance),
        (
            "neumann",
            boxed(Box::new(Neumann {
                step_size: 0.1,
                terms: 400,
            })),
            1e1 * tolerance,
        ),
        (
            "richardson",
            boxed(Box::new(Richardson {
                step_size: 0.1,
                max_steps,
                tolerance: Tolerance::Relative(tolerance),
            })),
            1e2 * tolerance,
        ),
        (
            "nystrom",
            boxed(Box::new(Nystrom {
                rank: 5,
                damping: 10f64.powf(-digits / 2.0),
                seed: 0,
            })),
            1e1 * 10f64.powf(-digits / 2.0),
        ),
        (
            "differences",
            Box::new(ImplicitDifferentiation {
                second_order: CentralDifference::for_precision_of::<T>(&Default::default()),
                solver: Dense,
            }),
            1e4 * tolerance,
        ),
        ("unrolled", Box::new(unrolled(0.1, steps)), 1e1 * tolerance),
        (
            "heavy ball",
            Box::new(Unrolled {
                second_order: DoubleBackward,
                map: HeavyBall { momentum: 0.3 },
                step_size: 0.1,
                steps,
                keep: Checkpointing::All,
            }),
            1e1 * tolerance,
        ),
        (
            "nesterov",
            Box::new(Unrolled {
                second_order: DoubleBackward,
                map: Nesterov { momentum: 0.5 },
                step_size: 0.1,
                steps,
                keep: Checkpointing::All,
            }),
            1e1 * tolerance,
        ),
        (
            "truncated",
            Box::new(Unrolled {
                keep: Checkpointing::Last(300),
                ..unrolled(0.1, steps)
            }),
            1e1 * tolerance,
        ),
        ("forward", Box::new(forward(0.1, steps)), 1e1 * tolerance),
        (
            "stochastic neumann",
            Box::new(StochasticNeumann {
                second_order: DoubleBackward,
                step_size: 0.1,
                terms: 400,
                form: NeumannForm::Sum,
                batches: same_batch::<T>(),
            }),
            1e1 * tolerance,
        ),
        ("penalty", Box::new(Penalty { lower, weight }), 3.0 / weight),
    ]
}

/// A source of batches that always gives the matrices of `Coupled::random(10.0, 0)`.
fn same_batch<T: Backend>() -> impl Fn(u64) -> Matrices<T> {
    let batch = Coupled::random(10.0, 0)
        .setup::<T>(&[0.0; 4], &[0.0; 5])
        .batch;
    move |_| batch.clone()
}

/// E2 on the backend `T`, at the lower solution.
fn all_agree_on<T: Backend>(digits: f64) {
    let problem = Coupled::random(10.0, 0);
    let x = numbers(4, &mut generator(1));
    let (solution, exact) = (problem.solution(&x), problem.exact(&x));
    let setup = problem.setup::<T>(&x, &solution);
    for (name, estimator, tolerance) in exact_estimators::<T>(digits) {
        let estimate = estimator.estimate(setup.point(), None, 0);
        assert_eq!(estimate.failure, None, "{name}");
        let error = length(&minus(&first_row(&estimate.gradient), &exact)) / length(&exact);
        assert!(
            error < tolerance,
            "{name}: {error:.1e}, allowed {tolerance:.0e}"
        );
    }
}

#[test]
fn all_agree_with_the_closed_form_in_double_precision() {
    all_agree_on::<B>(12.0);
}

#[test]
fn all_agree_with_the_closed_form_in_single_precision() {
    in_single_precision(|| all_agree_on::<B>(5.0));
}

/// E3: reverse = forward = truncated to all steps, and all of them the derivative of what the steps
/// reach, on a problem that is not quadratic.
#[test]
fn reverse_forward_and_full_truncation_are_one_number() {
    let setup = logistic_setup(2);
    let (eta, steps) = (0.05, 25);
    let reverse = unrolled(eta, steps);
    let estimates = |setup: &On<B, Logistic>| {
        [
            reverse.estimate(setup.point(), None, 0),
            forward(eta, steps).estimate(setup.point(), None, 0),
            Unrolled {
                keep: Checkpointing::Last(steps),
                ..reverse
            }
            .estimate(setup.point(), None, 0),
            Unrolled {
                keep: Checkpointing::Bytes(4 * 4 * 8),
                ..reverse
            }
            .estimate(setup.point(), None, 0),
        ]
    };
    let [reverse, others @ ..] = estimates(&setup);
    for other in others {
        assert!(relative_error(&other.gradient, &reverse.gradient) < 1e-12);
    }
    let slope = crate::unrolled::measured(&setup, &unrolled(eta, steps));
    assert!(relative_error(&reverse.gradient, &slope) < 1e-8);
}

/// The quadratic's steps have a formula, for any number of them.
#[test]
fn unrolled_descent_equals_its_formula() {
    let problem = Coupled::random(20.0, 3);
    let rng = &mut generator(4);
    let (x, y) = (numbers(4, rng), numbers(5, rng));
    let eta = 0.06;
    let exact: Vec<_> = [0, 1, 2, 7, 40]
        .map(|k| {
            (
                k,
                problem.exact_of_descent(&x, &y, eta, k),
                problem.descent(&x, &y, eta, k),
            )
        })
        .into();
    let setup = problem.setup::<B>(&x, &y);
    for (k, exact, reached) in exact {
        let estimate = unrolled(eta, k as usize).estimate(setup.point(), None, 0);
        let error = length(&minus(&first_row(&estimate.gradient), &exact));
        assert!(error < 1e-12 * length(&exact), "{k}: {error:.1e}");
        assert!(length(&minus(&first_row(&estimate.y), &reached)) < 1e-13 * length(&reached));
    }
}

fn errors(estimators: &[Estimator<B>], problem: Coupled, x: &[f64]) -> Vec<f64> {
    let (y, exact) = (problem.solution(x), problem.exact(x));
    let setup = problem.setup::<B>(x, &y);
    let error = |e: &Estimator<B>| {
        let gradient = e.estimate(setup.point(), None, 5).gradient;
        length(&minus(&first_row(&gradient), &exact)) / length(&exact)
    };
    estimators.iter().map(error).collect()
}

/// The last eigenvector left falls by `1 − ημ` a term, in the series and in the truncation.
#[test]
fn neumann_and_truncation_errors_fall_geometrically() {
    let x = [0.3, -0.5, 0.2, 1.0];
    let rate = 1.0 - 0.1;
    let series = |terms| -> Estimator<B> {
        Box::new(implicit(Neumann {
            step_size: 0.1,
            terms,
        }))
    };
    let truncated = |last| -> Estimator<B> {
        Box::new(Unrolled {
            keep: Checkpointing::Last(last),
            ..unrolled(0.1, 120)
        })
    };
    let budgets = [40, 60, 80];
    for (name, estimators) in [
        ("neumann", budgets.map(series)),
        ("truncated", budgets.map(truncated)),
    ] {
        let errors = errors(&estimators, Coupled::random(10.0, 6), &x);
        for pair in errors.windows(2) {
            let measured = (pair[1] / pair[0]).powf(1.0 / 20.0);
            assert!(
                (measured - rate).abs() < 0.01,
                "{name}: {measured:.4} a term"
            );
        }
    }
}

/// F2SA's bias is O(1/λ).
#[test]
fn the_penalty_error_halves_when_its_weight_doubles() {
    let lower = GradientDescent {
        step_size: 0.09,
        max_steps: 9000,
        tolerance: Tolerance::Absolute(1e-14),
    };
    let with = |weight| -> Estimator<B> { Box::new(Penalty { lower, weight }) };
    let errors = errors(
        &[with(100.0), with(200.0), with(400.0)],
        Coupled::random(10.0, 7),
        &[0.1, 0.2, -0.4, 0.6],
    );
    for pair in errors.windows(2) {
        assert!((1.9..2.1).contains(&(pair[0] / pair[1])), "{errors:?}");
    }
    assert!(errors[0] < 0.1);
}

/// The penalty's by-product is the adjoint, up to its bias.
#[test]
fn the_penalty_gives_an_adjoint() {
    let problem = Coupled::random(10.0, 8);
    let x = [0.5, 0.1, -0.2, 0.3];
    let y = problem.solution(&x);
    let q = problem.a.solve(&minus(&y, &problem.c));
    let setup = problem.setup::<B>(&x, &y);
    let lower = GradientDescent {
        step_size: 0.09,
        max_steps: 9000,
        tolerance: Tolerance::Absolute(1e-14),
    };
    let estimate = Penalty { lower, weight: 1e4 }.estimate(setup.point(), None, 0);
    let adjoint = first_row(&estimate.adjoint.expect("an adjoint"));
    assert!(length(&minus(&adjoint, &q)) < 1e-3 * length(&q));
}

/// DARTS is one step up to differences in y: exact where g is quadratic in y, else off by e².
#[test]
fn darts_is_one_step_with_an_error_of_the_radius_squared() {
    let problem = Coupled::random(10.0, 9);
    let setup = problem.setup::<B>(&[0.5, 0.1, -0.2, 0.3], &[0.2; 5]);
    let one_step = OneStep {
        second_order: DoubleBackward,
        step_size: 0.05,
    };
    let darts = |radius| Darts {
        step_size: 0.05,
        radius,
    };
    let exact = one_step.estimate(setup.point(), None, 0).gradient;
    let estimate = darts(0.01).estimate(setup.point(), None, 0).gradient;
    assert!(relative_error(&estimate, &exact) < 1e-11);

    let setup = crate::problems::curved(1, 10);
    let exact = one_step.estimate(setup.point(), None, 0).gradient;
    let error = |radius| {
        relative_error(
            &darts(radius).estimate(setup.point(), None, 0).gradient,
            &exact,
        )
    };
    let rate = error(0.02) / error(0.01);
    assert!((3.8..4.2).contains(&rate), "{rate}");
}

/// E5: both forms have the mean of the truncated series; the product varies more.
#[test]
fn stochastic_series_are_unbiased() {
    let problem = Coupled::random(10.0, 0);
    let x = [0.5, 0.1, -0.2, 0.3];
    let y = problem.solution(&x);
    let (n, eta) = (6, 0.09);
    let p = minus(&y, &problem.c);
    let series = problem
        .a
        .function(|l| (1.0 - (1.0 - eta * l).powi(n as i32)) / l, &p);
    let setup = problem.setup::<B>(&x, &y);
    // Two batches whose mean is the problem's own matrix: A ± D.
    let batches = |number: u64| {
        let mut batch = setup.batch.clone();
        let sign = if number.is_multiple_of(2) { 0.5 } else { -0.5 };
        batch.a = batch.a.clone() + burn::tensor::Tensor::eye(5, &Default::default()) * sign;
        batch
    };
    let draws = 3000;
    let statistics = |form| {
        let estimator = StochasticNeumann {
            second_order: DoubleBackward,
            step_size: eta,
            terms: n,
            form,
            batches,
        };
        let (mut sum, mut squares) = (vec![0.0; 5], 0.0);
        for seed in 0..draws {
            let estimate = estimator.estimate(setup.point(), None, seed);
            let q = first_row(&estimate.adjoint.expect("an adjoint"));
            sum.iter_mut()
                .zip(&q)
                .for_each(|(s, q)| *s += q / draws as f64);
            squares += length(&minus(&q, &series)).powi(2) / draws as f64;
        }
        (length(&minus(&sum, &series)), squares)
    };
    let (sum, product) = (
        statistics(NeumannForm::Sum),
        statistics(NeumannForm::RandomProduct),
    );
    for (name, (bias, variance)) in [("sum", sum), ("product", product)] {
        let deviation = (variance / draws as f64).sqrt();
        assert!(
            bias < 4.0 * deviation,
            "{name}: {bias:.2e}, deviation {deviation:.2e}"
        );
    }
    assert!(product.1 > 4.0 * sum.1, "{sum:?} {product:?}");
}

/// The same seed, the same numbers; another one, others.
#[test]
fn draws_depend_on_the_seed_alone() {
    let problem = Coupled::random(10.0, 0);
    let setup = problem.setup::<B>(&[0.5, 0.1, -0.2, 0.3], &[0.3; 5]);
    let lower = GradientDescent {
        step_size: 0.1,
        max_steps: 5,
        tolerance: Tolerance::Absolute(0.0),
    };
    let estimators: [Estimator<B>; 2] = [
        Box::new(ZerothOrder {
            lower,
            directions: 2,
            radius: 0.1,
        }),
        Box::new(StochasticNeumann {
            second_order: DoubleBackward,
            step_size: 0.1,
            terms: 9,
            form: NeumannForm::RandomProduct,
            batches: same_batch::<B>(),
        }),
    ];
    for e in estimators {
        let draw = |seed| first_row(&e.estimate(setup.point(), None, seed).gradient);
        assert_eq!(draw(1), draw(1));
        assert!((2..9).any(|seed| draw(seed) != draw(1)));
    }
}

/// PZOBO is unbiased for a response that is affine in x, whatever the radius; its variance falls as
/// 1/N and is about (dim x + 1)/N of the squared indirect part.
#[test]
fn zeroth_order_is_unbiased() {
    let problem = Coupled::random(10.0, 11);
    let x = [0.5, 0.1, -0.2, 0.3];
    let y0 = [0.0; 5];
    let (eta, steps) = (0.1, 8);
    let exact = problem.exact_of_descent(&x, &y0, eta, steps);
    let direct: Vec<f64> = x.iter().map(|x| problem.ridge * x).collect();
    let indirect = length(&minus(&exact, &direct));
    let setup = problem.setup::<B>(&x, &y0);
    let lower = GradientDescent {
        step_size: eta,
        max_steps: steps as usize,
        tolerance: Tolerance::Absolute(0.0),
    };
    for radius in [0.01, 10.0] {
        let (directions, draws) = (8, 400);
        let estimator = ZerothOrder {
            lower,
            directions,
            radius,
        };
        let (mut mean, mut squares) = (vec![0.0; 4], 0.0);
        for seed in 0..draws {
            let gradient = first_row(&estimator.estimate(setup.point(), None, seed).gradient);
            mean.iter_mut()
                .zip(&gradient)
                .for_each(|(m, g)| *m += g / draws as f64);
            squares += length(&minus(&gradient, &exact)).powi(2) / draws as f64;
        }
        let expected = (x.len() as f64 + 1.0) / directions as f64 * indirect * indirect;
        assert!(
            (0.8..1.25).contains(&(squares / expected)),
            "{squares} {expected}"
        );
        let bias = length(&minus(&mean, &exact));
        assert!(bias < 4.0 * (squares / draws as f64).sqrt(), "{bias}");
    }
}

/// Counts what is asked of double backward.
#[derive(Clone, Default)]
struct CountedEngine {
    products: Rc<Cell<usize>>,
    crosses: Rc<Cell<usize>>,
    both: Rc<Cell<usize>>,
}

impl SecondOrder<B, Coupled> for CountedEngine {
    fn at<'a>(&'a self, point: Point<'a, B, Coupled>) -> Box<dyn LowerHessian<B> + 'a> {
        Box::new(CountedHessian {
            inner: DoubleBackward.at(point),
            counts: self,
        })
    }
}

struct CountedHessian<'a> {
    inner: Box<dyn LowerHessian<B> + 'a>,
    counts: &'a CountedEngine,
}

fn one_more(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

impl LinearOperator<B> for CountedHessian<'_> {
    fn apply(&self, v: Vector<B>) -> Vector<B> {
        one_more(&self.counts.products);
        self.inner.apply(v)
    }
}

impl LowerHessian<B> for CountedHessian<'_> {
    fn cross(&self, v: Vector<B>) -> Vector<B> {
        one_more(&self.counts.crosses);
        self.inner.cross(v)
    }
    fn cross_transposed(&self, u: Vector<B>) -> Vector<B> {
        self.inner.cross_transposed(u)
    }
    fn gradient(&self) -> Vector<B> {
        self.inner.gradient()
    }
    fn both(&self, v: Vector<B>) -> (Vector<B>, Vector<B>) {
        one_more(&self.counts.both);
        self.inner.both(v)
    }
}

/// K solver steps: K products, and one pass that gives the cross term and the residual. No more.
/// The certificate counts the same.
#[test]
fn passes_are_counted() {
    let setup = Coupled::random(50.0, 12).setup::<B>(&[0.5, 0.1, -0.2, 0.3], &[0.3; 5]);
    let (max_steps, tolerance) = (3, 0.0);
    let solvers: [Box<dyn LinearSolver<B>>; 5] = [
        Box::new(ConjugateGradient {
            max_steps,
            tolerance: Tolerance::Relative(tolerance),
        }),
        Box::new(Minres {
            max_steps,
            tolerance: Tolerance::Relative(tolerance),
        }),
        Box::new(Gmres {
            max_steps,
            tolerance: Tolerance::Relative(tolerance),
        }),
        Box::new(Richardson {
            step_size: 0.02,
            max_steps,
            tolerance: Tolerance::Relative(tolerance),
        }),
        Box::new(Neumann {
            step_size: 0.02,
            terms: max_steps,
        }),
    ];
    for solver in solvers {
        let engine = CountedEngine::default();
        let method = ImplicitDifferentiation {
            second_order: engine.clone(),
            solver,
        };
        let certificate = method.estimate(setup.point(), None, 0).certificate;
        let counts = (
            engine.products.get(),
            engine.crosses.get(),
            engine.both.get(),
        );
        assert_eq!(counts, (3, 0, 1));
        assert_eq!((certificate.products, certificate.crosses), (4, 1));
    }
    let engine = CountedEngine::default();
    let itd = Unrolled {
        second_order: engine.clone(),
        map: Descent,
        step_size: 0.01,
        steps: 7,
        keep: Checkpointing::Last(3),
    };
    let certificate = itd.estimate(setup.point(), None, 0).certificate;
    assert_eq!(
        (
            engine.products.get(),
            engine.crosses.get(),
            engine.both.get()
        ),
        (0, 0, 3)
    );
    assert_eq!((certificate.products, certificate.crosses), (3, 3));
    assert_eq!(certificate.gradients, 7);
}

/// The transposed cross term against the cross term: ⟨C v, u⟩ = ⟨v, Cᵀ u⟩, for both engines (E9).
#[test]
fn the_cross_term_has_its_transpose() {
    for seed in 0..5 {
        let setup = crate::problems::curved(3, seed);
        let rng = &mut generator(seed + 100);
        let u: Vector<B> = crate::normal([1, 9], rng);
        let v: Vector<B> = crate::normal([3, 7], rng);
        let inner = |a: &Vector<B>, b: &Vector<B>| -> f64 {
            let products = (a.clone() * b.clone()).sum_dim(1);
            bilevel_core::vector::read(products).iter().sum()
        };
        let difference = CentralDifference::for_precision_of::<B>(&Default::default());
        let engines: [(Box<dyn LowerHessian<B>>, f64); 2] = [
            (SecondOrder::at(&DoubleBackward, setup.point()), 1e-12),
            (difference.at(setup.point()), 1e-7),
        ];
        for (h, tolerance) in engines {
            let left = inner(&h.cross(v.clone()), &u);
            let right = inner(&v, &h.cross_transposed(u.clone()));
            assert!(
                (left - right).abs() < tolerance * (1.0 + left.abs()),
                "{left} {right}"
            );
            let (product, cross) = h.both(v.clone());
            assert!(relative_error(&product, &h.apply(v.clone())) < tolerance);
            assert!(relative_error(&cross, &h.cross(v.clone())) < tolerance);
            assert!(relative_error(&h.gradient(), &setup.point().lower_gradients().y) < tolerance);
        }
    }
}

/// Lower steps that a solver makes and steps that are differentiated are the same steps.
#[test]
fn descent_is_gradient_descent() {
    let problem = Coupled::random(10.0, 13);
    let setup = problem.setup::<B>(&[0.5, 0.1, -0.2, 0.3], &[0.3; 5]);
    let lower = GradientDescent {
        step_size: 0.1,
        max_steps: 9,
        tolerance: Tolerance::Absolute(0.0),
    };
    let solved = lower
        .solve(setup.point())
        .value
        .x
        .val()
        .inner()
        .unsqueeze::<2>();
    let estimate = unrolled(0.1, 9).estimate(setup.point(), None, 0);
    assert_eq!(first_row(&solved), first_row(&estimate.y));
    let adam = Unrolled {
        second_order: DoubleBackward,
        map: Adam::default(),
        step_size: 0.1,
        steps: 9,
        keep: Checkpointing::All,
    };
    assert!(adam.estimate(setup.point(), None, 0).failure.is_none());
}
