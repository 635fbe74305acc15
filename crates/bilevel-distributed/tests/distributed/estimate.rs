//! T3: the gradient of `h` through K rounds, against central differences.

use bilevel_distributed::{EstimateSettings, Lower, Relaxation};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::problems::{Bent, normals};

const WORKERS: usize = 3;
const UPPER: usize = 2;
const LOWER: usize = 4;

/// `v`, where `h` is looked at, and where the rounds begin: another place.
fn points(seed: u64) -> (Vec<f64>, Lower, Lower) {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let v = normals(1, UPPER, rng).remove(0);
    let mut lower = || Lower {
        y: normals(WORKERS, LOWER, rng),
        z: normals(1, LOWER, rng).remove(0),
    };
    (v, lower(), lower())
}

#[test]
fn the_gradient_of_h_is_that_of_differences() {
    let problems = Bent::several(WORKERS, UPPER, LOWER, 5);
    for rounds in [1, 2, 3, 10] {
        let settings = EstimateSettings {
            rounds,
            lower_step: 0.11,
            consensus_step: 0.13,
            multiplier_step: 0.17,
            penalty: 0.7,
        };
        let (v, at, start) = points(rounds as u64);
        let of = |v: &[f64], at: &Lower| {
            Relaxation::of(&settings, &problems, v, at, start.clone()).value
        };
        let h = Relaxation::of(&settings, &problems, &v, &at, start.clone());
        let step = 1e-5;
        let check = |name: &str, exact: f64, change: &dyn Fn(&mut Vec<f64>, &mut Lower, f64)| {
            let shifted = |by: f64| {
                let (mut v, mut at) = (v.clone(), at.clone());
                change(&mut v, &mut at, by);
                of(&v, &at)
            };
            let difference = (shifted(step) - shifted(-step)) / (2.0 * step);
            let error = (exact - difference).abs() / (1.0 + difference.abs());
            assert!(
                error < 1e-8,
                "{name}, {rounds} rounds: {exact} is not {difference}"
            );
        };
        assert!(
            h.v.iter().all(|entry| entry.abs() > 1e-4),
            "a gradient to be seen"
        );
        for j in 0..UPPER {
            check("v", h.v[j], &|v, _, by| v[j] += by);
        }
        for j in 0..LOWER {
            check("z", h.lower.z[j], &|_, at, by| at.z[j] += by);
            for i in 0..WORKERS {
                check("y", h.lower.y[i][j], &|_, at, by| at.y[i][j] += by);
            }
        }
    }
}

/// Many rounds end at the lower solution: all y equal z, and the gradients sum to zero.
#[test]
fn many_rounds_solve_the_lower_problem() {
    use bilevel_distributed::LocalProblem;
    let problems = Bent::several(WORKERS, UPPER, LOWER, 6);
    let settings = EstimateSettings {
        rounds: 4000,
        lower_step: 0.1,
        consensus_step: 0.1,
        multiplier_step: 0.1,
        penalty: 1.0,
    };
    let (v, _, start) = points(9);
    // The gradient of h at 0 is twice the way to the estimate.
    let origin = Lower {
        y: vec![vec![0.0; LOWER]; WORKERS],
        z: vec![0.0; LOWER],
    };
    let h = Relaxation::of(&settings, &problems, &v, &origin, start);
    let z: Vec<f64> = h.lower.z.iter().map(|g| -g / 2.0).collect();
    let mut sum = vec![0.0; LOWER];
    for (problem, y) in problems.iter().zip(&h.lower.y) {
        let y: Vec<f64> = y.iter().map(|g| -g / 2.0).collect();
        for (y, z) in y.iter().zip(&z) {
            assert!((y - z).abs() < 1e-9);
        }
        for (sum, g) in sum.iter_mut().zip(problem.lower_gradient(&v, &y)) {
            *sum += g;
        }
    }
    assert!(sum.iter().all(|g| g.abs() < 1e-8), "{sum:?}");
}
