//! MAID: its bounds hold, its steps descend, and nothing has to be tuned.

use bilevel_core::{
    Bound, Cause, ConjugateGradient, Constants, Direction, DoubleBackward, ErrorKind,
    GradientDescent, Hypergradient, ImplicitDifferentiation, LinearOperator, LinearSolver,
    LowerSolver, Maid, MaidSettings, MaidState, Minres, Phase, Point, Probe, Report, SecondOrder,
    Solution, Status, Stop, Stopped, Tape, Task, Tolerance, Vector, WithTolerance,
};
use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use double_precision::Number;

use crate::closed_forms::{Coupled, Logistic, logistic_setup};
use crate::matrices::{Blocks, Symmetric, numbers};
use crate::problems::{Coefficients, Fragile, Nothing, Pair, Quadratic, Rows, Setup, shift};
use crate::upper_problems::{Adversary, LeastSquares, Stated, Tracking, UNIT, collect, entries};
use crate::{B, generator, length, minus, row, rows};

type Method<P, S> = Maid<P, GradientDescent, DoubleBackward, S>;

const CG: ConjugateGradient = ConjugateGradient {
    max_steps: 100,
    tolerance: Tolerance::Relative(0.0),
};

/// Of the right sides, in units of their size.
const NOISE: f64 = 0.01;

fn descent(smoothness: f64) -> GradientDescent {
    GradientDescent {
        step_size: 1.0 / smoothness,
        max_steps: 200_000,
        tolerance: Tolerance::Absolute(0.0),
    }
}

fn maid<S>(problem: &LeastSquares, solver: S, settings: MaidSettings) -> Method<LeastSquares, S> {
    let lower = descent(problem.smoothness());
    Maid::new(problem.clone(), lower, DoubleBackward, solver, settings).unwrap()
}

fn convex() -> MaidSettings {
    MaidSettings {
        convex: true,
        ..MaidSettings::default()
    }
}

/// From `x = 1`, as far as the gap `goal` or `steps` steps; the reports, and x after every step.
fn run<S: LinearSolver<B> + WithTolerance + Sync>(
    method: &Method<LeastSquares, S>,
    problem: &LeastSquares,
    (eps, step_size): (f64, f64),
    goal: f64,
    steps: usize,
) -> (Vec<Report>, Vec<Vec<f64>>) {
    let mut state = MaidState {
        eps,
        delta: eps,
        step_size,
        ..MaidState::new(shift(&[1.0; 4]))
    };
    let mut tasks = vec![problem.task()];
    let mut reports = Vec::new();
    let mut path = vec![entries(&state.x)];
    while reports.len() < steps && problem.gap(path.last().unwrap()) > goal {
        let report;
        (state, tasks, report) = method.step(state, tasks).unwrap();
        path.push(entries(&state.x));
        assert_eq!(report.failure, None, "{report:?}");
        reports.push(report);
    }
    let gap = problem.gap(path.last().unwrap());
    assert!(gap <= goal, "gap {gap:.1e} after {steps} steps");
    (reports, path)
}

/// Solves for the adjoint `q` and nothing else.
struct Given(Vector<B>);

impl LinearSolver<B> for Given {
    fn solve(
        &self,
        a: &dyn LinearOperator<B>,
        b: Vector<B>,
        _: Option<Vector<B>>,
    ) -> Solution<Vector<B>> {
        let residual = length(&rows(&(b - a.apply_at_solution(self.0.clone())))[0]);
        Solution {
            value: self.0.clone(),
            status: Status::Converged,
            steps: 0,
            residual,
        }
    }

    fn vectors(&self, _: usize) -> usize {
        1
    }
}

/// M1: on a scalar problem the bound is the error, with any y and q.
#[test]
fn the_bound_is_the_error_on_a_scalar() {
    let problem = Tracking::FREE;
    for (e, r) in [(0.3, 0.1), (1e-5, 0.2), (0.7, 0.0)] {
        let (x, task) = (shift(&[0.25]), Tracking::task(&[1.0]));
        let y = shift(&[0.25 + e]);
        let point = Point {
            problem: &problem,
            x: &x,
            y: &y,
            batch: &task.batch,
        };
        // H = 1: this adjoint has residual r. The hypergradient is −(−q), the exact one x − 1.
        let method = ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: Given(row(&[0.25 + e - 1.0 + r])),
        };
        let estimate = method.estimate(point, None, 0);
        let error = estimate.gradient.number() - (0.25 - 1.0);
        assert!((error - (e + r)).abs() < 1e-15);
        let Bound::Known(omega) = estimate.certificate.bound else {
            panic!("no bound");
        };
        assert!((omega - error).abs() < 1e-15, "{omega} {error}");
    }
}

/// M2: the bound holds for 800 random errors of y and q; the closed form is right.
#[test]
fn the_bound_holds_with_uniform_matrices() {
    let problem = LeastSquares::uniform(80, 31);
    let rng = &mut generator(32);
    let mut worst = 0f64;
    for trial in 0..800 {
        let x = numbers(4, rng);
        let exact = problem.gradient(&x);
        if trial < 3 {
            for i in 0..4 {
                let mut moved = [x.clone(), x.clone()];
                moved[0][i] += 1e-4;
                moved[1][i] -= 1e-4;
                let slope = (problem.value(&moved[0]) - problem.value(&moved[1])) / 2e-4;
                assert!((slope - exact[i]).abs() < 1e-7 * length(&exact));
            }
        }
        let scale = 10f64.powf(numbers(1, rng)[0] - 2.0);
        let e: Vec<f64> = numbers(4, rng).iter().map(|e| -e * scale).collect();
        let y = shift(&minus(&problem.solution(&x), &e));
        let (x, task) = (shift(&x), problem.task());
        let point = Point {
            problem: &problem,
            x: &x,
            y: &y,
            batch: &task.batch,
        };
        let near = ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: ConjugateGradient {
                max_steps: 20,
                tolerance: Tolerance::Relative(1e-12),
            },
        };
        let q = near.estimate(point, None, 0).adjoint.unwrap();
        let off = row::<B>(&numbers(4, rng)) * (scale * 0.1);
        let method = ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: Given(q + off),
        };
        let estimate = method.estimate(point, None, 0);
        let error = length(&minus(&rows(&estimate.gradient)[0], &exact));
        let Bound::Known(omega) = estimate.certificate.bound else {
            panic!("no bound");
        };
        worst = worst.max(error / omega);
    }
    println!("largest error/bound {worst:.3}");
    assert!(worst <= 1.0, "error/bound {worst}");
    assert!(worst > 1e-3, "a bound that is nowhere near: {worst}");
}

/// M3: a step decreases the exact loss by `λ α ‖z‖²`, and its bound bounds the error of its
/// gradient; with an adjoint as bad as allowed, and for both forms of the test.
#[test]
fn every_step_decreases_the_exact_loss() {
    let problem = LeastSquares::conditioned(20, 3.0, NOISE, 41);
    for settings in [MaidSettings::default(), convex()] {
        let method = maid(
            &problem,
            Adversary {
                tolerance: Tolerance::Absolute(0.0),
            },
            settings,
        );
        let alpha = 1.0 / problem.upper_curvature();
        let (reports, path) = run(&method, &problem, (0.1, alpha), 1e-4, 500);
        let mut steepest = f64::INFINITY;
        for (report, x) in reports.iter().zip(path.windows(2)) {
            let decrease = problem.value(&x[0]) - problem.value(&x[1]);
            let asked = settings.decrease * report.step_size * report.hypergradient_norm.powi(2);
            assert!(decrease >= asked, "{decrease:e} < {asked:e}");
            steepest = steepest.min(decrease / asked);
            // z from the step itself: x − α z = x₊.
            let z: Vec<f64> = minus(&x[0], &x[1])
                .iter()
                .map(|d| d / report.step_size)
                .collect();
            let accuracy = report.accuracy.unwrap();
            let error = length(&minus(&z, &problem.gradient(&x[0])));
            let omega = accuracy.bound.unwrap();
            assert!(error <= omega + 1e-12, "{error:e} > {omega:e}");
            assert!(omega <= 0.5 * report.hypergradient_norm);
            // The adversary leaves what it may.
            let residual = report.adjoint.unwrap().residual;
            assert!((residual / accuracy.adjoint - 1.0).abs() < 1e-6);
        }
        println!(
            "{} steps, decrease/asked at least {steepest:.2}",
            reports.len()
        );
    }
}

/// M4: from ε far too large and far too small.
#[test]
fn the_accuracy_adapts() {
    let problem = LeastSquares::conditioned(20, 3.0, NOISE, 42);
    let alpha = 1.0 / problem.upper_curvature();
    let costs = [1e2, 1e-8].map(|eps| {
        let method = maid(&problem, CG, convex());
        let (reports, _) = run(&method, &problem, (eps, alpha), 1e-3, 500);
        let asked = |report: &Report| report.accuracy.unwrap().lower;
        let (first, last) = (asked(&reports[0]), asked(reports.last().unwrap()));
        println!(
            "eps {eps:e}: {first:.1e} at first, {last:.1e} at last, {} steps, cost {}",
            reports.len(),
            reports.last().unwrap().cost
        );
        if eps > 1.0 {
            assert!(first < eps / 10.0);
        } else {
            assert!(last > eps * 1.5);
        }
        reports.last().unwrap().cost as f64
    });
    assert!(
        costs[0] / costs[1] < 10.0 && costs[1] / costs[0] < 10.0,
        "{costs:?}"
    );
}

/// M5 and more: first accuracies and step sizes over 8 orders of magnitude and more, nothing tuned.
#[test]
fn no_first_accuracy_or_step_size_has_to_be_tuned() {
    let problem = LeastSquares::conditioned(12, 2.0, NOISE, 43);
    let unit = 1.0 / problem.upper_curvature();
    for eps in [1e-4, 1e0, 1e4] {
        for alpha in [1e-4, 1e0, 1e4] {
            let method = maid(&problem, CG, convex());
            let (reports, _) = run(&method, &problem, (eps, alpha * unit), 1e-3, 500);
            let last = reports.last().unwrap();
            let rejected: usize = reports.iter().map(|r| r.rejected).sum();
            println!(
                "eps {eps:e}, alpha {alpha:e}: {} steps, {rejected} rejected, cost {}",
                last.step, last.cost
            );
            assert!(last.step < 120);
            assert_eq!(last.truncated_solves, 0);
        }
    }
}

/// M6: the two cross terms are each other's adjoints, and the absolute stopping rule is one.
#[test]
fn cross_terms_are_adjoint() {
    let setup = Coupled::random(10.0, 51).setup::<B>(&[0.1, 0.2, 0.3, 0.4], &[0.5; 5]);
    let rng = &mut generator(52);
    let (v, w) = (numbers(5, rng), numbers(4, rng));
    let g = DoubleBackward.at(setup.point());
    let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let left = inner(&rows(&g.cross(row(&v)))[0], &w);
    let right = inner(&v, &rows(&g.cross_transposed(row(&w)))[0]);
    assert!((left - right).abs() < 1e-12 * left.abs());
    assert!(left.abs() > 1e-3);
}

/// M6: every system has the absolute residual, however small its right side; a start that has it
/// needs no step.
#[test]
fn the_absolute_rule_holds_in_every_system() {
    let rng = &mut generator(53);
    let matrices: Vec<_> = (0..4)
        .map(|_| Symmetric::positive(20, 1.0, 1e3, rng))
        .collect();
    let a = Blocks::<B>::new(&matrices);
    let b: Vec<Vec<f64>> = [1e3, 1.0, 1e-6, 0.0]
        .iter()
        .map(|scale| numbers(20, rng).iter().map(|b| b * scale).collect())
        .collect();
    let b = crate::vector::<B>(&b);
    let residuals = |q: &Vector<B>| -> Vec<f64> {
        rows(&(b.clone() - a.apply(q.clone())))
            .iter()
            .map(|row| length(row))
            .collect()
    };
    let mut steps = Vec::new();
    for delta in [1e1, 1e-2, 1e-5] {
        let cg = CG.with_tolerance(Tolerance::Absolute(delta));
        let q = cg.solve(&a, b.clone(), None);
        assert_eq!(q.status, Status::Converged);
        assert!(residuals(&q.value).iter().all(|r| *r <= delta));
        // Absolute: with b a thousand times smaller, less is left to do.
        let small = cg.solve(&a, b.clone() / 1e3, None);
        assert!(small.steps < q.steps && small.residual <= delta);
        steps.push(q.steps);
        let warm = cg.solve(&a, b.clone(), Some(q.value));
        assert_eq!((warm.steps, warm.status), (0, Status::Converged));

        let minres = Minres {
            max_steps: 500,
            tolerance: Tolerance::Absolute(delta),
        };
        let q = minres.solve(&a, b.clone(), None);
        assert_eq!(q.status, Status::Converged);
        assert!(residuals(&q.value).iter().all(|r| *r <= 1.1 * delta));
    }
    assert!(steps.is_sorted() && steps[0] < steps[2], "{steps:?}");
    // Out of steps is not converged.
    let short = ConjugateGradient {
        max_steps: 3,
        tolerance: Tolerance::Absolute(1e-9),
    };
    assert_eq!(short.solve(&a, b, None).status, Status::MaxSteps);
}

/// M8: the plain descent of the paper's first experiment, with an adjoint as bad as allowed.
#[test]
fn the_test_of_the_direction_saves_the_line_search() {
    for condition in [2.0, 5.0] {
        let problem = LeastSquares::conditioned(20, condition, NOISE, 44);
        let alpha = 1.0 / problem.upper_curvature();
        let unchecked = MaidSettings {
            direction: Direction::Unchecked,
            ..convex()
        };
        let exhausted = |reports: &[Report]| {
            let all = convex().max_backtracks;
            reports.iter().filter(|r| r.rejected >= all).count()
        };
        let run = |settings, alpha| {
            let method = maid(
                &problem,
                Adversary {
                    tolerance: Tolerance::Absolute(0.0),
                },
                settings,
            );
            let (reports, path) = run(&method, &problem, (0.1, alpha), 5e-3, 1000);
            for (report, x) in reports.iter().zip(path.windows(2)) {
                let asked = 0.1 * report.step_size * report.hypergradient_norm.powi(2);
                assert!(problem.value(&x[0]) - problem.value(&x[1]) >= asked);
            }
            println!(
                "condition {condition}: {} steps, {} searches exhausted, cost {}",
                reports.len(),
                exhausted(&reports),
                reports.last().unwrap().cost
            );
            reports
        };
        assert_eq!(exhausted(&run(convex(), alpha)), 0);
        assert!(exhausted(&run(unchecked, alpha)) > 0);
        if condition > 2.0 {
            run(unchecked, 1e3);
            run(unchecked, 1e-8);
        }
    }
}

/// Two tasks are a mean, in value, bound and cost.
#[test]
fn several_tasks_are_a_mean() {
    let problem = LeastSquares::conditioned(12, 2.0, NOISE, 45);
    let method = maid(&problem, CG, convex());
    let state = || MaidState::new(shift(&[1.0; 4]));
    let one = method.step(state(), vec![problem.task()]).unwrap();
    let two = method
        .step(state(), vec![problem.task(), problem.task()])
        .unwrap();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * a.abs(), "{a} {b}");
    close(one.2.upper_loss, two.2.upper_loss);
    close(one.2.hypergradient_norm, two.2.hypergradient_norm);
    let bound = |report: &Report| report.accuracy.unwrap().bound.unwrap();
    close(bound(&one.2), bound(&two.2));
    assert_eq!(2 * one.2.cost, two.2.cost);
    assert!(one.2.cost > 0);
}

/// Tasks that differ: the decrease is that of the mean.
#[test]
fn the_mean_of_different_tasks_decreases() {
    let centers = [vec![1.0, 0.0], vec![3.0, 0.0], vec![2.0, -3.0]];
    let mean = [2.0, -1.0];
    let lower = GradientDescent {
        step_size: 0.3,
        ..descent(1.0)
    };
    let settings = MaidSettings::default();
    let method = Maid::new(Tracking::FREE, lower, DoubleBackward, CG, settings).unwrap();
    let mut reports = Vec::new();
    let stop = Stop {
        gradient_norm: 1e-6,
        ..Stop::after(500)
    };
    let state = MaidState::<B, _>::new(shift(&[0.0, 0.0]));
    let tasks = centers.iter().map(|c| Tracking::task(c)).collect();
    let (state, _, why) = method
        .run(state, tasks, stop, &mut collect(&mut reports))
        .unwrap();
    assert_eq!(why, Stopped::GradientNorm);
    assert!(length(&minus(&entries(&state.x), &mean)) <= 2e-6);
    // The last report is of a step that was not taken.
    let last = reports.last().unwrap();
    assert!(last.step_size <= 0.0 && last.hypergradient_norm <= 1e-6);
    assert_eq!((last.step, state.step), (reports.len(), reports.len() - 1));
}

/// Solves a quadratic problem whose Hessians are 1 as badly as it may, in every system: `y − y*`
/// has the length of the tolerance and points to where the loss is too large at the `x` that it
/// knows, and too small at every other, so that a new x looks better than it is.
#[derive(Clone)]
struct Liar {
    x: Vec<f64>,
    tolerance: f64,
}

impl WithTolerance for Liar {
    fn map_tolerance(&self, other: impl Fn(Tolerance) -> Tolerance) -> Self {
        let tolerance = other(Tolerance::Absolute(self.tolerance)).bound(1.0);
        Self {
            tolerance,
            ..self.clone()
        }
    }
}

impl LowerSolver<B, Stated<Quadratic>> for Liar {
    fn solve(&self, point: Point<'_, B, Stated<Quadratic>>) -> Solution<Rows<Tape<B>>> {
        let x = entries(point.x);
        let sign = if x == self.x { 1.0 } else { -1.0 };
        let c = rows(&point.batch.c);
        let lie = |(b, c): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
            let y: Vec<f64> = b.iter().zip(&x).map(|(b, x)| b + x).collect();
            let slope = minus(&y, c);
            let factor = sign * self.tolerance / length(&slope);
            y.iter().zip(&slope).map(|(y, s)| y + factor * s).collect()
        };
        let y: Vec<Vec<f64>> = rows(&point.batch.b).iter().zip(&c).map(lie).collect();
        Solution {
            value: Rows {
                y: Param::from_tensor(Tensor::from_inner(crate::vector(&y))),
            },
            status: Status::Converged,
            steps: 1,
            residual: self.tolerance,
        }
    }
}

/// The value test adds up over systems and averages over tasks: not even a liar in every system
/// gets a step accepted that does not decrease the exact loss as asked.
#[test]
fn a_liar_in_every_system_gains_nothing() {
    const SYSTEMS: usize = 5;
    let rng = &mut generator(48);
    let one = vec![Symmetric::with(vec![1.0; 3], rng); SYSTEMS];
    let mut task = || {
        let [b, c] = [(); 2].map(|()| (0..SYSTEMS).map(|_| numbers(3, rng)).collect::<Vec<_>>());
        let start = vec![vec![0.0; 3]; SYSTEMS];
        let setup = Setup::quadratic(&one, &b, &start);
        let c = crate::vector(&c);
        Task::new(Coefficients { c, ..setup.batch }, setup.y)
    };
    let tasks: Vec<Task<B, Stated<Quadratic>>> = vec![task(), task()];
    let exact = |x: &[f64]| -> f64 {
        let of_task = |task: &Task<B, Stated<Quadratic>>| {
            let offset = rows(&(task.batch.b.clone() - task.batch.c.clone()));
            let squares = offset.iter().map(|o| {
                let y: Vec<f64> = o.iter().zip(x).map(|(o, x)| o + x).collect();
                0.5 * length(&y).powi(2)
            });
            squares.sum::<f64>()
        };
        tasks.iter().map(of_task).sum::<f64>() / tasks.len() as f64
    };
    // Near the minimiser there is little to gain and much to lie about; F'' = 5, so that steps beyond
    // 2/5 go up.
    let offsets: Vec<_> = tasks
        .iter()
        .flat_map(|task| rows(&(task.batch.c.clone() - task.batch.b.clone())))
        .collect();
    let best = |j: usize| offsets.iter().map(|o| o[j]).sum::<f64>() / offsets.len() as f64;
    let x: Vec<f64> = (0..3).map(|j| best(j) + 0.1).collect();
    for convex in [false, true] {
        let mut tightest = f64::INFINITY;
        for (eps, alpha) in [0.1, 0.03, 0.01]
            .into_iter()
            .flat_map(|eps| [0.39, 0.45, 0.6, 1.0].map(|alpha| (eps, alpha)))
        {
            let liar = Liar {
                x: x.clone(),
                tolerance: 0.0,
            };
            let settings = MaidSettings {
                direction: Direction::Unchecked,
                backtracking: 0.95,
                convex,
                ..MaidSettings::default()
            };
            let problem = Stated(Quadratic { ridge: 0.0 }, UNIT);
            let method = Maid::new(problem, liar, DoubleBackward, CG, settings).unwrap();
            let state = MaidState {
                eps,
                delta: 1e-9,
                step_size: alpha,
                ..MaidState::new(shift(&x))
            };
            let (state, _, report) = method.step(state, tasks.clone()).unwrap();
            assert_eq!(report.failure, None);
            let asked = 0.1 * report.step_size * report.hypergradient_norm.powi(2);
            let decrease = exact(&x) - exact(&entries(&state.x));
            assert!(decrease >= asked, "{decrease} < {asked}: {report:?}");
            tightest = tightest.min(decrease / asked);
        }
        println!("decrease/asked {tightest:.2} at least");
    }
}

/// Every trial is paid for: one lower step each here, and one step for the adjoint.
#[test]
fn rejected_steps_cost_what_they_cost() {
    let settings = MaidSettings::default();
    let method = Maid::new(Tracking::FREE, descent(1.0), DoubleBackward, CG, settings).unwrap();
    let state = MaidState::<B, _> {
        eps: 1e-9,
        delta: 1e-9,
        step_size: 100.0,
        ..MaidState::new(shift(&[4.0]))
    };
    let (_, _, report) = method.step(state, vec![Tracking::task(&[1.0])]).unwrap();
    assert!(report.rejected > 3);
    assert_eq!(report.cost, 3 + report.rejected as u64);
}

/// A trial that ends in NaN is a step that is too long; at the point itself it is a failure.
#[test]
fn a_trial_that_is_not_finite_is_rejected() {
    let method = |breaks| {
        let lower = GradientDescent {
            max_steps: 100,
            ..descent(1.0)
        };
        let problem = Stated(Fragile { breaks }, UNIT);
        Maid::new(problem, lower, DoubleBackward, CG, MaidSettings::default()).unwrap()
    };
    let start = |b: f64| {
        let number = |v: f64| Param::from_data(TensorData::from([v]), &Default::default());
        let x = Pair {
            a: number(3.0),
            b: number(b),
        };
        MaidState {
            step_size: 1e3,
            ..MaidState::new(x)
        }
    };
    let task = || vec![Task::new(Nothing::new(), shift(&[1.0]))];
    for phase in [Phase::Lower, Phase::UpperLoss] {
        // Descent lowers b, whose root is taken, by α.
        let (state, _, report) = method(phase).step(start(0.5), task()).unwrap();
        assert_eq!(report.failure, None, "{phase}");
        assert!(report.rejected > 8, "{phase}: {report:?}");
        let b = state.x.b.val().number();
        assert!(b > 0.0 && b < 0.5, "{phase}: {b}");

        let (state, tasks, report) = method(phase).step(start(-0.5), task()).unwrap();
        assert_eq!(report.failure.map(|f| f.phase), Some(phase));
        assert_eq!((state.step, entries(&tasks[0].y)), (0, vec![1.0]));
        assert!((state.x.b.val().number() + 0.5).abs() < 1e-15);
    }
}

/// With a bound on x the run ends at the nearest admissible point, and the norm there is small
/// though the hypergradient is not.
#[test]
fn a_projected_run_ends_at_the_boundary() {
    let method = Maid::new(
        Tracking { low: 0.5 },
        GradientDescent {
            step_size: 0.3,
            ..descent(1.0)
        },
        DoubleBackward,
        CG,
        MaidSettings::default(),
    )
    .unwrap();
    let stop = Stop {
        gradient_norm: 1e-5,
        ..Stop::after(500)
    };
    let mut reports = Vec::new();
    let tasks = vec![Tracking::task(&[2.0, -1.0])];
    let state = MaidState::<B, _>::new(shift(&[1.0, 1.0]));
    let (state, _, why) = method
        .run(state, tasks, stop, &mut collect(&mut reports))
        .unwrap();
    assert_eq!(why, Stopped::GradientNorm);
    assert!(length(&minus(&entries(&state.x), &[2.0, 0.5])) < 2e-5);
    let losses: Vec<f64> = reports.iter().map(|r| r.upper_loss).collect();
    assert!(losses[0] > 2.0 && (losses.last().unwrap() - 0.5 * 1.5f64.powi(2)).abs() < 1e-3);
}

type Run<P> = (MaidState<B, P>, Vec<Task<B, P>>);

fn logistic(probe: Option<Probe>) -> (Method<Logistic, ConjugateGradient>, Run<Logistic>) {
    let setup = logistic_setup(61);
    let settings = MaidSettings {
        probe,
        ..MaidSettings::default()
    };
    let method = Maid::new(Logistic, descent(20.0), DoubleBackward, CG, settings).unwrap();
    let tasks = vec![Task::new(setup.batch, setup.y)];
    (method, (MaidState::new(setup.x), tasks))
}

/// Constants that nobody states are an error that says what to do; a probe finds them, and they
/// only get worse.
#[test]
fn constants_are_stated_or_probed() {
    let (method, (state, tasks)) = logistic(None);
    let error = method.step(state, tasks).err().expect("an error");
    let names = Constants::default().missing();
    assert_eq!(error.kind(), &ErrorKind::MissingConstants { names });
    assert!(error.to_string().contains("BilevelProblem::constants"));

    let (method, (state, mut tasks)) = logistic(Some(Probe {
        probes: 10,
        radius: 1e-3,
        seed: 1,
    }));
    let mut state = MaidState {
        step_size: 0.1,
        ..state
    };
    let mut losses: Vec<f64> = Vec::new();
    let mut mu = f64::INFINITY;
    for _ in 0..15 {
        let report;
        (state, tasks, report) = method.step(state, tasks).unwrap();
        assert_eq!(report.failure, None);
        let probed = state.probed.strong_convexity.unwrap();
        assert!(probed <= mu && probed > 0.0);
        mu = probed;
        losses.push(report.upper_loss);
    }
    assert!(losses[14] < 0.9 * losses[0], "{losses:?}");
}

/// Where ε may not shrink as far as it must, the step fails, and nothing but the cost has changed.
#[test]
fn an_accuracy_out_of_reach_is_a_failure() {
    let problem = LeastSquares::conditioned(12, 2.0, NOISE, 46);
    let settings = MaidSettings {
        eps_min: 10.0,
        delta_min: 10.0,
        ..convex()
    };
    let method = maid(&problem, CG, settings);
    let state = MaidState {
        eps: 100.0,
        delta: 100.0,
        ..MaidState::new(shift(&[1.0; 4]))
    };
    let (state, tasks, report) = method.step(state, vec![problem.task()]).unwrap();
    let failure = report.failure.expect("a failure");
    assert_eq!(failure.cause, Cause::Inaccurate);
    assert!(failure.to_string().contains("more accurately"));
    assert_eq!(entries(&state.x), [1.0; 4]);
    assert_eq!(entries(&tasks[0].y), [0.0; 4]);
    assert_eq!((state.step, state.eps.to_bits()), (0, 100f64.to_bits()));
    assert_eq!(state.cost.steps, report.cost);
    let (.., why) = method
        .run(state, tasks, Stop::after(3), &mut |_: &Report| ())
        .unwrap();
    assert_eq!(why, Stopped::Failed);
}

/// Settings out of range name the setting and the range.
#[test]
fn settings_are_checked() {
    let d = MaidSettings::default();
    let wrong = [
        (
            MaidSettings {
                backtracking: 1.0,
                ..d
            },
            "backtracking must be in (0, 1), got 1",
        ),
        (
            MaidSettings {
                step_growth: 0.9,
                ..d
            },
            "step_growth must be at least 1, got 0.9",
        ),
        (
            MaidSettings { decrease: 0.5, ..d },
            "decrease must be below eta, got 0.5",
        ),
        (
            MaidSettings { eps_min: 0.0, ..d },
            "eps_min must be finite and > 0, got 0",
        ),
    ];
    for (settings, message) in wrong {
        let made = Maid::new(Tracking::FREE, descent(1.0), DoubleBackward, CG, settings);
        assert_eq!(made.expect_err("an error").to_string(), message);
    }
}

/// The budget is kept up to the step that crosses it, and lower solves that hit their limit are
/// counted.
#[test]
fn a_run_ends_when_its_budget_is_spent() {
    let problem = LeastSquares::conditioned(12, 3.0, NOISE, 47);
    let method = maid(&problem, CG, convex());
    let mut reports = Vec::new();
    let stop = Stop {
        cost: 300,
        ..Stop::default()
    };
    let state = MaidState::new(shift(&[1.0; 4]));
    let (state, _, why) = method
        .run(
            state,
            vec![problem.task()],
            stop,
            &mut collect(&mut reports),
        )
        .unwrap();
    assert_eq!(why, Stopped::Cost);
    assert!(reports.windows(2).all(|r| r[0].cost <= r[1].cost));
    assert!(state.cost.steps >= 300 && reports[reports.len() - 2].cost < 300);

    let lower = GradientDescent {
        max_steps: 2,
        ..descent(problem.smoothness())
    };
    let method = Maid::new(problem.clone(), lower, DoubleBackward, CG, convex()).unwrap();
    let state = MaidState::new(shift(&[1.0; 4]));
    let (_, _, report) = method.step(state, vec![problem.task()]).unwrap();
    assert!(report.truncated_solves > 0, "{report:?}");
}
