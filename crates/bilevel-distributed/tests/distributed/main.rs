//! The claims of the crate, tested through its public interface.

mod accounting;
mod active_set;
mod checkpoint;
mod codec;
mod conformance;
mod estimate;
mod faults;
mod fednest;
mod modules;
mod mutated;
mod planes;
mod problems;
mod reference;
mod replay;
mod synchrony;
mod toy;
mod waiting;
#[cfg(feature = "zenoh")]
mod zenoh;

use std::time::Duration;

use bilevel_distributed::communicator::{
    InProcess, Latency, MasterCommunicator, Simulated, SimulationSettings, WorkerId,
};
use bilevel_distributed::message::Precision;
use bilevel_distributed::{
    Adbo, AdboSettings, AdboState, Cuts, EstimateSettings, LocalProblem, Participation, Prune,
    Regularization, Report, Steps, Stop, Stopped, Worker,
};

/// A long time for threads that need none.
const PATIENCE: Duration = Duration::from_secs(60);

/// Steps of one size, no regularisation, planes every ten iterations, S = N.
fn settings(workers: usize) -> AdboSettings {
    AdboSettings {
        steps: Steps {
            x: 0.05,
            y: 0.05,
            v: 0.05,
            z: 0.05,
            lambda: 0.5,
            theta: 0.05,
            largest_lambda: f64::INFINITY,
            largest_theta: f64::INFINITY,
        },
        lambda_regularization: Regularization::Constant(0.0),
        theta_regularization: Regularization::Constant(0.0),
        estimate: EstimateSettings {
            rounds: 1,
            lower_step: 0.1,
            consensus_step: 0.1,
            multiplier_step: 0.1,
            penalty: 1.0,
        },
        cuts: Cuts {
            every: 10,
            until: usize::MAX,
            epsilon: 1e-2,
            most: 50,
            prune: Prune::IdleTwice,
        },
        participation: Participation::synchronous(workers),
        precision: Precision::Double,
    }
}

/// S of N, and nobody later than τ.
fn asynchronous(workers: usize, active: usize, staleness: Option<usize>) -> Participation {
    Participation {
        active,
        staleness,
        min_live: 1,
        ..Participation::synchronous(workers)
    }
}

/// Delays as in the authors' experiments: half of them below 30 ms.
fn lognormal(seed: u64) -> SimulationSettings {
    SimulationSettings {
        latency: Latency::LogNormal {
            median: Duration::from_millis(30),
            sigma: 1.0,
        },
        seed,
        ..SimulationSettings::ideal()
    }
}

/// What came of a run.
struct Outcome {
    state: AdboState,
    stopped: Stopped,
    reports: Vec<Report>,
}

fn run_over(
    communicator: &mut dyn MasterCommunicator,
    adbo: &Adbo,
    start: AdboState,
    stop: Stop,
) -> Outcome {
    let mut reports = Vec::new();
    let mut keep = |_: &AdboState, report: &Report| reports.push(report.clone());
    let (state, stopped) = adbo
        .run(start, communicator, stop, &mut keep)
        .expect("a run that ends");
    Outcome {
        state,
        stopped,
        reports,
    }
}

/// In virtual time.
fn simulate<P: LocalProblem>(
    settings: AdboSettings,
    problems: &[P],
    simulation: SimulationSettings,
    start: AdboState,
    stop: Stop,
) -> Outcome {
    let make = |worker: WorkerId| Worker::new(&problems[worker.index()]);
    let mut communicator = Simulated::new(simulation, problems.len(), make).expect("a simulation");
    let adbo = Adbo::new(settings, problems.len()).expect("settings");
    run_over(&mut communicator, &adbo, start, stop)
}

/// With a thread for each worker; `around` is put around the communicator.
fn run_in_threads<P: LocalProblem + Sync, C: MasterCommunicator>(
    adbo: &Adbo,
    problems: &[P],
    around: impl FnOnce(InProcess) -> C,
    start: AdboState,
    stop: Stop,
) -> Outcome {
    std::thread::scope(|scope| {
        let (master, hub) = InProcess::new();
        for (i, problem) in problems.iter().enumerate() {
            let mut end = hub.connect(WorkerId(i as u32));
            scope.spawn(move || {
                Worker::new(problem)
                    .serve(&mut end, PATIENCE)
                    .expect("served")
            });
        }
        run_over(&mut around(master), adbo, start, stop)
    })
}
