//! T1 and T8: the scalar consensus problem, against its closed form.
//!
//! With `h ≤ ε` the best value is `min_v ½ (‖t − 1.5 v‖ − √ε)² + ½ v²`, the norm over both workers.

use bilevel_distributed::{AdboSettings, Cuts, EstimateSettings, Prune, Steps, Stop, Stopped};

use crate::problems::{PAIR, at_zero};
use crate::{asynchronous, lognormal, settings, simulate};
use bilevel_distributed::communicator::SimulationSettings;

/// With two hundred rounds the estimate is the lower solution.
fn toy(epsilon: f64, most: usize, prune: Prune, lambda: f64) -> AdboSettings {
    let base = settings(2);
    AdboSettings {
        steps: Steps {
            lambda,
            ..base.steps
        },
        estimate: EstimateSettings {
            rounds: 200,
            ..base.estimate
        },
        cuts: Cuts {
            epsilon,
            most,
            prune,
            ..base.cuts
        },
        ..base
    }
}

/// v and F of the relaxed problem, by golden section on its closed form.
fn closed_form(epsilon: f64) -> (f64, f64) {
    let value = |v: f64| {
        let norm = ((1.0 - 1.5 * v).powi(2) + (3.0 - 1.5 * v).powi(2)).sqrt();
        (norm - epsilon.sqrt()).powi(2) / 2.0 + v * v / 2.0
    };
    let (mut low, mut high) = (0.0, 2.0);
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    for _ in 0..80 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if value(a) < value(b) {
            high = b;
        } else {
            low = a;
        }
    }
    (low, value(low))
}

#[test]
fn the_closed_form_is_that_of_the_paper_trail() {
    let near = |epsilon, v: f64, f: f64| {
        let found = closed_form(epsilon);
        assert!(
            (found.0 - v).abs() < 1e-6 && (found.1 - f).abs() < 1e-6,
            "{found:?}"
        );
    };
    near(0.0, 1.090_909_1, 1.727_272_7);
    near(1e-2, 1.077_070_4, 1.581_289_7);
    near(1e-4, 1.089_584_7, 1.712_269_8);
}

/// Fewer planes than the curvature of the set needs leave a larger set: with ε = 10⁻⁴ two hundred
/// do.
#[test]
fn the_optimum_of_the_relaxed_problem_is_found() {
    let table = [
        (1e-2, 2000, 1e-3),
        (1e-2, 50, 1e-3),
        (1e-4, 2000, 1e-3),
        (1e-4, 200, 5e-3),
    ];
    for (epsilon, most, tolerance) in table {
        let run = simulate(
            toy(epsilon, most, Prune::Never, 0.5),
            &PAIR,
            SimulationSettings::ideal(),
            at_zero(&PAIR),
            Stop::after(20_000),
        );
        assert_eq!(run.stopped, Stopped::Iterations);
        let (v, f) = closed_form(epsilon);
        let loss = run.state.upper_loss().expect("all were heard");
        let mut h = run.reports.iter().filter_map(|report| report.distance);
        let h = h.next_back().expect("planes were refreshed");
        eprintln!(
            "ε {epsilon:e} M {most}: v {:.6} ({v:.6}) F {loss:.6} ({f:.6}) h {h:.3e} planes {}",
            run.state.v[0],
            run.state.planes.len()
        );
        assert!((run.state.v[0] - v).abs() < tolerance);
        assert!((loss - f).abs() < tolerance);
        assert!(h > 0.9 * epsilon && h < 2.0 * epsilon);
    }
}

/// The same optimum where only one of the two is waited for and delays are random; steps have to be
/// smaller.
#[test]
fn asynchrony_does_not_move_the_optimum() {
    let epsilon = 1e-2;
    let base = toy(epsilon, 200, Prune::Never, 0.02);
    let small = 0.02;
    let settings = AdboSettings {
        steps: Steps {
            x: small,
            y: small,
            v: small,
            z: small,
            theta: small,
            ..base.steps
        },
        estimate: EstimateSettings {
            rounds: 60,
            ..base.estimate
        },
        participation: asynchronous(2, 1, Some(15)),
        ..base
    };
    let stop = Stop::after(40_000);
    let run = simulate(settings, &PAIR, lognormal(1), at_zero(&PAIR), stop);
    let (v, _) = closed_form(epsilon);
    eprintln!("S = 1 of 2: v {:.6} ({v:.6})", run.state.v[0]);
    assert!((run.state.v[0] - v).abs() < 1e-3);
    let alone = run.reports.iter().filter(|report| report.active.len() == 1);
    assert!(alone.count() > 20_000);
}

/// T8: rules that remove planes keep fewer of them and the same optimum.
///
/// Where multipliers rise five times faster the first planes, made far from the set, throw the
/// point across it; kept they hold it, removed they do not, and the run diverges.
#[test]
fn pruning_removes_planes_and_not_the_optimum() {
    let run = |prune| {
        simulate(
            toy(1e-2, 2000, prune, 0.1),
            &PAIR,
            SimulationSettings::ideal(),
            at_zero(&PAIR),
            Stop::after(10_000),
        )
        .state
    };
    let all = run(Prune::Never);
    assert!(all.planes.len() < 2000, "all are kept");
    let idle = |state: &bilevel_distributed::AdboState| {
        let planes = state.planes.as_slice().iter();
        planes.filter(|plane| plane.lambda <= 0.0).count()
    };
    assert!(idle(&all) > 0, "nothing to remove");
    for prune in [Prune::IdleTwice, Prune::Below(1e-10)] {
        let some = run(prune);
        eprintln!(
            "{prune:?}: {} planes, {} idle, v {:.6} ({:.6})",
            some.planes.len(),
            idle(&some),
            some.v[0],
            all.v[0]
        );
        assert!(some.planes.len() < all.planes.len());
        // The newest begins at 0.
        assert!(idle(&some) <= 1);
        assert!((some.v[0] - all.v[0]).abs() < 1e-3);
    }
}
