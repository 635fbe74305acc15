//! SOBA against closed forms.

use bilevel_core::{DoubleBackward, FullBatch, Oracle, ProblemOracle, Run, Schedule, Soba};
use double_precision::in_single_precision;

use crate::closed_forms::Coupled;
use crate::rules::Halves;
use crate::{B, length, minus, rows, saved_and_loaded};

/// E6: on all samples its fixed point is the optimum.
#[test]
fn it_ends_at_the_optimum() {
    let at = Coupled::random(4.0, 5).setup::<B>(&[0.0; 4], &[0.0; 5]);
    let oracle = ProblemOracle::<B, _, _, _>::new(
        at.problem,
        DoubleBackward,
        FullBatch(at.batch),
        at.x,
        at.y,
    );
    let soba = Soba::new(Schedule::Constant(0.4), Schedule::Constant(0.01)).expect("valid");
    let run = Run::new(soba, &oracle, 0);
    let (state, failure) = run.run(run.start(oracle.first()), 7000, &mut |_| ());
    assert_eq!(failure, None);
    let x = rows(&state.at.x).remove(0);
    let gradient = length(&Coupled::random(4.0, 5).exact(&x));
    assert!(gradient < 1e-8, "{gradient}");
    let y = rows(&state.at.y).remove(0);
    assert!(length(&minus(&y, &Coupled::random(4.0, 5).solution(&x))) < 1e-8);
    let calls = oracle.calls();
    assert_eq!((calls.lower_gradients, calls.upper_gradients), (7000, 7000));
    assert_eq!((calls.hessian_products, calls.cross_products), (7000, 7000));
}

/// With random blocks a constant step leaves noise, whose mean square falls in proportion to the
/// step.
#[test]
fn random_blocks_leave_noise_that_falls_with_the_step() {
    let noise = |step: f64| {
        // The optimum is at 0: where both steps begin.
        let mut problem = Coupled::random(4.0, 5);
        problem.c = problem.solution(&[0.0; 4]);
        let start = problem.c.clone();
        let at = problem.setup::<B>(&[0.0; 4], &start);
        let samples = Halves {
            batch: at.batch,
            spread: 0.3,
        };
        let oracle = ProblemOracle::new(at.problem, DoubleBackward, samples, at.x, at.y);
        let soba =
            Soba::new(Schedule::Constant(step), Schedule::Constant(step / 20.0)).expect("valid");
        let run = Run::new(soba, &oracle, 7);
        let (warm_up, steps) = (500, 2500);
        let mut sum = 0.0;
        let (_, failure) = run.run(run.start(oracle.first()), steps, &mut |state| {
            if state.step > warm_up {
                sum += length(&rows(&state.at.x)[0]).powi(2);
            }
        });
        assert_eq!(failure, None);
        (sum / (steps - warm_up) as f64).sqrt()
    };
    let (long, short) = (noise(0.2), noise(0.05));
    assert!(long < 0.5, "{long}");
    assert!(short < 0.75 * long && short > 0.1 * long, "{short} {long}");
}

/// A run that goes on draws the blocks that it would have drawn.
#[test]
fn it_resumes_with_the_same_bits() {
    in_single_precision(|| {
        let at = Coupled::random(4.0, 5).setup::<B>(&[0.0; 4], &[0.0; 5]);
        let samples = Halves {
            batch: at.batch,
            spread: 0.3,
        };
        let oracle = ProblemOracle::new(at.problem, DoubleBackward, samples, at.x, at.y);
        let soba = Soba::new(Schedule::Constant(0.2), Schedule::Constant(0.01)).expect("valid");
        let run = Run::new(soba, &oracle, 3);
        let (half, _) = run.run(run.start(oracle.first()), 7, &mut |_| ());
        let (end, _) = run.run(saved_and_loaded(half), 20, &mut |_| ());
        let (whole, _) = run.run(run.start(oracle.first()), 20, &mut |_| ());
        assert_eq!(rows(&end.at.x), rows(&whole.at.x));
        assert_eq!(rows(&end.memory.q), rows(&whole.memory.q));
    });
}
