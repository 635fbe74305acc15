//! Solvers that seldom read from the device: the same numbers, fewer reads.

use bilevel_core::vector::reads;
use bilevel_core::{
    Accelerated, ConjugateGradient, FixedLipschitz, GradientDescent, LinearSolver, LowerSolver,
    Minres, ReadEvery, Richardson, Solution, Status, Tolerance, Vector,
};

use crate::matrices::{Blocks, Symmetric, numbers};
use crate::problems::{Quadratic, Setup};
use crate::{B, generator, relative_error, rows, vector};

/// Two systems, of which the first needs many steps and the second few.
fn systems() -> (Blocks<B>, Vec<Vec<f64>>) {
    let rng = &mut generator(3);
    let matrices = [
        Symmetric::positive(20, 1.0, 100.0, rng),
        Symmetric::positive(20, 1.0, 1.5, rng),
    ];
    let right = (0..2).map(|_| numbers(20, rng)).collect();
    (Blocks::new(&matrices), right)
}

/// What a solver gives, and how often it reads.
fn solve(solver: &dyn LinearSolver<B>) -> (Solution<Vector<B>>, usize) {
    let (a, b) = systems();
    let before = reads();
    let solution = solver.solve(&a, vector(&b), None);
    (solution, reads() - before)
}

/// At every interval: those that divide the number of steps, those that do not, and none.
#[test]
fn rows_at_their_goal_stand_still() {
    let (max_steps, tolerance) = (40, 1e-6);
    let cg = ConjugateGradient {
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    let minres = Minres {
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    let (one, all) = (solve(&cg), solve(&minres));
    assert!(
        one.0.steps > 10 && all.0.steps > 10,
        "{} {}",
        one.0.steps,
        all.0.steps
    );
    for steps in [0, 2, 3, 7, 1000] {
        let few = solve(&ReadEvery { steps, solver: cg });
        assert_eq!(rows(&few.0.value), rows(&one.0.value), "every {steps}");
        assert_eq!(
            (few.0.status, few.0.steps),
            (Status::Converged, one.0.steps)
        );
        assert!(few.1 < one.1, "{} reads, {} at every step", few.1, one.1);
        let few = solve(&ReadEvery {
            steps,
            solver: minres,
        });
        assert_eq!(rows(&few.0.value), rows(&all.0.value), "every {steps}");
        assert_eq!(few.0.steps, all.0.steps);
        assert!(few.1 < all.1);
    }
}

/// Steps of a solve over the interval, and a few.
#[test]
fn reads_are_few() {
    let solver = ConjugateGradient {
        max_steps: 15,
        tolerance: Tolerance::Relative(0.0),
    };
    let every = |steps| solve(&ReadEvery { steps, solver }).1;
    // Before the first step three, at the end of it all one, and one at every fifth of fifteen steps.
    assert_eq!(every(5), 3 + 4);
    assert_eq!(every(1), 15 + 4);
    assert_eq!(every(0), 1 + 4);
}

#[test]
fn failures_are_found_at_the_next_read() {
    let (max_steps, tolerance) = (12, 1e-9);
    let cg = ConjugateGradient {
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    let minres = Minres {
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    let richardson = Richardson {
        step_size: 1.0,
        max_steps,
        tolerance: Tolerance::Relative(tolerance),
    };
    let b = || vector::<B>(&[vec![1.0, 2.0]]);
    let nan = |v: Vector<B>| v * f64::NAN;
    let negative = |v: Vector<B>| -v;
    let growing = |v: Vector<B>| v * 3.0;
    let steps = 5;
    let cg = ReadEvery { steps, solver: cg };
    let minres = ReadEvery {
        steps,
        solver: minres,
    };
    let richardson = ReadEvery {
        steps,
        solver: richardson,
    };
    assert_eq!(cg.solve(&nan, b(), None).status, Status::NonFinite);
    assert_eq!(minres.solve(&nan, b(), None).status, Status::NonFinite);
    let broken = cg.solve(&negative, b(), None);
    assert_eq!((broken.status, broken.steps), (Status::Breakdown, 0));
    let diverged = richardson.solve(&growing, b(), None);
    assert_eq!(diverged.status, Status::Diverged);
    assert_eq!(rows(&diverged.value), [[0.0, 0.0]]);
}

/// Lower solvers go on until the next read.
#[test]
fn lower_solvers_end_at_a_read() {
    let rng = &mut generator(4);
    let a = Symmetric::positive(6, 1.0, 10.0, rng);
    let setup = Setup::quadratic(&[a], &[numbers(6, rng)], &[vec![0.0; 6]]);
    check(&setup, &|steps| {
        let solver = GradientDescent {
            step_size: 0.1,
            max_steps: 1000,
            tolerance: Tolerance::Absolute(1e-6),
        };
        Box::new(ReadEvery { steps, solver })
    });
    check(&setup, &|steps| {
        let solver = Accelerated {
            smoothness: FixedLipschitz(10.0),
            strong_convexity: 1.0,
            max_steps: 1000,
            tolerance: Tolerance::Absolute(1e-6),
        };
        Box::new(ReadEvery { steps, solver })
    });
}

fn check(setup: &Setup<Quadratic>, solver: &dyn Fn(usize) -> Box<dyn LowerSolver<B, Quadratic>>) {
    let solve = |steps| {
        let before = reads();
        let solution = solver(steps).solve(setup.point());
        (solution, reads() - before)
    };
    let (every, many) = solve(1);
    let (seldom, few) = solve(8);
    assert_eq!(seldom.status, Status::Converged);
    assert_eq!(seldom.steps, every.steps.next_multiple_of(8));
    assert!(seldom.residual <= every.residual);
    assert!(few <= many / 8 + 3, "{few} reads, {many} at every step");
    let [seldom, every] = [seldom, every].map(|y| vector::<B>(&setup.rows(&y)));
    let distance = relative_error(&seldom, &every);
    assert!(distance < 1e-5, "{distance}");
}
