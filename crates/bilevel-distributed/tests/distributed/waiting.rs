//! T5, T6 and T7: what asynchrony costs and gains, in virtual time.

use std::time::Duration;

use bilevel_distributed::communicator::{Fault, FaultKind, SimulationSettings, WorkerId};
use bilevel_distributed::{AdboSettings, Cuts, OnLoss, Participation, Stop, Stopped};

use crate::problems::{Scalar, at_zero};
use crate::{Outcome, asynchronous, lognormal, settings, simulate};

fn scalars(workers: usize) -> Vec<Scalar> {
    let scalar = |i| Scalar {
        a: 1.0 + f64::from(i) / 10.0,
        t: 1.0,
    };
    (0..workers as u32).map(scalar).collect()
}

/// No planes: their refresh is synchronous.
fn run(
    participation: Participation,
    workers: usize,
    simulation: SimulationSettings,
    stop: Stop,
) -> Outcome {
    let problems = scalars(workers);
    let base = settings(workers);
    let settings = AdboSettings {
        participation,
        cuts: Cuts {
            until: 0,
            ..base.cuts
        },
        ..base
    };
    simulate(settings, &problems, simulation, at_zero(&problems), stop)
}

fn stragglers(seed: u64) -> SimulationSettings {
    SimulationSettings {
        slowness: vec![4.0; 3],
        ..lognormal(seed)
    }
}

#[test]
fn nobody_is_later_than_tau() {
    let (workers, tau) = (18, 15);
    let outcome = run(
        asynchronous(workers, 9, Some(tau)),
        workers,
        stragglers(4),
        Stop::after(2000),
    );
    let reports = &outcome.reports;
    let stalest = reports.last().expect("iterations").stalest;
    let oldest = reports.iter().map(|report| report.staleness).max();
    eprintln!("largest counter {stalest}, oldest answer {oldest:?}");
    assert_eq!(stalest, tau - 1);
    assert_eq!(oldest, Some(tau));
    for window in reports.windows(tau) {
        for worker in 0..workers {
            let heard = window.iter().any(|report| report.active.contains(&worker));
            assert!(
                heard,
                "worker {worker} in iterations from {}",
                window[0].iteration
            );
        }
    }
    // Without the bound it would not hold by itself.
    let free = run(
        asynchronous(workers, 9, None),
        workers,
        stragglers(4),
        Stop::after(2000),
    );
    assert!(free.reports.last().expect("iterations").stalest >= tau);
}

/// Milliseconds an iteration, over six runs: one is off by some per cent.
fn pace(participation: Participation, workers: usize, slow: bool) -> f64 {
    let (runs, iterations) = (6, 2000);
    let time = |seed| {
        let delays = if slow {
            stragglers(seed)
        } else {
            lognormal(seed)
        };
        let outcome = run(participation, workers, delays, Stop::after(iterations));
        assert_eq!(outcome.stopped, Stopped::Iterations);
        let time = outcome.reports.last().expect("iterations").time;
        time.as_secs_f64() * 1e3 / iterations as f64
    };
    (0..runs).map(time).sum::<f64>() / runs as f64
}

/// Six to eight times less waiting. The numbers to be near to are those of one run each of a
/// program of a page.
#[test]
fn an_iteration_takes_less_time() {
    let table = [
        (18, 9, false, 34.7, 216.6),
        (18, 9, true, 49.5, 415.6),
        (24, 12, false, 36.7, 246.1),
        (24, 12, true, 52.0, 418.8),
    ];
    for (n, s, slow, expected, expected_of_all) in table {
        let some = pace(asynchronous(n, s, Some(15)), n, slow);
        let all = pace(Participation::synchronous(n), n, slow);
        eprintln!(
            "N {n} S {s} stragglers {slow}: {some:.1} ms, all {all:.1} ms, {:.1}x",
            all / some
        );
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 0.08;
        assert!(near(some, expected), "{some} ms, not {expected}");
        assert!(
            near(all, expected_of_all),
            "{all} ms, not {expected_of_all}"
        );
        assert!(all / some > if slow { 7.5 } else { 5.8 });
    }
}

/// One worker of six dies after two seconds. Nobody reports it unless there is a lease.
fn death(participation: Participation, lease: Option<Duration>) -> (usize, Outcome) {
    let at = Duration::from_secs(2);
    let simulation = SimulationSettings {
        faults: vec![Fault {
            at,
            worker: WorkerId(2),
            kind: FaultKind::Crash,
        }],
        lease,
        ..lognormal(8)
    };
    let stop = Stop {
        iterations: usize::MAX,
        time: Duration::from_secs(20),
    };
    let outcome = run(participation, 6, simulation, stop);
    let before = outcome.reports.iter().filter(|report| report.time <= at);
    (before.count(), outcome)
}

#[test]
fn an_unnoticed_death_stops_a_bounded_delay() {
    let after = |participation, lease| {
        let (before, outcome) = death(participation, lease);
        assert!(before > 10);
        (outcome.state.iteration - before, outcome.stopped)
    };
    let tau = 15;
    // What it had said before its death is still used.
    let (more, stopped) = after(Participation::synchronous(6), None);
    assert_eq!(stopped, Stopped::Time);
    assert!(more <= 1, "{more}");
    let (more, stopped) = after(asynchronous(6, 3, Some(tau)), None);
    assert_eq!(stopped, Stopped::Time);
    assert!((2..=tau).contains(&more), "{more}");
    let (more, _) = after(asynchronous(6, 3, None), None);
    assert!(more > 200, "{more}");
}

#[test]
fn a_noticed_death_stops_nobody() {
    let lease = Some(Duration::from_millis(500));
    let all_that_live = Participation {
        min_live: 5,
        ..Participation::synchronous(6)
    };
    for participation in [all_that_live, asynchronous(6, 3, Some(15))] {
        let (before, outcome) = death(participation, lease);
        let last = outcome.reports.last().expect("iterations");
        assert_eq!((outcome.stopped, last.live), (Stopped::Time, 5));
        assert!(outcome.state.iteration > before + 50);
    }
}

#[test]
fn the_run_ends_where_its_settings_say_so() {
    let lease = Some(Duration::from_millis(500));
    let abort = Participation {
        on_loss: OnLoss::Abort,
        ..asynchronous(6, 3, Some(15))
    };
    assert_eq!(death(abort, lease).1.stopped, Stopped::WorkerLost(2));
    let quorum_timeout = Duration::from_secs(3);
    let all = Participation {
        quorum_timeout,
        ..Participation::synchronous(6)
    };
    let (before, outcome) = death(all, lease);
    assert_eq!(outcome.stopped, Stopped::QuorumLost);
    assert!(outcome.state.iteration <= before + 1);
}
