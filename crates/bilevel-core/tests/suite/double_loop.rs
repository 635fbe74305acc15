use bilevel_core::parameters::pack;
use bilevel_core::{
    Accelerated, ConjugateGradient, Differentiable, DoubleBackward, DoubleLoop, Estimate,
    FixedLipschitz, GradientDescent, Hypergradient, ImplicitDifferentiation, Outcome, Phase, Point,
    Report, State, Status, Stop, Stopped, Tape, Task, Tolerance, Vector,
};
use burn::module::Param;
use burn::optim::SgdConfig;
use burn::tensor::TensorData;
use double_precision::Number;

use crate::matrices::{Symmetric, numbers};
use crate::problems::{
    Coefficients, Fragile, Nothing, Pair, Quadratic, Rows, Setup, minimisers, shift,
};
use crate::{B, generator, length, minus, row, rows};

type Implicit = ImplicitDifferentiation<DoubleBackward, ConjugateGradient>;

fn implicit(tolerance: f64) -> Implicit {
    ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 100,
            tolerance: Tolerance::Relative(tolerance),
        },
    }
}

fn double_loop(
    l: f64,
    mu: f64,
    tolerance: f64,
) -> DoubleLoop<Quadratic, Accelerated<FixedLipschitz>, Implicit> {
    DoubleLoop {
        problem: Quadratic { ridge: 0.0 },
        lower: Accelerated {
            smoothness: FixedLipschitz(l),
            strong_convexity: mu,
            max_steps: 2000,
            tolerance: Tolerance::Absolute(tolerance),
        },
        hypergradient: implicit(tolerance),
    }
}

/// A lower problem with target `c`, from the lower start zero.
fn task(a: &Symmetric, b: &[f64], c: &[f64]) -> Task<B, Quadratic> {
    let start = vec![0.0; b.len()];
    let setup = Setup::quadratic(std::slice::from_ref(a), &[b.to_vec()], &[start]);
    let batch = Coefficients {
        c: row(c),
        ..setup.batch
    };
    Task::new(batch, setup.y)
}

fn upper<P: Differentiable<B>, O>(state: &State<B, P, O>) -> Vec<f64> {
    rows(&pack(&state.x, 1)).concat()
}

fn lower(y: &Rows<Tape<B>>) -> Vec<f64> {
    rows(&y.y.val().inner()).concat()
}

/// `g = y² − x y`, `f = ½ (y − 0.2)²`: `dF/dx = (x/2 − 0.2)/2`, 0.15 at x = 1, zero at x = 0.4.
#[test]
fn finds_the_minimiser_of_the_scalar_example() {
    let two = Symmetric::with(vec![2.0], &mut generator(0));
    let method = double_loop(2.0, 2.0, 1e-13);
    let state = State::new(shift(&[1.0]), SgdConfig::new().init());
    let tasks = vec![task(&two, &[0.0], &[0.2])];
    let mut reports: Vec<Report> = Vec::new();
    let mut observer = |report: &Report| reports.push(report.clone());
    let (state, tasks, why) = method.run(state, tasks, 2.0, Stop::after(40), &mut observer);
    assert_eq!(why, Stopped::Steps);

    assert_eq!(state.step, 40);
    assert!((upper(&state)[0] - 0.4).abs() < 1e-11);
    assert!((lower(&tasks[0].y)[0] - 0.2).abs() < 1e-11);
    assert_eq!(reports.len(), 40);
    assert!((reports[0].hypergradient_norm - 0.15).abs() < 1e-13);
    assert!((reports[0].upper_loss - 0.045).abs() < 1e-13);
    // F'' = 1/4: with the step 2 the distance to 0.4, and with it the hypergradient, halves.
    for (k, report) in reports.iter().enumerate() {
        assert_eq!((report.step, &report.failure), (k + 1, &None));
        assert_eq!(report.lower.status, Status::Converged);
        assert!((report.hypergradient_norm - 0.15 / 2f64.powi(k as i32)).abs() < 1e-12);
    }
}

/// The upper loss of several tasks is a mean: so are the value and the hypergradient in the report.
#[test]
fn the_hypergradient_is_the_mean_over_the_tasks() {
    const DIM: usize = 4;
    const TASKS: usize = 5;
    let rng = &mut generator(21);
    let x = numbers(DIM, rng);
    let matrices: Vec<_> = (0..TASKS)
        .map(|_| Symmetric::positive(DIM, 1.0, 10.0, rng))
        .collect();
    let [b, c] = [(); 2].map(|()| (0..TASKS).map(|_| numbers(DIM, rng)).collect::<Vec<_>>());
    let solutions = minimisers(&matrices, &b, &x);
    let mut mean = vec![0.0; DIM];
    let mut loss = 0.0;
    for ((a, y), c) in matrices.iter().zip(&solutions).zip(&c) {
        let distance = minus(y, c);
        loss += 0.5 * length(&distance).powi(2) / TASKS as f64;
        let hypergradient = a.solve(&distance);
        mean.iter_mut()
            .zip(hypergradient)
            .for_each(|(m, h)| *m += h / TASKS as f64);
    }

    let method = double_loop(10.0, 1.0, 1e-12);
    let state = State::new(shift(&x), SgdConfig::new().init());
    let tasks = (0..TASKS)
        .map(|i| task(&matrices[i], &b[i], &c[i]))
        .collect();
    let (state, tasks, report) = method.step(state, tasks, 0.5);
    assert!((report.upper_loss - loss).abs() < 1e-10 * loss);
    assert!((report.hypergradient_norm - length(&mean)).abs() < 1e-10 * length(&mean));
    let moved: Vec<f64> = minus(&x, &upper(&state)).iter().map(|d| d / 0.5).collect();
    assert!(length(&minus(&moved, &mean)) < 1e-10 * length(&mean));
    // Every task comes back in its place, solved.
    for (task, y) in tasks.iter().zip(&solutions) {
        assert!(length(&minus(&lower(&task.y), y)) < 1e-10 * length(y));
        assert!(task.adjoint.is_some());
    }
}

#[test]
fn the_second_step_starts_warm() {
    let rng = &mut generator(22);
    let a = Symmetric::positive(12, 1.0, 300.0, rng);
    let [x, b, c] = [(); 3].map(|()| numbers(12, rng));
    let method = double_loop(300.0, 1.0, 1e-7);
    let state = State::new(shift(&x), SgdConfig::new().init());
    // A short step: the solutions hardly move.
    let (state, tasks, first) = method.step(state, vec![task(&a, &b, &c)], 1e-6);
    let (_, _, second) = method.step(state, tasks, 1e-6);
    assert!(
        2 * second.lower.steps < first.lower.steps,
        "{first:?} {second:?}"
    );
    assert!(
        adjoint(&second).steps < adjoint(&first).steps,
        "{first:?} {second:?}"
    );
    assert_eq!(second.lower.status, Status::Converged);
    assert_eq!(adjoint(&second).status, Status::Converged);
}

fn adjoint(report: &Report) -> Outcome {
    report.adjoint.expect("an adjoint")
}

fn number(value: f64) -> Param<burn::tensor::Tensor<Tape<B>, 1>> {
    Param::from_data(TensorData::from([value]), &Default::default())
}

/// `b` falls by 0.25 a step, and its square root makes a NaN of the stage in question: of its value
/// below zero, of its slope already at zero.
#[test]
fn a_nan_stops_the_run_where_it_appears() {
    let cases = [
        (
            Phase::Lower,
            0.6,
            4,
            "the lower solve is not finite (parameter `x`)",
        ),
        (
            Phase::UpperLoss,
            0.6,
            4,
            "the upper loss is not finite (parameter `b`)",
        ),
        (
            Phase::UpperGradient,
            0.5,
            3,
            "the upper loss's gradient is not finite (parameter `x`)",
        ),
        (
            Phase::Adjoint,
            0.5,
            3,
            "the adjoint is not finite after its step 0 (parameter `b`)",
        ),
        (
            Phase::Hypergradient,
            0.5,
            3,
            "the hypergradient is not finite (parameter `b`)",
        ),
    ];
    for (phase, b, failing_step, message) in cases {
        let method = DoubleLoop {
            problem: Fragile { breaks: phase },
            lower: GradientDescent {
                step_size: 1.0,
                max_steps: 5,
                tolerance: Tolerance::Absolute(1e-12),
            },
            hypergradient: implicit(1e-12),
        };
        let x = Pair {
            a: number(3.0),
            b: number(b),
        };
        let mut state = State::new(x, SgdConfig::new().init());
        let mut tasks = vec![
            Task::new(Nothing::new(), shift(&[1.0])),
            Task::new(Nothing::new(), shift(&[7.0])),
        ];
        let mut report;
        for step in 1..failing_step {
            (state, tasks, report) = method.step(state, tasks, 0.25);
            assert_eq!((report.step, report.failure), (step, None), "{phase}");
        }
        let ys = |tasks: &[Task<B, Fragile>]| -> Vec<f64> {
            tasks.iter().map(|task| task.y.x.val().number()).collect()
        };
        let (x_before, y_before) = (upper(&state), ys(&tasks));
        let (state, tasks, report) = method.step(state, tasks, 0.25);
        let failure = report.failure.expect("a failure");
        assert_eq!((report.step, failure.phase), (failing_step, phase));
        assert_eq!(failure.to_string(), message);
        // State and tasks are as they were.
        assert_eq!((upper(&state), ys(&tasks)), (x_before, y_before));
        assert_eq!(state.step, failing_step - 1);
        assert!(upper(&state).iter().all(|x| x.is_finite()));

        // A run reports the failure and ends with it.
        let mut steps = Vec::new();
        let mut observer = |report: &Report| steps.push((report.step, report.failure.is_some()));
        let (state, _, why) = method.run(state, tasks, 0.25, Stop::after(14), &mut observer);
        assert_eq!(why, Stopped::Failed);
        assert_eq!(
            (state.step, steps),
            (failing_step - 1, vec![(failing_step, true)])
        );
    }
}

#[test]
#[should_panic(expected = "at least one task")]
fn a_step_without_tasks_panics() {
    let state = State::new(shift(&[1.0]), SgdConfig::new().init());
    double_loop(1.0, 1.0, 1e-9).step(state, Vec::new(), 0.1);
}

/// An estimator that does not look at its own numbers.
struct Careless(Implicit);

impl Hypergradient<B, Quadratic> for Careless {
    fn estimate(
        &self,
        point: Point<'_, B, Quadratic>,
        warm: Option<Vector<B>>,
        seed: u64,
    ) -> Estimate<B> {
        let estimate = self.0.estimate(point, warm, seed);
        Estimate {
            gradient: estimate.gradient.clone() * f64::NAN,
            ..estimate
        }
    }
}

#[test]
fn a_nan_that_the_estimator_does_not_report_is_found() {
    let two = Symmetric::with(vec![2.0], &mut generator(0));
    let DoubleLoop { problem, lower, .. } = double_loop(2.0, 2.0, 1e-9);
    let method = DoubleLoop {
        problem,
        lower,
        hypergradient: Careless(implicit(1e-9)),
    };
    let state = State::new(shift(&[1.0]), SgdConfig::new().init());
    let (state, _, report) = method.step(state, vec![task(&two, &[0.0], &[0.2])], 0.1);
    let message = "the hypergradient is not finite (parameter `x`)";
    assert_eq!(report.failure.expect("a failure").to_string(), message);
    assert!((upper(&state)[0] - 1.0).abs() < 1e-15);
}
