//! T4: S = N is the sequential method, bit by bit.

use bilevel_distributed::communicator::SimulationSettings;
use bilevel_distributed::message::Precision;
use bilevel_distributed::{Adbo, AdboSettings, LocalProblem, Regularization, Sdbo, Stop};

use crate::problems::{Bent, at_zero, product};
use crate::{asynchronous, lognormal, run_in_threads, run_over, settings, simulate};

const ITERATIONS: usize = 200;

fn setup() -> (AdboSettings, Vec<Bent>) {
    let base = settings(3);
    let settings = AdboSettings {
        lambda_regularization: Regularization::Falling { floor: 0.01 },
        theta_regularization: Regularization::Constant(0.02),
        ..base
    };
    (settings, Bent::several(3, 2, 4, 11))
}

#[expect(
    clippy::needless_range_loop,
    reason = "as one writes it down, index by index"
)]
/// The method as one writes it down, with K = 1: v, z, `{xᵢ}`, `{yᵢ}`, `{λ_l}`.
fn sequential(s: &AdboSettings, problems: &[Bent]) -> (Vec<Vec<f64>>, usize) {
    struct Cut {
        a: Vec<f64>,
        b: Vec<Vec<f64>>,
        c: Vec<f64>,
        kappa: f64,
        lambda: f64,
        idle: usize,
    }
    let (n, m, count) = (2, 4, problems.len());
    let (mut v, mut z) = (vec![0.0; n], vec![0.0; m]);
    let mut x = vec![vec![0.0; n]; count];
    let mut y = vec![vec![0.0; m]; count];
    let mut theta = vec![vec![0.0; n]; count];
    let mut cuts: Vec<Cut> = Vec::new();
    let mut removed = 0;
    for t in 0..ITERATIONS {
        for i in 0..count {
            let gradients = problems[i].upper_gradients(&x[i], &y[i]);
            for j in 0..n {
                x[i][j] -= s.steps.x * (gradients.x[j] + theta[i][j]);
            }
            for j in 0..m {
                let mut g = gradients.y[j];
                for cut in &cuts {
                    g += cut.lambda * cut.b[i][j];
                }
                y[i][j] -= s.steps.y * g;
            }
        }
        for j in 0..n {
            let mut g = 0.0;
            for cut in &cuts {
                g += cut.lambda * cut.a[j];
            }
            for theta in &theta {
                g -= theta[j];
            }
            v[j] -= s.steps.v * g;
        }
        for j in 0..m {
            let mut g = 0.0;
            for cut in &cuts {
                g += cut.lambda * cut.c[j];
            }
            z[j] -= s.steps.z * g;
        }
        let c1 = s.lambda_regularization.at(t, s.steps.lambda);
        let c2 = s.theta_regularization.at(t, s.steps.theta);
        for cut in &mut cuts {
            let of_y: f64 = (0..count).map(|i| product(&cut.b[i], &y[i])).sum();
            let value = product(&cut.a, &v) + of_y + product(&cut.c, &z) + cut.kappa;
            cut.lambda = (cut.lambda + s.steps.lambda * (value - c1 * cut.lambda)).max(0.0);
            cut.idle = if cut.lambda > 0.0 { 0 } else { cut.idle + 1 };
        }
        for i in 0..count {
            for j in 0..n {
                theta[i][j] += s.steps.theta * (x[i][j] - v[j] - c2 * theta[i][j]);
            }
        }
        if (t + 1) % s.cuts.every == 0 {
            let e = &s.estimate;
            let before = cuts.len();
            cuts.retain(|cut| cut.idle < 2);
            removed += before - cuts.len();
            let step = |i: usize| -> Vec<f64> {
                let g = problems[i].lower_gradient(&v, &y[i]);
                let entry =
                    |j: usize| y[i][j] - e.lower_step * (g[j] + 0.0 + e.penalty * (y[i][j] - z[j]));
                (0..m).map(entry).collect()
            };
            let phi: Vec<Vec<f64>> = (0..count).map(step).collect();
            let mut phi_z = z.clone();
            for j in 0..m {
                let mut g = 0.0;
                for phi in &phi {
                    g += e.multiplier_step * (phi[j] - z[j]);
                    g += e.penalty * (phi[j] - z[j]);
                }
                phi_z[j] += e.consensus_step * g;
            }
            let b: Vec<Vec<f64>> = (0..count)
                .map(|i| (0..m).map(|j| 2.0 * (y[i][j] - phi[i][j])).collect())
                .collect();
            let c: Vec<f64> = (0..m).map(|j| 2.0 * (z[j] - phi_z[j])).collect();
            let square = |u: &[f64], w: &[f64]| -> f64 {
                u.iter().zip(w).map(|(u, w)| (u - w) * (u - w)).sum()
            };
            let h = (0..count).map(|i| square(&y[i], &phi[i])).sum::<f64>() + square(&z, &phi_z);
            if h > s.cuts.epsilon {
                let mut a = vec![0.0; n];
                for i in 0..count {
                    let w = |j: usize| {
                        let of_phi = e.consensus_step * -c[j];
                        let of_y = -b[i][j] + e.consensus_step * e.penalty * -c[j];
                        of_y + e.multiplier_step * of_phi
                    };
                    let w: Vec<f64> = (0..m).map(w).collect();
                    let cross = problems[i].lower_products(&v, &y[i], &w).cross;
                    for j in 0..n {
                        a[j] -= e.lower_step * cross[j];
                    }
                }
                let of_y: f64 = (0..count).map(|i| product(&b[i], &y[i])).sum();
                let kappa = h - product(&a, &v) - of_y - product(&c, &z) - s.cuts.epsilon;
                let (lambda, idle) = (0.0, 0);
                cuts.push(Cut {
                    a,
                    b,
                    c,
                    kappa,
                    lambda,
                    idle,
                });
            }
        }
    }
    let lambda = cuts.iter().map(|cut| cut.lambda).collect();
    let all = [vec![v, z], x, y, vec![lambda]].concat();
    (all, removed)
}

fn bits(vectors: &[Vec<f64>]) -> Vec<u64> {
    vectors.iter().flatten().map(|v| v.to_bits()).collect()
}

fn all(state: &bilevel_distributed::AdboState) -> Vec<Vec<f64>> {
    let x = state.workers.iter().map(|worker| worker.x.clone());
    let y = state.workers.iter().map(|worker| worker.y.clone());
    let ends = [state.v.clone(), state.z.clone()].into_iter();
    ends.chain(x)
        .chain(y)
        .chain([state.planes.lambda()])
        .collect()
}

#[test]
fn all_of_n_is_the_sequential_method() {
    let (settings, problems) = setup();
    let (sequential, _) = sequential(&settings, &problems);
    let lambda = sequential.last().expect("multipliers");
    assert!(
        lambda.iter().any(|&lambda| lambda > 1e-3),
        "planes that matter"
    );
    let stop = Stop::after(ITERATIONS);
    let ideal = SimulationSettings::ideal();
    let simulated = simulate(settings, &problems, ideal, at_zero(&problems), stop);
    assert_eq!(bits(&all(&simulated.state)), bits(&sequential), "simulated");
    // Delays change who comes first and nothing else.
    let delayed = simulate(settings, &problems, lognormal(3), at_zero(&problems), stop);
    assert_eq!(bits(&all(&delayed.state)), bits(&sequential), "delayed");
    let adbo = Adbo::new(settings, 3).expect("settings");
    let threads = run_in_threads(&adbo, &problems, |c| c, at_zero(&problems), stop);
    assert_eq!(bits(&all(&threads.state)), bits(&sequential), "threads");
}

#[test]
fn sdbo_waits_for_all() {
    let (settings, problems) = setup();
    let (sequential, _) = sequential(&settings, &problems);
    let settings = AdboSettings {
        participation: asynchronous(3, 1, Some(9)),
        ..settings
    };
    let sdbo = Sdbo::new(settings, 3).expect("settings");
    let stop = Stop::after(ITERATIONS);
    let run = run_in_threads(sdbo.as_adbo(), &problems, |c| c, at_zero(&problems), stop);
    assert_eq!(bits(&all(&run.state)), bits(&sequential));
    let mut none =
        bilevel_distributed::communicator::Simulated::new(SimulationSettings::ideal(), 3, |w| {
            bilevel_distributed::Worker::new(&problems[w.index()])
        })
        .expect("a simulation");
    let direct = run_over(&mut none, sdbo.as_adbo(), at_zero(&problems), stop);
    assert!(
        direct
            .reports
            .iter()
            .all(|report| report.active == [0, 1, 2])
    );
}

/// In single precision a run is near, not equal; both sides know the same numbers.
#[test]
fn single_precision_is_near() {
    let (settings, problems) = setup();
    let (sequential, _) = sequential(&settings, &problems);
    let single = AdboSettings {
        precision: Precision::Single,
        ..settings
    };
    let stop = Stop::after(ITERATIONS);
    let ideal = SimulationSettings::ideal();
    let run = simulate(single, &problems, ideal, at_zero(&problems), stop);
    let far: f64 = (run.state.v.iter().zip(&sequential[0]))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    eprintln!("single precision: off by {far:.1e}");
    assert!(far > 0.0 && far < 1e-4, "{far:e}");
    assert!(
        run.state.workers[0]
            .x
            .iter()
            .all(|&x| f64::from(x as f32).to_bits() == x.to_bits())
    );
}
