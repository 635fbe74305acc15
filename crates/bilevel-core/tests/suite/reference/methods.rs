//! MAID and ISGD equal the reference.

use bilevel_core::algorithm::rule::Block;
use bilevel_core::{
    ConjugateGradient, DoubleBackward, GradientDescent, ImplicitDifferentiation, Isgd,
    IsgdSettings, Maid, MaidSettings, MaidState, Minibatches, Sampling, Schedule, State, Task,
    Tolerance,
};
use burn::optim::SgdConfig;

use super::problem::Setup;
use super::{distance, numbers, table};
use crate::B;
use crate::problems::shift;
use crate::upper_problems::entries;

const CG: ConjugateGradient = ConjugateGradient {
    max_steps: 50,
    tolerance: Tolerance::Relative(0.0),
};

fn descent(max_steps: usize) -> GradientDescent {
    GradientDescent {
        step_size: 0.3,
        max_steps,
        tolerance: Tolerance::Absolute(0.0),
    }
}

/// `x`, `y` and what else is in the rows of a method.
fn expected(method: &str) -> Vec<[Vec<f64>; 3]> {
    let rows = table("methods.tsv");
    let rows: Vec<_> = rows.iter().filter(|row| row[0] == method).collect();
    assert_eq!(rows.len(), 8, "{method}");
    let cells = |row: &&Vec<String>| [2, 3, 4].map(|column| numbers(&row[column]));
    rows.iter().map(cells).collect()
}

/// Smallest eigenvalue of the mean A and largest singular value of the mean B.
fn constants() -> [f64; 2] {
    let rows = table("problem.tsv");
    let row = rows.iter().find(|row| row[0] == "constants");
    let numbers = numbers(&row.expect("constants")[1]);
    [numbers[0], numbers[1]]
}

#[test]
fn maid_equals_an_independent_program() {
    let [mu, j] = constants();
    for (name, convex, step_size, accuracy) in
        [("MAID", false, 5.0, 1.0), ("MAID, convex", true, 0.01, 0.1)]
    {
        let setup = Setup::read().quadratic(mu, j);
        let settings = MaidSettings {
            convex,
            ..MaidSettings::default()
        };
        let lower = descent(100_000);
        let maid = Maid::new(setup.problem, lower, DoubleBackward, CG, settings).expect("valid");
        let mut state = MaidState {
            step_size,
            eps: accuracy,
            delta: accuracy,
            ..MaidState::<B, _>::new(shift(&setup.x))
        };
        let batch = setup.batch(Block::All, Block::All);
        let mut tasks = vec![Task::new(batch, shift(&setup.y))];
        for (step, [x, y, rest]) in expected(name).iter().enumerate() {
            let report;
            (state, tasks, report) = maid.step(state, tasks).expect("constants");
            assert_eq!(report.failure, None);
            let here = [
                state.eps,
                state.delta,
                state.step_size,
                report.rejected as f64,
                report.cost as f64,
            ];
            let off = [
                distance(&entries(&state.x), x),
                distance(&entries(&tasks[0].y), y),
                distance(&here, rest),
            ];
            let off = off.into_iter().fold(0.0, f64::max);
            assert!(off < 1e-12, "{name}, step {step}: off by {off:.1e}");
        }
    }
}

#[test]
fn isgd_equals_an_independent_program() {
    for (name, sampling, batch) in [
        ("ISGD", Sampling::Shuffled, 1),
        ("ISGD, batches of two", Sampling::Independent, 2),
    ] {
        let setup = Setup::read().quadratic(1.0, 1.0);
        let falling = |initial, power| Schedule::Polynomial { initial, power };
        let settings = IsgdSettings {
            batch,
            sampling,
            step_size: falling(0.3, 0.6),
            lower_accuracy: falling(0.1, 1.0),
            adjoint_accuracy: falling(0.1, 1.0),
            seed: 5,
        };
        let hypergradient = ImplicitDifferentiation {
            second_order: DoubleBackward,
            solver: ConjugateGradient {
                tolerance: Tolerance::Absolute(0.0),
                ..CG
            },
        };
        let isgd = Isgd::new(setup.problem, descent(200), hypergradient, settings).expect("valid");
        let mut state = State::<B, _, _>::new(shift(&setup.x), SgdConfig::new().init());
        let task = |i: usize| {
            let batch = setup.batch(Block::One(i), Block::One(i % 2));
            Task::new(batch, shift(&setup.y))
        };
        let mut tasks: Vec<_> = (0..3).map(task).collect();
        for (step, [x, y, drawn]) in expected(name).iter().enumerate() {
            let here: Vec<f64> = sampling
                .batch(3, batch, step, 5)
                .iter()
                .map(|&task| task as f64)
                .collect();
            assert_eq!(&here, drawn, "{name}, step {step}: the batch");
            let report;
            (state, tasks, report) = isgd.step(state, tasks);
            assert_eq!(report.failure, None);
            let ys: Vec<_> = tasks.iter().map(|task| entries(&task.y)).collect();
            let off = distance(&entries(&state.x), x).max(distance(&ys.concat(), y));
            assert!(off < 1e-12, "{name}, step {step}: off by {off:.1e}");
        }
    }
}
