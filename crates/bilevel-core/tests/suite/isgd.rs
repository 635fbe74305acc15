//! ISGD: its limits, its noise and its bias are those of theory.

use bilevel_core::{
    ConjugateGradient, DoubleBackward, DoubleLoop, GradientDescent, ImplicitDifferentiation, Isgd,
    IsgdSettings, LowerSolver, Point, Report, Sampling, Schedule, Solution, State, Status, Stop,
    Stopped, Tape, Task, Tolerance, WithTolerance,
};
use burn::optim::{AdamConfig, SgdConfig};

use crate::matrices::numbers;
use crate::problems::{Shift, shift};
use crate::upper_problems::{LeastSquares, Tracking, collect, entries};
use crate::{B, generator, length, minus};

type Implicit = ImplicitDifferentiation<DoubleBackward, ConjugateGradient>;

fn implicit() -> Implicit {
    ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            max_steps: 50,
            tolerance: Tolerance::Relative(0.0),
        },
    }
}

/// One step solves [`Tracking`].
const EXACT: GradientDescent = GradientDescent {
    step_size: 1.0,
    max_steps: 10,
    tolerance: Tolerance::Absolute(0.0),
};

fn settings(step_size: Schedule, accuracy: Schedule, sampling: Sampling) -> IsgdSettings {
    IsgdSettings {
        batch: 1,
        sampling,
        step_size,
        lower_accuracy: accuracy,
        adjoint_accuracy: Schedule::Constant(1e-12),
        seed: 5,
    }
}

/// Solves [`Tracking`], and then adds the tolerance to the first entry.
#[derive(Clone, Copy)]
struct Biased {
    tolerance: f64,
}

impl WithTolerance for Biased {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        let tolerance = other(Tolerance::Absolute(self.tolerance)).bound(1.0);
        Self { tolerance }
    }
}

impl LowerSolver<B, Tracking> for Biased {
    fn solve(&self, point: Point<'_, B, Tracking>) -> Solution<Shift<Tape<B>>> {
        let mut y = entries(point.x);
        y[0] += self.tolerance;
        Solution {
            value: shift(&y),
            status: Status::Converged,
            steps: 1,
            residual: self.tolerance,
        }
    }
}

fn centers(count: usize, dim: usize) -> Vec<Vec<f64>> {
    let rng = &mut generator(81);
    (0..count).map(|_| numbers(dim, rng)).collect()
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let dim = rows[0].len();
    let entry = |j: usize| rows.iter().map(|row| row[j]).sum::<f64>() / rows.len() as f64;
    (0..dim).map(entry).collect()
}

fn tasks(centers: &[Vec<f64>]) -> Vec<Task<B, Tracking>> {
    centers.iter().map(|c| Tracking::task(c)).collect()
}

/// I1: one task and `α ≤ 1/L_F` is inexact gradient descent, which ends within `ω/μ_F`.
#[test]
fn one_task_is_gradient_descent_with_an_error() {
    let problem = LeastSquares::conditioned(12, 2.0, 1.0, 82);
    let lower = GradientDescent {
        step_size: 1.0 / problem.smoothness(),
        max_steps: 1000,
        tolerance: Tolerance::Absolute(0.0),
    };
    // ∇²F = 2 MᵀM is a multiple of squares of singular values; its smallest by inverse iteration of F.
    let curvature = problem.upper_curvature();
    let best = problem.minimiser();
    let mu_f = {
        let mut v = vec![1.0, 0.4, 0.3, -0.7];
        let mut gap = 0.0;
        for _ in 0..2000 {
            let moved: Vec<f64> = best.iter().zip(&v).map(|(b, v)| b + v).collect();
            let hv = problem.gradient(&moved);
            v = v
                .iter()
                .zip(&hv)
                .map(|(v, hv)| curvature * v - hv)
                .collect();
            gap = length(&v);
            v.iter_mut().for_each(|v| *v /= gap);
        }
        curvature - gap
    };
    for accuracy in [1e-1, 1e-3] {
        let fixed = Schedule::Constant(accuracy);
        let method = Isgd::new(
            problem.clone(),
            lower,
            implicit(),
            settings(
                Schedule::Constant(1.0 / curvature),
                fixed,
                Sampling::Independent,
            ),
        )
        .unwrap();
        let mut reports = Vec::new();
        let state = State::new(shift(&[1.0; 4]), SgdConfig::new().init());
        let stop = Stop::after(1000);
        let task = vec![problem.task()];
        let (state, ..) = method.run(state, task, stop, &mut collect(&mut reports));
        let bounds = reports[900..].iter();
        let omega = bounds
            .map(|r| r.accuracy.unwrap().bound.unwrap())
            .fold(0.0, f64::max);
        let distance = length(&minus(&entries(&state.x), &best));
        println!(
            "accuracy {accuracy:e}: distance {distance:.2e}, omega/mu {:.2e}",
            omega / mu_f
        );
        assert!(
            distance <= omega / mu_f,
            "{distance:e} > {:e}",
            omega / mu_f
        );
    }

    // The same numbers as the double loop's with those accuracies.
    let alpha = 1.0 / curvature;
    let double_loop = DoubleLoop {
        problem: problem.clone(),
        lower: lower.with_number(1e-3),
        hypergradient: implicit().with_number(1e-12),
    };
    let fixed = settings(
        Schedule::Constant(alpha),
        Schedule::Constant(1e-3),
        Sampling::Shuffled,
    );
    let isgd = Isgd::new(problem.clone(), lower, implicit(), fixed).unwrap();
    let start = || State::new(shift(&[1.0; 4]), SgdConfig::new().init());
    let quiet = &mut |_: &Report| ();
    let (a, ..) = double_loop.run(start(), vec![problem.task()], alpha, Stop::after(20), quiet);
    let (b, ..) = isgd.run(start(), vec![problem.task()], Stop::after(20), quiet);
    assert_eq!(entries(&a.x), entries(&b.x));
    assert_eq!(a.cost, b.cost);
}

/// I2: constant α leaves the variance `α/(2 − α) Var(c)`; `α_t = 1/(t+1)` is the running mean.
#[test]
fn the_noise_is_that_of_theory() {
    let centers = centers(20, 3);
    let mean = mean(&centers);
    let exact = Schedule::Constant(1e-12);
    let alpha = 0.2;
    let method = Isgd::new(
        Tracking::FREE,
        EXACT,
        implicit(),
        settings(Schedule::Constant(alpha), exact, Sampling::Independent),
    )
    .unwrap();
    let mut state = State::<B, _, _>::new(shift(&mean), SgdConfig::new().init());
    let mut store = tasks(&centers);
    let (mut squares, mut offset) = (vec![0.0; 3], vec![0.0; 3]);
    const STEPS: usize = 4000;
    for _ in 0..STEPS {
        (state, store, _) = method.step(state, store);
        let off = minus(&entries(&state.x), &mean);
        for j in 0..3 {
            squares[j] += off[j] * off[j] / STEPS as f64;
            offset[j] += off[j] / STEPS as f64;
        }
    }
    for j in 0..3 {
        let variance = centers
            .iter()
            .map(|c| (c[j] - mean[j]).powi(2))
            .sum::<f64>()
            / 20.0;
        let expected = alpha / (2.0 - alpha) * variance;
        println!(
            "coordinate {j}: {:.4} of the expected variance",
            squares[j] / expected
        );
        assert!((squares[j] / expected - 1.0).abs() < 0.15);
        assert!(offset[j].abs() < 0.1);
    }

    let harmonic = Schedule::Polynomial {
        initial: 1.0,
        power: 1.0,
    };
    let method = Isgd::new(
        Tracking::FREE,
        EXACT,
        implicit(),
        settings(harmonic, exact, Sampling::Shuffled),
    )
    .unwrap();
    let state = State::<B, _, _>::new(shift(&[9.0; 3]), SgdConfig::new().init());
    let (state, ..) = method.run(
        state,
        tasks(&centers),
        Stop::after(20),
        &mut |_: &Report| (),
    );
    assert!(length(&minus(&entries(&state.x), &mean)) < 1e-12);
}

/// I3: a bias ε in y moves the limit by ε; with ε → 0 it vanishes.
#[test]
fn a_fixed_accuracy_is_a_bias() {
    let centers = centers(4, 2);
    let mean = mean(&centers);
    let limit = |accuracy: Schedule| {
        let settings = IsgdSettings {
            batch: 4,
            ..settings(Schedule::Constant(0.5), accuracy, Sampling::Shuffled)
        };
        let method = Isgd::new(
            Tracking::FREE,
            Biased { tolerance: 0.0 },
            implicit(),
            settings,
        );
        let state = State::<B, _, _>::new(shift(&[0.0; 2]), SgdConfig::new().init());
        let (state, ..) = method.unwrap().run(
            state,
            tasks(&centers),
            Stop::after(200),
            &mut |_: &Report| (),
        );
        minus(&entries(&state.x), &mean)
    };
    let off = limit(Schedule::Constant(0.25));
    assert!(length(&minus(&off, &[-0.25, 0.0])) < 1e-9, "{off:?}");
    let vanishing = Schedule::Polynomial {
        initial: 0.25,
        power: 1.5,
    };
    assert!(length(&limit(vanishing)) < 2e-4);
}

/// I4: schedules count batches, and the report says what they were.
#[test]
fn schedules_count_batches() {
    let polynomial = |initial, power| Schedule::Polynomial { initial, power };
    let schedules = IsgdSettings {
        batch: 2,
        sampling: Sampling::Shuffled,
        step_size: polynomial(0.3, 0.6),
        lower_accuracy: Schedule::Logarithmic { initial: 0.5 },
        adjoint_accuracy: Schedule::Geometric {
            initial: 0.1,
            factor: 0.5,
        },
        seed: 3,
    };
    let method = Isgd::new(Tracking::FREE, EXACT, implicit(), schedules).unwrap();
    let mut reports = Vec::new();
    let state = State::<B, _, _>::new(shift(&[0.0; 2]), SgdConfig::new().init());
    // Five tasks in batches of two: three batches an epoch, and t goes on over epochs.
    let stop = Stop::after(9);
    let (_, store, why) = method.run(
        state,
        tasks(&centers(5, 2)),
        stop,
        &mut collect(&mut reports),
    );
    assert_eq!((why, store.len(), reports.len()), (Stopped::Steps, 5, 9));
    for (t, report) in reports.iter().enumerate() {
        let t = t as f64;
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
        close(report.step_size, 0.3 * (t + 1.0).powf(-0.6));
        let accuracy = report.accuracy.unwrap();
        close(accuracy.lower, 0.5 / (t + 1f64.exp()).ln());
        close(accuracy.adjoint, 0.1 * 0.5f64.powf(t));
    }
    close_to(Schedule::Logarithmic { initial: 0.5 }.at(0), 0.5);
}

fn close_to(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-15, "{a} {b}");
}

/// Batches are those of seed and step; an epoch sees everyone once; independent draws are even.
#[test]
fn batches_depend_on_seed_and_step() {
    let (tasks, size) = (10, 3);
    let draw = |sampling: Sampling, step, seed| sampling.batch(tasks, size, step, seed);
    for sampling in [Sampling::Independent, Sampling::Shuffled] {
        assert_eq!(draw(sampling, 7, 1), draw(sampling, 7, 1));
        assert_ne!(
            (0..4).map(|s| draw(sampling, s, 1)).collect::<Vec<_>>(),
            (0..4).map(|s| draw(sampling, s, 2)).collect::<Vec<_>>()
        );
    }
    let epoch = |number: usize| -> Vec<usize> {
        (0..4)
            .flat_map(|s| draw(Sampling::Shuffled, 4 * number + s, 1))
            .collect()
    };
    for number in 0..5 {
        let mut seen = epoch(number);
        seen.sort_unstable();
        assert_eq!(seen, (0..tasks).collect::<Vec<_>>());
    }
    assert_ne!(epoch(0), epoch(1));
    let mut counts = vec![0usize; tasks];
    (0..2000).for_each(|s| {
        draw(Sampling::Independent, s, 1)
            .into_iter()
            .for_each(|i| counts[i] += 1);
    });
    // 600 ± 23 each; and a task comes twice in 28 % of the batches.
    assert!(counts.iter().all(|c| (510..690).contains(c)), "{counts:?}");
    let twice = (0..2000).filter(|s| {
        let mut batch = draw(Sampling::Independent, *s, 1);
        batch.sort_unstable();
        batch.dedup();
        batch.len() < size
    });
    let twice = twice.count() as f64 / 2000.0;
    assert!((twice - 0.28).abs() < 0.04, "{twice}");
}

/// A task drawn twice counts twice, and is solved once.
#[test]
fn a_task_drawn_twice_counts_twice() {
    let centers = centers(3, 2);
    let seed = (0..).find(|&seed| {
        let mut batch = Sampling::Independent.batch(3, 3, 0, seed);
        batch.sort_unstable();
        batch == [0, 0, 2]
    });
    let settings = IsgdSettings {
        batch: 3,
        seed: seed.unwrap(),
        ..settings(
            Schedule::Constant(1.0),
            Schedule::Constant(1e-12),
            Sampling::Independent,
        )
    };
    let method = Isgd::new(Tracking::FREE, EXACT, implicit(), settings).unwrap();
    let state = State::<B, _, _>::new(shift(&[5.0; 2]), SgdConfig::new().init());
    let (state, store, report) = method.step(state, tasks(&centers));
    // A full step lands on the mean of the batch.
    let batch = [0, 0, 2].map(|i: usize| centers[i].clone());
    assert!(length(&minus(&entries(&state.x), &mean(&batch))) < 1e-12);
    // Two lower steps (one each), two of the linear solver; the task that was not drawn is untouched.
    assert_eq!((report.cost, report.truncated_solves), (4, 0));
    assert!(store[1].adjoint.is_none() && store[0].adjoint.is_some());
    assert_eq!(entries(&store[1].y), [0.0; 2]);
}

/// A run that is taken up again is the run that went on, warm starts included; tasks keep their
/// places.
#[test]
fn a_run_in_two_parts_is_the_same_run() {
    let centers = centers(7, 2);
    let polynomial = Schedule::Polynomial {
        initial: 0.4,
        power: 0.3,
    };
    let settings = IsgdSettings {
        batch: 3,
        ..settings(polynomial, Schedule::Constant(0.3), Sampling::Shuffled)
    };
    let slow = GradientDescent {
        step_size: 0.3,
        ..EXACT
    };
    let method = Isgd::new(Tracking::FREE, slow, implicit(), settings).unwrap();
    let start = || State::<B, _, _>::new(shift(&[3.0; 2]), AdamConfig::new().init());
    let quiet = &mut |_: &Report| ();
    let (whole, store, _) = method.run(start(), tasks(&centers), Stop::after(12), quiet);
    let (half, halfway, _) = method.run(start(), tasks(&centers), Stop::after(5), quiet);
    let (parts, resumed, _) = method.run(half, halfway, Stop::after(12), quiet);
    assert_eq!(entries(&whole.x), entries(&parts.x));
    assert_eq!(whole.cost, parts.cost);
    for ((a, b), center) in store.iter().zip(&resumed).zip(&centers) {
        assert_eq!(entries(&a.y), entries(&b.y));
        let c: Vec<f64> = a.batch.c.to_data().iter::<f64>().collect();
        assert_eq!(&c, center);
    }
    // Warm: of a second visit at the same accuracy little is left to do.
    assert!(whole.cost.steps < 12 * 3 * 10);
}

/// The cost is steps times systems, failed and capped solves included.
#[test]
fn the_cost_is_counted() {
    let truncated = GradientDescent {
        step_size: 0.1,
        max_steps: 4,
        tolerance: Tolerance::Absolute(1e-12),
    };
    let method = DoubleLoop {
        problem: Tracking::FREE,
        lower: truncated,
        hypergradient: implicit().with_number(1e-12),
    };
    let mut reports = Vec::new();
    let state = State::<B, _, _>::new(shift(&[3.0; 2]), SgdConfig::new().init());
    let stop = Stop {
        cost: 29,
        ..Stop::default()
    };
    let store = tasks(&centers(3, 2));
    let (state, _, why) = method.run(state, store, 0.1, stop, &mut collect(&mut reports));
    // Three tasks, four lower steps and one linear step each: 15 a step. The second linear solve is warm
    // and takes its step again, for y has moved.
    assert_eq!(why, Stopped::Cost);
    let costs: Vec<u64> = reports.iter().map(|r| r.cost).collect();
    assert_eq!(costs, [15, 30]);
    assert_eq!((state.cost.steps, state.cost.truncated_solves), (30, 6));
}

/// Π is applied after every optimizer's step.
#[test]
fn steps_are_projected() {
    let centers = [vec![2.0, -1.0]];
    let settings = settings(
        Schedule::Constant(0.1),
        Schedule::Constant(1e-9),
        Sampling::Shuffled,
    );
    let problem = Tracking { low: 0.5 };
    let method = Isgd::new(problem, EXACT, implicit(), settings).unwrap();
    let adam = || AdamConfig::new().init();
    let mut state = State::<B, _, _>::new(shift(&[1.0, 1.0]), adam());
    let mut store: Vec<Task<B, Tracking>> = tasks(&centers);
    for _ in 0..400 {
        (state, store, _) = method.step(state, store);
        assert!(entries(&state.x)[1] >= 0.5);
    }
    assert!(length(&minus(&entries(&state.x), &[2.0, 0.5])) < 1e-2);
    let double_loop = DoubleLoop {
        problem,
        lower: EXACT.with_number(1e-9),
        hypergradient: implicit().with_number(1e-9),
    };
    let state = State::<B, _, _>::new(shift(&[1.0, 1.0]), SgdConfig::new().init());
    let (state, _, _) = double_loop.step(state, tasks(&centers), 1.0);
    assert!(length(&minus(&entries(&state.x), &[2.0, 0.5])) < 1e-9);
}
