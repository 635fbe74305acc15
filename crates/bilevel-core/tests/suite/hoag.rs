//! HOAG: its rule, and what the rule cannot do.

use bilevel_core::{
    ConjugateGradient, DoubleBackward, GradientDescent, Hoag, HoagState, ImplicitDifferentiation,
    Maid, MaidSettings, MaidState, Report, Schedule, Stop, Stopped, Tolerance,
};

use crate::problems::shift;
use crate::upper_problems::{LeastSquares, Tracking, collect, entries};
use crate::{B, length, minus};

const CG: ConjugateGradient = ConjugateGradient {
    max_steps: 100,
    tolerance: Tolerance::Relative(0.0),
};

/// Of the right sides, in units of their size.
const NOISE: f64 = 0.01;

type Method<P> =
    Hoag<P, GradientDescent, ImplicitDifferentiation<DoubleBackward, ConjugateGradient>>;

fn hoag<P>(problem: P, smoothness: f64, accuracy: Schedule) -> Method<P> {
    let lower = GradientDescent {
        step_size: 1.0 / smoothness,
        max_steps: 100_000,
        tolerance: Tolerance::Absolute(0.0),
    };
    let hypergradient = ImplicitDifferentiation {
        second_order: DoubleBackward,
        solver: ConjugateGradient {
            tolerance: Tolerance::Absolute(0.0),
            ..CG
        },
    };
    Hoag::new(problem, lower, hypergradient, accuracy).unwrap()
}

const GEOMETRIC: Schedule = Schedule::Geometric {
    initial: 0.1,
    factor: 0.9,
};

/// The rule, step by step, on `F = ½ (x − 2)²` solved to rounding.
#[test]
fn the_step_size_follows_the_rule() {
    let tiny = Schedule::Constant(1e-13);
    let method = hoag(Tracking::FREE, 1.0, tiny);
    // A step of 3 overshoots: 2 → −4, the loss grows fourfold and the next step is refused.
    let state = HoagState {
        smoothness: Some(1.0 / 3.0),
        ..HoagState::<B, _>::new(shift(&[0.0]))
    };
    let mut reports = Vec::new();
    let tasks = vec![Tracking::task(&[2.0])];
    let (state, ..) = method.run(state, tasks, Stop::after(3), &mut collect(&mut reports));
    // 1: L = 1/3, x = 6, L ← 0.95/3.   2: f = 8 ≥ 1.2 · 2: refused, L ← 1.9/3.
    // 3: f = f₋ = 8, r = 4 · 3/1.9, 8 > 8 − L r²: a step, and L stays.
    let l = 1.9 / 3.0;
    let rejected: Vec<usize> = reports.iter().map(|r| r.rejected).collect();
    assert_eq!(rejected, [0, 1, 0]);
    let rates: Vec<f64> = reports.iter().map(|r| r.step_size).collect();
    assert!(
        length(&minus(&rates, &[3.0, 0.0, 1.0 / l])) < 1e-10,
        "{rates:?}"
    );
    assert!((entries(&state.x)[0] - (6.0 - 4.0 / l)).abs() < 1e-9);
    assert!((state.smoothness.unwrap() - l).abs() < 1e-12);
    // The refused step halved the accuracies.
    let asked: Vec<f64> = reports.iter().map(|r| r.accuracy.unwrap().lower).collect();
    assert_eq!(asked, [1e-13, 1e-13, 0.5e-13]);
}

/// With the usual schedules and a good first step it converges.
#[test]
fn the_usual_schedules_converge() {
    let problem = LeastSquares::conditioned(12, 2.0, NOISE, 71);
    let power = |power| Schedule::Polynomial {
        initial: 0.1,
        power,
    };
    for accuracy in [GEOMETRIC, power(2.0), power(3.0)] {
        let method = hoag(problem.clone(), problem.smoothness(), accuracy);
        let state = HoagState {
            smoothness: Some(problem.upper_curvature()),
            ..HoagState::new(shift(&[1.0; 4]))
        };
        let (state, _, why) = method.run(
            state,
            vec![problem.task()],
            Stop::after(150),
            &mut |_: &Report| (),
        );
        let gap = problem.gap(&entries(&state.x));
        println!("{accuracy:?}: gap {gap:.1e}, cost {}", state.cost.steps);
        assert_eq!(why, Stopped::Steps);
        assert!(gap < 1e-2, "{accuracy:?}: {gap:e}");
    }
}

/// M7: a first step a hundred times too long. HOAG's loss explodes first, MAID's never grows.
#[test]
fn a_first_step_too_long_hurts_hoag_and_not_maid() {
    let problem = LeastSquares::conditioned(12, 2.0, NOISE, 72);
    let curvature = problem.upper_curvature();
    let start = problem.value(&[1.0; 4]);

    let method = hoag(problem.clone(), problem.smoothness(), GEOMETRIC);
    let mut state = HoagState {
        smoothness: Some(curvature / 100.0),
        ..HoagState::new(shift(&[1.0; 4]))
    };
    let mut tasks = vec![problem.task()];
    let mut worst = start;
    for _ in 0..30 {
        (state, tasks, _) = method.step(state, tasks);
        worst = worst.max(problem.value(&entries(&state.x)));
    }
    println!("HOAG: {start:.2} at first, up to {worst:.2e}");
    assert!(worst > 1e3 * start, "{worst}");

    let lower = GradientDescent {
        step_size: 1.0 / problem.smoothness(),
        max_steps: 100_000,
        tolerance: Tolerance::Absolute(0.0),
    };
    let settings = MaidSettings::default();
    let method = Maid::new(problem.clone(), lower, DoubleBackward, CG, settings).unwrap();
    let mut state = MaidState {
        step_size: 100.0 / curvature,
        ..MaidState::new(shift(&[1.0; 4]))
    };
    let mut tasks = vec![problem.task()];
    let mut last = start;
    for _ in 0..30 {
        (state, tasks, _) = method.step(state, tasks).unwrap();
        let value = problem.value(&entries(&state.x));
        assert!(value < last);
        last = value;
    }
    println!(
        "MAID: {start:.2} at first, {last:.4} at last, gap {:.1e}",
        problem.gap(&entries(&state.x))
    );
    assert!(problem.gap(&entries(&state.x)) < 1e-2);
}

/// Π is applied after the step.
#[test]
fn steps_are_projected() {
    let method = hoag(Tracking { low: 0.5 }, 1.0, GEOMETRIC);
    let state = HoagState::<B, _>::new(shift(&[1.0, 1.0]));
    let tasks = vec![Tracking::task(&[2.0, -1.0])];
    let (state, ..) = method.run(state, tasks, Stop::after(200), &mut |_: &Report| ());
    assert!(length(&minus(&entries(&state.x), &[2.0, 0.5])) < 1e-2);
    assert!(entries(&state.x)[1] >= 0.5);
}
