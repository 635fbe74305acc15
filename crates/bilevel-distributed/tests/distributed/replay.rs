//! Given the log, the iterates are the same bits.

use std::time::Duration;

use bilevel_distributed::communicator::{Fault, FaultKind, Replay, SimulationSettings, WorkerId};
use bilevel_distributed::{Adbo, AdboSettings, Arrival, OnLoss, Participation, Stop};

use crate::problems::{Bent, at_zero};
use crate::{Outcome, asynchronous, lognormal, run_in_threads, settings, simulate};

const WORKERS: usize = 5;

fn adbo(on_loss: OnLoss) -> AdboSettings {
    AdboSettings {
        participation: Participation {
            on_loss,
            ..asynchronous(WORKERS, 2, Some(6))
        },
        ..settings(WORKERS)
    }
}

/// The run of `first` once more, in threads.
fn replayed(settings: AdboSettings, problems: &[Bent], first: &Outcome) {
    let log = &first.state.log;
    let adbo = Adbo::new(settings, WORKERS).expect("settings");
    let stop = Stop::after(first.state.iteration);
    let again = run_in_threads(
        &adbo,
        problems,
        |c| Replay::new(c, log),
        at_zero(problems),
        stop,
    );
    assert_eq!(again.state, first.state);
    for (a, b) in again.reports.iter().zip(&first.reports) {
        assert_eq!(
            (&a.active, a.staleness, a.distance),
            (&b.active, b.staleness, b.distance)
        );
    }
}

#[test]
fn a_run_in_threads_is_replayed() {
    let problems = Bent::several(WORKERS, 2, 4, 51);
    let settings = adbo(OnLoss::Freeze);
    let method = Adbo::new(settings, WORKERS).expect("settings");
    let stop = Stop::after(300);
    let first = run_in_threads(&method, &problems, |c| c, at_zero(&problems), stop);
    replayed(settings, &problems, &first);
}

/// Losses, returns and frozen workers too, though in the replay nothing of that happens.
#[test]
fn losses_are_replayed() {
    let problems = Bent::several(WORKERS, 2, 4, 52);
    let fault = |ms, worker, kind| Fault {
        at: Duration::from_millis(ms),
        worker: WorkerId(worker),
        kind,
    };
    for on_loss in [OnLoss::Freeze, OnLoss::Drop] {
        let simulation = SimulationSettings {
            faults: vec![
                fault(300, 1, FaultKind::Crash),
                fault(900, 1, FaultKind::Restart),
                fault(500, 3, FaultKind::Freeze(Duration::from_millis(800))),
                fault(2000, 0, FaultKind::Crash),
                fault(3000, 0, FaultKind::Restart),
            ],
            lease: Some(Duration::from_millis(100)),
            retry: Some(Duration::from_millis(500)),
            ..lognormal(53)
        };
        let settings = adbo(on_loss);
        let stop = Stop::after(300);
        let first = simulate(settings, &problems, simulation, at_zero(&problems), stop);
        let lost = |arrival: &&Arrival| matches!(arrival, Arrival::Lost(_));
        assert_eq!(first.state.log.iter().filter(lost).count(), 3);
        replayed(settings, &problems, &first);
    }
}

/// In another order the iterates are others: the log is not idle.
#[test]
fn the_order_matters() {
    let problems = Bent::several(WORKERS, 2, 4, 54);
    let settings = adbo(OnLoss::Freeze);
    let run = |seed| {
        simulate(
            settings,
            &problems,
            lognormal(seed),
            at_zero(&problems),
            Stop::after(100),
        )
    };
    let (a, b) = (run(1), run(2));
    assert_ne!(a.state.v, b.state.v);
    assert_eq!(a.state, run(1).state);
}

/// After the end of the log events pass as they come.
#[test]
fn without_a_log_events_pass() {
    let problems = Bent::several(WORKERS, 2, 4, 55);
    let method = Adbo::new(settings(WORKERS), WORKERS).expect("settings");
    let stop = Stop::after(20);
    let none = |c| Replay::new(c, &[]);
    let through = run_in_threads(&method, &problems, none, at_zero(&problems), stop);
    let direct = run_in_threads(&method, &problems, |c| c, at_zero(&problems), stop);
    assert_eq!(through.state.v, direct.state.v);
}
