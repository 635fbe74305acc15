//! T1 and T8: the scalar consensus problem, against its closed form.
//!
//! With `h ≤ ε` the best value is `min_v ½ (‖t − 1.5 v‖ − √ε)² + ½ v²`, the norm over both workers.

use bilevel_distributed::{
    AdboSettings, Cuts, EstimateSettings, Participation, Prune, Stop, Stopped,
};

use crate::problems::{PAIR, at_zero};
use crate::{asynchronous, lognormal, settings, simulate};
use bilevel_distributed::communicator::SimulationSettings;

fn toy(epsilon: f64, most: usize, prune: Prune) -> AdboSettings {
    let base = settings(2);
    AdboSettings {
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
        assert!((found.0 - v).abs() < 1e-6 && (found.1 - f).abs() < 1e-6, "{found:?}");
    };
    near(0.0, 1.090_909_1, 1.727_272_7);
    near(1e-2, 1.077_070_4, 1.581_289_7);
    near(1e-4, 1.089_584_7, 1.712_269_8);
}

#[test]
fn the_optimum_of_the_relaxed_problem_is_found() {
    for (epsilon, most) in [(1e-2, 50), (1e-2, 200), (1e-4, 50), (1e-4, 200)] {
        let run = simulate(
            toy(epsilon, most, Prune::IdleTwice),
            &PAIR,
            SimulationSettings::ideal(),
            at_zero(&PAIR),
            Stop::after(20_000),
        );
        assert_eq!(run.stopped, Stopped::Iterations);
        let (v, f) = closed_form(epsilon);
        let loss = run.state.upper_loss().expect("all were heard");
        let h = run.reports.iter().filter_map(|report| report.distance).last();
        let h = h.expect("planes were refreshed");
        eprintln!(
            "ε {epsilon:e} M {most}: v {:.6} ({v:.6}) F {loss:.6} ({f:.6}) h {h:.3e} planes {}",
            run.state.v[0],
            run.state.planes.len()
        );
        assert!((run.state.v[0] - v).abs() < 1e-3);
        assert!((loss - f).abs() < 1e-3);
        assert!((h - epsilon).abs() < 0.1 * epsilon);
    }
}

/// The same optimum where only one of the two is waited for, and delays are random.
#[test]
fn asynchrony_does_not_move_the_optimum() {
    let epsilon = 1e-2;
    let run = simulate(
        AdboSettings {
            participation: asynchronous(2, 1, Some(15)),
            ..toy(epsilon, 50, Prune::IdleTwice)
        },
        &PAIR,
        lognormal(1),
        at_zero(&PAIR),
        Stop::after(20_000),
    );
    let (v, _) = closed_form(epsilon);
    eprintln!("v {:.6} ({v:.6})", run.state.v[0]);
    assert!((run.state.v[0] - v).abs() < 5e-3);
    let alone = run.reports.iter().filter(|report| report.active.len() == 1);
    assert!(alone.count() > 10_000);
}

/// T8: rules that remove planes keep fewer of them and the same optimum.
#[test]
fn pruning_removes_planes_and_not_the_optimum() {
    let run = |prune| {
        simulate(
            AdboSettings {
                participation: Participation::synchronous(2),
                ..toy(1e-2, 400, prune)
            },
            &PAIR,
            SimulationSettings::ideal(),
            at_zero(&PAIR),
            Stop::after(8_000),
        )
        .state
    };
    let all = run(Prune::Never);
    assert_eq!(all.planes.len(), 400);
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
        assert!(some.planes.len() < 400);
        // The newest begins at 0.
        assert!(idle(&some) <= 1);
        assert!((some.v[0] - all.v[0]).abs() < 2e-3);
    }
}
