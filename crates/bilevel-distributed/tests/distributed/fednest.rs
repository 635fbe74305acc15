//! The federated baseline against central differences of the solved problem.

use bilevel_distributed::{FedNest, FedNestSettings, FedNestState, LocalProblem};

use crate::problems::Bent;

const WORKERS: usize = 4;

/// `y*(x)` of the mean of the lower losses.
fn solved(problems: &[Bent], x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; 3];
    for _ in 0..3000 {
        let gradients: Vec<_> = problems.iter().map(|p| p.lower_gradient(x, &y)).collect();
        for (j, y) in y.iter_mut().enumerate() {
            *y -= 0.1 * gradients.iter().map(|g| g[j]).sum::<f64>() / WORKERS as f64;
        }
    }
    y
}

/// `mean Gᵢ(x, y*(x))`.
fn value(problems: &[Bent], x: &[f64]) -> f64 {
    let y = solved(problems, x);
    let losses = problems.iter().map(|p| p.upper_gradients(x, &y).loss);
    losses.sum::<f64>() / WORKERS as f64
}

/// With one local step and y solved, a round is a step along the hypergradient.
#[test]
fn a_round_steps_along_the_hypergradient() {
    let problems = Bent::several(WORKERS, 2, 3, 71);
    let step = 1e-3;
    let fednest = FedNest::new(FedNestSettings {
        upper_step: step,
        lower_step: 0.1,
        lower_rounds: 1,
        local_steps: 1,
        terms: 400,
        series_step: 0.2,
    })
    .expect("settings");
    let x = vec![0.3, -0.4];
    let y = solved(&problems, &x);
    let mut state = FedNestState { x: x.clone(), y };
    assert!(fednest.round(&problems, &mut state));
    for j in 0..2 {
        let shifted = |by: f64| {
            let mut x = x.clone();
            x[j] += by;
            value(&problems, &x)
        };
        let difference = (shifted(1e-4) - shifted(-1e-4)) / 2e-4;
        let found = (x[j] - state.x[j]) / step;
        assert!(difference.abs() > 1e-2);
        assert!(
            (found - difference).abs() < 1e-6,
            "{found} is not {difference}"
        );
    }
}

/// Local steps of different workers disagree, and what they settle on is a stationary point all the
/// same.
#[test]
fn local_steps_do_not_move_the_optimum() {
    let problems = Bent::several(WORKERS, 2, 3, 72);
    let fednest = FedNest::new(FedNestSettings {
        upper_step: 0.05,
        lower_step: 0.1,
        lower_rounds: 10,
        local_steps: 5,
        terms: 200,
        series_step: 0.2,
    })
    .expect("settings");
    let mut state = FedNestState {
        x: vec![1.0, 1.0],
        y: vec![0.0; 3],
    };
    for _ in 0..600 {
        assert!(fednest.round(&problems, &mut state));
    }
    let least = value(&problems, &state.x);
    assert!(value(&problems, &[1.0, 1.0]) > least + 1e-2);
    for j in 0..2 {
        let shifted = |by: f64| {
            let mut x = state.x.clone();
            x[j] += by;
            value(&problems, &x)
        };
        let slope = (shifted(1e-4) - shifted(-1e-4)) / 2e-4;
        assert!(slope.abs() < 1e-5, "{slope}");
    }
}

#[test]
fn a_round_that_is_not_finite_is_not_taken() {
    let problems = Bent::several(WORKERS, 2, 3, 73);
    let fednest = FedNest::new(FedNestSettings {
        upper_step: 1e308,
        lower_step: 0.1,
        lower_rounds: 1,
        local_steps: 3,
        terms: 3,
        series_step: 0.2,
    })
    .expect("settings");
    let start = FedNestState {
        x: vec![1.0, 1.0],
        y: vec![0.0; 3],
    };
    let mut state = start.clone();
    assert!(!fednest.round(&problems, &mut state));
    assert_eq!(state, start);
}
